"""The effects of treatment on one endpoint: log-rank tests and hazard ratios, or why there are none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from flarefree.analysis.cells import estimate, p_value
from flarefree.analysis.hazards import UNADJUSTED, HazardRatios, Times, fit_hazard_ratios, run_logrank
from flarefree.analysis.outcome import NotComputableError
from flarefree.analysis.trial import Trial
from flarefree.protocol.schema import Model
from flarefree.results import Row

if TYPE_CHECKING:
    from flarefree.stats.survival.logrank_tests import LogrankTest

__all__ = ["EFFECTS_SCHEMA", "Effects", "compute_effects", "effects_frame", "model_rows"]

EFFECTS_SCHEMA = {
    "group": pl.String,  # the comparison
    "label": pl.String,
    "estimate": pl.Float64,  # hazard ratio of the first model
    "conf_low": pl.Float64,
    "conf_high": pl.Float64,
    "p_value": pl.Float64,
    "p_method": pl.String,  # log-rank or Wald
}
"""What a figure writes beside its curves, one row a comparison."""


@dataclass(frozen=True, slots=True)
class Effects:
    """Tests and models of one endpoint.

    Attributes
    ----------
    tests : mapping of str to LogrankTest
        By comparison, and over all arms where there are more than two.
    models : tuple of HazardRatios
        Those that could be fitted, in the protocol's order.
    missing : tuple of (str, str)
        Those that could not, each with the reason.
    """

    tests: dict[str, LogrankTest]
    models: tuple[HazardRatios, ...]
    missing: tuple[tuple[str, str], ...]

    def rows(self) -> Iterator[Row]:
        """The log-rank test, then two rows a model."""
        if self.tests:
            cells = {k: p_value(t.p_value, statistic=t.statistic, df=t.df) for k, t in self.tests.items()}
            method = next(iter(self.tests.values())).method
            yield Row("Log-rank test — P value", cells, term="log-rank", method=method)
        for model in self.models:
            yield from model_rows(model)

    @property
    def footnotes(self) -> tuple[str, ...]:
        """Why tests and models are missing, each reason once."""
        return tuple(dict.fromkeys(f"{label}: {reason}" for label, reason in self.missing))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the tests and fits complain of."""
        found = [warning for test in self.tests.values() for warning in test.warnings]
        for model in self.models:
            found += model.complaints()
        return tuple(dict.fromkeys(found))

    @property
    def methods(self) -> tuple[str, ...]:
        """The tests and models in words."""
        tests = [test.method for test in self.tests.values()]
        return tuple(dict.fromkeys([*tests[:1], *(model.method for model in self.models)]))


def compute_effects(
    trial: Trial, times: Times, models: Sequence[Model] = (), strata: Sequence[str] = ()
) -> Effects:
    """Log-rank tests of each comparison and of all arms, and every model's hazard ratios.

    What cannot be computed is kept with its reason; nothing is while arms are masked.
    """
    if not trial.comparisons:
        return Effects({}, (), ())
    missing: Missing = []
    arms = {c.key: [c.arm, c.reference] for c in trial.comparisons}
    arms[trial.overall_key] = [g.key for g in trial.groups]
    tests = {key: _logrank(trial, times, of, strata, missing) for key, of in arms.items()}
    fits = [_hazard_ratios(trial, times, model, missing) for model in models or (UNADJUSTED,)]
    known = {key: test for key, test in tests.items() if test is not None}
    return Effects(known, tuple(fit for fit in fits if fit is not None), tuple(missing))


Missing = list[tuple[str, str]]


def _logrank(
    trial: Trial, times: Times, arms: list[str], strata: Sequence[str], missing: Missing
) -> LogrankTest | None:
    try:
        return run_logrank(trial, times, arms, strata)
    except NotComputableError as reason:
        missing.append(("Log-rank test", str(reason)))
        return None


def _hazard_ratios(trial: Trial, times: Times, model: Model, missing: Missing) -> HazardRatios | None:
    try:
        return fit_hazard_ratios(trial, times, model)
    except NotComputableError as reason:
        missing.append((model.label, str(reason)))
        return None


def model_rows(model: HazardRatios) -> Iterator[Row]:
    """Two rows of a model: the hazard ratio with its limits, and its P value."""
    limits = {
        key: estimate({k: ratio[k] for k in ("estimate", "conf_low", "conf_high", "std_error")}, 2)
        for key, ratio in model.by_comparison.items()
    }
    yield Row(f"Hazard ratio (95% CI): {model.label}", limits, term=model.label, method=model.method)
    tests = {key: p_value(ratio["p_value"]) for key, ratio in model.by_comparison.items()}
    yield Row("P value (Wald)", tests, term=model.label, indent=1, method=model.method)


def effects_frame(trial: Trial, effects: Effects, p: str) -> pl.DataFrame:
    """The first model's hazard ratios with the P value asked for (`logrank` or `wald`)."""
    rows = []
    for comparison in trial.comparisons:
        ratio = effects.models[0].by_comparison[comparison.key] if effects.models else {}
        test = effects.tests.get(comparison.key)
        by_test = (test.p_value if test else None, "log-rank")
        shown = by_test if p == "logrank" else (ratio.get("p_value"), "Wald")
        limits = [ratio.get(k) for k in ("estimate", "conf_low", "conf_high")]
        rows.append((comparison.key, comparison.label, *limits, *shown))
    overall = effects.tests.get(trial.overall_key)
    if len(trial.comparisons) > 1 and overall:
        rows.append((trial.overall_key, "All arms", None, None, None, overall.p_value, "log-rank"))
    return pl.DataFrame(rows, schema=EFFECTS_SCHEMA, orient="row")
