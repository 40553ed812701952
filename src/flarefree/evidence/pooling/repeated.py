"""The same pooling again and again: without each trial, trial by trial, group by group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from flarefree.errors import EvidenceError, StatsError
from flarefree.evidence.inputs import group_codes
from flarefree.evidence.pooling.call import fit_trials
from flarefree.evidence.pooling.results import Pairwise
from flarefree.stats.distributions import chi_square_tail
from flarefree.stats.estimates import text_table
from flarefree.stats.frames import number, p_text

if TYPE_CHECKING:
    import polars as pl

    from flarefree.results import Figure

__all__ = ["RepeatedPooling", "Subgroups", "leave_one_out", "pool_cumulatively", "pool_subgroups"]


@dataclass(frozen=True, eq=False, repr=False)
class RepeatedPooling:
    """A row a run.

    Attributes
    ----------
    kind : str
        `leave_one_out` or `cumulative`.
    names : tuple of str
        The trial left out, or the last one added.
    results : tuple of Pairwise
    whole : Pairwise
        With all trials.
    left_out : tuple of (str, str)
        Runs that have no estimate (no events in any arm yet, say), and why.
    """

    kind: str
    names: tuple[str, ...]
    results: tuple[Pairwise, ...]
    whole: Pairwise
    left_out: tuple[tuple[str, str], ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """One mapping a run, estimates as printed."""
        return [
            {
                "term": name,
                "estimate": r.estimate,
                "std_error": r.std_error,
                "statistic": r.statistic,
                "df": None if math.isinf(r.df) else r.df,
                "p_value": r.p_value,
                "conf_low": r.conf_low,
                "conf_high": r.conf_high,
                "log_estimate": r.log_estimate,
                "k": r.k,
                "tau2": r.tau2,
                "i2": r.i2,
                "q": r.q,
                "q_p_value": r.q_p_value,
            }
            for name, r in zip(self.names, self.results)
        ]

    def tidy(self) -> pl.DataFrame:
        """term, estimate and limits as printed, std_error on the scale of analysis, k, tau2, i2, q."""
        from flarefree.stats.frames import tidy_frame

        return tidy_frame(self.rows())

    def plot(self) -> Figure:
        """A forest of the runs."""
        from flarefree.evidence.pooling.figures import repeated_figure

        return repeated_figure(self)

    def __repr__(self) -> str:
        w = self.whole
        title = "without each trial" if self.kind == "leave_one_out" else "trial by trial"
        sign = "- " if self.kind == "leave_one_out" else "+ "
        header = ("", w.measure.key, f"{100 * w.conf_level:g}% CI", "p", "tau2", "I2")
        body = [
            (
                sign + name,
                number(r.estimate, 4),
                f"{number(r.conf_low, 4)} to {number(r.conf_high, 4)}",
                p_text(r.p_value),
                number(r.tau2, 4),
                "—" if math.isnan(r.i2) else f"{r.i2:.1f}%",
            )
            for name, r in zip(self.names, self.results)
        ]
        head = f"{w.measure.label[0].upper()}{w.measure.label[1:]}, {w.treatment} v {w.reference}, {title}"
        none = [f"{sign}{name}: no estimate, {why}" for name, why in self.left_out]
        return "\n".join([head, *text_table(header, body), *none])


def leave_one_out(result: Pairwise) -> RepeatedPooling:
    """Pool without each trial in turn."""
    _require_unmoderated(result)
    k = len(result.trials)
    if k < 2:
        raise EvidenceError("nothing is left without the only trial", where="leave_one_out", found="1 trial")
    masks = ~np.eye(k, dtype=bool)
    return _runs("leave_one_out", result.trials.names, masks, result)


def pool_cumulatively(result: Pairwise, order: str | Sequence[Any] | None) -> RepeatedPooling:
    """Pool the first trial, the first two ...; trials of one value in the order of the data."""
    _require_unmoderated(result)
    places = order_of(result, order)
    k = len(result.trials)
    masks = np.zeros((k, k), bool)
    for last in range(k):
        masks[last:, places[last]] = True
    return _runs("cumulative", [result.trials.names[int(i)] for i in places], masks, result)


def _runs(
    kind: str, names: Sequence[str], masks: np.ndarray[Any, np.dtype[np.bool_]], result: Pairwise
) -> RepeatedPooling:
    """Pool the trials of each mask; a mask of trials that give no estimate is told, and stops nothing."""
    done: list[tuple[str, Pairwise]] = []
    left_out: list[tuple[str, str]] = []
    for name, mask in zip(names, masks):
        try:
            done.append((name, fit_trials(result.trials.take(mask), result.question)))
        except (EvidenceError, StatsError) as error:
            left_out.append((name, error.what))
            last = error
    if not done:
        raise last
    return RepeatedPooling(
        kind, tuple(name for name, _ in done), tuple(run for _, run in done), result, tuple(left_out)
    )


def order_of(result: Pairwise, order: str | Sequence[Any] | None) -> np.ndarray[Any, np.dtype[np.intp]]:
    """The places of trials in the order of a column, of values given, or of the data."""
    k = len(result.trials)
    if order is None:
        return np.arange(k)
    values = column_of(result, order) if isinstance(order, str) else list(order)
    if len(values) != k:
        raise EvidenceError(
            "the order has another length than the trials",
            where="order",
            found=f"{len(values)} values",
            expected=f"{k}: {', '.join(result.trials.names[:4])} ...",
        )
    absent = [name for name, v in zip(result.trials.names, values) if v is None or v != v]
    if absent:
        raise EvidenceError("a trial has no place in the order", where="order", found=", ".join(absent))
    try:
        return np.array(sorted(range(k), key=lambda i: values[i]), dtype=np.intp)
    except TypeError:
        kinds = ", ".join(sorted({type(v).__name__ for v in values}))
        raise EvidenceError(
            "values of these kinds have no order", where="order", found=kinds, expected="one kind"
        ) from None


def column_of(result: Pairwise, name: str) -> list[Any]:
    """A column of trials."""
    columns = result.trials.extra
    if name not in columns:
        raise EvidenceError(
            "the data have no such column",
            where=name,
            found="besides the results: " + (", ".join(columns) or "none"),
            expected="a column with a value for each trial",
        )
    values = columns[name]
    return list(values.tolist() if hasattr(values, "tolist") else values)


def _require_unmoderated(result: Pairwise) -> None:
    if result.terms is not None:
        raise EvidenceError(
            "this is asked of a pooled estimate, not of a regression",
            where="moderators",
            found=result.terms.formula,
            try_="pairwise(data, ...) without moderators",
        )


# Subgroups ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Subgroups:
    """Pooled within groups, and the test that groups agree.

    Attributes
    ----------
    by : str
    groups : tuple of (str, Pairwise)
    q_between, df_between, p_between
        About the groups' estimates, weighted by the inverse of their variances (F for Hartung-Knapp and
        a common tau2).
    common_tau2 : float or None
        Shared by the groups, where that was asked for.
    whole : Pairwise
    """

    by: str
    groups: tuple[tuple[str, Pairwise], ...]
    q_between: float
    df_between: int
    p_between: float
    common_tau2: float | None
    whole: Pairwise

    def rows(self) -> list[dict[str, Any]]:
        """One mapping a group."""
        return [
            {
                "term": name,
                "estimate": r.estimate,
                "std_error": r.std_error,
                "p_value": r.p_value,
                "conf_low": r.conf_low,
                "conf_high": r.conf_high,
                "log_estimate": r.log_estimate,
                "k": r.k,
                "tau2": r.tau2,
                "i2": r.i2,
            }
            for name, r in self.groups
        ]

    def tidy(self) -> pl.DataFrame:
        """A row a group."""
        from flarefree.stats.frames import tidy_frame

        return tidy_frame(self.rows())

    def plot(self) -> Figure:
        """A forest with the trials under their groups."""
        from flarefree.evidence.pooling.figures import subgroup_figure

        return subgroup_figure(self)

    def __repr__(self) -> str:
        w = self.whole
        header = (self.by, w.measure.key, f"{100 * w.conf_level:g}% CI", "k", "tau2", "I2")
        body = [
            (
                name,
                number(r.estimate, 4),
                f"{number(r.conf_low, 4)} to {number(r.conf_high, 4)}",
                str(r.k),
                number(r.tau2, 4),
                "—" if math.isnan(r.i2) else f"{r.i2:.1f}%",
            )
            for name, r in self.groups
        ]
        spread = "one tau2 for all" if self.common_tau2 is not None else "each with its own tau2"
        on = f"on {self.df_between} df, p = {p_text(self.p_between)}"
        test = f"  Between groups: Q = {number(self.q_between)} {on}"
        head = (
            f"{w.measure.label[0].upper()}{w.measure.label[1:]}, {w.treatment} v {w.reference}, by {self.by}"
        )
        return "\n".join([head, *text_table(header, body), f"{test} ({spread})"])


def pool_subgroups(result: Pairwise, by: str, *, common_tau2: bool = False) -> Subgroups:
    """Pool within each level of `by`.

    `common_tau2` takes the groups' residual tau2 for all of them (the regression on `by`), which is
    steadier where groups are small.
    """
    _require_unmoderated(result)
    levels, codes = group_codes(str(value) for value in column_of(result, by))
    shared = None
    if common_tau2:
        if result.question.uses_counts:
            raise EvidenceError(
                "a method on counts has no tau2 to share", where="common_tau2", found=result.method
            )
        shared = fit_trials(result.trials, result.question, f"factor({by})").tau2
    groups = []
    for code, level in enumerate(levels):
        trials = result.trials.take(codes == code)
        groups.append((level, fit_trials(trials, result.question, tau2=shared)))
    b = np.array([r.log_estimate for _, r in groups])
    w = np.array([r.std_error for _, r in groups]) ** -2.0
    q = float(w @ (b - w @ b / w.sum()) ** 2)
    df = len(groups) - 1
    return Subgroups(by, tuple(groups), q, df, chi_square_tail(q, df), shared, result)
