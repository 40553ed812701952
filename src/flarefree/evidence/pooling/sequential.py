"""A living pooled estimate, looked at after every trial: z against a boundary that allows for the looking.

The required information is that of one large trial for the smallest effect worth finding, divided by 1 - D2
for differences between trials [wetterslev2009].  Formulas: docs/methods/pairwise.md, section 10.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.pooling.boundaries import compute_boundaries
from flarefree.evidence.pooling.repeated import RepeatedPooling, order_of, pool_cumulatively
from flarefree.evidence.pooling.results import Pairwise
from flarefree.stats.distributions import normal_quantile
from flarefree.stats.estimates import text_table
from flarefree.stats.frames import number

if TYPE_CHECKING:
    import polars as pl

    from flarefree.results import Figure

__all__ = ["SequentialAnalysis", "analyze_sequentially"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class SequentialAnalysis:
    """Looks after each trial.

    Attributes
    ----------
    names : tuple of str
        The trial that each look adds.
    information : (k,) float
        The sum of 1/v so far (on the scale of analysis).
    fraction : (k,) float
        Of the required information.
    z, boundary : (k,) float
        The boundary is infinite where a look may spend next to nothing, NaN once all is spent.
    conf_low, conf_high : (k,) float
        Repeated confidence limits, as printed: estimate and boundary times its standard error.
    required : float
        Information required, with `diversity` allowed for.
    required_patients : float
        The same in patients of trials like these; NaN for contrast rows.
    diversity : float
        D2, the share of the random-effects variance that differences between trials add.
    effect, alpha, power : float
        What the size was required for; the effect as printed.
    """

    names: tuple[str, ...]
    information: Floats
    fraction: Floats
    z: Floats
    boundary: Floats
    conf_low: Floats
    conf_high: Floats
    required: float
    required_patients: float
    diversity: float
    effect: float
    alpha: float
    power: float
    runs: RepeatedPooling
    final_boundary: float = math.nan
    """The boundary at the required information, if that were the next look; NaN where it is passed."""

    @property
    def crossed(self) -> NDArray[np.bool_]:
        """(k,): whether z lay beyond the boundary; False where there is none."""
        with np.errstate(invalid="ignore"):
            return np.abs(self.z) >= self.boundary

    @property
    def is_conclusive(self) -> bool:
        """Whether some look crossed, or the required information is there."""
        return bool(self.crossed.any() or self.fraction[-1] >= 1.0)

    @property
    def conclusion(self) -> str:
        """What the last look says, in a sentence."""
        crossed = np.flatnonzero(self.crossed)
        if crossed.size:
            return f"The boundary was crossed with {self.names[int(crossed[0])]}."
        if self.fraction[-1] >= 1.0:
            return "The required information was reached without crossing the boundary."
        return (
            f"The boundary is not crossed with {100 * self.fraction[-1]:.0f}% of the required information: "
            "the evidence is open."
        )

    def tidy(self) -> pl.DataFrame:
        """A row a look."""
        from flarefree.stats.frames import tidy_frame

        return tidy_frame(self.rows())

    def rows(self) -> list[dict[str, Any]]:
        """One mapping a look."""
        columns = ("information", "fraction", "z", "boundary", "conf_low", "conf_high", "crossed")
        values = {name: getattr(self, name).tolist() for name in columns}
        return [
            {"term": name, "estimate": run.estimate} | {column: values[column][i] for column in columns}
            for i, (name, run) in enumerate(zip(self.names, self.runs.results))
        ]

    def plot(self) -> Figure:
        """The z curve and its boundaries."""
        from flarefree.evidence.pooling.figures import sequential_figure

        return sequential_figure(self)

    def __repr__(self) -> str:
        w = self.runs.whole
        header = ("", "information", "z", "boundary", w.measure.key)
        body = [
            (
                f"+ {name}",
                f"{100 * self.fraction[i]:.1f}%",
                number(float(self.z[i]), 4),
                number(float(self.boundary[i]), 4),
                number(self.runs.results[i].estimate, 4),
            )
            for i, name in enumerate(self.names)
        ]
        size = "" if math.isnan(self.required_patients) else f", some {self.required_patients:,.0f} patients"
        return "\n".join(
            [
                f"Sequential analysis, {w.treatment} v {w.reference}: {self.conclusion}",
                f"  Required for {w.measure.key} {number(self.effect, 4)} (alpha {self.alpha:g}, power "
                f"{self.power:g}, D2 {100 * self.diversity:.0f}%): "
                f"information {number(self.required, 4)}{size}",
                *text_table(header, body),
            ]
        )


def analyze_sequentially(
    result: Pairwise,
    *,
    effect: float,
    order: str | Sequence[Any] | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
    diversity: float | None = None,
) -> SequentialAnalysis:
    """The pooled z after each trial against an O'Brien-Fleming-type boundary.

    Parameters
    ----------
    effect : float
        The smallest effect worth finding, as printed: 0.8 for a risk ratio of 0.8.
    order : str or sequence, optional
        A column such as `"year"`, or a value a trial; the order of the data unless given.
    alpha, power : float
        Two-sided error and power of the required information.
    diversity : float, optional
        D2 from 0 to below 1; from these trials unless given.

    Raises
    ------
    EvidenceError
        The effect is none, or the result is a regression.
    """
    delta = _delta(result, effect)
    for name, value in (("alpha", alpha), ("power", power)):
        if not 0.0 < value < 1.0:
            raise EvidenceError(f"{name} lies between 0 and 1", where=name, found=repr(value))
    runs = pool_cumulatively(result, order)
    places = order_of(result, order)
    looks = {result.trials.names[int(place)]: look for look, place in enumerate(places)}
    # A look without an estimate yet is none, but its trial informs the next one.
    information = np.cumsum(1.0 / result.trials.v[places])[[looks[name] for name in runs.names]]
    d2 = _diversity(result) if diversity is None else diversity
    if not 0.0 <= d2 < 1.0:
        raise EvidenceError("diversity lies from 0 to below 1", where="diversity", found=repr(diversity))
    reach = normal_quantile(1.0 - alpha / 2.0) + normal_quantile(power)
    required = (reach / delta) ** 2 / (1.0 - d2)
    fraction = information / required
    ahead = [1.0] if fraction[-1] < 1.0 else []
    all_boundaries = compute_boundaries([*fraction.tolist(), *ahead], alpha)
    boundary = all_boundaries[: len(fraction)]
    z = np.array([_z(run) for run in runs.results])
    b = np.array([run.log_estimate for run in runs.results])
    wide = np.where(np.isnan(boundary), normal_quantile(1.0 - alpha / 2.0), boundary)
    error = np.abs(np.divide(b, z, out=np.array([r.std_error for r in runs.results]), where=z != 0.0))
    limits = [[result.printed(float(x)) for x in side] for side in (b - wide * error, b + wide * error)]
    return SequentialAnalysis(
        names=runs.names,
        information=information,
        fraction=fraction,
        z=z,
        boundary=boundary,
        conf_low=np.array(limits[0]),
        conf_high=np.array(limits[1]),
        required=required,
        required_patients=_patients(result, required, float(information[-1])),
        diversity=d2,
        effect=effect,
        alpha=alpha,
        power=power,
        runs=runs,
        final_boundary=float(all_boundaries[-1]) if ahead else math.nan,
    )


def _delta(result: Pairwise, effect: float) -> float:
    if not isinstance(effect, int | float) or isinstance(effect, bool):
        raise EvidenceError("an effect is a number", where="effect", found=repr(effect), expected="0.8, say")
    if result.measure.is_ratio and not effect > 0:
        raise EvidenceError("a ratio is more than 0", where="effect", found=repr(effect), expected="0.8, say")
    delta = math.log(effect) if result.measure.is_ratio else effect
    if delta == 0.0 or not math.isfinite(delta):
        raise EvidenceError(
            "no information is enough to find no effect",
            where="effect",
            found=repr(effect),
            expected=f"other than {result.measure.null:g}",
        )
    return delta


def _diversity(result: Pairwise) -> float:
    """D2 = 1 - (variance of the common-effect estimate) / (that of the random-effects estimate)."""
    w = 1.0 / result.trials.v
    random = 1.0 / (result.trials.v + result.tau2)
    return 1.0 - float(random.sum()) / float(w.sum())


def _z(run: Pairwise) -> float:
    """The normal statistic with the run's P value and sign."""
    if math.isinf(run.df):
        return run.statistic
    p = max(run.p_value, 1e-300)
    return math.copysign(-normal_quantile(p / 2.0), run.log_estimate)


def _patients(result: Pairwise, required: float, information: float) -> float:
    """Required information in patients, at what a patient of these trials gave."""
    tables = result.trials.tables
    if tables is None or np.isnan(tables.n).any():
        return math.nan
    return float(tables.n.sum()) * required / information
