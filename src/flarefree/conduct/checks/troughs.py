"""B6: shams look like live results.  V5: which samples dose."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import exp, log, sqrt
from typing import Any

from flarefree.conduct.checks.blinded_trial import blinded_multitarget
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.checks.trying import that_is, that_refuses
from flarefree.conduct.trough import (
    Band,
    Donor,
    DonorPool,
    Flaw,
    ShownTrough,
    TroughMatch,
    TroughRules,
    TroughSample,
    TroughVerdict,
    judge_trough,
    live_trough,
    released_at,
    sham_trough,
    trough_rules,
)

__all__ = ["CHECKS"]

BEGIN = datetime(2026, 3, 2, 8, tzinfo=UTC)
SLOTS = (31, 62, 92, 122, 153, 183)
SEED = 20_261_120


def sample_on(on: int, /, **changed: Any) -> TroughSample:
    """A sound sample of a study day, twelve hours after the dose."""
    at = BEGIN + timedelta(days=on - 1)
    sample = TroughSample("S", "P", "01", on, at, f"day {on}", at - timedelta(hours=12), None, 6)
    return replace(sample, **changed)


# V5 -----------------------------------------------------------------------------------------------


def v5(quick: bool) -> Iterator[Evidence]:
    """Every boundary of the window, the unit, the sample."""
    rules = trough_rules(blinded_multitarget())

    def judged(text: str, unit: str = "ng/mL", **changed: Any) -> TroughVerdict:
        sample = sample_on(92, **changed)
        return judge_trough(rules, ShownTrough(sample, text, unit, sample.collected_at + timedelta(days=1)))

    within, below, above = Band.WITHIN, Band.BELOW, Band.ABOVE
    bands = {"3.99": below, "4": within, "4.00": within, "6.1": within, "8.0": within, "8.00": within}
    bands |= {"8.01": above, "0.1": below, "60": above}
    for text, band in bands.items():
        yield that_is(f"{text} ng/mL", str(band), str(judged(text).band))
    proposed = [judged(text).tablets for text in ("3.99", "4", "8", "8.01")]
    yield that_is("tablets proposed at 3.99, 4, 8, 8.01", "[1, 0, 0, -1]", str(proposed))
    for unit in ("ug/L", "nmol/L", "mg/L", "ng/dL", "pg/mL", "", "ng"):
        verdict = judged("6.0", unit)
        yield that_is(f"6.0 {unit or '(no unit)'}", f"{(Flaw.WRONG_UNIT,)}", f"{verdict.flaws}")
    yield that_is("another spelling of the unit", str(within), str(judged("6.0", "ng/ml").band))
    for text in ("<2.0", ">30", "nan", "inf", "1e1", "-6", "", "6,1", "hemolyzed", "٦"):
        yield that_is(f"a result {text!r} doses", False, judged(text).may_dose)
    at = sample_on(92).collected_at
    flawed: dict[str, tuple[Flaw, dict[str, Any]]] = {
        "9 h 59 min after the dose": (Flaw.WRONG_TIME, {"last_dose_at": at - timedelta(hours=9, minutes=59)}),
        "14 h 1 min after it": (Flaw.WRONG_TIME, {"last_dose_at": at - timedelta(hours=14, minutes=1)}),
        "before the dose": (Flaw.WRONG_TIME, {"last_dose_at": at + timedelta(minutes=5)}),
        "at an unknown time": (Flaw.TIME_UNKNOWN, {"last_dose_at": None}),
        "hemolyzed": (Flaw.HEMOLYZED, {"is_hemolyzed": True}),
        "clotted": (Flaw.CLOTTED, {"is_clotted": True}),
        "two days after a change": (Flaw.NOT_STEADY, {"dose_changed_on": 90}),
        "after the window's last day": (Flaw.OUT_OF_TIME, {"day": 184}),
    }
    for what, (flaw, changed) in flawed.items():
        verdict = judged("12.0", **changed)
        dosed = f"{verdict.flaws}, {verdict.tablets}"
        yield that_is(f"12.0, drawn {what}", f"{(flaw,)}, 0", dosed)
    for what, found in (("0", judged("0").flaws), ("60.1", judged("60.1").flaws)):
        yield that_is(f"{what} ng/mL", f"{(Flaw.IMPLAUSIBLE,)}", f"{found}")
    sound: dict[str, dict[str, Any]] = {
        "10 h after the dose": {"last_dose_at": at - timedelta(hours=10)},
        "14 h after it": {"last_dose_at": at - timedelta(hours=14)},
        "three days after a change": {"dose_changed_on": 89},
        "on the window's last day": {"day": 183},
    }
    for what, changed in sound.items():
        yield that_is(f"12.0, drawn {what}", str(above), str(judged("12.0", **changed).band))
    all_at_once = judged("77", "ug/L", is_hemolyzed=True, last_dose_at=None).flaws
    yield that_is("four flaws at once are all told", 4, len(all_at_once))


# B6 -----------------------------------------------------------------------------------------------


@dataclass
class _Seen:
    """What everybody sees of an arm's results."""

    shown: list[ShownTrough] = field(default_factory=list)
    bands: list[Band | None] = field(default_factory=list)
    repeated: list[bool] = field(default_factory=list)
    steps: Counter[int] = field(default_factory=Counter)
    last_units: list[int] = field(default_factory=list)

    def rate(self, what: Callable[[Band | None], bool]) -> tuple[int, int]:
        return sum(map(what, self.bands)), len(self.bands)


Sham = Callable[
    [TroughRules, TroughSample, float | None, DonorPool, random.Random], tuple[ShownTrough, DonorPool]
]


def _live_text(chance: random.Random, own: float, units: int) -> str:
    return f"{0.95 * units * exp(own + chance.gauss(0, 0.25)):.2f}"


def _turnaround(chance: random.Random, text: str) -> timedelta:
    """Far values are measured twice: what a sham without its donor's turnaround would betray."""
    return timedelta(hours=round(24 + chance.expovariate(1 / 10)) + (24 if float(text) > 10 else 0))


def _stock(chance: random.Random) -> DonorPool:
    """Results from before the trial."""
    donors = []
    for i in range(40):
        units = chance.choice((5, 6, 7))
        text = _live_text(chance, chance.gauss(0, 0.25), units)
        match = TroughMatch("day 31", units, None)
        donors.append(Donor(f"stock {i}", "00", match, text, "ng/mL", _turnaround(chance, text)))
    return DonorPool(tuple(donors))


def _trial(rules: TroughRules, patients: int, sham: Sham) -> tuple[_Seen, _Seen]:
    """A trial slot by slot: half take the drug; doses follow what is shown."""
    chance = random.Random(SEED)
    pool = _stock(chance)
    own = [chance.gauss(0, 0.25) for _ in range(patients)]
    units = [6] * patients
    before: list[float | None] = [None] * patients
    seen = (_Seen(), _Seen())
    stood: set[str] = set()
    for day in SLOTS:
        for i in chance.sample(range(patients), patients):
            late = chance.random() < 0.05
            at = BEGIN + timedelta(days=day - 1)
            sample = sample_on(
                day,
                id=f"{i}/{day}",
                subject=str(i),
                site=f"{i % 7:02d}",
                units=units[i],
                last_dose_at=at - timedelta(hours=20 if late else 12),
            )
            if i % 2:
                text = _live_text(chance, own[i], units[i])
                reported = at + _turnaround(chance, text)
                shown, pool = live_trough(rules, sample, text, "ng/mL", reported, before[i], pool)
            else:
                shown, pool = sham(rules, sample, before[i], pool, chance)
            verdict = judge_trough(rules, shown)
            arm = seen[i % 2]
            arm.shown.append(shown)
            arm.repeated.append(shown.text in stood)
            stood.add(shown.text)
            arm.bands.append(verdict.band)
            arm.steps[verdict.tablets] += 1
            units[i] = min(12, max(1, units[i] + verdict.tablets))
            before[i] = float(shown.text) if verdict.may_dose else before[i]
    for i in range(patients):
        seen[i % 2].last_units.append(units[i])
    return seen


def _differences(sham: _Seen, live: _Seen) -> dict[str, tuple[float, float]]:
    """Statistic and limit (99.9 % of it, where arms are alike) of all that the eye may compare."""
    found = {
        f"rate {name}": (abs(_z(sham.rate(what), live.rate(what))), 3.29)
        for name, what in {
            "below the window": lambda band: band is Band.BELOW,
            "above the window": lambda band: band is Band.ABOVE,
            "that does not dose": lambda band: band is None,
        }.items()
    }
    found["values"] = (_ks([float(s.text) for s in sham.shown], [float(s.text) for s in live.shown]), 1.95)
    found["turnaround"] = (_ks(_hours(sham), _hours(live)), 1.95)
    slow_sham, slow_live = _slow(sham), _slow(live)
    found["turnaround of high values"] = (_ks(slow_sham, slow_live), 1.95)
    found["doses reached"] = (_ks([*map(float, sham.last_units)], [*map(float, live.last_units)]), 1.95)
    found["how a patient's values hang together"] = (_ks(_jumps(sham), _jumps(live)), 1.95)
    found["values that stood there before"] = (abs(_z(_repeats(sham), _repeats(live))), 3.29)
    clocks = [{s.reported_at.time() for s in arm.shown} for arm in (sham, live)]
    found["time of the day of reports"] = (float(clocks[0] != clocks[1]), 0.5)
    digits = [{len(s.text.partition(".")[2]) for s in arm.shown} for arm in (sham, live)]
    found["digits"] = (float(digits[0] != digits[1]), 0.5)
    found["units"] = (float({s.unit for s in sham.shown} != {s.unit for s in live.shown}), 0.5)
    return found


def _jumps(arm: _Seen) -> list[float]:
    """How far each result is from the patient's one before, as a ratio of logarithms."""
    last: dict[str, float] = {}
    found = []
    for s in arm.shown:
        value = log(float(s.text) / s.sample.units)
        if s.sample.subject in last:
            found.append(abs(value - last[s.sample.subject]))
        last[s.sample.subject] = value
    return found


def _repeats(arm: _Seen) -> tuple[int, int]:
    return sum(arm.repeated), len(arm.repeated)


def _hours(arm: _Seen) -> list[float]:
    return [(s.reported_at - s.sample.collected_at).total_seconds() / 3600 for s in arm.shown]


def _slow(arm: _Seen) -> list[float]:
    return [hours for hours, s in zip(_hours(arm), arm.shown, strict=True) if float(s.text) > 10]


def _z(one: tuple[int, int], other: tuple[int, int]) -> float:
    (a, n), (b, m) = one, other
    pooled = (a + b) / (n + m)
    spread = sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return (a / n - b / m) / spread if spread else 0.0


def _ks(one: list[float], other: list[float]) -> float:
    """Kolmogorov's statistic, scaled: 1.95 is passed once in a thousand, less often with ties."""
    if not one or not other:  # no high value at all in an arm: its rates tell
        return 0.0
    points = sorted({*one, *other})
    n, m = len(one), len(other)
    first, second = sorted(one), sorted(other)
    gap = max(abs(bisect_right(first, x) / n - bisect_right(second, x) / m) for x in points)
    return gap * sqrt(n * m / (n + m))


def _careless(how: str) -> Sham:
    """Shams with a fault that the check must see."""

    def sham(
        rules: TroughRules, sample: TroughSample, before: float | None, pool: DonorPool, chance: random.Random
    ) -> tuple[ShownTrough, DonorPool]:
        shown, after = sham_trough(rules, sample, before, pool, chance)
        match how:
            case "always within the window":
                shown = replace(shown, text=f"{chance.uniform(4, 8):.1f}")
            case "digits of its own":
                shown = replace(shown, text=f"{float(shown.text):.1f}")
            case "answered at once":
                shown = replace(shown, reported_at=released_at(sample.collected_at + timedelta(hours=24)))
            case "turnaround of another":
                hours = chance.choice(pool.donors).turnaround
                shown = replace(shown, reported_at=released_at(sample.collected_at + hours))
            case "the donor's very value":
                by_id = {donor.id: donor for donor in pool.donors}
                shown = replace(shown, text=by_id[after.used[-1]].text)
            case "at the donor's very minute":
                by_id = {donor.id: donor for donor in pool.donors}
                minute = sample.collected_at + by_id[after.used[-1]].turnaround
                shown = replace(shown, reported_at=minute)
            case "in another unit":
                shown = replace(shown, unit="ug/L")
            case "blind to the dose":
                text = chance.choice(pool.donors[:40]).text
                shown = replace(shown, text=f"{float(text) * 1.3:.2f}")
        return shown, after

    return sham


FAULTS = (
    "always within the window", "digits of its own", "answered at once", "turnaround of another",
    "in another unit", "blind to the dose", "the donor's very value", "at the donor's very minute",
)  # fmt: skip


def b6(quick: bool) -> Iterator[Evidence]:
    """A simulated trial in which half of the patients get shams; and the faults that must be seen."""
    rules = trough_rules(blinded_multitarget())
    patients = 240 if quick else 400
    sham, live = _trial(rules, patients, sham_trough)
    for what, (statistic, limit) in _differences(sham, live).items():
        yield Evidence(
            f"{patients} patients: {what}, sham v live", f"under {limit}", statistic, statistic < limit
        )
    for kind, (some, n) in (("sham", _outside(sham)), ("live", _outside(live))):
        yield Evidence(
            f"{kind} results outside the window, of {n}", "more than 5 %", some / n, some / n > 0.05
        )
    schedules = [Counter(s.sample.day for s in arm.shown) for arm in (sham, live)]
    yield that_is("the same schedule", True, schedules[0] == schedules[1])
    for fault in FAULTS:
        found = _differences(*_trial(rules, patients, _careless(fault)))
        seen = [what for what, (statistic, limit) in found.items() if statistic >= limit]
        yield Evidence(f"shams {fault}: seen", True, ", ".join(seen) or "nothing", bool(seen))
    yield from _pool_rules(rules)


def _outside(arm: _Seen) -> tuple[int, int]:
    return arm.rate(lambda band: band in (Band.BELOW, Band.ABOVE))


def _pool_rules(rules: TroughRules) -> Iterator[Evidence]:
    chance = random.Random(SEED)
    stock = _stock(chance)
    few = DonorPool(stock.donors[:19])
    yield that_refuses("going live with 19 donors", few.require_ready)
    sample = sample_on(31)
    early = sample.collected_at - timedelta(minutes=1)
    yield that_refuses(
        "a report before its sample", lambda: live_trough(rules, sample, "5", "ng/mL", early, None, stock)
    )
    late = sample.collected_at + timedelta(days=1)
    spoilt = replace(sample, is_hemolyzed=True)
    _, after = live_trough(rules, spoilt, "15.0", "ng/mL", late, None, stock)
    yield that_is("a hemolyzed live sample is no donor", len(stock.donors), len(after.donors))
    shown, _ = sham_trough(rules, spoilt, None, stock, chance)
    flaws = judge_trough(rules, shown).flaws
    yield that_is("a hemolyzed sample of somebody without the drug", f"{(Flaw.HEMOLYZED,)}", f"{flaws}")
    here = DonorPool(tuple(replace(donor, site="01") for donor in stock.donors[:20]) + stock.donors[20:])
    drawn = {sham_trough(rules, sample, None, here, chance)[1].used[-1] for _ in range(300)}
    own = {donor.id for donor in here.donors if donor.site == "01"}
    yield that_is("shams drawn from the same site, of 300", 0, len(drawn & own))


CHECKS = (
    Check("B6", "Shams have the schedule, digits, units, turnaround and rates of live results", b6),
    Check("V5", "A trough doses in its window, in its unit, from a sound sample only", v5),
)
