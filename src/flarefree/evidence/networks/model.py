"""A network meta-analysis, from rows to its result: `network`.

Decides the model and the reference, checks that the network is connected, and hands the numbers to a frozen
`Network` (`result.py`).  The algebra is in `rows.py` (contrasts) and in `counts/` (models of the counts).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.arguments import (
    require_flag,
    require_level,
    require_no_less_than_zero,
    require_whole,
)
from flarefree.evidence.inputs import ArmRows, read_rows
from flarefree.evidence.networks.connection import most_studied, place_of, require_connected, take_part
from flarefree.evidence.networks.effects import Effects, effects_of
from flarefree.evidence.networks.heterogeneity import TauMethod, describe_heterogeneity, estimate_tau2
from flarefree.evidence.networks.ranking import SmallValues
from flarefree.evidence.networks.result import Model, Network
from flarefree.evidence.networks.rows import Rows, fit, rotate
from flarefree.evidence.networks.studies import MEASURES, Studies, Study, ZeroCells, studies_of

if TYPE_CHECKING:
    from flarefree.evidence.networks.components import ComponentModel

__all__ = ["Method", "additive_network", "network"]

Floats = NDArray[np.float64]
Method = Literal["DL", "REML", "ML", "PM", "MH", "NCH", "GLMM"]

CONTRAST_METHODS = ("DL", "REML", "ML", "PM")
COUNT_METHODS = {
    "MH": "Mantel-Haenszel",
    "NCH": "conditional likelihood (noncentral hypergeometric)",
    "GLMM": "likelihood of the counts",
}


def network(
    data: Any,
    *,
    measure: str = "OR",
    model: Model = "random",
    reference: str | None = None,
    method: Method = "DL",
    small_values: SmallValues = "good",
    conf_level: float = 0.95,
    tau2: float | None = None,
    hartung_knapp: bool = False,
    zero_cells: ZeroCells = "only0",
    correction: float = 0.5,
    part: str | None = None,
    tolerance: float = 1e-3,
    quadrature_points: int = 9,
) -> Network:
    """Compare many treatments by all the studies that connect them.

    Parameters
    ----------
    data : frame, list of mappings, mapping of columns, path of a CSV file
        Arm rows (`study, treatment` with `n, events`; `person_time, events`; or `n, mean, sd`) or contrast
        rows (`study, treatment_1, treatment_2, estimate, std_error`; logs for ratios; every pair of a
        study's treatments).
    measure : "OR", "RR", "RD", "HR", "IRR", "IRD", "MD", "SMD", "ROM", "GEN"
    model : "random" or "common"
        Which effects tables and rankings show.  Contrast methods keep both.
    reference : str, optional
        The treatment that others are compared with; the one in most studies unless given.
    method : str
        `DL`, `REML`, `ML`, `PM`: generalized least squares on contrasts, with that estimator of tau2.
        `MH` (Mantel-Haenszel, OR) and `NCH` (exact conditional likelihood, OR): common effects, for rare
        events, without added increments.  `GLMM`: binomial-logit (OR) or Poisson (IRR) with a study's own
        baseline; random effects by adaptive quadrature.
    small_values : "good" or "bad"
        Whether a smaller effect is better: the direction of rankings.
    conf_level : float
    tau2 : float, optional
        A between-study variance to use instead of an estimate.
    hartung_knapp : bool
        Scale random-effects variances by Q / df at tau2 and use t limits.
    zero_cells : "only0", "if0all", "all", "none"
        Contrast methods: which studies get the continuity correction: those with an empty cell; all, if
        one has one; all always; none, so that they drop out.  Studies without any event (for odds ratios,
        or with events alone) tell nothing of a ratio and are left out, which is told in `notes`.
    correction : float
        What is added to every cell of such a study.
    part : str, optional
        Of a network that is not connected, take the part that holds this treatment.
    tolerance : float
        How far the contrasts of a study with several arms may be from adding up.
    quadrature_points : int
        Nodes a dimension for `GLMM` with random effects; 1 is Laplace's approximation.

    Returns
    -------
    Network

    Raises
    ------
    EvidenceError
        Cells that cannot be used, a network that is not connected, contrasts that are not of one study.
    NotFoundError
        The reference is no treatment of the network; the nearest name is given.

    References
    ----------
    [ruecker2012], [ruecker2014], [jackson2012], [efthimiou2019], [stijnen2010]
    """
    measure, method = cast(
        "tuple[str, Method]",
        _require_known(
            measure,
            model,
            method,
            small_values,
            zero_cells,
            conf_level=conf_level,
            tau2=tau2,
            correction=correction,
            tolerance=tolerance,
        ),
    )
    require_flag("network: hartung_knapp", hartung_knapp)
    rows = read_rows(data)
    if method in COUNT_METHODS:
        _require_for_counts(method, hartung_knapp, tau2, quadrature_points)
        return _by_counts(
            rows, measure, model, reference, method, small_values, conf_level, part, quadrature_points
        )
    found = studies_of(rows, measure, zero_cells=zero_cells, correction=correction, tolerance=tolerance)
    found = take_part(found, part, rows.where) if part is not None else found
    require_connected(found, rows.where)
    at = _reference_of(found, reference, rows.where)
    independent = rotate(found.studies, len(found.treatments))
    others = [i for i in range(len(found.treatments)) if i != at]
    columns = Rows(independent.y, independent.x[:, others], independent.v, independent.study)

    estimated = estimate_tau2(columns, cast("TauMethod", method)) if tau2 is None else tau2
    used = 0.0 if math.isnan(estimated) else estimated
    notes = list(found.notes)
    if math.isnan(estimated):
        notes.append("no two studies tell the same thing: tau2 cannot be estimated and is taken as 0")
    return Network(
        treatments=found.treatments,
        measure=measure,
        model=model,
        method=method,
        reference=found.treatments[at],
        small_values=small_values,
        conf_level=conf_level,
        common=_effects(columns, found.treatments, others, 0.0, conf_level),
        random=_effects(columns, found.treatments, others, used, conf_level, hartung_knapp),
        heterogeneity=describe_heterogeneity(
            columns, estimated, method if tau2 is None else "given", conf_level
        ),
        studies=found.studies,
        rows=independent,
        fixed_tau2=tau2,
        totals=_totals(rows, found.treatments, found.studies),
        notes=tuple(notes),
    )


def additive_network(
    data: Any,
    *,
    measure: str = "OR",
    model: Model = "random",
    method: TauMethod = "DL",
    separator: str = "+",
    inactive: str | None = None,
    conf_level: float = 0.95,
    tau2: float | None = None,
    zero_cells: ZeroCells = "only0",
    correction: float = 0.5,
    tolerance: float = 1e-3,
) -> ComponentModel:
    """Component network meta-analysis, also of a network that is not connected.

    Treatments are combinations of components (`A + B`), whose effects add up; parts without a common study
    are joined by the components they share.  Other arguments are those of `network`; for a connected
    network, `Network.components` is the same.

    Raises
    ------
    EvidenceError
        The studies tell no component's effect at all.  One that they do not tell is NaN.

    References
    ----------
    [welton2009], [ruecker2020]
    """
    from flarefree.evidence.networks.components import fit_components

    if _upper(method) in COUNT_METHODS:
        raise EvidenceError(
            "components are fitted to contrasts",
            where="network: method",
            found=repr(method),
            expected=", ".join(CONTRAST_METHODS),
        )
    measure, method = cast(
        "tuple[str, TauMethod]",
        _require_known(
            measure,
            model,
            method,
            "good",
            zero_cells,
            conf_level=conf_level,
            tau2=tau2,
            correction=correction,
            tolerance=tolerance,
        ),
    )
    rows = read_rows(data)
    found = studies_of(rows, measure, zero_cells=zero_cells, correction=correction, tolerance=tolerance)
    return fit_components(
        rotate(found.studies, len(found.treatments)),
        found.studies,
        found.treatments,
        separator=separator,
        inactive=inactive,
        is_random=model == "random",
        method=method,
        tau2=tau2,
        conf_level=conf_level,
    )


def _require_known(
    measure: str,
    model: str,
    method: str,
    small_values: str,
    zero_cells: str,
    *,
    conf_level: float,
    tau2: float | None,
    correction: float,
    tolerance: float,
) -> tuple[str, str]:
    """The measure and the method in the letters that we write them in; an error names what there is."""
    measure, method = _upper(measure), _upper(method)
    choices: dict[str, tuple[str, tuple[str, ...]]] = {
        "measure": (measure, tuple(MEASURES)),
        "model": (model, ("random", "common")),
        "method": (method, (*CONTRAST_METHODS, *COUNT_METHODS)),
        "small_values": (small_values, ("good", "bad")),
        "zero_cells": (zero_cells, ("only0", "if0all", "all", "none")),
    }
    for argument, (value, allowed) in choices.items():
        if value not in allowed:
            raise EvidenceError(
                f"no such {argument.replace('_', ' ')}",
                where=f"network: {argument}",
                found=repr(value),
                expected=", ".join(allowed),
            )
    require_level(conf_level, "network: conf_level")
    require_no_less_than_zero("network: correction", correction, "a continuity correction")
    require_no_less_than_zero("network: tolerance", tolerance, "a tolerance")
    if tau2 is not None:
        require_no_less_than_zero("network: tau2", tau2, "a variance")
    return measure, method


def _upper(name: Any) -> Any:
    return name.upper() if isinstance(name, str) else name


def _require_for_counts(method: str, hartung_knapp: bool, tau2: float | None, quadrature_points: int) -> None:
    """What belongs to contrasts is not passed over in silence."""
    require_whole("network: quadrature_points", quadrature_points, 1, 200)
    for argument, is_given in (("hartung_knapp", hartung_knapp), ("tau2", tau2 is not None)):
        if is_given:
            raise EvidenceError(
                f"{argument} belongs to models of contrasts",
                where=f"network: {argument}",
                found=f"method={method!r}",
                expected="method=" + ", ".join(map(repr, CONTRAST_METHODS)),
            )


def _reference_of(found: Studies, reference: str | None, where: str) -> int:
    if reference is None:
        return most_studied(found.studies, len(found.treatments))
    return place_of(reference, found.treatments, "reference", where)


def _effects(
    columns: Rows,
    treatments: tuple[str, ...],
    others: list[int],
    tau2: float,
    conf_level: float,
    hartung_knapp: bool = False,
) -> Effects:
    result = fit(columns, tau2)
    covariance, df = result.covariance, math.inf
    if hartung_knapp and result.df > 0:
        covariance, df = covariance * (result.q / result.df), float(result.df)
    n = len(treatments)
    coefficient, whole = np.zeros(n), np.zeros((n, n))
    coefficient[others] = result.coefficient
    whole[np.ix_(others, others)] = covariance
    return effects_of(treatments, coefficient, whole, conf_level=conf_level, tau2=tau2, df=df)


def _totals(rows: Any, treatments: tuple[str, ...], studies: tuple[Study, ...]) -> dict[str, float]:
    """Patients by treatment in the studies that enter, where they are known."""
    if not isinstance(rows, ArmRows) or np.isnan(rows.n).any():
        return {}
    enters = {study.name for study in studies}
    totals = dict.fromkeys(treatments, 0.0)
    for study, name, n in zip(rows.study.tolist(), rows.treatment.tolist(), rows.n.tolist()):
        if study in enters and name in totals:
            totals[name] += n
    return totals


# Models of the counts --------------------------------------------------------------------------------


def _by_counts(
    rows: Any,
    measure: str,
    model: Model,
    reference: str | None,
    method: Method,
    small_values: SmallValues,
    conf_level: float,
    part: str | None,
    quadrature_points: int,
) -> Network:
    from flarefree.evidence.networks.counts import fit_counts

    fitted = fit_counts(
        rows,
        measure,
        model,
        reference,
        method,
        part,
        conf_level=conf_level,
        quadrature_points=quadrature_points,
    )
    return Network(
        treatments=fitted.treatments,
        measure=measure,
        model=model,
        method=method,
        reference=fitted.reference,
        small_values=small_values,
        conf_level=conf_level,
        common=fitted.effects if model == "common" else None,
        random=fitted.effects if model == "random" else None,
        heterogeneity=None,
        studies=fitted.studies,
        rows=None,
        fixed_tau2=None,
        totals=_totals(rows, fitted.treatments, fitted.studies),
        notes=fitted.notes,
        likelihood=fitted.likelihood,
    )
