"""Time to an endpoint in a cohort, and the hazard ratios between its arms.

Turns patients into the arrays that `flarefree.stats.survival` takes, and its fits into numbers by
comparison.  One model holds all arms, each against the reference arm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.analysis.baseline import characteristic, stratum
from flarefree.analysis.outcome import NotComputableError
from flarefree.analysis.trial import Cohort, Comparison, Trial
from flarefree.analysis.unmeasured import require_decidable
from flarefree.errors import NoEventsError, SingularDesignError, StatsError
from flarefree.protocol.schema import Model
from flarefree.studytime import DAYS_PER_MONTH, DAYS_PER_YEAR

if TYPE_CHECKING:
    from flarefree.stats.survival.cox_fit import CoxFit
    from flarefree.stats.survival.logrank_tests import LogrankTest

__all__ = [
    "DAYS_PER",
    "UNADJUSTED",
    "HazardRatios",
    "Times",
    "fit_hazard_ratios",
    "run_logrank",
    "times_to",
]

Floats = npt.NDArray[np.float64]

DAYS_PER = {"days": 1.0, "weeks": 7.0, "months": DAYS_PER_MONTH}

UNADJUSTED = Model(label="Unadjusted")


@dataclass(frozen=True, slots=True)
class Times:
    """Time to one endpoint of the patients of a cohort.

    Attributes
    ----------
    endpoint, label : str
        As the protocol has them.
    cohort : Cohort
        Only the patients who have a time, in the order of `frame`.
    frame : DataFrame
        Columns subject, group, days, is_event, component, censored_by; sorted by subject.
    untimed : int
        Patients of the cohort without a time to this endpoint.
    """

    endpoint: str
    label: str
    cohort: Cohort
    frame: pl.DataFrame
    untimed: int

    def events(self, group: str) -> int:
        """Patients of a group with an event."""
        return int(self.frame.filter(pl.col("group") == group).get_column("is_event").sum() or 0)

    def size(self, group: str) -> int:
        """Patients of a group with a time."""
        return int(self.frame.select((pl.col("group") == group).sum()).item() or 0)

    def person_years(self, group: str) -> float:
        """Years at risk of a group: to the event or the censoring."""
        days = self.frame.filter(pl.col("group") == group).get_column("days").sum()
        return float(days or 0) / DAYS_PER_YEAR

    def within(self, condition: pl.Series, label: str = "") -> Times:
        """Only the patients of a mask in the order of `frame`."""
        mine = self.cohort.subjects.filter(condition)
        cohort = Cohort(self.cohort.key, label or self.cohort.label, mine, self.cohort.groups)
        return Times(self.endpoint, self.label, cohort, self.frame.filter(condition), 0)


def times_to(trial: Trial, cohort: Cohort, endpoint: str) -> Times:
    """Time to `endpoint` of every patient of a cohort who has one.

    Raises
    ------
    NotComputableError
        None of them has, or it could not be known of anybody.
    """
    require_decidable(trial, endpoint)
    label = trial.spec.endpoints[endpoint].label
    found = trial.derivation.time_to_event.filter(pl.col("endpoint") == endpoint).select(
        "subject",
        pl.col("time").cast(pl.Float64).alias("days"),
        pl.col("is_event").fill_null(False),
        "component",
        "censored_by",
    )
    joined = cohort.of(found.unique("subject", keep="first", maintain_order=True)).sort("subject")
    if joined.height == 0:
        raise NotComputableError(f"No patient of “{cohort.label}” has a time to “{label}”.")
    timed = cohort.restricted(pl.col("subject").is_in(joined.get_column("subject").implode()))
    return Times(endpoint, label, timed, joined, cohort.subjects.height - joined.height)


def untimed_warning(times: Times) -> list[str]:
    """What to say where patients have no time to the endpoint."""
    if not times.untimed:
        return []
    return [f"{times.untimed} patients have no time to “{times.label}” and are left out of it."]


@dataclass(frozen=True, slots=True)
class HazardRatios:
    """Hazard ratios of one model, by comparison.

    `by_comparison` holds estimate, conf_low, conf_high, std_error (of the logarithm) and p_value
    (Wald) under the comparison's key; all None where an arm without events leaves no estimate.
    """

    label: str
    method: str
    by_comparison: dict[str, dict[str, float | None]]
    n: int
    omitted: int
    loglik: float
    warnings: tuple[str, ...] = ()

    def complaints(self) -> list[str]:
        """What a reader of the ratios should know: patients left out, arms without events."""
        found = []
        if self.omitted:
            noun = "patient" if self.omitted == 1 else "patients"
            found.append(f"{self.label}: {self.omitted} {noun} without a value of a covariate left out.")
        if any(ratio["estimate"] is None for ratio in self.by_comparison.values()):
            found.append(f"{self.label}: an arm without events leaves no estimate of the hazard ratio.")
            return found
        return [*found, *(f"{self.label}: {warning}." for warning in self.warnings)]


_NO_ESTIMATE: dict[str, float | None] = dict.fromkeys(
    ("estimate", "conf_low", "conf_high", "std_error", "p_value")
)


def fit_hazard_ratios(trial: Trial, times: Times, model: Model = UNADJUSTED) -> HazardRatios:
    """Fit `model` with treatment, and give the hazard ratio of each arm over the reference arm.

    Raises
    ------
    NotComputableError
        There are no events, no two arms to compare, or the covariates do not allow a fit.
    """
    require_two_arms(trial, times)
    covariates, names = _covariates(trial, times, model.covariates)
    known = ~np.isnan(covariates).any(axis=1) if names else np.ones(times.frame.height, dtype=bool)
    strata, cluster = _strata(trial, times, model.strata), _labels(trial, times, (model.cluster,))
    for column in (*strata, *cluster):
        known &= np.array([value is not None for value in column])
    kept = times.within(pl.Series(known)) if not known.all() else times
    require_two_arms(trial, kept)
    arms = [g.key for g in kept.cohort.occupied if g.key != trial.spec.reference_arm]
    treatment = _indicators(kept, arms)
    fit = _fit(
        kept,
        np.column_stack([treatment, covariates[known]]) if names else treatment,
        [*arms, *names],
        model,
        [column[known] for column in strata],
        [column[known] for column in cluster],
    )
    found = {c.key: _ratio(fit, arms, kept, c) for c in trial.comparisons}
    omitted = int((~known).sum())
    return HazardRatios(
        model.label,
        _method(trial, fit, model),
        found,
        kept.frame.height,
        omitted,
        fit.loglik,
        tuple(fit.warnings),
    )


def require_two_arms(trial: Trial, times: Times) -> None:
    """Raise unless an arm can be compared with the reference arm, and somebody had the event."""
    if not trial.comparisons:
        raise NotComputableError("Arms are masked: nothing is compared until the key is released.")
    occupied = {group.key for group in times.cohort.occupied}
    if trial.spec.reference_arm not in occupied:
        label = trial.spec.arms[trial.spec.reference_arm].label
        raise NotComputableError(f"The reference arm, {label}, has no patients.")
    if len(occupied) < 2:
        raise NotComputableError("Only one arm has patients: there is nothing to compare it with.")
    if not times.frame.get_column("is_event").any():
        raise NotComputableError(f"Nobody had the event “{times.label}”.")


def _indicators(times: Times, arms: Sequence[str]) -> Floats:
    group = times.frame.get_column("group").to_numpy()
    return np.column_stack([(group == arm).astype(np.float64) for arm in arms])


def _covariates(trial: Trial, times: Times, names: Sequence[str]) -> tuple[Floats, list[str]]:
    """Columns of covariates: numbers as they are, categories as indicators of all levels but the first."""
    columns: list[Floats] = []
    labels: list[str] = []
    for name in names:
        known = characteristic(trial, times.cohort, name)
        if not known.is_category:
            columns.append(known.values.fill_null(np.nan).to_numpy().astype(np.float64))
            labels.append(name)
            continue
        present = [level for level in known.levels if (known.values == level).any()]
        for level in present[1:]:
            indicator = [np.nan if v is None else float(v == level) for v in known.values]
            columns.append(np.array(indicator, dtype=np.float64))
            labels.append(f"{name}={level}")
    return (np.column_stack(columns) if columns else np.empty((times.frame.height, 0))), labels


def _labels(trial: Trial, times: Times, names: Sequence[str]) -> list[npt.NDArray[np.object_]]:
    """A column of labels for each named covariate; empty names are none."""
    found = []
    for name in names:
        if name:
            values = characteristic(trial, times.cohort, name).values.cast(pl.String)
            found.append(np.array(values.to_list(), dtype=object))
    return found


def _strata(trial: Trial, times: Times, names: Sequence[str]) -> list[npt.NDArray[np.object_]]:
    """A column of labels for each covariate that strata are made of."""
    return [np.array(stratum(trial, times.cohort, name).to_list(), dtype=object) for name in names]


def _fit(
    times: Times,
    x: Floats,
    names: list[str],
    model: Model,
    strata: list[npt.NDArray[np.object_]],
    cluster: list[npt.NDArray[np.object_]],
) -> CoxFit:
    """Fit a Cox model, with a frailty by cluster where the model asks for one; coefficients as in `x`."""
    time, event = times.frame.get_column("days").to_numpy(), times.frame.get_column("is_event").to_numpy()
    joint = np.array([" / ".join(map(str, row)) for row in zip(*strata, strict=True)]) if strata else None
    labels = cluster[0].astype(str) if cluster else None
    try:
        if model.type == "frailty":
            return _fit_frailty(time, event, x, joint, labels, model)
        from flarefree.stats.survival import fit_cox

        return fit_cox(time, event, x, names=names, strata=joint, cluster=labels)
    except NoEventsError:
        raise NotComputableError(f"Nobody had the event “{times.label}”.") from None
    except SingularDesignError:
        raise NotComputableError(
            f"The covariates of “{model.label}” do not vary enough among these patients to adjust for them."
        ) from None
    except StatsError as trouble:
        raise NotComputableError(f"The model “{model.label}” could not be fitted: {trouble.what}.") from None


def _fit_frailty(
    time: Floats,
    event: npt.NDArray[np.bool_],
    x: Floats,
    strata: npt.NDArray[np.str_] | None,
    cluster: npt.NDArray[np.str_] | None,
    model: Model,
) -> CoxFit:
    """A shared gamma frailty, the formula's default; columns are renamed, so that any label will do."""
    if cluster is None:
        raise NotComputableError(f"The model “{model.label}” names no cluster for its frailty.")
    from flarefree.stats.survival import cox

    columns: dict[str, Any] = {f"x{i}": x[:, i] for i in range(x.shape[1])}
    terms = [*columns, f"frailty({model.cluster})"]
    data = {"time": time, "event": event, model.cluster: cluster, **columns}
    if strata is not None:
        terms.append("strata(stratum)")
        data["stratum"] = strata
    return cox(f"Surv(time, event) ~ {' + '.join(terms)}", data)


def _ratio(fit: CoxFit, arms: list[str], times: Times, comparison: Comparison) -> dict[str, float | None]:
    """The hazard ratio of one comparison; none where either arm is empty or had no events."""
    if comparison.arm not in arms or not (
        times.events(comparison.arm) and times.events(comparison.reference)
    ):
        return dict(_NO_ESTIMATE)
    i = arms.index(comparison.arm)
    return {
        "estimate": float(fit.hr[i]),
        "conf_low": float(fit.hr_low[i]),
        "conf_high": float(fit.hr_high[i]),
        "std_error": float(fit.std_error[i]),
        "p_value": float(fit.p_value[i]),
    }


def _method(trial: Trial, fit: CoxFit, model: Model) -> str:
    method = str(fit.method)
    if model.covariates:
        labels = [_label(trial, name) for name in model.covariates]
        method += f", adjusted for {', '.join(labels)}"
    if model.strata:
        method += f", stratified by {', '.join(_label(trial, name) for name in model.strata)}"
    return method


def _label(trial: Trial, name: str) -> str:
    known = trial.spec.covariates.get(name) or trial.spec.measures.get(name)
    return known.label if known else name


def run_logrank(trial: Trial, times: Times, arms: Sequence[str], strata: Sequence[str] = ()) -> LogrankTest:
    """The log-rank test between `arms`, within strata of covariates where any are named.

    Raises
    ------
    NotComputableError
        There are no events among them, or only one of them has patients.
    """
    require_two_arms(trial, times)
    mine = times.within(times.frame.get_column("group").is_in(list(arms)))
    if mine.frame.get_column("group").n_unique() < 2:
        raise NotComputableError("Only one arm has patients: there is nothing to compare it with.")
    if not mine.frame.get_column("is_event").any():
        raise NotComputableError(f"Nobody had the event “{times.label}”.")
    from flarefree.stats.survival import logrank

    labels = _strata(trial, mine, strata)
    joint = [" / ".join(map(str, row)) for row in zip(*labels, strict=True)] if labels else None
    return logrank(
        mine.frame.get_column("days").to_numpy(),
        mine.frame.get_column("is_event").to_numpy(),
        mine.frame.get_column("group").to_numpy().astype(str),
        strata=joint,
    )


def interaction_p(trial: Trial, times: Times, subgroup: pl.Series) -> float:
    """P value of treatment by subgroup: the likelihood-ratio test of their products in a Cox model.

    `subgroup` is in the order of `times.frame`; patients without a level are left out.

    Raises
    ------
    NotComputableError
        Fewer than two levels or two arms, or no events.
    """
    from flarefree.stats.distributions import chi_square_tail

    kept = times.within(subgroup.is_not_null())
    labels = subgroup.drop_nulls().to_numpy()
    require_two_arms(trial, kept)
    levels = sorted(set(labels.tolist()))
    if len(levels) < 2:
        raise NotComputableError("All patients are of one level: there is no interaction.")
    arms = [g.key for g in kept.cohort.occupied if g.key != trial.spec.reference_arm]
    treatment = _indicators(kept, arms)
    group = np.column_stack([(labels == level).astype(np.float64) for level in levels[1:]])
    products = np.column_stack([treatment[:, [i]] * group for i in range(len(arms))])
    additive = np.column_stack([treatment, group])
    products = _beyond(additive, products)  # an arm may lack a level: its product says nothing more
    if not products.shape[1]:
        raise NotComputableError("Fewer than two levels of the subgroup have patients of both arms.")
    without = _fit(kept, additive, [f"x{i}" for i in range(additive.shape[1])], UNADJUSTED, [], [])
    both = np.column_stack([additive, products])
    full = _fit(kept, both, [f"x{i}" for i in range(both.shape[1])], UNADJUSTED, [], [])
    return chi_square_tail(2.0 * (full.loglik - without.loglik), products.shape[1])


def _beyond(columns: Floats, more: Floats) -> Floats:
    """Those of the columns `more` that are no combination of `columns`, a constant and one another.

    Which level and which arm are the reference does not change how many are kept.
    """
    known = np.column_stack([np.ones(len(columns)), columns])
    rank = np.linalg.matrix_rank(known)
    kept = []
    for place in range(more.shape[1]):
        wider = np.column_stack([known, more[:, place]])
        if (wider_rank := np.linalg.matrix_rank(wider)) > rank:
            known, rank = wider, wider_rank
            kept.append(place)
    return more[:, kept]
