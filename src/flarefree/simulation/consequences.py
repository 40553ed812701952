"""What people do about virtual patients: who is suspected, judged, treated, and when each of them leaves.

Courses are drawn as if nobody acted, and the protocol's sentences say what is met and when.  Here an
investigator suspects every onset of renal activity, the clinic treats some of those beyond the protocol, and
a committee confirms or rejects each candidate, more readily the more active the disease truly is.  A
patient leaves at the first failure, or withdraws or dies before; what comes later is not seen, but for
creatinine, which is assessed once more where a loss of function that had begun by a failure awaits its
confirmation.  That is exact because whoever fails leaves: no action needs a course to be drawn again
(docs/decisions/0008).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flarefree.endpoints.kernels import places
from flarefree.simulation._conduct_kernels import (
    are_known_by,
    draw_conduct,
    earliest,
    end_first,
    keep_known,
)
from flarefree.simulation.asking import Nature, Question
from flarefree.simulation.cohort import NO_DAY, Cohort
from flarefree.simulation.parameters import Parameters
from flarefree.simulation.specimens import WITHDRAWAL_REASONS
from flarefree.simulation.streams import Purpose, Streams

__all__ = ["COMPLETED", "Consequences", "Happening", "Onsets", "draw_consequences"]

Ints32 = npt.NDArray[np.int32]
Ints64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

COMPLETED = -1
"""Code of those who stayed to the end; others have the place of their reason in `WITHDRAWAL_REASONS`."""

_NEVER = np.int32(NO_DAY)
_DROPS_OUT, _FAILS, _DIES = np.int8(1), np.int8(2), np.int8(3)
_REASON = {reason: code for code, reason in enumerate(WITHDRAWAL_REASONS)}


@dataclass(frozen=True, slots=True)
class Onsets:
    """Onsets that a sentence found, by patient and time; arrays of shape (k,).

    Attributes
    ----------
    subjects, days : int32
    known_days : int32
        When the event is known: the day that confirmed it, where it asks for that, else its own.
    assessments : int64
        Index into the panel.
    """

    subjects: Ints32
    days: Ints32
    known_days: Ints32
    assessments: Ints64


@dataclass(frozen=True, slots=True)
class Happening:
    """Events of one kind that records will tell of, by patient and day."""

    subjects: Ints32
    days: Ints32


@dataclass(frozen=True, slots=True)
class Consequences:
    """What people did.

    Attributes
    ----------
    onsets : mapping of str to Onsets
        By endpoint on visits: those known before the patient withdrew or died for other reasons.
    stands : mapping of str to (k,) bool
        Which of them a committee would confirm.
    is_seen : mapping of str to (k,) bool
        Which of them are known by the end of the patient's participation.
    happenings : mapping of str to Happening
        By kind (`specimens.SPECIMENS`); those after the end are left out.
    end_days : (n,) int32
        Last day of treatment and follow-up.
    reasons : (n,) int8
        `COMPLETED`, or the place of the reason in `WITHDRAWAL_REASONS`.
    has_failed : (n,) bool
        The patient left at a failure.
    assessed_days : (n,) int32
        Last day on which creatinine is assessed: that of a confirmation after a failure, else `end_days`.
    """

    onsets: Mapping[str, Onsets]
    stands: Mapping[str, Flags]
    is_seen: Mapping[str, Flags]
    happenings: Mapping[str, Happening]
    end_days: Ints32
    reasons: npt.NDArray[np.int8]
    has_failed: Flags
    assessed_days: Ints32


def draw_consequences(
    question: Question,
    cohort: Cohort,
    found: Mapping[str, Onsets],
    parameters: Parameters,
    streams: Streams,
    *,
    horizon_day: int,
    strictness: float,
    activity: npt.NDArray[np.float64],
) -> Consequences:
    """Follow every patient from onset to onset until something ends participation.

    Parameters
    ----------
    question : Question
    cohort : Cohort
    found : mapping of str to Onsets
        Of every event endpoint on visits that waits for nobody's action.
    parameters : Parameters
    streams : Streams
    horizon_day : int
        Day of the last visit.
    strictness : float
        Taken from the committee's logit of confirming renal activity.
    activity : (n_assessments,) float
        Latent activity at every assessment of the panel.
    """
    n = cohort.patient.size
    # Who has withdrawn or died by then is seen by nobody.
    stays = np.minimum(np.minimum(cohort.dropout_day, cohort.death_day), np.int32(horizon_day))
    found = {name: _until(onsets, stays) for name, onsets in found.items()}
    read = [name for name in found if name in question.read_by_committee or name in question.ending_parts]
    stands: dict[str, Flags] = {name: np.ones(found[name].days.size, dtype=np.bool_) for name in found}
    treated: dict[str, Flags] = {}
    for name in read:
        nature = question.plans[name].nature
        luck = _luck(cohort, found[name], streams)
        chance = _chance(nature, activity[found[name].assessments], parameters, strictness)
        stands[name] = luck[:, _LUCK[nature]] < chance
        if nature is Nature.ACTIVITY:
            treated[name] = luck[:, 1] < parameters.rho

    fails = np.full(n, _NEVER, dtype=np.int32)
    for name, judged in question.ways_to_fail.items():
        if name in found:
            onsets = found[name]
            keep = stands[name] if judged else np.ones(onsets.days.size, dtype=np.bool_)
            earliest(onsets.subjects, onsets.known_days, keep, fails)
    kinds = question.ending_kinds
    if "rescue" in kinds:
        for name, was_treated in treated.items():
            earliest(found[name].subjects, found[name].known_days, was_treated, fails)
    if "dialysis" in kinds:
        fails = np.minimum(fails, cohort.esrd_day)

    end, ended_by = np.full(n, horizon_day, dtype=np.int32), np.zeros(n, dtype=np.int8)
    # On one day, a withdrawal comes before the last visit, a failure before both, and death before all.
    for days, kind in ((cohort.dropout_day, _DROPS_OUT), (fails, _FAILS), (cohort.death_day, _DIES)):
        end_first(days, kind, end, ended_by)

    reasons = _reasons(cohort, ended_by)
    has_failed = ended_by == _FAILS
    is_seen = {name: _known_by(onsets, end) for name, onsets in found.items()}
    assessed = _confirm_later(question, found, is_seen, end, has_failed, parameters.confirmed_days)
    happenings = _happenings(question, cohort, found, treated, is_seen, end, reasons)
    return Consequences(found, stands, is_seen, happenings, end, reasons, has_failed, assessed)


def _confirm_later(
    question: Question,
    found: Mapping[str, Onsets],
    is_seen: dict[str, Flags],
    end: Ints32,
    has_failed: Flags,
    within: float,
) -> Ints32:
    """Sees loss of function up to the day on which what had begun by a failure is confirmed: (n,)."""
    assessed = end.copy()
    for name, onsets in found.items():
        if question.plans[name].nature is Nature.FUNCTION:
            who = onsets.subjects
            late = has_failed[who] & (onsets.days <= end[who]) & (onsets.known_days > end[who])
            late &= onsets.known_days <= end[who] + within
            np.maximum.at(assessed, who[late], onsets.known_days[late])
    for name, onsets in found.items():
        if question.plans[name].nature is Nature.FUNCTION:
            is_seen[name] = _known_by(onsets, assessed)
    return assessed


_LUCK = {Nature.ACTIVITY: 0, Nature.FUNCTION: 2, Nature.EXTRARENAL: 3, Nature.RECORDS: 0}
"""Which of an address's four numbers the committee uses; 1 is the clinic's."""


def _luck(cohort: Cohort, onsets: Onsets, streams: Streams) -> npt.NDArray[np.float64]:
    """Four uniform numbers by patient and day: two definitions met on one day meet the same committee."""
    luck = np.empty((onsets.days.size, 4))
    who = onsets.subjects
    draw_conduct(
        cohort.trial[who], cohort.patient[who], onsets.days, np.uint64(Purpose.CONDUCT), *streams.key, luck
    )
    return luck


def _until(onsets: Onsets, last_days: Ints32) -> Onsets:
    """Those that are known by some day of each patient."""
    subjects, days, known = (np.empty_like(onsets.days) for _ in range(3))
    places_kept = np.empty_like(onsets.assessments)
    n = keep_known(
        onsets.subjects, onsets.days, onsets.known_days, onsets.assessments, last_days, subjects, days, known,
        places_kept,
    )  # fmt: skip
    return Onsets(subjects[:n], days[:n], known[:n], places_kept[:n])


def _known_by(onsets: Onsets, last_days: Ints32) -> Flags:
    is_known = np.empty(onsets.days.size, dtype=np.bool_)
    are_known_by(onsets.subjects, onsets.known_days, last_days, is_known)
    return is_known


def _once(keys: Ints64) -> Ints64:
    """Keys in order, each once."""
    keys = np.sort(keys)
    return keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if keys.size else keys


def _chance(
    nature: Nature, active: npt.NDArray[np.float64], parameters: Parameters, strictness: float
) -> npt.NDArray[np.float64] | float:
    """Probability that the committee confirms each onset."""
    if nature is not Nature.ACTIVITY:
        return parameters.q_lasting
    if parameters.q_c <= 0.0 or parameters.q_c >= 1.0:
        return parameters.q_c
    logit = np.log(parameters.q_c / (1.0 - parameters.q_c)) - strictness
    logits = logit + parameters.committee_slope * (active - parameters.committee_at)
    return 1.0 / (1.0 + np.exp(-logits))


def _reasons(cohort: Cohort, ended_by: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    reasons = np.full(ended_by.size, COMPLETED, dtype=np.int8)
    rows = np.flatnonzero((ended_by == _DROPS_OUT) | (ended_by == _FAILS))
    given, is_adverse_event = cohort.reasons_of(rows)
    labels = np.where(is_adverse_event, _REASON["ADVERSE EVENT"], _REASON["LACK OF EFFICACY"])
    reasons[rows] = np.where(ended_by[rows] == _FAILS, labels, given)
    reasons[ended_by == _DIES] = _REASON["DEATH"]
    return reasons


def _happenings(
    question: Question,
    cohort: Cohort,
    found: Mapping[str, Onsets],
    treated: Mapping[str, Flags],
    is_seen: Mapping[str, Flags],
    end: Ints32,
    reasons: npt.NDArray[np.int8],
) -> dict[str, Happening]:
    renal = [name for name in found if name in treated]
    elsewhere = [
        name
        for name in found
        if name in question.read_by_committee and question.plans[name].nature is Nature.EXTRARENAL
    ]
    everyone = np.arange(end.size, dtype=np.int32)
    happenings = {
        "suspected renal flare": _together([_seen(found[n], is_seen[n]) for n in renal]),
        "rescue": _together([_seen(found[n], is_seen[n] & treated[n]) for n in renal]),
        "suspected extrarenal flare": _together([_seen(found[n], is_seen[n]) for n in elsewhere]),
    }
    for kind, days in (("death", cohort.death_day), ("dialysis", cohort.esrd_day)):
        happened = days <= end
        happenings[kind] = Happening(everyone[happened], days[happened])
    for code, reason in enumerate(WITHDRAWAL_REASONS):
        left = np.flatnonzero(reasons == code).astype(np.int32)
        happenings[f"withdrawal: {reason}"] = Happening(left, end[left])
    stayed = np.flatnonzero(reasons == COMPLETED).astype(np.int32)
    happenings["completed"] = Happening(stayed, end[stayed])
    return happenings


def _seen(onsets: Onsets, keep: Flags) -> Happening:
    at = places(keep)
    return Happening(onsets.subjects[at], onsets.known_days[at])


def _together(parts: list[Happening]) -> Happening:
    """Happenings of several sources, one a patient and day, in order."""
    if not parts:
        return Happening(np.empty(0, np.int32), np.empty(0, np.int32))
    subjects = np.concatenate([part.subjects for part in parts])
    days = np.concatenate([part.days for part in parts])
    once = _once(subjects.astype(np.int64) * 2**32 + days)
    return Happening((once >> 32).astype(np.int32), (once & (2**32 - 1)).astype(np.int32))
