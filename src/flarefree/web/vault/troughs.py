"""Troughs: what the laboratory found stays here, what everybody may see comes out once a day.

Rules are `flarefree.conduct.trough`.  A sample is known when the laboratory receives it; in the arm without
the drug its sham is drawn there and then, so that neither waits for the other.  Nothing that is kept tells by
its presence, order or length which of the two it is.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from flarefree.conduct.audit.entries import read_time, time_text
from flarefree.conduct.trough import (
    Donor,
    DonorPool,
    ShownTrough,
    TroughMatch,
    TroughRules,
    TroughSample,
    judge_trough,
    live_trough,
    released_at,
    sham_trough,
    trough_rules,
)
from flarefree.errors import ConductError
from flarefree.web.chance import lots
from flarefree.web.trial import running_trial
from flarefree.web.vault.allocations import arm_of
from flarefree.web.vault.chain import vault_transaction
from flarefree.web.vault.keeping import keep, keep_in, kept_of

__all__ = ["install_donors", "keep_trough", "receive_sample", "shown_troughs"]

_SAMPLE, _RESULT, _STOCK = "trough_sample", "trough_result", "trough_stock"
_FIELD = "labs.trough_true"


def install_donors(stock: tuple[Donor, ...], *, by: str, request: str, at: datetime) -> None:
    """Results of an earlier study by the same laboratory, from which the first shams are drawn.

    Raises
    ------
    DesignError
        They are too few.
    """
    DonorPool(stock).require_ready()
    told = [_donor_told(donor) for donor in stock]
    keep(_STOCK, "stock", "", told, field=_FIELD, by=by, request=request, at=at)


def receive_sample(sample: TroughSample, *, by: str, request: str, at: datetime) -> None:
    """A sample reached the laboratory; who does not take the drug has a sham drawn now.

    Raises
    ------
    ConductError
        The patient was not randomized, or another sample has this identifier.
    """
    rules = _rules()
    with vault_transaction():
        pool = _pool()
        pool.require_ready()  # asked in each arm: a refusal in one of them would tell which it is
        is_live = _takes_drug(sample.subject)
        shown, donor = None, ""
        if not is_live:
            drawn, pool = sham_trough(rules, sample, _shown_before(sample.subject, at), pool, lots())
            later = max(drawn.reported_at, released_at(at))
            shown, donor = [drawn.text, drawn.unit, time_text(later)], pool.used[-1]
        told = {"sample": _sample_told(sample), "shown": shown, "donor": donor}
        keep_in(_SAMPLE, sample.id, sample.subject, told, field=_FIELD, by=by, request=request, at=at)


def keep_trough(
    sample_id: str, text: str, unit: str, reported_at: datetime, *, by: str, request: str, at: datetime
) -> None:
    """What the laboratory found in a sample that it received; shown only if it is the drug's own.

    Raises
    ------
    ConductError
        The sample is not known, or has a result already.
    """
    rules = _rules()
    with vault_transaction():
        found = kept_of(_SAMPLE, key=sample_id)
        if not found:
            raise ConductError("no such sample was received", where="sample", found=sample_id)
        sample = _sample_of(found[0]["sample"])
        _require_later(sample, reported_at)
        told: dict[str, Any] = {"text": text, "unit": unit, "reported_at": time_text(reported_at)}
        told |= {"shown": None, "donor": None}
        if _takes_drug(sample.subject):
            before = _shown_before(sample.subject, at)
            shown, pool = live_trough(rules, sample, text, unit, reported_at, before, DonorPool(()))
            later = max(shown.reported_at, released_at(at))
            told["shown"] = [shown.text, shown.unit, time_text(later)]
            told["donor"] = [_donor_told(donor) for donor in pool.donors]
        keep_in(_RESULT, sample_id, sample.subject, told, field=_FIELD, by=by, request=request, at=at)


def _require_later(sample: TroughSample, reported_at: datetime) -> None:
    """Asked in each arm, as `live_trough` asks in one."""
    if reported_at < sample.collected_at:
        raise ConductError(
            "a result cannot be reported before its sample was drawn",
            where="reported_at",
            found=reported_at.isoformat(),
            expected=f"after {sample.collected_at.isoformat()}",
        )


def shown_troughs(at: datetime) -> tuple[ShownTrough, ...]:
    """All that everybody may see by now, in the order of samples' identifiers: live or sham, it does not say.

    Asked again, the same and what came since; the record writes down what it has not.
    """
    return tuple(shown for shown in _shown("") if shown.reported_at <= at)


def _shown(subject: str) -> list[ShownTrough]:
    samples = {str(one["sample"]["id"]): one for one in kept_of(_SAMPLE, subject=subject)}
    results = {str(one["key"]): one for one in kept_of(_RESULT, subject=subject)}
    found = []
    for key in sorted(samples):
        told = samples[key]["shown"] or results.get(key, {}).get("shown")
        if told:
            sample = _sample_of(samples[key]["sample"])
            found.append(ShownTrough(sample, told[0], told[1], read_time(told[2])))
    return found


def _shown_before(subject: str, at: datetime) -> float | None:
    """The number that was shown to this patient last."""
    rules = _rules()
    shown = [one for one in _shown(subject) if one.reported_at <= at]
    shown.sort(key=lambda one: (one.reported_at, one.sample.id))
    numbers = [float(one.text) for one in shown if judge_trough(rules, one).may_dose]
    return numbers[-1] if numbers else None


def _pool() -> DonorPool:
    stock = [donor for one in kept_of(_STOCK) for donor in one["value"]]
    live = [donor for one in kept_of(_RESULT) for donor in one["donor"] or ()]
    used = [str(one["donor"]) for one in kept_of(_SAMPLE) if one["donor"]]
    return DonorPool(tuple(_donor_of(told) for told in (*stock, *live)), tuple(used))


def _takes_drug(subject: str) -> bool:
    spec = running_trial().protocol.spec
    regimens = spec.arms[arm_of(subject)].regimens
    return any(r.drug == spec.dosing.trough_drug and not r.is_placebo for r in regimens)


def _rules() -> TroughRules:
    return trough_rules(running_trial().protocol.spec)


# As JSON -----------------------------------------------------------------------------------------


def _sample_told(sample: TroughSample) -> dict[str, Any]:
    told = {f.name: getattr(sample, f.name) for f in fields(sample)}
    return {n: time_text(v) if isinstance(v, datetime) else v for n, v in told.items()}


def _sample_of(told: dict[str, Any]) -> TroughSample:
    times = {n: read_time(told[n]) for n in ("collected_at", "last_dose_at") if told[n] is not None}
    return TroughSample(**{**told, **times})


def _donor_told(donor: Donor) -> dict[str, Any]:
    match = {"slot": donor.match.slot, "units": donor.match.units, "before": donor.match.before}
    rest = {"id": donor.id, "site": donor.site, "text": donor.text, "unit": donor.unit}
    return rest | {"match": match, "seconds": donor.turnaround.total_seconds()}


def _donor_of(told: dict[str, Any]) -> Donor:
    match, after = TroughMatch(**told["match"]), timedelta(seconds=told["seconds"])
    return Donor(told["id"], told["site"], match, told["text"], told["unit"], after)
