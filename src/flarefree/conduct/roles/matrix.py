"""The matrix: role, verb, field, phase; read from `roles.yaml` and found consistent, or refused.

A cell that is not listed is denied.  A listed one is refused at loading where its role is not cleared for
every label of its field, derived ones included, or where a role would hold two things that must stay
apart: such a matrix never comes into force.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib import resources
from itertools import product
from types import MappingProxyType
from typing import Literal, TypeVar

from flarefree.errors import ConductError

__all__ = [
    "PHASES",
    "Cell",
    "Declassifier",
    "Field",
    "Forbidden",
    "Matrix",
    "Message",
    "Role",
    "Side",
    "Verb",
    "built_in_text",
    "load_matrix",
]

PHASES = ("before_go_live", "live", "locked", "unblinded")
OPEN = "open"

K = TypeVar("K")
V = TypeVar("V")
Scope = Literal["all", "own_site", "assigned_cases"]
About = Literal["trial", "site", "subject", "case"]


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One square of the matrix."""

    role: str
    verb: str
    field: str
    phase: str


@dataclass(frozen=True, slots=True)
class Field:
    """A field, or a family of fields that are shown and hidden together.

    Attributes
    ----------
    about : {"trial", "site", "subject", "case"}
        What one value of it belongs to; says which scope applies.
    label : str
        Its own; empty if it is derived.
    sources : tuple of str
        The fields that it is derived from.
    through : str
        The declassifier that it passes, if any.
    """

    name: str
    about: About
    label: str = ""
    sources: tuple[str, ...] = ()
    through: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Declassifier:
    """A piece of code that takes labels away, with the number of the check that shows that it does."""

    name: str
    removes: frozenset[str]
    check: str
    why: str


@dataclass(frozen=True, slots=True)
class Verb:
    """What can be done; who does what `reads` must be cleared for the field's labels."""

    name: str
    reads: bool
    means: str


@dataclass(frozen=True, slots=True)
class Role:
    """A role of persons, with its clearance before and after the key is released."""

    name: str
    title: str
    scope: Scope
    clearance: frozenset[str]
    clearance_when_unblinded: frozenset[str]

    def clearance_in(self, phase: str) -> frozenset[str]:
        """The labels that it may read."""
        return self.clearance_when_unblinded if phase == "unblinded" else self.clearance


@dataclass(frozen=True, slots=True)
class Message:
    """A text that leaves the system, with fields in braces."""

    name: str
    to: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Side:
    """Cells of one kind: those that match each of what is given; nothing given matches all."""

    verbs: frozenset[str]
    fields: frozenset[str]
    labels: frozenset[str]
    abouts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Forbidden:
    """Two things that nobody may have together, in any of these phases.

    `for_ever`: nor one after the other, since what was seen stays known.
    """

    name: str
    one: Side
    other: Side
    phases: tuple[str, ...]
    for_ever: bool


@dataclass(frozen=True, slots=True)
class Matrix:
    """Who may do what with which field in which phase.

    Attributes
    ----------
    labels : mapping of str to str
        Labels and their meaning.
    fields, verbs, roles, declassifiers, messages : mapping by name
    forbidden : tuple of Forbidden
    logged_reads : frozenset of str
        Labels whose reading is an entry of the log.
    listed : frozenset of Cell
        What is allowed; nothing else is.
    taints : mapping of str to frozenset of str
        The labels of every field, inherited ones included.
    digest : str
        SHA-256 of what the file says; recorded at go-live, so that a running trial knows its matrix.
    """

    labels: Mapping[str, str]
    fields: Mapping[str, Field]
    verbs: Mapping[str, Verb]
    roles: Mapping[str, Role]
    declassifiers: Mapping[str, Declassifier]
    messages: Mapping[str, Message]
    forbidden: tuple[Forbidden, ...]
    logged_reads: frozenset[str]
    listed: frozenset[Cell]
    taints: Mapping[str, frozenset[str]]
    digest: str

    def __repr__(self) -> str:
        return (
            f"<matrix {self.digest[:12]}: {len(self.roles)} roles, {len(self.verbs)} verbs, "
            f"{len(self.fields)} fields, {len(PHASES)} phases; {len(self.listed)} cells allowed>"
        )

    def allows(self, role: str, verb: str, field: str, phase: str) -> bool:
        """Whether a cell is listed; a role, verb, field or phase that nobody knows is not."""
        return Cell(role, verb, field, phase) in self.listed

    def every_cell(self) -> Iterator[Cell]:
        """The whole grid, allowed or not, in the order of the file."""
        for role, verb, field, phase in product(self.roles, self.verbs, self.fields, PHASES):
            yield Cell(role, verb, field, phase)

    def is_cleared(self, role: str, field: str, phase: str) -> bool:
        """Whether a role may know every label of a field."""
        return self.taints[field] <= self.roles[role].clearance_in(phase)

    def matches(self, side: Side, cell: Cell) -> bool:
        """Whether a cell is one of a forbidden side's."""
        return (
            (not side.verbs or cell.verb in side.verbs)
            and (not side.fields or cell.field in side.fields)
            and (not side.labels or bool(side.labels & self.taints[cell.field]))
            and (not side.abouts or self.fields[cell.field].about in side.abouts)
        )

    @property
    def blinded_roles(self) -> tuple[str, ...]:
        """Roles that may not know the arm, nor what gives it away, while the trial is blinded."""
        secret = {"arm", "arm_revealing"}
        return tuple(name for name, role in self.roles.items() if not secret & role.clearance)


def built_in_text() -> str:
    """The text of `roles.yaml`."""
    return resources.files("flarefree.conduct.roles").joinpath("roles.yaml").read_text("utf-8")


@lru_cache(maxsize=1)
def _built_in() -> Matrix:
    return _load(built_in_text(), "roles.yaml")


def load_matrix(text: str | None = None, *, name: str = "roles.yaml") -> Matrix:
    """The built-in matrix, or the one that a text says.

    Parameters
    ----------
    text : str, optional
        YAML of the form of `roles.yaml`; the built-in one unless given.
    name : str
        The file, as errors print it.

    Raises
    ------
    ConductError
        A name is not known, a role reads what it is not cleared for, a tainted field reaches a message, or
        a role has two things that must stay apart; with the line.
    ProtocolError
        The text is no YAML.
    """
    return _built_in() if text is None else _load(text, name)


def _load(text: str, name: str) -> Matrix:
    from flarefree.conduct.roles.reading import read_matrix
    from flarefree.conduct.taint import require_no_leaks

    matrix = read_matrix(text, name)
    require_no_leaks(matrix, name)
    return matrix


def digest_of(values: object) -> str:
    """SHA-256 of what a matrix says; spaces, comments and the order of keys do not count."""
    told = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(b"flarefree role matrix 1\n" + told.encode()).hexdigest()


def frozen(mapping: dict[K, V]) -> Mapping[K, V]:
    """A mapping that cannot be changed."""
    return MappingProxyType(mapping)


def unknown(what: str, name: object, known: Iterable[object], where: str) -> ConductError:
    """A name that nobody knows."""
    near = get_close_matches(str(name), [str(k) for k in known], 1)
    return ConductError(
        f"there is no such {what}", where=where, found=repr(name)[:80], try_=near[0] if near else ""
    )
