"""`transport`: a study's result in another population.

Decides which method is used where none is named, what is done where nobody like the target was seen, and
adds the factor between populations.  The methods are in `estimators.py` and `meta_regression.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.arguments import as_number, require_flag, require_whole
from flarefree.evidence.inputs import ArmRows, ContrastRows
from flarefree.evidence.populations.balancing import effective_sample_size
from flarefree.evidence.populations.between import read_population_factor
from flarefree.evidence.populations.comparing import Overlap, few_patients, measure_overlap
from flarefree.evidence.populations.effects import EFFECTS, Effect, Estimated, require_effect
from flarefree.evidence.populations.estimators import Task, bootstrap_error, estimate_by
from flarefree.evidence.populations.indirect import read_comparison, with_comparison
from flarefree.evidence.populations.meta_regression import Interactions
from flarefree.evidence.populations.patients import read_patients
from flarefree.evidence.populations.population import Population, columns_of
from flarefree.evidence.populations.published_rows import transport_rows
from flarefree.evidence.populations.result import METHODS, Carried, Transport
from flarefree.evidence.populations.terms import (
    choose_covariates,
    columns_for,
    possible_in_target,
    shared_terms,
)

__all__ = ["transport"]

Floats = NDArray[np.float64]
Outside = Literal["refuse", "extrapolate"]


def transport(
    source: Any,
    target: Any,
    *,
    outcome: Any = None,
    treatment: str = "treatment",
    effect: str = "RR",
    method: str = "auto",
    covariates: Sequence[str] = (),
    experimental: str | None = None,
    reference: str | None = None,
    modifiers: Sequence[str] | None = None,
    moments: int = 1,
    by_arm: bool = False,
    population_factor_sd: float | None = None,
    comparison: Mapping[str, Any] | None = None,
    outside: Outside | None = None,
    std_error: Literal["sandwich", "bootstrap"] = "sandwich",
    replicates: int = 500,
    points: int = 1024,
    horizon: float | None = None,
    interactions: Interactions = "common",
    interactions_against: str = "",
    ties: str = "efron",
    seed: int = 1,
    level: float = 0.95,
) -> Transport:
    """Carry a study's result to another population.

    Parameters
    ----------
    source : Population of patients, frame of patients, or published rows
        A row a patient with outcome, treatment and covariates; or, for `nmr`, arm or contrast rows
        (`flarefree.evidence.inputs`) with a column a covariate, its mean in the study.
    target : Population, frame of patients, or mapping of margins
        As `Population.from_margins` takes it: `{"age": (31, 11), "black": 0.5}`.
    outcome : str or pair of str
        The column: 0/1 (RR, OR, RD), a measurement (MD); `(time, event)` for HR,
        `(events, person_time)` for IRR.
    treatment : str
        The column of arms.
    effect : {"RR", "OR", "RD", "HR", "IRR", "MD"}
    method : {"auto", "maic", "stc", "iow", "nmr"}
        `auto`: `nmr` for published rows; else, where weighting leaves a fifth of the patients or more,
        `iow` if the target's patients are at hand and `maic` if its margins are; else `stc`.
    covariates : sequence of str
        What to adjust for; all that both populations know unless given.
    experimental, reference : str, optional
        Which two arms; of 0/1 it is 1 against 0, of two texts the second in order against the first.
    modifiers : sequence of str, optional
        STC: covariates that interact with treatment; all unless given.
    moments : 1 or 2
        Weighting: match means only, or SDs as well.
    by_arm : bool
        MAIC: weight each arm to the target by itself, which balances the arms as well: for arms that were
        not randomized, or small ones.
    population_factor_sd : float, optional
        SD of the log-normal factor between populations; see `default_population_factor` for the default.
    comparison : mapping, optional
        A result in the target to set against: `{"treatment", "reference", "estimate", "std_error"}`, logs for
        ratios, whose reference is ours (anchored); or `{"treatment", "events", "n"}` (unanchored: needs all
        prognostic covariates and is told so).
    outside : "refuse" or "extrapolate"
        Where a target mean lies outside the source: an error that names the covariate, or go on without it
        (weighting; and STC where it does not vary) and print `extrapolated`.  `auto` extrapolates, a
        method asked for by name refuses.
    std_error : "sandwich" or "bootstrap"
        Influence functions, which allow for the estimation of weights or model; or resampled patients,
        weighted anew.  STC of hazards is always resampled.
    replicates : int
        Of the bootstrap.
    points : int
        STC: Sobol points of the target's margins, a power of two.
    horizon : float, optional
        STC of hazards: when the survivals are compared; the last event unless given.
    interactions : "common" or "exchangeable"
        `nmr`: whether all treatments share one slope against `interactions_against`, or have their own
        around a common one.
    interactions_against : str
        `nmr`: the network's standard treatment; `reference` unless given.  Common slopes cancel between
        two others.
    ties : "efron" or "breslow"
    seed : int
        Of the bootstrap and of the points.
    level : float

    Returns
    -------
    Transport

    Raises
    ------
    EvidenceError
        Unknown covariates, missing values, a target that no weighting reaches (which covariate), one arm
        only.
    NotFoundError
        A treatment that nobody had.

    References
    ----------
    [signorovitch2010], [phillippo2016], [remiro2022], [westreich2017], [dias2013]; docs/methods/transport.md.
    """
    chosen_effect = require_effect(effect)
    _require_choices(method, outside, std_error, moments, level)
    require_flag("by_arm", by_arm)
    require_whole("seed", seed, 0, 2**63)
    people = _as_target(target)
    if method == "nmr" or (method == "auto" and _is_published(source)):
        return transport_rows(
            source,
            people,
            effect=chosen_effect,
            pair=(experimental, reference),
            covariates=covariates,
            factor=read_population_factor(population_factor_sd, chosen_effect),
            interactions=interactions,
            against=interactions_against,
            outside=outside or ("extrapolate" if method == "auto" else "refuse"),
            level=level,
        )
    ours = source if isinstance(source, Population) else _as_source(source, people, covariates)
    names = choose_covariates(ours, people, covariates)
    against = read_comparison(comparison, chosen_effect)
    patients = read_patients(
        ours,
        outcome,
        treatment,
        chosen_effect,
        experimental=experimental,
        reference=reference,
        single_arm=against is not None and against.is_unanchored,
    )
    terms = shared_terms(ours, people, names, moments=moments)
    x = columns_for(terms, ours.columns, where=ours.name)[patients.rows]
    overlap = measure_overlap(x, terms, source=ours.name, target=people.name)
    used = _choose_method(method, overlap, people)
    task = Task(
        patients=patients,
        x=x,
        terms=terms,
        target=people,
        effect=chosen_effect,
        dropped=_dropped(used, overlap, outside or ("extrapolate" if method == "auto" else "refuse")),
        modifiers=names if modifiers is None else _checked_modifiers(modifiers, names),
        points=points,
        horizon=_horizon(horizon, patients.exposure, patients.outcome, chosen_effect),
        ties=ties,
        seed=seed,
        by_arm=by_arm,
        comparison=against,
    )
    whole = task
    task, at = _restricted(task) if used in ("maic", "iow") else (task, None)
    found, weights = estimate_by(used, task)
    if weights is not None and at is not None:
        weights = _spread(weights, at, len(patients))
    if weights is not None and not overlap.is_extrapolated:
        overlap = replace(overlap, reasons=tuple(few_patients(effective_sample_size(weights), len(weights))))
    error_from = "sandwich (influence functions)"
    resampled = std_error == "bootstrap" or (used == "stc" and chosen_effect == "HR")
    if resampled:
        error, told = bootstrap_error(used, task, replicates)
        found = Estimated(found.estimate, error, found.means, found.conditional, (*found.warnings, *told))
        error_from = f"bootstrap, {replicates} samples, seed {seed}"
    plain = None if patients.names[1] == "" else estimate_by("none", whole)[0]
    adjusted = Carried(found.estimate, found.std_error)
    if against is not None:
        adjusted = with_comparison(adjusted, found, against, chosen_effect, weights, task)
    factor = read_population_factor(population_factor_sd, chosen_effect)
    widened = math.sqrt(adjusted.std_error**2 + factor.variance_of(chosen_effect, found.means))
    return Transport(
        effect=chosen_effect,
        method=used,
        treatment=patients.names[0],
        reference=against.treatment if against is not None else patients.names[1],
        adjusted=adjusted,
        with_factor=Carried(adjusted.estimate, widened),
        population_factor=factor,
        overlap=overlap,
        unadjusted=None if plain is None or against is not None else Carried(plain.estimate, plain.std_error),
        weights=weights,
        means=found.means if patients.names[1] else None,
        conditional=found.conditional,
        error_from=error_from,
        level=level,
        seed=seed,
        notes=(*_left_out(whole, task), *_notes(used, task, found), *found.warnings),
        assumptions=people.assumptions if used == "stc" else (),
        details={
            "columns": {c: np.asarray((ours.columns or {})[c])[patients.rows] for c in names},
            "target": people,
        },
    )


# Reading what was given ----------------------------------------------------------------------------


def _require_choices(method: str, outside: Any, std_error: str, moments: int, level: float) -> None:
    choices = (
        ("method", method, ("auto", *METHODS)),
        ("outside", outside, (None, "refuse", "extrapolate")),
        ("std_error", std_error, ("sandwich", "bootstrap")),
        ("moments", moments, (1, 2)),
    )
    for name, value, allowed in choices:
        if value not in allowed:
            raise EvidenceError(
                "no such choice", where=name, found=repr(value), expected=", ".join(map(str, allowed))
            )
    if not 0 < as_number(level) < 1:
        raise EvidenceError("no level", where="level", found=f"{level!r}", expected="between 0 and 1")


def _as_target(target: Any) -> Population:
    if isinstance(target, Population):
        return target
    if isinstance(target, Mapping) and not any(_is_column(values) for values in target.values()):
        return Population.from_margins(target)
    return Population.from_patients(target, name="target")


def _is_column(values: Any) -> bool:
    return (
        isinstance(values, np.ndarray)
        or hasattr(values, "to_list")
        or (isinstance(values, list) and len(values) != 2)
    )


def _as_source(source: Any, target: Population, covariates: Sequence[str]) -> Population:
    columns = columns_of(source, where="source")
    asked = (covariates,) if isinstance(covariates, str) else tuple(covariates)
    names = asked or tuple(c for c in target.margins if c in columns)
    return Population.from_patients(columns, names, name="source")


def _is_published(source: Any) -> bool:
    if isinstance(source, Population):
        return False
    if isinstance(source, ArmRows | ContrastRows | str):
        return True
    names = set(columns_of(source, where="source"))
    return "study" in names and (
        "treatment_1" in names or {"treatment", "n"} <= names or "person_time" in names
    )


# Choosing ------------------------------------------------------------------------------------------


def _choose_method(method: str, overlap: Overlap, target: Population) -> str:
    if method != "auto":
        if method == "iow" and not target.has_patients:
            raise EvidenceError(
                "inverse odds need the target's patients",
                where="target",
                found=f"margins of {target.name}",
                expected="a frame of patients",
                try_='method="maic"',
            )
        return method
    if overlap.is_extrapolated:
        return "stc"
    return "iow" if target.has_patients else "maic"


def _dropped(method: str, overlap: Overlap, outside: Outside) -> tuple[str, ...]:
    """Terms to leave unadjusted: all beyond the source for weights, those that do not vary for a model."""
    if outside == "refuse" and method != "stc":
        return ()
    constant = {t.label for t, low, high in zip(overlap.terms, overlap.low, overlap.high) if low == high}
    if method == "stc":
        stuck = [label for label in overlap.dropped if label in constant]
        if stuck and outside == "refuse":
            raise EvidenceError(
                "the patients cannot say what this covariate does: it does not vary among them",
                where=f"covariates, {stuck[0]}",
                found="; ".join(overlap.reasons),
                expected="a covariate that varies among the source's patients",
                try_='outside="extrapolate", which leaves it unadjusted and says so',
            )
        return tuple(constant)
    return overlap.dropped


def _restricted(task: Task) -> tuple[Task, NDArray[np.int64]]:
    """The task without patients of whom the target has none, and which rows are left."""
    at = np.flatnonzero(possible_in_target(task.x, task.terms))
    people = task.patients.take(at)
    for arm, name in zip((people.is_experimental, ~people.is_experimental), people.names):
        if name and not arm.any():
            raise EvidenceError(
                f"no patient of arm {name} is like the target's",
                where="covariates",
                found=f"{len(at)} of {len(task.patients)} patients, all in the other arm",
                expected="patients of both arms",
            )
    return replace(task, patients=people, x=task.x[at]), at


def _spread(weights: Floats, at: NDArray[np.int64], n: int) -> Floats:
    """Weights of all patients, 0 for those left out, with mean 1."""
    whole = np.zeros(n)
    whole[at] = weights * n / len(at)
    return whole


def _left_out(whole: Task, task: Task) -> list[str]:
    left = len(whole.patients) - len(task.patients)
    if not left:
        return []
    return [f"{left} of {len(whole.patients)} patients have no weight: the target has none like them"]


def _checked_modifiers(modifiers: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    asked = (modifiers,) if isinstance(modifiers, str) else tuple(modifiers)
    for name in asked:
        if name not in names:
            raise EvidenceError(
                "a modifier is one of the covariates",
                where="modifiers",
                found=repr(name),
                expected=", ".join(names),
            )
    return asked


def _horizon(given: float | None, time: Any, event: Any, effect: Effect) -> float:
    if effect != "HR":
        return math.nan
    if given is not None:
        return float(given)
    seen = time[event > 0]
    return float(seen.max()) if len(seen) else math.nan


def _notes(method: str, task: Task, found: Estimated) -> list[str]:
    notes = []
    if task.dropped:
        left = [label for label in task.dropped if label in {t.label for t in task.terms}]
        beyond = [label for label in left if label in task.overlap_dropped()]
        if beyond:
            notes.append(f"not adjusted for {', '.join(beyond)}: only the population factor allows for it")
    if method == "stc":
        notes.append(
            f"marginal {EFFECTS[task.effect]}: what treating all of the target would change"
            + (
                ""
                if found.conditional is None
                else "; conditional (a patient at the target's means) "
                f"{math.exp(found.conditional) if task.effect != 'MD' else found.conditional:.3g} "
                f"as {'hazard' if task.effect == 'HR' else 'rate' if task.effect == 'IRR' else 'odds'} ratio"
            )
        )
    if task.comparison is not None and task.comparison.is_unanchored:
        notes.append("unanchored: right only if every prognostic covariate is among those matched")
    return notes
