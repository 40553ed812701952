"""eGFR by four equations: the vectors of the project's facts sheet, to the digits printed there."""

from __future__ import annotations

import math

import numpy as np
import pytest

from flarefree.endpoints.equations import Equation, compute_egfr

# creatinine mg/dL, age, sex, black -> MDRD-175, MDRD-186, CKD-EPI 2009, CKD-EPI 2021
VECTORS = [
    (0.6, 25, "F", False, "121.81", "129.46", "126.68", "127.67"),
    (0.7, 30, "F", False, "98.25", "104.43", "116.26", "119.24"),
    (1.0, 30, "F", False, "65.10", "69.19", "75.54", "77.72"),
    (1.0, 30, "F", True, "78.90", "83.86", "87.55", "77.72"),
    (1.5, 40, "F", False, "38.46", "40.88", "43.13", "44.90"),
    (0.9, 35, "M", False, "96.03", "102.06", "110.27", "114.22"),
    (2.0, 45, "M", False, "36.31", "38.59", "39.14", "41.17"),
]
ORDER = ("mdrd-175", "mdrd-186", "ckd-epi-2009", "ckd-epi-2021")


@pytest.mark.parametrize(("scr", "age", "sex", "black", "printed"), [(*v[:4], v[4:]) for v in VECTORS])
def test_printed_vectors(scr: float, age: int, sex: str, black: bool, printed: tuple[str, ...]) -> None:
    found = [f"{compute_egfr(scr, age, sex == 'F', black, name):.2f}" for name in ORDER]
    assert found == list(printed)


def test_arrays_give_what_numbers_give() -> None:
    scr, age, sex, black = (np.array(column) for column in zip(*(v[:4] for v in VECTORS), strict=True))
    together = compute_egfr(scr.astype(float), age, sex == "F", black, Equation.MDRD_186)
    alone = [compute_egfr(*v[:2], v[2] == "F", v[3], "mdrd-186") for v in VECTORS]
    assert together.tolist() == alone


def test_unknown_race_leaves_egfr_unknown_except_where_race_does_not_enter() -> None:
    unknown = {name: compute_egfr(1.0, 30, True, np.nan, name) for name in ORDER}
    assert [name for name, value in unknown.items() if not math.isnan(value)] == ["ckd-epi-2021"]
    assert [e for e in Equation if not e.uses_race] == [Equation.CKD_EPI_2021]


@pytest.mark.parametrize("name", ORDER)
@pytest.mark.parametrize(
    "arguments", [(np.nan, 30, 1, 0), (1.0, np.nan, 1, 0), (1.0, 30, np.nan, 0), (0.0, 30, 1, 0)]
)
def test_what_is_missing_or_impossible_gives_nothing(name: str, arguments: tuple[float, ...]) -> None:
    assert math.isnan(compute_egfr(*arguments, name))


def test_there_is_no_such_equation() -> None:
    with pytest.raises(ValueError, match="cockcroft"):
        compute_egfr(1.0, 30, True, False, "cockcroft-gault")
