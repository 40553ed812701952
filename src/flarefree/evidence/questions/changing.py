"""A living run: what came, went or changed since an earlier one, which number moved, and by which study.

Rows are compared by study and arm.  A number that moved is computed again from the earlier rows with one
study's change at a time (leave-one-in): what each change does by itself stands beside what all do together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from flarefree.errors import EvidenceError
from flarefree.evidence.questions.comparing import Number, numbers_of, pool
from flarefree.evidence.questions.gathering import BaseRow
from flarefree.evidence.questions.schema import OutcomeAsked

if TYPE_CHECKING:
    from flarefree.evidence.questions.answering import Answer, OutcomeAnswer

__all__ = ["Changes", "InputChange", "Moved", "Share", "StatusChange", "changes_since"]

CLOSE = 1e-9  # of the logarithm or the difference: closer than this is the same number
_COMPARED = ("treatment", "n", "events", "mean", "sd", "time", "status", "source", "year", "label")
_POOLED = ("treatment", "n", "events", "mean", "sd", "year", "label")

What = Literal["came", "went", "changed"]


@dataclass(frozen=True, slots=True)
class InputChange:
    """A study's rows of one outcome that came, went or changed; `told` says what."""

    outcome: str
    study: str
    label: str
    what: What
    told: str
    moves_numbers: bool


@dataclass(frozen=True, slots=True)
class Share:
    """What one change does by itself to a number: from the earlier one to `estimate`."""

    cause: str
    estimate: float | None
    conf_low: float | None
    conf_high: float | None


@dataclass(frozen=True, slots=True)
class Moved:
    """A pooled number that is another now; None where it did not or does not exist."""

    key: str
    outcome: str
    kind: str
    treatment: str
    against: str
    measure: str
    before: tuple[float, float, float] | None
    after: tuple[float, float, float] | None
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class StatusChange:
    """What a trial-sequential analysis said then and says now."""

    key: str
    before: str
    after: str

    @property
    def is_other(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class Changes:
    """All that differs from an earlier run.

    Attributes
    ----------
    from_digest, to_digest : str
        Of the inputs, then and now.
    question_changed, base_changed : bool
    program : (str, str)
        Versions, then and now.
    inputs : tuple of InputChange
    settings : tuple of (outcome, setting, before, after)
    moved : tuple of Moved
    unmoved : int
        Numbers that are the same.
    statuses : tuple of StatusChange
    """

    from_digest: str
    to_digest: str
    question_changed: bool
    base_changed: bool
    program: tuple[str, str]
    inputs: tuple[InputChange, ...]
    settings: tuple[tuple[str, str, str, str], ...]
    moved: tuple[Moved, ...]
    unmoved: int
    statuses: tuple[StatusChange, ...]

    @property
    def is_same(self) -> bool:
        """Whether nothing that is pooled, and no number, differs."""
        return not (self.inputs or self.settings or self.moved)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        from dataclasses import asdict

        return asdict(self)


def changes_since(earlier: Mapping[str, Any], answer: Answer) -> Changes:
    """What changed since `earlier`, the record of a run of the same question.

    Raises
    ------
    EvidenceError
        The record is of another question.
    """
    if earlier["question"]["name"] != answer.spec.name:
        raise EvidenceError(
            "the earlier run is of another question",
            where="since",
            found=str(earlier["question"]["name"]),
            expected=answer.spec.name,
        )
    now = answer.record()
    inputs = [change for name in _outcomes(earlier, now) for change in _input_changes(name, earlier, now)]
    settings = [each for name in _outcomes(earlier, now) for each in _setting_changes(name, earlier, now)]
    moved = list(_moved(earlier, answer, now, inputs, settings))
    return Changes(
        from_digest=earlier["digests"]["inputs"],
        to_digest=now["digests"]["inputs"],
        question_changed=earlier["question"]["sha256"] != now["question"]["sha256"],
        base_changed=earlier["base"]["sha256"] != now["base"]["sha256"],
        program=(str(earlier["program"]["version"]), str(now["program"]["version"])),
        inputs=tuple(inputs),
        settings=tuple(settings),
        moved=tuple(moved),
        unmoved=len(_by_key(now["numbers"])) - sum(1 for each in moved if each.after is not None),
        statuses=tuple(_statuses(earlier, now)),
    )


def _outcomes(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys((*now["inputs"], *earlier["inputs"])))


# Inputs --------------------------------------------------------------------------------------------------


def _rows(record: Mapping[str, Any], outcome: str) -> dict[str, dict[str, dict[str, Any]]]:
    """By study and arm."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in record["inputs"].get(outcome, {}).get("rows", ()):
        found.setdefault(row["study"], {})[row["arm"]] = row
    return found


def _input_changes(outcome: str, earlier: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[InputChange]:
    then, here = _rows(earlier, outcome), _rows(now, outcome)
    for study in dict.fromkeys((*here, *then)):
        before, after = then.get(study, {}), here.get(study, {})
        label = next(iter((after or before).values()))["label"]
        if not before:
            yield InputChange(outcome, study, label, "came", _arms_words(after), True)
        elif not after:
            yield InputChange(outcome, study, label, "went", _arms_words(before), True)
        elif told := list(_arm_changes(before, after)):
            words = "; ".join(text for text, _ in told)
            yield InputChange(outcome, study, label, "changed", words, any(moves for _, moves in told))


def _arms_words(arms: Mapping[str, Mapping[str, Any]]) -> str:
    return "; ".join(f"{row['treatment']} {_number_words(row)}" for row in arms.values())


def _number_words(row: Mapping[str, Any]) -> str:
    if row["events"] is not None:
        return f"{row['events']}/{row['n']}"
    return f"{row['mean']} ± {row['sd']} ({row['n']})"


def _arm_changes(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, bool]]:
    for arm in dict.fromkeys((*after, *before)):
        if arm not in before:
            yield f"arm {arm} came: {_number_words(after[arm])}", True
        elif arm not in after:
            yield f"arm {arm} went: {_number_words(before[arm])}", True
        else:
            old, new = before[arm], after[arm]
            for name in _COMPARED:
                if old[name] != new[name]:
                    yield f"{arm}: {name} {_shown(old[name])} → {_shown(new[name])}", name in _POOLED


def _shown(value: Any) -> str:
    return "not given" if value is None else str(value)


def _setting_changes(
    outcome: str, earlier: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterator[tuple[str, str, str, str]]:
    then, here = earlier["inputs"].get(outcome), now["inputs"].get(outcome)
    if then is None or here is None:
        yield outcome, "the outcome", "asked" if then else "not asked", "asked" if here else "not asked"
        return
    for name in dict.fromkeys((*here["settings"], *then["settings"])):
        before, after = then["settings"].get(name), here["settings"].get(name)
        if before != after and name != "note":
            yield outcome, name, _shown(before), _shown(after)


# Numbers -------------------------------------------------------------------------------------------------


def _by_key(numbers: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {number["key"]: number for number in numbers}


def _moved(
    earlier: Mapping[str, Any],
    answer: Answer,
    now: Mapping[str, Any],
    inputs: Sequence[InputChange],
    settings: Sequence[tuple[str, str, str, str]],
) -> Iterator[Moved]:
    then, here = _by_key(earlier["numbers"]), _by_key(now["numbers"])
    keys = [key for key in dict.fromkeys((*here, *then)) if _differs(then.get(key), here.get(key))]
    causes = {
        name: _causes(name, earlier, answer, inputs, settings)
        for name in dict.fromkeys(key.split("/")[0] for key in keys)
    }
    for key in keys:
        told = here.get(key) or then[key]
        yield Moved(
            key=key,
            outcome=told["outcome"],
            kind=told["kind"],
            treatment=told["treatment"],
            against=told["against"],
            measure=told["measure"],
            before=_triple(then.get(key)),
            after=_triple(here.get(key)),
            shares=tuple(_share(cause, numbers.get(key)) for cause, numbers in causes[told["outcome"]]),
        )


def _differs(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> bool:
    if before is None or after is None:
        return True
    pairs = [(before.get(name), after.get(name)) for name in ("estimate", "conf_low", "conf_high")]
    return before.get("measure") != after.get("measure") or any(not _same(*pair) for pair in pairs)


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)


def _triple(number: Mapping[str, Any] | None) -> tuple[float, float, float] | None:
    if number is None or number["estimate"] is None:
        return None
    low, high = number["conf_low"], number["conf_high"]
    return number["estimate"], math.nan if low is None else low, math.nan if high is None else high


def _share(cause: str, number: Number | None) -> Share:
    if number is None:
        return Share(cause, None, None, None)
    return Share(cause, number.estimate, number.conf_low, number.conf_high)


def _causes(
    outcome: str,
    earlier: Mapping[str, Any],
    answer: Answer,
    inputs: Sequence[InputChange],
    settings: Sequence[tuple[str, str, str, str]],
) -> list[tuple[str, dict[str, Number]]]:
    """Every single change of an outcome with the numbers that it alone would give."""
    if outcome not in earlier["inputs"] or outcome not in answer.outcomes:
        return []
    here = answer.outcomes[outcome]
    old = [_base_row(row) for row in earlier["inputs"][outcome]["rows"]]
    asked, reference, good, order = _settings_then(earlier["inputs"][outcome]["settings"])
    found = []
    for change in inputs:
        if change.outcome == outcome and change.moves_numbers:
            rows = _with_change(old, here, change)
            numbers = numbers_of(outcome, pool(rows, asked, reference, good, order=order), order)
            found.append((f"{change.label} {change.what}", {n.key: n for n in numbers}))
    if any(each[0] == outcome for each in settings):
        pooled = pool(old, here.asked, here.reference, here.good, order=here.order)
        numbers = numbers_of(outcome, pooled, here.order)
        found.append(("the question's settings changed", {n.key: n for n in numbers}))
    if not found:
        then, now = earlier["program"]["version"], answer.record()["program"]["version"]
        pooled = pool(old, asked, reference, good, order=order)
        told = "the program changed" if then != now else "the program, though of the same version"
        found.append((told, {n.key: n for n in numbers_of(outcome, pooled, order)}))
    return found


def _base_row(row: Mapping[str, Any]) -> BaseRow:
    kept = {name: row.get(name) for name in BaseRow.__dataclass_fields__}
    return BaseRow(**(kept | {"base_place": "", "definition": "", "note": ""}))  # type: ignore[arg-type]


def _settings_then(settings: Mapping[str, Any]) -> tuple[OutcomeAsked, str, str, tuple[str, ...]]:
    own = {name: value for name, value in settings.items() if name in _names_of_settings()}
    asked = OutcomeAsked.model_validate(own)
    return asked, str(settings["reference"]), str(settings["good"]), tuple(settings["order"])


def _names_of_settings() -> set[str]:
    return set(OutcomeAsked.model_fields)


def _with_change(old: Sequence[BaseRow], here: OutcomeAnswer, change: InputChange) -> list[BaseRow]:
    """The earlier rows with one study as it is now."""
    others = [row for row in old if row.study != change.study]
    return [*others, *(row for row in here.gathered.rows if row.study == change.study)]


def _statuses(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[StatusChange]:
    then, here = _by_key(earlier["sequential"]), _by_key(now["sequential"])
    for key in dict.fromkeys((*here, *then)):
        before = then[key]["conclusion"] if key in then else "no analysis"
        yield StatusChange(key, before, here[key]["conclusion"] if key in here else "no analysis any more")
