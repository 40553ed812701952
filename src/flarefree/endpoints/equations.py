"""Glomerular filtration rate estimated from creatinine: four equations, named wherever they are used.

Thresholds of 60 and 90 mL/min/1.73 m² are crossed by the choice of equation alone (creatinine 0.7
mg/dL, woman of 30: 98 by MDRD, 116 to 119 by CKD-EPI), so a protocol names its equation and every
output repeats it.  None of the four was made for patients under 18; they are computed all the same,
as ALMS did, and whoever reads them is told so on the reference page.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["EGFR_UNIT", "UMOL_PER_L_PER_MG_PER_DL", "Equation", "compute_egfr"]

EGFR_UNIT = "mL/min/1.73 m^2"

UMOL_PER_L_PER_MG_PER_DL = 88.4  # creatinine, 113.12 g/mol; the factor that laboratories print

Floats = npt.NDArray[np.float64]


class Equation(StrEnum):
    """The equations, by the names that protocols use."""

    MDRD_186 = "mdrd-186"  # original calibration, as ALMS used it [levey2000]
    MDRD_175 = "mdrd-175"  # creatinine traceable to IDMS [levey2006]
    CKD_EPI_2009 = "ckd-epi-2009"  # [levey2009]
    CKD_EPI_2021 = "ckd-epi-2021"  # without race [inker2021]

    @property
    def label(self) -> str:
        """As tables print it."""
        return _LABELS[self]

    @property
    def uses_race(self) -> bool:
        """Whether a patient's race enters; unknown race then leaves eGFR unknown."""
        return self is not Equation.CKD_EPI_2021


_LABELS = {
    Equation.MDRD_186: "MDRD (186)",
    Equation.MDRD_175: "MDRD (175, IDMS)",
    Equation.CKD_EPI_2009: "CKD-EPI 2009",
    Equation.CKD_EPI_2021: "CKD-EPI 2021",
}


def compute_egfr(
    creatinine_mg_per_dl: npt.ArrayLike,
    age: npt.ArrayLike,
    is_female: npt.ArrayLike,
    is_black: npt.ArrayLike,
    equation: Equation | str,
) -> Any:
    """Estimate the glomerular filtration rate.

    Parameters
    ----------
    creatinine_mg_per_dl : (n,) float
        Serum creatinine, mg/dL.
    age : (n,) float, years
    is_female, is_black : (n,) bool or float
        1, 0 or NaN where not known.  Race does not enter CKD-EPI 2021.
    equation : Equation or str
        `mdrd-186`, `mdrd-175`, `ckd-epi-2009` or `ckd-epi-2021`.

    Returns
    -------
    float or (n,) float64
        mL/min/1.73 m²; NaN where something that the equation needs is not known, or creatinine or
        age is not positive.

    Raises
    ------
    ValueError
        There is no such equation.

    Notes
    -----
    MDRD: c · Scr^-1.154 · age^-0.203 · 0.742 [female] · 1.212 [black], with c = 186 or 175.
    CKD-EPI: c · min(Scr/κ, 1)^α · max(Scr/κ, 1)^β · d^age · f [female] · b [black].

    References
    ----------
    [levey2000], [levey2006], [levey2009], [inker2021]; ALMS: [dooley2011], Table 1
    """
    equation = Equation(equation)
    scr, age_years, female, black = np.broadcast_arrays(
        *(np.asarray(x, dtype=np.float64) for x in (creatinine_mg_per_dl, age, is_female, is_black))
    )
    with np.errstate(invalid="ignore", divide="ignore", over="ignore", under="ignore"):
        egfr = _COMPUTE[equation](scr, age_years, female, black)
    egfr = np.where((scr > 0) & (age_years > 0) & np.isfinite(egfr), egfr, np.nan)
    return egfr if egfr.ndim else float(egfr)


def _factor(is_so: Floats, factor: float) -> Floats:
    """`factor` where it applies, 1 where it does not, NaN where that is not known."""
    return np.where(np.isnan(is_so), np.nan, np.where(is_so != 0, factor, 1.0))


def _mdrd_186(scr: Floats, age: Floats, female: Floats, black: Floats) -> Floats:
    return _mdrd(186.0, scr, age, female, black)


def _mdrd_175(scr: Floats, age: Floats, female: Floats, black: Floats) -> Floats:
    return _mdrd(175.0, scr, age, female, black)


def _mdrd(constant: float, scr: Floats, age: Floats, female: Floats, black: Floats) -> Floats:
    # ALMS prints the factor for black patients rounded, as 1.21; 1.212 is Levey's (0.2% apart).
    return constant * scr**-1.154 * age**-0.203 * _factor(female, 0.742) * _factor(black, 1.212)


def _ckd_epi_2009(scr: Floats, age: Floats, female: Floats, black: Floats) -> Floats:
    kappa, alpha = np.where(female != 0, 0.7, 0.9), np.where(female != 0, -0.329, -0.411)
    body = 141.0 * np.minimum(scr / kappa, 1.0) ** alpha * np.maximum(scr / kappa, 1.0) ** -1.209
    # The paper's tabulated form has 144 for women where 141 x 1.018 = 143.54: 0.3% apart.
    return body * 0.993**age * _factor(female, 1.018) * _factor(black, 1.159)


def _ckd_epi_2021(scr: Floats, age: Floats, female: Floats, black: Floats) -> Floats:
    kappa, alpha = np.where(female != 0, 0.7, 0.9), np.where(female != 0, -0.241, -0.302)
    body = 142.0 * np.minimum(scr / kappa, 1.0) ** alpha * np.maximum(scr / kappa, 1.0) ** -1.200
    return body * 0.9938**age * _factor(female, 1.012)


_COMPUTE = {
    Equation.MDRD_186: _mdrd_186,
    Equation.MDRD_175: _mdrd_175,
    Equation.CKD_EPI_2009: _ckd_epi_2009,
    Equation.CKD_EPI_2021: _ckd_epi_2021,
}
