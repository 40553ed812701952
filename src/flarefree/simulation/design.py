"""The design of virtual trials: arms and their sizes, visits, treatments, committee; checked when made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from flarefree.errors import DesignError
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.published import load_published
from flarefree.simulation.parameters import Parameters, Treatment, treatments_of
from flarefree.simulation.settings import check_settings
from flarefree.studytime import DAYS_PER_MONTH

__all__ = ["Design", "design_of"]

_SIZE_UNKNOWN = 100
_ERRORS = (
    "sigma_e", "sigma_upcr", "sigma_creatinine", "c3_sd", "c4_sd", "dsdna_sd", "albumin_error"
)  # fmt: skip
"""Parameters that `noise` multiplies."""


@dataclass(frozen=True, slots=True)
class Design:
    """How a virtual trial is run.

    Attributes
    ----------
    arms : tuple of str
        In the protocol's order.
    reference : int
        Place of the reference arm.
    sizes : tuple of int
        Patients by arm.
    visit_days : tuple of int
        Study days of all visits, month 0 (day 1) first.
    visit_codes : tuple of int
        Index of each into the protocol's visits, -1 where it has none there.
    treatments : tuple of Treatment
        By arm.
    population : str
        Whose characteristics patients are drawn from.
    strictness : float
        Taken from the committee's logit of confirming a flare.
    confirmation_days : int or None
        When an event is assessed again; None for as soon as its sentence allows.
    accrual_months : float or None
        How long enrollment takes; None for as long as in the population's trial.
    shared_patients : bool
        The same people under every treatment.
    is_null : bool
        Every arm is treated as the reference arm.
    changes : mapping of str to float
        Parameters that were set by name, laid over whatever parameters are used.
    settings : mapping
        As they were asked for.
    """

    arms: tuple[str, ...]
    reference: int
    sizes: tuple[int, ...]
    visit_days: tuple[int, ...]
    visit_codes: tuple[int, ...]
    treatments: tuple[Treatment, ...]
    population: str
    strictness: float
    confirmation_days: int | None
    accrual_months: float | None
    shared_patients: bool
    is_null: bool
    noise: float
    changes: Mapping[str, float]
    settings: Mapping[str, Any]

    @property
    def horizon_day(self) -> int:
        """Day of the last visit."""
        return self.visit_days[-1]

    @property
    def n(self) -> int:
        """Patients of all arms."""
        return sum(self.sizes)

    def arm_of_patients(self) -> np.ndarray[Any, np.dtype[np.int8]]:
        """The arm of each patient of a trial, arm by arm: (n,)."""
        return np.repeat(np.arange(len(self.sizes), dtype=np.int8), self.sizes)

    def parameters(self, given: Parameters) -> Parameters:
        """Parameters with what was set laid over them."""
        changes = dict(self.changes)
        for name in _ERRORS:
            if self.noise != 1.0:
                changes[name] = changes.get(name, float(getattr(given, name))) * self.noise
        return given.changed(**changes) if changes else given

    def as_null(self) -> Design:
        """The same design with every arm treated as the reference arm."""
        own = self.treatments[self.reference]
        return replace(self, treatments=tuple(own for _ in self.arms), is_null=True)


def design_of(
    protocol: LoadedProtocol,
    settings: Mapping[str, Any] | None = None,
    *,
    parameters: Parameters | None = None,
    is_null: bool = False,
) -> Design:
    """The design that a protocol describes, with some settings of one's own.

    Parameters
    ----------
    protocol : LoadedProtocol
    settings : mapping of str to number, optional
        See `flarefree.simulation.settings.SETTINGS`.
    parameters : Parameters, optional
        For what is set relative to them.
    is_null : bool
        Treat every arm as the reference arm.

    Raises
    ------
    DesignError
        A setting does not exist or makes no sense, or an arm's drugs are not known.
    """
    spec = protocol.spec
    arms = tuple(spec.arms)
    reference = arms.index(spec.reference_arm)
    checked = check_settings(settings or {}, arms, spec.reference_arm)
    given = parameters or Parameters()
    known = {field.name for field in fields(Parameters)}
    changes = {name: float(value) for name, value in checked.items() if name in known}
    if "frailty" in checked:
        changes["omega"] = checked["frailty"]
    used = given.changed(**changes) if changes else given
    days, codes = _visits(protocol, checked)
    treatments = _treatments(protocol, checked, used, arms, reference)
    design = Design(
        arms=arms,
        reference=reference,
        sizes=_sizes(protocol, checked, arms),
        visit_days=days,
        visit_codes=codes,
        treatments=treatments,
        population=_population(protocol),
        strictness=float(checked.get("committee_strictness", 0.0)),
        confirmation_days=checked.get("confirmation_days"),
        accrual_months=checked.get("accrual_months"),
        shared_patients=bool(checked.get("shared_patients", 0)),
        is_null=False,
        noise=float(checked.get("noise", 1.0)),
        changes=changes,
        settings=checked,
    )
    return design.as_null() if is_null else design


def _population(protocol: LoadedProtocol) -> str:
    return "multitarget" if "multitarget" in protocol.spec.name else "ALMS"


def _sizes(protocol: LoadedProtocol, settings: Mapping[str, Any], arms: tuple[str, ...]) -> tuple[int, ...]:
    """What is set; else as many as were enrolled, by the published paper; else as many as were planned."""
    planned = protocol.spec.sample_size
    default = _SIZE_UNKNOWN if planned is None or planned.per_arm is None else planned.per_arm
    enrolled = _enrolled(protocol) if "n" not in settings else {}
    return tuple(int(settings.get(f"n.{arm}", settings.get("n", enrolled.get(arm, default)))) for arm in arms)


def _enrolled(protocol: LoadedProtocol) -> dict[str, int]:
    published = load_published(protocol)
    if published is None:
        return {}
    found: dict[str, int] = {}
    for key, cell in published.cells.items():
        n = cell.number("n")
        if key.analysis == "populations" and key.group in protocol.spec.arms and n is not None:
            found.setdefault(key.group, int(n))
    return found


def _visits(protocol: LoadedProtocol, settings: Mapping[str, Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Days of the visits, and which visits of the protocol they are."""
    planned = [(visit.day, i) for i, visit in enumerate(protocol.spec.schedule.visits)]
    horizon = settings.get("horizon_months")
    if "visits" in settings:
        months = list(settings["visits"])
        days = [1, *(_day(month) for month in months)]
    elif "visit_spacing" in settings:
        last = horizon if horizon is not None else (max(day for day, _ in planned) - 1) / DAYS_PER_MONTH
        spacing = settings["visit_spacing"]
        count = int(np.floor(last / spacing + 1e-6))
        if count < 1 or count > 1000:
            raise DesignError(
                "no visits, or too many", where="visit_spacing", found=f"{spacing:g} months",
                expected=f"several within {last:g} months",
            )  # fmt: skip
        days = [1, *(_day(spacing * k) for k in range(1, count + 1))]
    else:
        days = sorted(day for day, _ in planned)
    if horizon is not None:
        days = [day for day in days if day <= _day(horizon)]
        if days[-1] < _day(horizon) - 20:
            days.append(_day(horizon))
    days = sorted(set(days))
    if len([day for day in days if day > 1]) < 1:
        raise DesignError("no visits after month 0", where="visits", found="none", expected="at least one")
    by_day = dict(planned)
    return tuple(days), tuple(by_day.get(day, -1) for day in days)


def _day(month: float) -> int:
    return 1 + round(month * DAYS_PER_MONTH)


def _treatments(
    protocol: LoadedProtocol,
    settings: Mapping[str, Any],
    parameters: Parameters,
    arms: tuple[str, ...],
    reference: int,
) -> tuple[Treatment, ...]:
    rates = {arm: settings[f"hazard.{arm}"] for arm in arms if f"hazard.{arm}" in settings}
    found = list(treatments_of(protocol.spec, rates))
    base = found[reference].flare_rate(parameters)
    for i, arm in enumerate(arms):
        ratio = settings.get(f"hazard_ratio.{arm}", settings.get("hazard_ratio"))
        if i != reference and ratio is not None:
            if arm in rates:
                raise DesignError(
                    "the hazard of one arm is set in two ways", where=f"hazard.{arm}",
                    found=f"hazard.{arm} and hazard_ratio",
                )  # fmt: skip
            found[i] = found[i].changed(flares_per_year=base * ratio, hazard_factor=1.0)
        leaves = settings.get(f"dropout.{arm}", settings.get("dropout"))
        if leaves is not None:
            found[i] = found[i].changed(withdrawals_per_year=leaves)
        taken = settings.get(f"adherence.{arm}", settings.get("adherence"))
        if taken is not None:
            found[i] = found[i].changed(adherence=taken)
    return tuple(found)
