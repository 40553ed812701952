"""The endpoint language as frozen nodes: what a sentence says, checked when it is made.

A sentence is read at one **assessment** of one patient, and is true, false or unknown there
(Kleene's three values: a missing value is unknown, never absent).  The nodes are in three groups:

```text
values       Quantity, Text, Measure, Reference, Arithmetic, Conditional, CountOf, DaysSince
conditions   Comparison, IsKnown, And, Or, Not, Holds, Confirmed, Sustained, Earlier, InWindow
records      Records (any adverse event, medication ... where FieldTest / And / Or / Not)
subjects     SubjectFact (randomized, dosed, assessed(x) ...)
```

`Node.span` is where it stands in its sentence, for carets and for walking back from a number.
Grammar: `grammar.lark`.  Printing: `printing.py`.  Units and types: `checking.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = [
    "And",
    "Arithmetic",
    "ArithmeticOperator",
    "Comparison",
    "ComparisonOperator",
    "Conditional",
    "Confirmed",
    "CountOf",
    "DaysSince",
    "Earlier",
    "FieldTest",
    "FieldTestOperator",
    "Holds",
    "InWindow",
    "IsKnown",
    "Measure",
    "Node",
    "Not",
    "Or",
    "Quantity",
    "RecordTable",
    "Records",
    "Reference",
    "ReferenceKind",
    "Span",
    "SubjectFact",
    "Sustained",
    "Text",
]


@dataclass(frozen=True, slots=True)
class Span:
    """Where a node stands in its sentence: character offsets, end exclusive."""

    start: int
    end: int


NOWHERE = Span(0, 0)


def _require(is_so: bool, rule: str) -> None:
    if not is_so:
        raise ValueError(rule)


class _Hashed:
    """Room for a hash that is computed once: a long sentence is looked up very often."""

    __slots__ = ("_hash",)
    _hash: int


@dataclass(frozen=True, slots=True)
class Node(_Hashed):
    """Anything in a sentence.  Equality ignores where it stands."""

    span: Span = field(default=NOWHERE, compare=False, repr=False, kw_only=True)


# Values ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Quantity(Node):
    """A number with its unit: `2 g/day`; the unit of a bare number is `""`, of a percentage `%`.

    Where loading has converted it to a measure's unit, `written` keeps the spelling of the sentence.
    """

    value: float
    unit: str = ""
    written: str = field(default="", compare=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        _require(math.isfinite(self.value), "a quantity is a finite number")


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A quoted word: `"MMF"`; compared with covariates and record fields."""

    value: str


@dataclass(frozen=True, slots=True)
class Measure(Node):
    """A measure's value at this assessment, or a covariate of the patient: `proteinuria`, `race`."""

    name: str


class ReferenceKind(StrEnum):
    """Which earlier or outer value a measure is held against: trials differ in exactly this."""

    BASELINE = "baseline"  # the last value at or before day 1 (protocol.baseline says how)
    LOWEST = "lowest"
    HIGHEST = "highest"
    PREVIOUS = "previous"  # the last known value before this assessment
    LAST = "last"  # the last known value at or before this assessment
    FIRST = "first"  # the first known value (after day 1 unless an epoch is named)
    AT_FIRST = "at_first"  # the value at the first assessment at which `condition` held
    UPPER_LIMIT = "upper_limit"  # of normal, of this assessment's laboratory
    LOWER_LIMIT = "lower_limit"
    CHANGE = "change"  # value - baseline
    PERCENT_CHANGE = "percent_change"  # 100 (value - baseline) / baseline


EPOCH_REFERENCES = frozenset({ReferenceKind.LOWEST, ReferenceKind.HIGHEST, ReferenceKind.FIRST})
"""References that may be limited to an epoch."""


@dataclass(frozen=True, slots=True)
class Reference(Node):
    """A reference value of a measure.

    `lowest` and `highest` look within `epoch` where one is named (`lowest(creatinine, during
    induction)`), else over everything before this assessment (`lowest(creatinine, so far)`).  A
    reference to a yes/no measure is a condition: `not baseline(cellular_casts)`.
    """

    kind: ReferenceKind
    measure: Measure
    epoch: str = ""
    condition: Node | None = None

    def __post_init__(self) -> None:
        _require(not self.epoch or self.kind in EPOCH_REFERENCES, f"{self.kind} looks at no epoch")
        has_condition = self.condition is not None
        _require(has_condition == (self.kind is ReferenceKind.AT_FIRST), "only at_first asks for a condition")


class ArithmeticOperator(StrEnum):
    """Arithmetic on values; units are checked when the protocol is loaded."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """`2 * baseline(upcr)`; unknown if either side is."""

    operator: ArithmeticOperator
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    """`(1 g/day if baseline(proteinuria) <= 0.5 g/day else 2 g/day)`; unknown if its condition is."""

    then: Node
    condition: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class CountOf(Node):
    """How many of a list of conditions hold now: `count(a, b, c) >= 2`."""

    operands: tuple[Node, ...]

    def __post_init__(self) -> None:
        _require(len(self.operands) > 0, "count takes at least one condition")


@dataclass(frozen=True, slots=True)
class DaysSince(Node):
    """`days_since(x)`: days from the latest assessment at which x held to this one."""

    operand: Node


# Conditions ------------------------------------------------------------------------------------


class ComparisonOperator(StrEnum):
    """Comparisons; both sides are in one unit after the protocol is loaded."""

    GE = ">="
    GT = ">"
    LE = "<="
    LT = "<"
    EQ = "="
    NE = "!="


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """`proteinuria >= 1 g/day`; unknown if either side is."""

    operator: ComparisonOperator
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class IsKnown(Node):
    """`red_cells is known`: never unknown itself."""

    operand: Node


@dataclass(frozen=True, slots=True)
class And(Node):
    """All of them: false if one is false, else unknown if one is."""

    operands: tuple[Node, ...]

    def __post_init__(self) -> None:
        _require(len(self.operands) > 1, "and joins at least two conditions")


@dataclass(frozen=True, slots=True)
class Or(Node):
    """Any of them: true if one is true, else unknown if one is."""

    operands: tuple[Node, ...]

    def __post_init__(self) -> None:
        _require(len(self.operands) > 1, "or joins at least two conditions")


@dataclass(frozen=True, slots=True)
class Not(Node):
    """Unknown stays unknown."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Holds(Node):
    """A yes/no measure (`cellular_casts`), or another endpoint by name: a state at this
    assessment (`complete_remission`), or an event that has begun by it (`renal_flare`).
    """

    name: str


@dataclass(frozen=True, slots=True)
class Confirmed(Node):
    """`confirmed(x, within 14 to 42 days)`: x here, and again `first_day` to `last_day` days later.

    True if x is true here and at any assessment in that window (both ends count); unknown if x is
    unknown here, or is true here and no assessment in the window says either way; else false.
    The confirming assessment is the first true one.
    """

    operand: Node
    first_day: int
    last_day: int

    def __post_init__(self) -> None:
        _require(0 < self.first_day <= self.last_day, "confirmation is some days later, first to last")


@dataclass(frozen=True, slots=True)
class Sustained(Node):
    """`sustained(x, for 28 days)`: x here and at every assessment up to the first one at least
    `days` days later, that one too; unknown if follow-up ends before, or one of them is unknown
    and none is false.
    """

    operand: Node
    days: int

    def __post_init__(self) -> None:
        _require(self.days > 0, "what is sustained lasts at least a day")


@dataclass(frozen=True, slots=True)
class Earlier(Node):
    """`was(x)`: x at some assessment strictly before this one; `previously(x)`: at the one before.

    With `epoch`, only assessments of that epoch count.
    """

    operand: Node
    only_previous: bool = False
    epoch: str = ""


@dataclass(frozen=True, slots=True)
class InWindow(Node):
    """`x during maintenance`, `x after day 14`: x, and this assessment is of that time.

    Either an epoch, or days, both ends counted: `after day 14` begins on day 15, `before day 14`
    ends on day 13.
    """

    operand: Node
    epoch: str = ""
    first_day: int | None = None
    last_day: int | None = None

    def __post_init__(self) -> None:
        has_days = self.first_day is not None or self.last_day is not None
        _require(bool(self.epoch) != has_days, "a window is an epoch or days, not both")
        _require(0 not in (self.first_day, self.last_day), "there is no day 0")


# Records ---------------------------------------------------------------------------------------


class RecordTable(StrEnum):
    """Tables whose records can be events of themselves."""

    ADVERSE_EVENT = "adverse_event"
    MEDICATION = "medication"
    PROCEDURE = "procedure"
    CLINICAL_EVENT = "clinical_event"
    DISPOSITION = "disposition"
    MEDICAL_HISTORY = "medical_history"
    DEATH = "death"


class FieldTestOperator(StrEnum):
    """How a record's field is tested; text is compared without regard to case."""

    EQ = "="
    NE = "!="
    IN = "in"
    CONTAINS = "contains"  # any of the values
    STARTS_WITH = "starts with"
    GE = ">="
    GT = ">"
    LE = "<="
    LT = "<"
    IS_TRUE = "is true"


@dataclass(frozen=True, slots=True)
class FieldTest(Node):
    """A test on one field of a record: `body_system = "Infections"`, `duration >= 28 days`, `serious`.

    Fields are the columns of `flarefree.records.tables` without `is_`, and two computed ones:
    `emergent` (treatment-emergent by the protocol's window) and `duration` (days, both ends counted;
    one that has not ended lasts to the end of follow-up).
    """

    field: str
    operator: FieldTestOperator
    values: tuple[Text | Quantity, ...] = ()

    def __post_init__(self) -> None:
        _require(bool(self.values) != (self.operator is FieldTestOperator.IS_TRUE), "a test needs a value")


@dataclass(frozen=True, slots=True)
class Records(Node):
    """`medication where indication contains "nephritis" and drug in (...)`: dated by its start."""

    table: RecordTable
    where: Node | None = None


# Subjects --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SubjectFact(Node):
    """A fact about a patient as a whole, for populations.

    `randomized`; `dosed`; `assessed(x, y)`: at least one known value of any of the measures after
    day 1; `attended("WEEK 24")`; `completed`: the disposition says so.
    """

    name: str
    arguments: tuple[str, ...] = ()


def _hashed_once(kind: type[Node]) -> None:
    """Let a node keep its hash; it goes with no copy to another process, whose strings hash differently."""
    compute = kind.__hash__

    def hash_once(node: Node) -> int:
        try:
            return node._hash
        except AttributeError:
            object.__setattr__(node, "_hash", compute(node))
            return node._hash

    kind.__hash__ = hash_once  # type: ignore[method-assign, assignment]


for _kind in [value for value in globals().values() if isinstance(value, type) and issubclass(value, Node)]:
    _hashed_once(_kind)
