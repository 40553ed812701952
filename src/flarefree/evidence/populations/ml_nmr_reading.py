"""Individuals of some studies and published arms of others, as arrays with one design.

Decides terms and scales of the covariates, the points that stand for a published study's patients, and
whether the studies tell every coefficient.  Sampling is in `ml_nmr.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError, StatsError
from flarefree.evidence.inputs import ArmRows, group_codes, read_rows
from flarefree.evidence.networks.connection import most_studied, place_of, require_connected
from flarefree.evidence.networks.studies import Studies, Study, order_of_treatments
from flarefree.evidence.populations.integration import IntegrationPoints, integration_points
from flarefree.evidence.populations.ml_nmr_data import Coefficients, Interactions, MixedData, as_population
from flarefree.evidence.populations.population import Population, columns_of, require_no_gaps
from flarefree.evidence.populations.terms import Term, columns_for, shared_terms
from flarefree.stats.margins import Categorical

__all__ = ["read_mixed"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def read_mixed(
    individuals: Any,
    aggregates: Any,
    populations: Mapping[str, Any],
    *,
    outcome: str | tuple[str, str],
    covariates: Sequence[str],
    modifiers: Sequence[str] | None,
    interactions: Interactions,
    reference: str | None,
    n_points: int,
    seed: int,
) -> MixedData:
    """Check and lay out both kinds of studies.

    Raises
    ------
    EvidenceError
        Missing columns or values, a study of both kinds, a published study without population, a network
        that is not connected, covariates that do not vary.
    """
    is_survival = not isinstance(outcome, str)
    source = _individuals(individuals, outcome, covariates)
    columns = source.columns or {}
    published = _published(aggregates, is_survival)
    terms = tuple(t for t in shared_terms(source, source, covariates) if not t.is_reference)
    x = columns_for(terms, columns, where="individuals")
    center, scale = x.mean(axis=0), x.std(axis=0)
    _require_variation(terms, scale)
    own_study, own_treatment = (_names(columns[c]) for c in ("study", "treatment"))
    _require_apart(own_study, published.study)
    studies, treatments = _network(own_study, own_treatment, published, reference)
    coefficients = Coefficients(
        studies,
        treatments,
        tuple(t.label for t in terms),
        _modifiers(modifiers, terms, covariates),
        interactions,
    )
    place = {name: k for k, name in enumerate(treatments)}
    index = {name: s for s, name in enumerate(studies)}
    scaled = (x - center) / scale
    study = np.array([index[s] for s in own_study], np.int64)
    treatment = np.array([place[t] for t in own_treatment], np.int64)
    arms, arm = group_codes(zip(study.tolist(), treatment.tolist()))
    theirs = {name: as_population(populations[name], name) for name in _asked(published.study, populations)}
    made, assumptions = _points(theirs, source, covariates, n_points, seed)
    published_arms = list(dict.fromkeys(zip(published.study, published.treatment)))
    points = np.stack(
        [(columns_for(terms, made[s].columns, where=s) - center) / scale for s, _ in published_arms]
    )
    at = [(index[s], place[t]) for s, t in published_arms]
    point_rows = np.stack(
        [
            coefficients.rows(np.full(points.shape[1], s), np.full(points.shape[1], t), points[a])
            for a, (s, t) in enumerate(at)
        ]
    )
    of = {pair: a for a, pair in enumerate(published_arms)}
    numbers = dict(published.numbers)
    if is_survival:
        numbers["of"] = np.array([of[pair] for pair in zip(published.study, published.treatment)], np.int64)
    name, time_name = (outcome, None) if isinstance(outcome, str) else (outcome[1], outcome[0])
    found = MixedData(
        coefficients=coefficients,
        terms=terms,
        center=center,
        scale=scale,
        x=scaled,
        rows=coefficients.rows(study, treatment, scaled),
        outcome=np.asarray(columns[name], float),
        time=np.ones(len(x)) if time_name is None else np.asarray(columns[time_name], float),
        arm=arm,
        study=study,
        points=points,
        point_rows=point_rows,
        published_arm=np.arange(len(arms), len(arms) + len(at)),
        published_study=np.array([s for s, _ in at], np.int64),
        published=numbers,
        n_arms=len(arms) + len(at),
        individuals={c: np.asarray(columns[c]) for c in covariates},
        populations=theirs,
        assumptions=assumptions,
    )
    _require_identified(found)
    return found


# Individuals ---------------------------------------------------------------------------------------


def _individuals(individuals: Any, outcome: str | tuple[str, str], covariates: Sequence[str]) -> Population:
    if not covariates:
        raise EvidenceError("no covariates", where="covariates", expected="at least one effect modifier")
    columns = columns_of(individuals, where="individuals")
    names = (outcome,) if isinstance(outcome, str) else tuple(outcome)
    for name in ("study", "treatment", *names, *covariates):
        if name not in columns:
            raise EvidenceError(
                f"there is no column {name!r}",
                where="individuals",
                found=", ".join(columns),
                expected=repr(name),
            )
        require_no_gaps(np.asarray(columns[name]), name, "individuals")
    _require_outcome(columns, names)
    return Population.from_patients(columns, covariates, name="individuals")


def _require_outcome(columns: Mapping[str, Any], names: tuple[str, ...]) -> None:
    values = np.asarray(columns[names[-1]])
    bad = np.flatnonzero(~np.isin(values, (0, 1)))
    if len(bad):
        raise EvidenceError(
            f"{names[-1]} holds what cannot be",
            where=f"individuals, column {names[-1]}, row {bad[0] + 1}",
            found=str(values[bad[0]]),
            expected="0 or 1",
        )
    if len(names) == 2:
        time = np.asarray(columns[names[0]], float)
        bad = np.flatnonzero(~(time > 0))
        if len(bad):
            raise EvidenceError(
                f"{names[0]} holds what cannot be",
                where=f"individuals, column {names[0]}, row {bad[0] + 1}",
                found=f"{time[bad[0]]:g}",
                expected="times above 0",
            )


def _names(values: Any) -> list[str]:
    return [
        str(int(v)) if isinstance(v, float | np.floating) and float(v).is_integer() else str(v)
        for v in values
    ]


def _require_variation(terms: Sequence[Term], scale: Floats) -> None:
    flat = [t.label for t, s in zip(terms, scale) if not s > 0]
    if flat:
        raise EvidenceError(
            "a covariate does not vary among the individuals",
            where=f"covariates, {flat[0]}",
            found="one value",
            expected="individuals who differ in it",
            try_="another covariate",
        )


def _modifiers(
    asked: Sequence[str] | None, terms: Sequence[Term], covariates: Sequence[str]
) -> tuple[int, ...]:
    names = list(covariates) if asked is None else list(asked)
    for name in names:
        if name not in covariates:
            raise EvidenceError(
                "a modifier is one of the covariates",
                where="modifiers",
                found=repr(name),
                expected=", ".join(covariates),
            )
    return tuple(j for j, t in enumerate(terms) if t.covariate in names)


# Published studies ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Published:
    """Names of study and treatment of each row, and its numbers."""

    study: list[str]
    treatment: list[str]
    numbers: Mapping[str, Any]


def _published(aggregates: Any, is_survival: bool) -> _Published:
    if is_survival:
        columns = columns_of(aggregates, where="aggregates")
        for name in ("study", "treatment", "time", "event"):
            if name not in columns:
                raise EvidenceError(
                    f"there is no column {name!r}",
                    where="aggregates",
                    found=", ".join(columns),
                    expected="study, treatment, time, event: a reconstructed patient a row",
                    try_="flarefree.evidence.reconstruct, from the published curve",
                )
            require_no_gaps(np.asarray(columns[name]), name, "aggregates")
        _require_outcome(columns, ("time", "event"))
        numbers = {"y": np.asarray(columns["event"], float), "time": np.asarray(columns["time"], float)}
        return _Published(_names(columns["study"]), _names(columns["treatment"]), numbers)
    rows = read_rows(aggregates, where="aggregates")
    if not isinstance(rows, ArmRows) or np.isnan(rows.events).any() or np.isnan(rows.n).any():
        raise EvidenceError(
            "published studies come as arms with events among n",
            where="aggregates",
            found="contrast rows" if not isinstance(rows, ArmRows) else "rows without events or n",
            expected="study, treatment, n, events",
        )
    return _Published(rows.study.tolist(), rows.treatment.tolist(), {"y": rows.events, "size": rows.n})


def _require_apart(own: list[str], theirs: list[str]) -> None:
    both = sorted(set(own) & set(theirs))
    if both:
        raise EvidenceError(
            "a study is given twice, as individuals and as published",
            where="aggregates",
            found=", ".join(both),
            expected="each study once: its patients would count twice",
        )


def _asked(studies: list[str], populations: Mapping[str, Any]) -> list[str]:
    names = list(dict.fromkeys(studies))
    missing = [name for name in names if name not in populations]
    if missing:
        raise EvidenceError(
            "published studies without a population",
            where="populations",
            found=f"nothing of {', '.join(missing)}",
            expected="margins of each published study: {study: {covariate: (mean, sd) or proportion}}",
        )
    return names


def _network(
    own_study: list[str], own_treatment: list[str], published: _Published, reference: str | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Studies, individuals' first; treatments, the reference first."""
    pairs = list(dict.fromkeys(zip([*own_study, *published.study], [*own_treatment, *published.treatment])))
    names = order_of_treatments([t for _, t in pairs])
    studies = list(dict.fromkeys(s for s, _ in pairs))
    made = []
    for name in studies:
        arms = np.array(sorted(names.index(t) for s, t in pairs if s == name), np.int64)
        made.append(Study(name, arms, np.full(len(arms), np.nan), np.full((len(arms),) * 2, np.nan)))
    require_connected(Studies(names, tuple(made)), "individuals and aggregates")
    first = (
        most_studied(made, len(names))
        if reference is None
        else place_of(reference, names, "reference", "multilevel_network")
    )
    return tuple(studies), (names[first], *(t for t in names if t != names[first]))


def _points(
    populations: Mapping[str, Population], source: Population, covariates: Sequence[str], n: int, seed: int
) -> tuple[dict[str, IntegrationPoints], tuple[str, ...]]:
    """Points of each published study; correlations that it does not print are those of the individuals."""
    pairs = _correlations(source, covariates)
    made, told = {}, []
    for name, population in populations.items():
        for covariate in covariates:
            if covariate not in population.margins:
                raise EvidenceError(
                    f"nothing is known of {covariate!r} in {name}",
                    where=f"populations, {name}",
                    found=", ".join(population.margins),
                    expected=", ".join(covariates),
                )
        borrowed = population
        if population.columns is None and population.correlation is None and pairs:
            borrowed = replace(population, correlation=pairs, kind="observed")
        try:
            made[name] = _equal_points(borrowed, covariates, n, seed)
            if borrowed is not population:
                told.append(f"{name}: correlations between covariates are those of the individuals")
        except StatsError:
            made[name] = _equal_points(population, covariates, n, seed)
            told.append(
                f"{name}: covariates independent, as its margins cannot have the individuals' correlations"
            )
    return made, tuple(told)


def _equal_points(population: Population, covariates: Sequence[str], n: int, seed: int) -> IntegrationPoints:
    """As many points of each population: those of patients are drawn from their rows in even steps."""
    found = integration_points(population, n, covariates=covariates, seed=seed)
    if found.n == n:
        return found
    at = (np.arange(n) * found.n) // n
    rng = np.random.default_rng(seed)
    order = rng.permutation(found.n)
    return IntegrationPoints({c: v[order][at] for c, v in found.columns.items()}, n, found.method)


def _correlations(source: Population, covariates: Sequence[str]) -> dict[tuple[str, str], float]:
    columns = source.columns or {}
    numeric = [c for c in covariates if not isinstance(source.margins[c], Categorical)]
    return {
        (a, b): float(np.corrcoef(np.asarray(columns[a], float), np.asarray(columns[b], float))[0, 1])
        for i, a in enumerate(numeric)
        for b in numeric[i + 1 :]
    }


def _require_identified(data: MixedData) -> None:
    """Whether individuals and studies' means tell every coefficient, however faintly."""
    design = np.vstack([data.rows, data.point_rows.mean(axis=1)])
    rank = np.linalg.matrix_rank(design)
    if rank == design.shape[1]:
        return
    names = data.coefficients.names
    lost = [
        names[j]
        for j in range(design.shape[1])
        if np.linalg.matrix_rank(np.delete(design, j, axis=1)) == rank
    ]
    raise EvidenceError(
        "the studies do not tell every coefficient",
        where="multilevel_network: covariates",
        found=f"{design.shape[1]} coefficients, {rank} of them told; among: {', '.join(lost)}",
        expected="individuals under each treatment that has an interaction of its own",
        try_="interactions='common', or fewer covariates",
    )
