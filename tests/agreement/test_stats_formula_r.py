"""Terms, columns and numbers of the design agree with R's model.matrix.

Expected: tests/reference/tables_formulas/expected.txt, made there by run.R (R 4.2.2) from formulas.txt and
patients.csv.
"""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flarefree.stats import design_matrix

HERE = Path(__file__).resolve().parent.parent / "reference" / "tables_formulas"
PATIENTS = pl.read_csv(HERE / "patients.csv")


def expected():
    lines = (HERE / "expected.txt").read_text().splitlines()
    size = 3 + PATIENTS.height
    for start in range(0, len(lines), size):
        formula, terms, columns, *rows = lines[start : start + size]
        matrix = np.array([[float(v) for v in row.split()] for row in rows])
        yield formula, [t for t in terms.split("|") if t], columns.split("|"), matrix


CASES = list(expected())


@pytest.mark.parametrize(("formula", "terms", "columns", "matrix"), CASES, ids=[c[0] for c in CASES])
def test_designs(formula, terms, columns, matrix):
    design = design_matrix(formula, PATIENTS)
    assert [term.label for term in design.terms if term.variables] == terms
    assert list(design.columns) == columns
    assert np.array_equal(design.matrix, matrix)


@pytest.mark.parametrize(("formula", "terms", "columns", "matrix"), CASES, ids=[c[0] for c in CASES])
def test_new_data_are_coded_as_the_fit(formula, terms, columns, matrix):
    """One patient at a time: levels that are absent from the new row keep their columns."""
    design = design_matrix(formula, PATIENTS)
    rows = [design.matrix_for(PATIENTS[i : i + 1]) for i in range(PATIENTS.height)]
    assert np.array_equal(np.vstack(rows), matrix)


def test_all_formulas_were_run():
    assert [case[0] for case in CASES] == (HERE / "formulas.txt").read_text().splitlines()
