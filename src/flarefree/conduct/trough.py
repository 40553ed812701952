"""Troughs of a study drug: which samples may dose, and sham results for those who do not take it.

A sample doses if it is a number in the window's own unit, plausible, undamaged, and drawn when a trough is
drawn; the window counts both ends.  In a blinded trial every patient has the samples drawn.  Whoever takes
the drug gets the live result; everybody else gets one drawn from matched live results, with its digits and
its turnaround, moved a little within its band: a value that stands in two patients' records would say that
the later one is a sham.  All results are released once a day, so that no minute repeats either.

Both are a `ShownTrough`, which does not say which it is, and all that follows, verdict and dose, is computed
from it alone.  Only the machine that holds the allocations calls `live_trough` and `sham_trough`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import exp, inf, log

from flarefree.errors import ConductError, DesignError
from flarefree.protocol.amounts import Window, parse_window
from flarefree.protocol.schema import Protocol
from flarefree.units import normalize_unit

__all__ = [
    "Band",
    "Donor",
    "DonorPool",
    "Flaw",
    "ShownTrough",
    "TroughMatch",
    "TroughRules",
    "TroughSample",
    "TroughVerdict",
    "judge_trough",
    "live_trough",
    "released_at",
    "sham_trough",
    "trough_rules",
]


class Band(StrEnum):
    """Where a trough lies."""

    BELOW = "below the window"
    WITHIN = "within the window"
    ABOVE = "above the window"


class Flaw(StrEnum):
    """Why a sample does not dose; a closed list, in words that are the same in each arm."""

    NO_NUMBER = "the result is not a number"
    WRONG_UNIT = "the result is in another unit"
    IMPLAUSIBLE = "the result is not plausible"
    HEMOLYZED = "the sample is hemolyzed"
    CLOTTED = "the sample is clotted"
    WRONG_TIME = "the sample was not drawn at trough"
    TIME_UNKNOWN = "the time of the dose before is not known"
    NOT_STEADY = "the dose was changed too recently"
    OUT_OF_TIME = "the window does not hold on this day"


@dataclass(frozen=True, slots=True)
class TroughRules:
    """When a trough doses.

    Attributes
    ----------
    window : Window
    plausible : pair of float or None
    hours : pair of float
        From the dose before to the sample, both ends counted.
    steady_after : int
        Days from a dose change.
    until : int or None
        Last study day on which the window holds.
    """

    window: Window
    plausible: tuple[float | None, float | None]
    hours: tuple[float, float]
    steady_after: int
    until: int | None


def trough_rules(spec: Protocol) -> TroughRules:
    """The rules of a protocol.

    Raises
    ------
    DesignError
        It has no window, or no measure of the trough.
    """
    rules = spec.dosing
    if not rules.trough_window or not rules.trough_measure:
        raise DesignError(
            "this trial doses by no trough",
            where="dosing",
            expected="trough_window and trough_measure",
            try_="trough_window: 4 to 8 ng/mL",
        )
    return TroughRules(
        window=parse_window(rules.trough_window),
        plausible=spec.measures[rules.trough_measure].plausible,
        hours=rules.trough_hours,
        steady_after=rules.trough_steady_after,
        until=rules.trough_until,
    )


@dataclass(frozen=True, slots=True)
class TroughSample:
    """A sample as it was drawn: what is known of it in each arm alike, before any result.

    Attributes
    ----------
    id, subject, site : str
    day : int
        Study day.
    collected_at : datetime
        With its zone.
    slot : str
        The planned visit that it belongs to; empty if it belongs to none.
    last_dose_at : datetime or None
        Of the product that is titrated: drug or placebo.
    dose_changed_on : int or None
        Study day of the last change of that product.
    units : int
        Its smallest tablets a day.
    is_hemolyzed, is_clotted : bool
        As the laboratory found it on receipt.
    """

    id: str
    subject: str
    site: str
    day: int
    collected_at: datetime
    slot: str
    last_dose_at: datetime | None
    dose_changed_on: int | None
    units: int
    is_hemolyzed: bool = False
    is_clotted: bool = False


@dataclass(frozen=True, slots=True)
class ShownTrough:
    """A result as everybody sees it, live or sham: it does not say which.

    `text` is the result with the digits that the laboratory gives, `unit` as it writes it.
    """

    sample: TroughSample
    text: str
    unit: str
    reported_at: datetime


@dataclass(frozen=True, slots=True)
class TroughVerdict:
    """What a shown trough means for the dose.

    Attributes
    ----------
    band : Band or None
        None where the sample does not dose.
    flaws : tuple of Flaw
        All of them.
    """

    band: Band | None
    flaws: tuple[Flaw, ...] = ()

    @property
    def may_dose(self) -> bool:
        """Whether the dose may follow it."""
        return self.band is not None

    @property
    def tablets(self) -> int:
        """The change that is proposed: one smallest tablet a day more (1), fewer (-1), or none."""
        return {Band.BELOW: 1, Band.ABOVE: -1}.get(self.band, 0) if self.band is not None else 0

    @property
    def repeat(self) -> bool:
        """Whether another sample is wanted."""
        return not self.may_dose and Flaw.OUT_OF_TIME not in self.flaws


def judge_trough(rules: TroughRules, shown: ShownTrough) -> TroughVerdict:
    """Whether a result doses, and where it lies; from what is shown alone."""
    value = _number(shown.text)
    flaws = [*_flaws_of_result(rules, value, shown.unit), *_flaws_of_sample(rules, shown.sample)]
    if flaws or value is None:
        return TroughVerdict(None, tuple(flaws))
    return TroughVerdict(_band(rules.window, value))


def _band(window: Window, value: float) -> Band:
    if value < window.low:
        return Band.BELOW
    return Band.ABOVE if value > window.high else Band.WITHIN


def _number(text: str) -> float | None:
    """The value; None for `<2.0`, for words, for infinity: a bound is no measurement to dose by."""
    plain = text.strip()
    return float(plain) if plain.isascii() and plain.replace(".", "", 1).isdigit() else None


def _flaws_of_result(rules: TroughRules, value: float | None, unit: str) -> Iterable[Flaw]:
    # ug/L is as many ng/mL, and is refused all the same: a laboratory that changes its unit without a word
    # may have changed its assay, and a slip by a factor is found only where units are exact.
    if normalize_unit(unit) != rules.window.unit:
        yield Flaw.WRONG_UNIT
    if value is None:
        yield Flaw.NO_NUMBER
        return
    low, high = rules.plausible
    if (low is not None and value < low) or (high is not None and value > high) or value <= 0:
        yield Flaw.IMPLAUSIBLE


def _flaws_of_sample(rules: TroughRules, sample: TroughSample) -> Iterable[Flaw]:
    if sample.is_hemolyzed:
        yield Flaw.HEMOLYZED
    if sample.is_clotted:
        yield Flaw.CLOTTED
    if sample.last_dose_at is None:
        yield Flaw.TIME_UNKNOWN
    else:
        since = sample.collected_at - sample.last_dose_at
        low, high = (timedelta(hours=hours) for hours in rules.hours)
        if not low <= since <= high:
            yield Flaw.WRONG_TIME
    if sample.dose_changed_on is not None and sample.day - sample.dose_changed_on < rules.steady_after:
        yield Flaw.NOT_STEADY
    if rules.until is not None and sample.day > rules.until:
        yield Flaw.OUT_OF_TIME


# Live and sham ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TroughMatch:
    """What a sham is matched on; `before` is the number that was shown to the patient last, if any."""

    slot: str
    units: int
    before: float | None


@dataclass(frozen=True, slots=True)
class Donor:
    """A live result that shams may be drawn from."""

    id: str
    site: str
    match: TroughMatch
    text: str
    unit: str
    turnaround: timedelta


@dataclass(frozen=True, slots=True)
class DonorPool:
    """Live results so far; with a stock from before the trial, so that the first patient's sham has donors.

    Attributes
    ----------
    donors : tuple of Donor
    used : tuple of str
        Ids of donors that shams were drawn from, once for each time.
    """

    donors: tuple[Donor, ...]
    used: tuple[str, ...] = ()

    LEAST = 20
    """A smaller stock would show the same few results again and again; a choice of ours."""

    def require_ready(self) -> None:
        """Refuse to go live on too small a stock.

        Raises
        ------
        DesignError
        """
        if len(self.donors) < self.LEAST:
            raise DesignError(
                "there are too few results to draw shams from",
                where="donors",
                found=str(len(self.donors)),
                expected=f"{self.LEAST} or more",
                try_="results of an earlier study by the same laboratory",
            )


def live_trough(
    rules: TroughRules,
    sample: TroughSample,
    text: str,
    unit: str,
    reported_at: datetime,
    before: float | None,
    pool: DonorPool,
) -> tuple[ShownTrough, DonorPool]:
    """The laboratory's result as it is shown, and the pool with it.

    A result of a flawed sample is shown and is no donor: a sham has the flaws of its own sample.

    Raises
    ------
    ConductError
        It was reported before it was drawn.
    """
    if reported_at < sample.collected_at:
        raise ConductError(
            "a result cannot be reported before its sample was drawn",
            where="reported_at",
            found=reported_at.isoformat(),
            expected=f"after {sample.collected_at.isoformat()}",
        )
    shown = ShownTrough(sample, text, unit, released_at(reported_at))
    if tuple(_flaws_of_sample(rules, sample)):
        return shown, pool
    match = TroughMatch(sample.slot, sample.units, before)
    donor = Donor(sample.id, sample.site, match, text, unit, reported_at - sample.collected_at)
    return shown, replace(pool, donors=(*pool.donors, donor))


def released_at(reported: datetime) -> datetime:
    """The next daily release, at 06:00 UTC, of a result that the laboratory reported."""
    utc = reported.astimezone(UTC)
    release = utc.replace(hour=6, minute=0, second=0, microsecond=0)
    return release if release >= utc else release + timedelta(days=1)


def sham_trough(
    rules: TroughRules,
    sample: TroughSample,
    before: float | None,
    pool: DonorPool,
    chance: random.Random,
) -> tuple[ShownTrough, DonorPool]:
    """A result for somebody who does not take the drug: band, digits, unit and turnaround of one donor.

    Parameters
    ----------
    rules : TroughRules
    sample : TroughSample
        The patient's own: slot, dose and flaws are real.
    before : float or None
        The number that was shown to this patient last, live or sham.
    pool : DonorPool
    chance : random.Random
        The allocation service's own generator (`random.SystemRandom()`).

    Returns
    -------
    ShownTrough, DonorPool
        The pool has the donor noted as used.
    """
    pool.require_ready()
    donor = chance.choice(_least_used(_matched(rules, sample, before, pool), pool))
    text = _moved(rules, donor.text, chance)
    shown = ShownTrough(sample, text, donor.unit, released_at(sample.collected_at + donor.turnaround))
    return shown, replace(pool, used=(*pool.used, donor.id))


SPREAD = 0.08
"""Relative standard deviation by which a donor's value is moved: about what an assay repeats to; ours."""


def _moved(rules: TroughRules, text: str, chance: random.Random) -> str:
    """Another value near this one, with as many digits, on the same side of every limit."""
    value = _number(text)
    if value is None:
        return text
    digits = len(text.strip().partition(".")[2])
    for _ in range(50):
        moved = f"{value * exp(chance.gauss(0, SPREAD)):.{digits}f}"
        number = float(moved)
        same_flaws = [*_flaws_of_result(rules, number, "")] == [*_flaws_of_result(rules, value, "")]
        if same_flaws and _band(rules.window, number) is _band(rules.window, value):
            return moved
    return text


ENOUGH = 5
"""Donors from which one is drawn; with fewer, the match is widened.  A choice of ours."""


def _matched(rules: TroughRules, sample: TroughSample, before: float | None, pool: DonorPool) -> list[Donor]:
    """The closest donors, of whom there are enough: first visit, dose and band alike, in the end anybody."""
    wish = TroughMatch(sample.slot, sample.units, before)
    # A patient of the same site may sit in the same waiting room: two alike results on one day would tell.
    elsewhere = [donor for donor in pool.donors if donor.site != sample.site]
    for donors in (elsewhere, list(pool.donors)):
        for alike in _WIDENING:
            wanted = _traits(rules, wish, alike)
            found = [donor for donor in donors if _traits(rules, donor.match, alike) == wanted]
            if len(found) >= ENOUGH:
                return _nearest(found, before)
    return list(pool.donors)


_WIDENING = (("slot", "units", "band"), ("units", "band"), ("units",), ("band",), ())


def _traits(rules: TroughRules, match: TroughMatch, alike: tuple[str, ...]) -> list[object]:
    band = None if match.before is None else _band(rules.window, match.before)
    return [band if name == "band" else getattr(match, name) for name in alike]


def _nearest(donors: list[Donor], before: float | None) -> list[Donor]:
    """Those whose own result before was nearest: so series of one patient hang together as live ones do."""
    if before is None:
        return donors
    far = inf

    def distance(donor: Donor) -> float:
        return far if donor.match.before is None else abs(log(donor.match.before / before))

    return sorted(donors, key=distance)[:ENOUGH]


def _least_used(donors: list[Donor], pool: DonorPool) -> list[Donor]:
    times = {donor.id: pool.used.count(donor.id) for donor in donors}
    least = min(times.values())
    return [donor for donor in donors if times[donor.id] == least]
