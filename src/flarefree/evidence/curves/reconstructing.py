"""`reconstruct`: from digitized curves and risk tables to pseudo patients, in as many draws as asked for.

Reads the arms (`points.py`), draws what is not known (where censorings fell, how many came last, how far
the digitizing was off), and hands all to a kernel.  Equations: docs/methods/curve-reconstruction.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from flarefree.errors import EvidenceError
from flarefree.evidence.arguments import as_number, require_no_less_than_zero
from flarefree.evidence.curves.points import CurveArm, read_arms
from flarefree.evidence.curves.reconstruction import Pseudo, Reconstruction

__all__ = ["reconstruct"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Method = Literal["guyot", "closest"]

FIRST_DRAWS = 20  # of draws="auto", before the fraction of missing information is known
MOST_DRAWS = 1000
BLOCK = 1 << 22  # random numbers held at a time
CLICK_TOLERANCE = 0.05


def reconstruct(
    points: Any,
    *,
    at_risk: Any = None,
    n: int | Mapping[str, int] | None = None,
    events: int | Mapping[str, int] | None = None,
    arm: str = "arm",
    draws: int | Literal["auto"] = 1,
    seed: int = 0,
    method: Method = "guyot",
    digitization_sd: float = 0.0,
    unit: Literal["proportion", "percent"] = "proportion",
    rise_tolerance: float | None = None,
) -> Reconstruction:
    """Patients' times and events that a digitized Kaplan-Meier figure allows.

    Parameters
    ----------
    points : frame, mapping of columns, list of rows, or path of a CSV
        Columns `time` and `survival` (or `incidence`: cumulative, one minus survival), and `arm` if there
        are several.  Of points at one time the lowest counts.
    at_risk : frame and so on, optional
        Columns `time`, `at_risk`, `arm`; or `time` and a column for each arm.  The number at risk is of
        those still followed just before that time.
    n, events : int or mapping of arm to int, optional
        Patients (needed without a number at risk at time 0) and events in all, if they are printed.
    arm : str
        The column that names the arms.
    draws : int or "auto"
        1 gives the published algorithm's single data set.  More give random ones; "auto" as many as keep
        the standard error of the log hazard ratio (one arm: of the log rate) reproducible to 5 percent,
        between 20 and 1000 [vonhippel2020].
    seed : int
        Of the draws.  More draws leave earlier ones as they were.
    method : {"guyot", "closest"}
        `guyot`: events point by point, censorings adjusted until the risk table fits [guyot2012].
        `closest`: the whole-numbered events of each interval nearest to the points (least squares), with
        the risk table kept exactly, and the events in all where the curve leaves room for them (a finding
        tells where it does not: a curve that falls steeply among its last few patients).
    digitization_sd : float
        Standard deviation of the error of a digitized survival, as a proportion; drawn anew in each draw.
    unit : {"proportion", "percent"}
        Of survival or incidence.
    rise_tolerance : float, optional
        How far survival may rise, or go beyond 0 to 1, and be taken for an error of digitizing: 0.05, or
        six times `digitization_sd` if that is more.

    Returns
    -------
    Reconstruction

    Raises
    ------
    EvidenceError
        Points or risk table cannot be what they are said to be.

    Notes
    -----
    Times stay in the unit of the figure.  Equations: docs/methods/curve-reconstruction.md.

    References
    ----------
    [guyot2012], [vonhippel2020]
    """
    count = _check(draws, seed, method, digitization_sd)
    if rise_tolerance is not None:
        require_no_less_than_zero("rise_tolerance", rise_tolerance, "what survival may rise")
    tolerance = max(CLICK_TOLERANCE, 6.0 * digitization_sd) if rise_tolerance is None else rise_tolerance
    arms = read_arms(
        points, at_risk=at_risk, n=n, events=events, arm=arm, unit=unit, rise_tolerance=tolerance
    )

    def made(number: int) -> Reconstruction:
        pseudo = tuple(
            _pseudo(own, number, [seed, place], method, digitization_sd) for place, own in enumerate(arms)
        )
        return Reconstruction(arms, pseudo, method, number, seed, digitization_sd)

    first = made(count)
    if draws != "auto":
        return first
    wanted = min(max(first.draws_needed(), FIRST_DRAWS), MOST_DRAWS)
    return first if wanted == count else made(wanted)


def _check(draws: int | str, seed: int, method: str, sd: float) -> int:
    if method not in ("guyot", "closest"):
        raise EvidenceError(
            "no such method", where="method", found=repr(method), expected="'guyot' or 'closest'"
        )
    if not 0.0 <= as_number(sd) < 0.2:
        raise EvidenceError(
            "not an error of digitizing",
            where="digitization_sd",
            found=repr(sd),
            expected="a proportion from 0 to 0.2, such as 0.005",
        )
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise EvidenceError("not a seed", where="seed", found=repr(seed), expected="a whole number from 0")
    if draws == "auto":
        return FIRST_DRAWS
    if not isinstance(draws, int | np.integer) or draws < 1:
        raise EvidenceError(
            "not a number of draws", where="draws", found=repr(draws), expected="a whole number, or 'auto'"
        )
    return int(draws)


def _pseudo(own: CurveArm, draws: int, seed: list[int], method: str, sd: float) -> Pseudo:
    """The central data set (censorings spread evenly) and the drawn ones; one draw is the central one."""
    central = _empty(own, 1)
    _run(own, own.survival[None, :], None, None, method, central, 0)
    if draws == 1:
        return Pseudo(*(array[0] for array in central), *central)
    drawn = _empty(own, draws)
    uniform, normal = (np.random.default_rng([*seed, stream]) for stream in (0, 1))
    numbers = own.lower.size * own.n + 1
    step = max(1, BLOCK // numbers)
    for first in range(0, draws, step):
        some = min(step, draws - first)
        u = uniform.random((some, numbers))
        curves = _curves(own, normal, some, sd)
        places = u[:, 1:].reshape(some, own.lower.size, own.n)
        _run(own, curves, places, u[:, 0].copy(), method, drawn, first)
    return Pseudo(*(array[0] for array in central), *drawn)


def _empty(own: CurveArm, draws: int) -> tuple[Any, ...]:
    return (
        np.empty((draws, own.n)),
        np.empty((draws, own.n), dtype=np.bool_),
        np.empty((draws, own.time.size)),
        np.empty((draws, own.lower.size), dtype=np.int64),
    )


def _curves(own: CurveArm, normal: np.random.Generator, draws: int, sd: float) -> Floats:
    """The curve of each draw: as digitized, or shifted by an error of digitizing of its own."""
    if sd == 0.0:
        return np.broadcast_to(own.survival, (draws, own.time.size)).copy()
    from flarefree.evidence.curves._guyot_kernels import perturb_curves

    given = own.given_survival[own.is_given]
    place = np.cumsum(own.is_given) - 1
    curves = np.empty((draws, own.time.size))
    noise = sd * normal.standard_normal((draws, given.size))
    perturb_curves(given, place, noise, own.time == 0.0, curves)
    return curves


def _run(
    own: CurveArm,
    curves: Floats,
    places: Floats | None,
    last: Floats | None,
    method: str,
    out: tuple[Any, ...],
    first: int,
) -> None:
    """Fill draws `first`, `first` + 1, ... of `out`; without random places, censorings spread evenly."""
    from flarefree.evidence.curves._guyot_kernels import reconstruct_draws

    kernel = reconstruct_draws
    if method == "closest":
        from flarefree.evidence.curves._closest_kernels import closest_draws

        kernel = closest_draws
    draws = curves.shape[0]
    is_even = places is None
    part = slice(first, first + draws)
    kernel(
        own.time,
        np.ascontiguousarray(curves),
        own.lower,
        own.at_risk,
        -1 if own.events is None else own.events,
        np.empty((draws, own.lower.size, 0)) if places is None else places,
        np.empty(draws) if last is None else last,
        is_even,
        *(array[part] for array in out),
    )
