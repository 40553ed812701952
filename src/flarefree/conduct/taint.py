"""How labels travel, and where one arrives that must not: found when the matrix is loaded, not in the trial.

A derived field, a message, a rule of the protocol has every label of what it is made from.  `find_leaks`
says where such a label reaches a role that is not cleared for it, with the way it took.  `Labeled` carries
labels through code that computes: its value comes out for a cleared reader only, and never through `str`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from flarefree.conduct.roles.matrix import PHASES, Cell, Forbidden, Matrix, Message
from flarefree.errors import ConductError

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol

__all__ = [
    "Labeled",
    "Leak",
    "combine",
    "find_leaks",
    "find_rule_leaks",
    "label_of_words",
    "message_fields",
    "render_message",
    "require_no_leaks",
    "require_no_rule_leaks",
]

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Leak:
    """A label where it must not be.

    Attributes
    ----------
    where : str
        `roles.monitor sees reports.unmasked (live)`, `messages.trough to investigator`.
    labels : tuple of str
        What the reader is not cleared for, sorted.
    way : tuple of str
        The fields that it came through, from its source.
    """

    where: str
    labels: tuple[str, ...]
    way: tuple[str, ...] = ()

    def __str__(self) -> str:
        way = " -> ".join(self.way)
        return f"{self.where}: {', '.join(self.labels)}" + (f", by {way}" if way else "")


def require_no_leaks(matrix: Matrix, name: str = "roles.yaml") -> None:
    """Refuse a matrix in which a label reaches somebody who is not cleared for it.

    Raises
    ------
    ConductError
        With the first leak, and how many there are.
    """
    leaks = find_leaks(matrix)
    if leaks:
        raise ConductError(
            "the matrix shows somebody what they must not see",
            where=name,
            found=f"{leaks[0]}" + (f"; {len(leaks) - 1} more" if len(leaks) > 1 else ""),
            expected="every reader cleared for every label of what is read; forbidden pairs apart",
            try_="a field without that label, or a declassifier with a check that shows it",
        )


def find_leaks(matrix: Matrix) -> tuple[Leak, ...]:
    """Every leak of a matrix: what roles read, what messages say, and what must not be held together."""
    return (*_read_leaks(matrix), *_message_leaks(matrix), *_forbidden_pairs(matrix))


def _read_leaks(matrix: Matrix) -> Iterator[Leak]:
    for cell in sorted(matrix.listed):
        missing = matrix.taints[cell.field] - matrix.roles[cell.role].clearance_in(cell.phase)
        if matrix.verbs[cell.verb].reads and missing:
            where = f"roles.{cell.role} may {cell.verb} {cell.field} ({cell.phase})"
            yield Leak(where, tuple(sorted(missing)), way_of(matrix, cell.field, min(missing)))


def _message_leaks(matrix: Matrix) -> Iterator[Leak]:
    for message in matrix.messages.values():
        for field in message_fields(matrix, message):
            for role in message.to:
                # A message may be sent in any phase in which its reader may see what it says; never before.
                phases = [p for p in PHASES if matrix.allows(role, "see", field, p)]
                missing = matrix.taints[field] - matrix.roles[role].clearance
                where = f"messages.{message.name} to {role} says {field}"
                if missing:
                    yield Leak(where, tuple(sorted(missing)), way_of(matrix, field, min(missing)))
                elif not phases:
                    yield Leak(where, ("a field that the role never sees",))


def _forbidden_pairs(matrix: Matrix) -> Iterator[Leak]:
    for role in matrix.roles:
        for pair, one, other in forbidden_of(matrix, [role]):
            words = f"{one.verb} {one.field} and {other.verb} {other.field}"
            yield Leak(f"roles.{role} has a forbidden pair, {pair.name}: {words}", ("forbidden",))


def forbidden_of(matrix: Matrix, roles: Iterable[str]) -> Iterator[tuple[Forbidden, Cell, Cell]]:
    """Forbidden pairs that somebody with these roles would hold; one example of each."""
    held = sorted(cell for cell in matrix.listed if cell.role in set(roles))
    for pair in matrix.forbidden:
        cells = [cell for cell in held if cell.phase in pair.phases]
        one = next((cell for cell in cells if matrix.matches(pair.one, cell)), None)
        other = next((cell for cell in cells if matrix.matches(pair.other, cell)), None)
        if one is not None and other is not None:
            yield pair, one, other


def way_of(matrix: Matrix, field: str, label: str) -> tuple[str, ...]:
    """The fields that a label came through: its source first, the field itself last."""
    sources = [s for s in matrix.fields[field].sources if label in matrix.taints[s]]
    return (*way_of(matrix, sources[0], label), field) if sources else (field,)


# Messages ----------------------------------------------------------------------------------------


def message_fields(matrix: Matrix, message: Message) -> tuple[str, ...]:
    """The fields that a message names in braces, read from its text.

    Raises
    ------
    ConductError
        It names what is no field, or something of a field: `{subject.number.__class__}`, `{x!r}`.
    """
    found = []
    for _, field, spec, conversion in Formatter().parse(message.text):
        if field is None:
            continue
        if field not in matrix.fields or spec or conversion:
            raise ConductError(
                "a message names what is no field",
                where=f"messages.{message.name}",
                found="{" + field + ("!" + conversion if conversion else "") + "}",
                expected="the name of a field, alone",
            )
        found.append(field)
    return tuple(dict.fromkeys(found))


def render_message(
    matrix: Matrix, name: str, role: str, phase: str, values: Mapping[str, str | Labeled[str]]
) -> str:
    """A message's text for a reader.

    Parameters
    ----------
    values : mapping of str to text
        By field: exactly those that the message names, so that nothing else is near it.

    Raises
    ------
    ConductError
        The message does not go to this role, the role does not see a field in this phase, or a value
        carries a label that its field has not.
    """
    message = matrix.messages[name]
    fields = message_fields(matrix, message)
    if role not in message.to or set(values) != set(fields):
        raise ConductError(
            "this message is not for this reader, or not of these fields",
            where=f"messages.{name}",
            found=f"to {role}, with {', '.join(sorted(values))}",
            expected=f"to {', '.join(message.to)}, with {', '.join(fields)}",
        )
    text = message.text
    parts = []
    for literal, field, _, _ in Formatter().parse(text):
        parts.append(literal)
        if field is not None:
            parts.append(_plain(matrix, field, values[field], role, phase))
    return "".join(parts)


def _plain(matrix: Matrix, field: str, value: str | Labeled[str], role: str, phase: str) -> str:
    if not matrix.allows(role, "see", field, phase):
        raise ConductError("a message says what its reader does not see", where=f"{field} to {role}, {phase}")
    return value.for_reader(matrix, role, phase) if isinstance(value, Labeled) else value


def label_of_words(matrix: Matrix, role: str, phase: str = "live") -> frozenset[str]:
    """The labels of what somebody in this role writes freely: all that they know may be in it."""
    return matrix.roles[role].clearance_in(phase)


# Values that carry labels ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Labeled(Generic[T]):
    """A value with its labels; it does not print, compare or format, and comes out for who is cleared.

    What is computed from it by `map` and `combine` has its labels too.  `declassified` takes labels away by
    a declassifier that the matrix names.
    """

    _value: T
    labels: frozenset[str]

    @classmethod
    def of_field(cls, matrix: Matrix, field: str, value: T) -> Labeled[T]:
        """A value with the labels of its field."""
        return cls(value, matrix.taints[field])

    def map(self, compute: Callable[[T], U]) -> Labeled[U]:
        """What is computed from it."""
        return Labeled(compute(self._value), self.labels)

    def declassified(self, matrix: Matrix, declassifier: str, compute: Callable[[T], U]) -> Labeled[U]:
        """What a declassifier makes of it, without the labels that it removes."""
        return Labeled(compute(self._value), self.labels - matrix.declassifiers[declassifier].removes)

    def for_reader(self, matrix: Matrix, role: str, phase: str) -> T:
        """The value, for a role that is cleared.

        Raises
        ------
        ConductError
            It is not cleared; the value is not in the message.
        """
        missing = self.labels - matrix.roles[role].clearance_in(phase)
        if missing:
            raise ConductError(
                "the reader is not cleared for this",
                where=f"{role}, {phase}",
                found=", ".join(sorted(missing)),
                expected=", ".join(sorted(matrix.roles[role].clearance_in(phase))),
            )
        return self._value

    def __repr__(self) -> str:
        return f"<labeled {', '.join(sorted(self.labels))}>"

    def _refuse(self, *_: object) -> NoReturn:
        raise ConductError(
            "a labeled value is not printed, compared or tested",
            where=repr(self),
            try_="map(...) to compute with it, for_reader(...) to show it",
        )

    __str__ = __format__ = __eq__ = __bool__ = __len__ = __iter__ = __lt__ = _refuse
    __hash__ = _refuse
    __reduce_ex__ = _refuse


def combine(compute: Callable[..., U], *values: Labeled[Any]) -> Labeled[U]:
    """What is computed from several; it has the labels of all, whichever of them it used."""
    labels = frozenset().union(*(value.labels for value in values))
    return Labeled(compute(*(value._value for value in values)), labels)


# Rules of the protocol ---------------------------------------------------------------------------


def find_rule_leaks(matrix: Matrix, protocol: LoadedProtocol) -> tuple[Leak, ...]:
    """Where an endpoint of the protocol rests on what its readers must not see.

    An endpoint becomes cases, which the committee reads, and decisions, which blinded people read.  It
    must not rest on a measure that gives the arm away (the trough of a study drug), on records of study
    drug, or on adverse events.
    """
    from flarefree.conduct.rule_taint import taints_of_endpoints

    allowed = frozenset().union(
        *(matrix.roles[c.role].clearance for c in matrix.listed if c.verb in {"vote", "decide", "prepare"})
    )
    leaks = []
    for name, found in taints_of_endpoints(protocol).items():
        for label, way in sorted(found.items()):
            if label not in allowed:
                leaks.append(Leak(f"{protocol.place(f'endpoints.{name}')}", (label,), way))
    return tuple(leaks)


def require_no_rule_leaks(matrix: Matrix, protocol: LoadedProtocol) -> None:
    """Refuse to go live with an endpoint that would show the committee what it must not see.

    Raises
    ------
    ConductError
    """
    leaks = find_rule_leaks(matrix, protocol)
    if leaks:
        raise ConductError(
            "an endpoint rests on what the committee must not see",
            where=leaks[0].where,
            found=str(leaks[0]),
            expected="measures and records that give nothing away",
            try_="have it decided outside the committee (adjudicated: false), or rest it on other measures",
        )
