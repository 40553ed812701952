"""What a person sees and may do: the matrix, and to whom the row belongs.

The matrix says what a role may do with a field in a phase; here comes the row: its site, and who a case was
assigned to.  A denial says the same whether something is forbidden, is another site's or does not exist.
Nothing here knows an arm, so no answer can depend on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from flarefree.conduct.roles.matrix import PHASES, Matrix
from flarefree.errors import ConductError

__all__ = [
    "Actor",
    "Decision",
    "Target",
    "decide",
    "find_widenings",
    "require_allowed",
    "require_matrix_of_trial",
    "require_no_widening",
    "visible_fields",
    "visible_rows",
]

T = TypeVar("T")

_NOT_FOUND = "there is nothing here for you"
"""The one text of every denial: 403 and 404 would tell what exists."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody acting in one role.

    Attributes
    ----------
    person : str
        Account.
    role : str
    sites : frozenset of str
        The sites that they work at, or monitor.
    """

    person: str
    role: str
    sites: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Target:
    """What a row belongs to.

    Attributes
    ----------
    site : str
        Empty for what belongs to no site.
    assigned_to : frozenset of str
        Persons to whom a case was assigned.
    """

    site: str = ""
    assigned_to: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether something may be done, and whether doing it is an entry of the log.

    Attributes
    ----------
    is_allowed : bool
    is_logged : bool
        Every allowed act but reading is; reading is where the field is one of `logged_reads`.
    reason : str
        For the log, not for the person: which rule denied.
    """

    is_allowed: bool
    is_logged: bool = False
    reason: str = ""

    @property
    def text(self) -> str:
        """What the person is told."""
        return "" if self.is_allowed else _NOT_FOUND


def decide(
    matrix: Matrix, actor: Actor, verb: str, field: str, phase: str, target: Target | None = None
) -> Decision:
    """Whether somebody may do something with a field of a row.

    Parameters
    ----------
    matrix : Matrix
    actor : Actor
    verb, field, phase : str
        As the matrix names them; names that it does not know are denied.
    target : Target, optional
        What the row belongs to; None for fields about the trial.
    """
    if not matrix.allows(actor.role, verb, field, phase):
        return Decision(False, reason="not in the matrix")
    denied = _out_of_scope(matrix, actor, field, target)
    if denied:
        return Decision(False, reason=denied)
    is_read = verb == "see"
    return Decision(True, not is_read or bool(matrix.taints[field] & matrix.logged_reads))


def _out_of_scope(matrix: Matrix, actor: Actor, field: str, target: Target | None) -> str:
    about, scope = matrix.fields[field].about, matrix.roles[actor.role].scope
    if about == "trial":
        return ""
    if target is None:
        return "a row without its site or case"
    if about == "case" and target.site in actor.sites:
        return "a case of the reader's own site"
    match scope:
        case "all":
            return ""
        case "own_site":
            return "" if target.site and target.site in actor.sites else "another site"
        case "assigned_cases":
            return "" if about == "case" and actor.person in target.assigned_to else "not assigned"


def require_allowed(
    matrix: Matrix, actor: Actor, verb: str, field: str, phase: str, target: Target | None = None
) -> Decision:
    """The decision, if it allows.

    Raises
    ------
    ConductError
        In words that do not tell why, nor whether the row exists.
    """
    decision = decide(matrix, actor, verb, field, phase, target)
    if not decision.is_allowed:
        raise ConductError(_NOT_FOUND)
    return decision


def visible_fields(
    matrix: Matrix, actor: Actor, phase: str, row: Mapping[str, T], target: Target | None = None
) -> dict[str, T]:
    """The fields of a row that somebody sees, in the matrix's order; a hidden one has no key.

    The order is the matrix's and not the row's, so that it cannot tell how the row was put together.
    """
    return {
        name: row[name]
        for name in matrix.fields
        if name in row and decide(matrix, actor, "see", name, phase, target).is_allowed
    }


def visible_rows(
    matrix: Matrix, actor: Actor, phase: str, rows: Iterable[tuple[Target, Mapping[str, T]]]
) -> tuple[dict[str, T], ...]:
    """The rows of which somebody sees anything; others are not there, nor counted."""
    shown = (visible_fields(matrix, actor, phase, row, target) for target, row in rows)
    return tuple(row for row in shown if row)


# The matrix of a running trial -------------------------------------------------------------------


def require_matrix_of_trial(matrix: Matrix, digest_at_go_live: str) -> None:
    """Refuse to serve a trial by another matrix than it went live with, or than was approved since.

    Raises
    ------
    ConductError
    """
    if matrix.digest != digest_at_go_live:
        raise ConductError(
            "the role matrix is not the one that this trial runs by",
            where="roles.yaml",
            found=f"SHA-256 {matrix.digest}",
            expected=digest_at_go_live,
            try_="start with the matrix of go-live, or have a narrower one approved",
        )


def find_widenings(old: Matrix, new: Matrix) -> tuple[str, ...]:
    """What a new matrix would show or let pass that the old one does not; sorted texts.

    Only what concerns blinding: cells on fields that give the arm away, clearances, labels that a field
    would lose, declassifiers that would remove more, forbidden pairs that would be gone.
    """
    found = {
        *_wider_cells(old, new),
        *_wider_clearances(old, new),
        *_lost_labels(old, new),
        *_new_declassifications(old, new),
    }
    for name, declassifier in new.declassifiers.items():
        before = old.declassifiers.get(name)
        if before is None or declassifier.removes - before.removes:
            found.add(f"declassifier {name} removes more")
    found |= {f"forbidden pair gone: {pair.name}" for pair in old.forbidden if pair not in new.forbidden}
    found |= {f"reads of {label} would not be logged" for label in old.logged_reads - new.logged_reads}
    return tuple(sorted(found))


_SECRET = frozenset({"arm", "arm_revealing"})


def _wider_cells(old: Matrix, new: Matrix) -> Iterable[str]:
    for cell in sorted(new.listed - old.listed):
        labels = old.taints.get(cell.field, frozenset()) | new.taints[cell.field]
        if labels & _SECRET:
            yield f"{cell.role} may {cell.verb} {cell.field} ({cell.phase})"


def _wider_clearances(old: Matrix, new: Matrix) -> Iterable[str]:
    for role, phase in ((role, phase) for role in new.roles for phase in PHASES):
        before = old.roles[role].clearance_in(phase) if role in old.roles else frozenset()
        more = (new.roles[role].clearance_in(phase) - before) & _SECRET
        if more:
            yield f"{role} cleared for {', '.join(sorted(more))} ({phase})"


def _lost_labels(old: Matrix, new: Matrix) -> Iterable[str]:
    for name, taint in old.taints.items():
        lost = (taint - new.taints.get(name, taint)) & _SECRET
        if lost:
            yield f"{name} loses {', '.join(sorted(lost))}"
    for name, verb in old.verbs.items():
        if verb.reads and name in new.verbs and not new.verbs[name].reads:
            yield f"{name} would count as not reading"


def _new_declassifications(old: Matrix, new: Matrix) -> Iterable[str]:
    """A declassifier was shown to work for the fields that passed it; for another one nobody has looked."""
    for name, field in new.fields.items():
        inherited = frozenset[str]().union(*(new.taints[source] for source in field.sources))
        if field.through and inherited & _SECRET and old.fields.get(name) != field:
            yield f"{name} is newly passed through {field.through}"


def require_no_widening(old: Matrix, new: Matrix, phase: str) -> None:
    """While arms are masked, a matrix may be replaced only by one that shows no more of them.

    Raises
    ------
    ConductError
        It would; there is no option, setting or variable that lets it pass.
    """
    widenings = find_widenings(old, new) if phase in {"live", "locked"} else ()
    if widenings:
        raise ConductError(
            "blinding cannot be widened while the trial is blinded",
            where=f"roles.yaml, phase {phase}",
            found="; ".join(widenings[:3]) + (f"; {len(widenings) - 3} more" if len(widenings) > 3 else ""),
            expected="a matrix that shows no more of the arms than the one in force",
        )
