"""The statistics of a trial: arrays in, frozen results out.

Takes arrays, or a formula and a frame; gives results with `.tidy()`, `.glance()` and a readable repr.
Knows no patients, no protocol and no files.  Read `formula/` first (how a model is asked for), then the
module of the method: `fisher.py`, `linear.py`, `survival/`, `mixed/`.  Names are imported at first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.stats.continuous import (
        geometric_mean,
        geometric_mean_ratio,
        mean,
        one_way_anova,
        paired_t_test,
        t_test,
    )
    from flarefree.stats.fisher import fisher_exact, fisher_exact_many
    from flarefree.stats.formula import Design, Formula, design_matrix, parse_formula
    from flarefree.stats.frames import TestResult
    from flarefree.stats.linear import linear_model
    from flarefree.stats.mantel_haenszel import breslow_day
    from flarefree.stats.mixed import gee, logistic_mixed, mmrm, pool, reference_based_imputation
    from flarefree.stats.multiplicity import (
        adjust_p_values,
        bonferroni,
        fixed_sequence,
        graphical,
        hochberg,
        holm,
        hommel,
    )
    from flarefree.stats.proportion_differences import (
        agresti_caffo,
        miettinen_nurminen,
        newcombe,
        odds_ratio,
        proportion_difference,
        risk_ratio,
    )
    from flarefree.stats.proportions import binomial_test, clopper_pearson, jeffreys, proportion, wilson
    from flarefree.stats.ranks import kruskal_wallis, signed_rank, wilcoxon
    from flarefree.stats.stratified import cochran_mantel_haenszel
    from flarefree.stats.survival import (
        Measurement,
        TimeToEvent,
        batch_trials,
        cox,
        cumulative_incidence,
        fine_gray,
        fit_cox,
        gray,
        incidence_rate,
        kaplan_meier,
        landmark,
        logrank,
        logrank_trend,
        mean_cumulative_function,
        piecewise_exponential,
        rate_ratio,
        rmst,
        win_odds,
        win_ratio,
    )
    from flarefree.stats.tables import chi_square
    from flarefree.stats.unconditional import barnard, boschloo

__all__ = [
    "Design",
    "Formula",
    "Measurement",
    "TestResult",
    "TimeToEvent",
    "adjust_p_values",
    "agresti_caffo",
    "barnard",
    "batch_trials",
    "binomial_test",
    "bonferroni",
    "boschloo",
    "breslow_day",
    "chi_square",
    "clopper_pearson",
    "cochran_mantel_haenszel",
    "cox",
    "cumulative_incidence",
    "design_matrix",
    "fine_gray",
    "fisher_exact",
    "fisher_exact_many",
    "fit_cox",
    "fixed_sequence",
    "gee",
    "geometric_mean",
    "geometric_mean_ratio",
    "graphical",
    "gray",
    "hochberg",
    "holm",
    "hommel",
    "incidence_rate",
    "jeffreys",
    "kaplan_meier",
    "kruskal_wallis",
    "landmark",
    "linear_model",
    "logistic_mixed",
    "logrank",
    "logrank_trend",
    "mean",
    "mean_cumulative_function",
    "miettinen_nurminen",
    "mmrm",
    "newcombe",
    "odds_ratio",
    "one_way_anova",
    "paired_t_test",
    "parse_formula",
    "piecewise_exponential",
    "pool",
    "proportion",
    "proportion_difference",
    "rate_ratio",
    "reference_based_imputation",
    "risk_ratio",
    "rmst",
    "signed_rank",
    "t_test",
    "wilcoxon",
    "wilson",
    "win_odds",
    "win_ratio",
]

_HOME = {
    "Design": "formula",
    "Formula": "formula",
    "Measurement": "survival",
    "TestResult": "frames",
    "TimeToEvent": "survival",
    "adjust_p_values": "multiplicity",
    "agresti_caffo": "proportion_differences",
    "barnard": "unconditional",
    "batch_trials": "survival",
    "binomial_test": "proportions",
    "bonferroni": "multiplicity",
    "boschloo": "unconditional",
    "breslow_day": "mantel_haenszel",
    "chi_square": "tables",
    "clopper_pearson": "proportions",
    "cochran_mantel_haenszel": "stratified",
    "cox": "survival",
    "cumulative_incidence": "survival",
    "design_matrix": "formula",
    "fine_gray": "survival",
    "fisher_exact": "fisher",
    "fisher_exact_many": "fisher",
    "fit_cox": "survival",
    "fixed_sequence": "multiplicity",
    "gee": "mixed",
    "geometric_mean": "continuous",
    "geometric_mean_ratio": "continuous",
    "graphical": "multiplicity",
    "gray": "survival",
    "hochberg": "multiplicity",
    "holm": "multiplicity",
    "hommel": "multiplicity",
    "incidence_rate": "survival",
    "jeffreys": "proportions",
    "kaplan_meier": "survival",
    "kruskal_wallis": "ranks",
    "landmark": "survival",
    "linear_model": "linear",
    "logistic_mixed": "mixed",
    "logrank": "survival",
    "logrank_trend": "survival",
    "mean": "continuous",
    "mean_cumulative_function": "survival",
    "miettinen_nurminen": "proportion_differences",
    "mmrm": "mixed",
    "newcombe": "proportion_differences",
    "odds_ratio": "proportion_differences",
    "one_way_anova": "continuous",
    "paired_t_test": "continuous",
    "parse_formula": "formula",
    "piecewise_exponential": "survival",
    "pool": "mixed",
    "proportion": "proportions",
    "proportion_difference": "proportion_differences",
    "rate_ratio": "survival",
    "reference_based_imputation": "mixed",
    "risk_ratio": "proportion_differences",
    "rmst": "survival",
    "signed_rank": "ranks",
    "t_test": "continuous",
    "wilcoxon": "ranks",
    "wilson": "proportions",
    "win_odds": "survival",
    "win_ratio": "survival",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value  # a module of the same name must not hide the function
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
