"""Cox's model from a formula: `cox("Surv(time, event) ~ arm + strata(center)", data)`.

Decides how a formula's parts become the arrays of `fit_cox`; the grammar is in docs/methods/formulas.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flarefree.errors import StatsError
from flarefree.stats.formula import Design, design_matrix
from flarefree.stats.survival._cox_data import prepare_rows
from flarefree.stats.survival._inputs import Coded
from flarefree.stats.survival._numbers import require_level
from flarefree.stats.survival.cox_array import choose_clusters, fit_rows, require_ties
from flarefree.stats.survival.cox_fit import CoxFit

__all__ = ["cox"]


def cox(
    formula: str,
    data: Any,
    *,
    ties: str = "efron",
    cluster: Any = None,
    weights: Any = None,
    robust: bool | None = None,
    firth: bool = False,
    level: float = 0.95,
) -> CoxFit:
    """Fit a proportional hazards model that a formula describes.

    Parameters
    ----------
    formula : str
        `Surv(time, event) ~ terms` or `Surv(start, stop, event) ~ terms`.  Among the terms may be
        `strata(...)`, `offset(...)`, `cluster(...)` and one `frailty(center, distribution="gamma")`.
    data : Polars or pandas frame, or a mapping of columns
        One row a patient, or one row an interval.
    ties : {"efron", "breslow", "exact"}
        How tied event times are treated.
    cluster, weights : name of a column, or (n,) array, optional
        Rows that belong together (robust variance); case weights.
    robust : bool, optional
        Whether the variance is the robust one; unless said, it is with clusters and with weights that are
        not whole numbers.
    firth : bool
        Penalize by Jeffreys' prior.
    level : float
        Level of the limits.

    Returns
    -------
    CoxFit
        With `frailty`, if the formula has such a term.

    Raises
    ------
    FormulaError, NoEventsError, SingularDesignError, ConvergenceError, StatsError

    Notes
    -----
    Rows with a missing value in any variable of the formula are left out and counted.  Text and
    categorical columns are coded against their first level.  See `fit_cox` for the method.
    """
    level = require_level(level)
    require_ties(ties)
    design = design_matrix(formula, data, drop_intercept=True, weights=weights, cluster=cluster)
    time, event, entry = _response(design)
    rows = prepare_rows(
        time,
        event,
        design.matrix,
        entry=entry,
        strata=_coded(design.strata),
        weights=design.weights,
        offset=design.offset,
    )
    with_frailty = design.frailty is not None
    clusters = choose_clusters(
        rows, _coded(design.cluster), False if with_frailty and robust is None else robust
    )
    fit = fit_rows(
        rows,
        design.columns,
        ties=ties,
        clusters=clusters,
        firth=firth,
        level=level,
        formula=str(design.formula),
        omitted=design.n_dropped,
        design=design,
    )
    return fit if design.frailty is None else _add_frailty(fit, design, ties)


def _add_frailty(fit: CoxFit, design: Design, ties: str) -> CoxFit:
    from flarefree.stats.survival.frailty import fit_frailty

    special = design.formula.find("frailty")[0]
    options = dict(special.options)
    known = {"distribution", "method", "variance", "theta", "sparse"}
    if unknown := sorted(set(options) - known):
        raise design.formula.error(
            f"frailty() has no option {unknown[0]}", special.at, expected=", ".join(sorted(known))
        )
    if fit.n_clusters is not None or design.cluster is not None or fit.firth:
        raise design.formula.error(
            "a frailty goes neither with clusters nor with Firth's penalty",
            special.at,
            try_="the frailty alone: it already allows for rows that belong together",
        )
    assert design.frailty is not None
    group = _coded(design.frailty)
    assert group is not None
    given = options.get("variance", options.get("theta"))
    return fit_frailty(
        fit.rows,
        fit,
        group,
        name=design.frailty.name,
        distribution=str(options.get("distribution", "gamma")),
        method=None if options.get("method") is None else str(options["method"]),
        variance=None if given is None else float(given),
        sparse=None if options.get("sparse") is None else bool(options["sparse"]),
        ties=ties,
    )


def _response(design: Design) -> tuple[Any, Any, Any]:
    values = design.response
    if design.response_levels:
        raise StatsError(
            "an event is 0 or 1",
            where="formula",
            found="levels " + ", ".join(design.response_levels),
            expected="a column of 0 and 1, or of false and true",
        )
    match design.response_kind:
        case "surv":
            return values["time"], values["event"], None
        case "counting":
            return values["stop"], values["event"], values["start"]
        case _:
            raise StatsError(
                "a Cox model needs times and events left of ~",
                where="formula",
                found=str(design.formula),
                expected="Surv(time, event) ~ ... or Surv(start, stop, event) ~ ...",
            )


def _coded(grouping: Any) -> Coded | None:
    if grouping is None:
        return None
    return Coded(np.asarray(grouping.codes, dtype=np.int64), grouping.labels)
