"""Whether a patient may be randomized, rule by rule, from what is known of them: yes, no, or unknown.

The protocol's own sentences are read by the one evaluator, at an assessment that holds the last value of
every measure: what `creatinine` says there is the last creatinine of screening.  What the data cannot say,
the investigator confirms.  Unknown is not eligible, and no value is taken for another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from flarefree.protocol.language.nodes import Measure, Reference
from flarefree.protocol.language.walking import walk
from flarefree.protocol.schema import Criterion
from flarefree.studytime import study_day

if TYPE_CHECKING:
    from flarefree.endpoints.evaluate import Evaluator
    from flarefree.endpoints.panel import Panel
    from flarefree.protocol.loaded import LoadedProtocol

__all__ = [
    "Eligibility",
    "Judged",
    "Screened",
    "ScreenedValue",
    "criteria_of",
    "judge_eligibility",
    "strata_of",
]

_ALWAYS = ("age_years", "sex", "race", "ethnicity", "region", "country", "site")
"""What computed measures ask of every patient."""


@dataclass(frozen=True, slots=True)
class ScreenedValue:
    """One value, in the unit of the protocol's measure; grades and yes or no as their numbers."""

    measure: str
    date: date
    value: float
    id: str = ""
    upper_limit: float | None = None


@dataclass(frozen=True)
class Screened:
    """What is known of a patient before randomization.

    Attributes
    ----------
    today : date
        At the site: what is later does not count.
    values : tuple of ScreenedValue
        In the order in which they came; of one date, the later counts.
    characteristics : mapping of str to str or float
        By covariate: a level of it, or a number; what is not known is left out.
    """

    today: date
    values: tuple[ScreenedValue, ...]
    characteristics: Mapping[str, str | float]


@dataclass(frozen=True, slots=True)
class Judged:
    """One rule and what became of it.

    Attributes
    ----------
    name, label : str
    is_met : bool or None
        Whether the rule lets the patient in; None is not known.
    says : str
        The sentence as it prints; empty where the investigator judges.
    rests_on : tuple of ScreenedValue
        The last values of the measures that it reads.
    missing : tuple of str
        What it reads and nobody told: measures and characteristics, by their labels.
    """

    name: str
    label: str
    is_met: bool | None
    says: str = ""
    rests_on: tuple[ScreenedValue, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Eligibility:
    """All rules of a patient, in the protocol's order."""

    rules: tuple[Judged, ...]

    @property
    def is_eligible(self) -> bool | None:
        """Yes if every rule is met, no if one is not, else unknown."""
        if any(rule.is_met is False for rule in self.rules):
            return False
        return True if all(rule.is_met for rule in self.rules) else None

    @property
    def open(self) -> tuple[Judged, ...]:
        """The rules that are not met, or not known to be."""
        return tuple(rule for rule in self.rules if not rule.is_met)


def criteria_of(protocol: LoadedProtocol) -> Mapping[str, Criterion]:
    """The protocol's rules; where it has only words for them, each is for the investigator to confirm."""
    if protocol.spec.eligibility:
        return protocol.spec.eligibility
    return {
        f"rule_{n}": Criterion(label=words) for n, words in enumerate(protocol.spec.design.eligibility, 1)
    }


def judge_eligibility(
    protocol: LoadedProtocol, screened: Screened, confirmed: Mapping[str, bool | None]
) -> Eligibility:
    """Every rule of the protocol, evaluated.

    Parameters
    ----------
    protocol : LoadedProtocol
    screened : Screened
    confirmed : mapping of str to bool or None
        By rule that the investigator judges: whether what it says is so.

    Returns
    -------
    Eligibility
    """
    rules = []
    for name, criterion in criteria_of(protocol).items():
        if criterion.is_judged:
            holds = confirmed.get(name)
            rules.append(Judged(name, criterion.label, _lets_in(criterion, holds)))
        else:
            rules.append(_by_sentence(protocol, name, criterion, screened))
    return Eligibility(tuple(rules))


def _lets_in(criterion: Criterion, holds: bool | None) -> bool | None:
    return holds if holds is None or criterion.type == "inclusion" else not holds


def _by_sentence(protocol: LoadedProtocol, name: str, criterion: Criterion, screened: Screened) -> Judged:
    from flarefree.endpoints.kernels import UNKNOWN
    from flarefree.protocol.language.printing import print_node

    node = protocol.sentences[f"eligibility.{name}.when"]
    values = tuple(v for v in screened.values if _counts(v, criterion, screened.today))
    evaluator = _evaluator(protocol, values, screened)
    verdict = int(evaluator.verdicts(node)[-1])
    read = _read_by(protocol, node)
    last = {v.measure: v for v in sorted(values, key=lambda v: v.date)}
    holds = None if verdict == UNKNOWN else bool(verdict)
    return Judged(
        name,
        criterion.label,
        _lets_in(criterion, holds),
        print_node(node),
        tuple(last[measure] for measure in read if measure in last),
        tuple(_missing(protocol, read, last, screened.characteristics)),
    )


def _counts(value: ScreenedValue, criterion: Criterion, today: date) -> bool:
    if value.date > today:
        return False
    return criterion.within is None or value.date >= today - timedelta(days=criterion.within)


def _read_by(protocol: LoadedProtocol, node: Any) -> tuple[str, ...]:
    """Measures and covariates that a sentence reads, through the states that it names."""
    names: list[str] = []
    for part in walk(node):
        name = part.measure.name if isinstance(part, Reference) else getattr(part, "name", "")
        state = protocol.sentences.get(f"endpoints.{name}.state") or protocol.sentences.get(
            f"endpoints.{name}.value"
        )
        if state is not None:
            names += _read_by(protocol, state)
        elif isinstance(part, Measure | Reference) or name in protocol.spec.measures:
            names.append(name)
    return tuple(dict.fromkeys(names))


def _missing(
    protocol: LoadedProtocol, read: Iterable[str], last: Mapping[str, Any], known: Mapping[str, Any]
) -> Iterable[str]:
    spec = protocol.spec
    for name in read:
        if name in spec.measures and name not in last and not spec.measures[name].equation:
            yield spec.measures[name].label
        elif name in spec.covariates and name not in known:
            yield spec.covariates[name].label


def strata_of(protocol: LoadedProtocol, screened: Screened) -> dict[str, str | None]:
    """The patient's level of every stratification factor, as far as it is known; no value becomes another."""
    spec = protocol.spec
    factors = spec.randomization.strata if spec.randomization is not None else ()
    return {name: _level_of(protocol, name, screened) for name in factors}


def _level_of(protocol: LoadedProtocol, name: str, screened: Screened) -> str | None:
    covariate = protocol.spec.covariates[name]
    if covariate.when:
        node = protocol.sentences[f"covariates.{name}.when"]
        verdict = int(_evaluator(protocol, screened.values, screened).verdicts(node)[-1])
        return {0: "no", 1: "yes"}.get(verdict)
    if covariate.cut:
        number = _number_of(protocol, covariate.of or name, screened)
        return None if number is None else covariate.cut_labels[sum(number >= cut for cut in covariate.cut)]
    told = screened.characteristics.get(covariate.of or name)
    if told is None:
        return None
    if not covariate.levels:
        return str(told)
    plain = str(told).casefold().strip()
    return next(
        (
            level
            for level, texts in covariate.levels.items()
            if plain in {text.casefold() for text in (level, *texts)}
        ),
        None,
    )


def _number_of(protocol: LoadedProtocol, name: str, screened: Screened) -> float | None:
    measure = protocol.spec.covariates[name].from_measure
    if measure:
        last = _evaluator(protocol, screened.values, screened).values(Measure(measure))[-1]
        return None if last != last else float(last)
    told = screened.characteristics.get(name)
    return None if told is None else float(told)


# The panel of one patient -------------------------------------------------------------------------


def _evaluator(protocol: LoadedProtocol, values: tuple[ScreenedValue, ...], screened: Screened) -> Evaluator:
    from flarefree.endpoints.computed import compute_measures
    from flarefree.endpoints.context import Context
    from flarefree.endpoints.evaluate import Evaluator

    panel = compute_measures(_panel(protocol, values, screened), protocol.spec)
    return Evaluator(panel, Context.of(protocol))


def _panel(protocol: LoadedProtocol, values: tuple[ScreenedValue, ...], screened: Screened) -> Panel:
    """One assessment a date, and a last one today, which holds the last value of every measure."""
    import numpy as np

    from flarefree.endpoints.panel import Panel

    dates = sorted({v.date for v in values})
    place = {when: i for i, when in enumerate(dates)}
    days = np.array([study_day(d, screened.today) for d in (*dates, screened.today)], dtype=np.int32)
    columns = {
        name: _column(protocol, [v for v in values if v.measure == name], place, days)
        for name in dict.fromkeys(v.measure for v in values)
    }
    return Panel(
        np.array(["screened"], dtype=object),
        np.array([0, days.size], dtype=np.int64),
        days,
        np.full(days.size, -1, dtype=np.int32),
        columns,
        _covariates(protocol, screened.characteristics),
    )


def _column(
    protocol: LoadedProtocol, values: list[ScreenedValue], place: Mapping[date, int], days: Any
) -> Any:
    import numpy as np

    from flarefree.endpoints.panel import PanelColumn

    found, own = np.full(days.size, np.nan), days.copy()
    upper = np.full(days.size, np.nan)
    ordered = sorted(values, key=lambda v: v.date)
    for value in (*ordered, ordered[-1]):
        at = place[value.date]
        found[at], upper[at] = value.value, np.nan if value.upper_limit is None else value.upper_limit
    last = place[ordered[-1].date]
    found[-1], upper[-1], own[-1] = found[last], upper[last], days[last]
    return PanelColumn(found, own, np.full(days.size, -1, dtype=np.int64), upper_limits=upper)


def _covariates(protocol: LoadedProtocol, known: Mapping[str, str | float]) -> dict[str, Any]:
    import numpy as np

    told: dict[str, Any] = {}
    for name in dict.fromkeys((*_ALWAYS, *protocol.spec.covariates)):
        covariate = protocol.spec.covariates.get(name)
        value = known.get(name)
        if name == "age_years" and value is None:
            value = known.get("age")
        if name == "age_years" or (covariate is not None and covariate.type == "number"):
            told[name] = np.array([np.nan if value is None else float(value)])
        else:
            told[name] = np.array([None if value is None else str(value)], dtype=object)
    return told
