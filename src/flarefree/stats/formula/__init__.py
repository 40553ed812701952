"""Model formulas in the field's grammar, and the arrays they ask for.

Takes a text such as `Surv(time, event) ~ arm + strata(center)` and any frame (a mapping of arrays,
Polars, pandas); gives a frozen `Design`: matrix, response, strata, subjects, rows kept and left out.
What a formula may say is in `docs/methods/formulas.md`.  Read `terms` first (what a formula means),
then `design` (what it becomes) and `building` (how).
"""

from __future__ import annotations

from flarefree.errors import FormulaError
from flarefree.stats.formula.building import design_matrix, model_frame
from flarefree.stats.formula.coding import CodedTerm
from flarefree.stats.formula.columns import Column
from flarefree.stats.formula.design import CovarianceTerm, Design, Grouping, RandomTerm
from flarefree.stats.formula.grid import LeastSquaresRows, least_squares_rows, population_rows
from flarefree.stats.formula.terms import Formula, Special, Term, parse_formula

__all__ = [
    "CodedTerm",
    "Column",
    "CovarianceTerm",
    "Design",
    "Formula",
    "FormulaError",
    "Grouping",
    "LeastSquaresRows",
    "RandomTerm",
    "Special",
    "Term",
    "design_matrix",
    "least_squares_rows",
    "model_frame",
    "parse_formula",
    "population_rows",
]
