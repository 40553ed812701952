"""What the virtual patients' model assumes: its numbers.

Every number that a calibration may move is a field of `Parameters`; which of them a drug uses is said in
`treatments.py`.  The equations, and how well each number is known, are in `docs/methods/virtual-patients.md`.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from dataclasses import dataclass, fields
from typing import Any

from flarefree.errors import DesignError
from flarefree.simulation.treatments import TREATMENTS, Treatment, treatments_of

__all__ = ["TREATMENTS", "Parameters", "Treatment", "treatments_of"]


@dataclass(frozen=True, slots=True)
class Parameters:
    """Numbers of the model; rates are per person-year and logarithms natural, unless said otherwise.

    `calibrated`: the median of a posterior sample (`calibration/`); `fit`: from a prototype that fits ALMS
    [dooley2011]; `assumed`: no trial tells it; else the source.
    """

    # Flares
    lam_mmf: float = 0.16
    """Latent flares a year under mycophenolate, frailty 1 (calibrated; known only times detection)."""
    lam_aza: float = 0.54
    """The same under azathioprine (calibrated)."""
    hr_mt: float = 0.941
    """Flare hazard of multitarget therapy against azathioprine (calibrated; 12 relapses tell little)."""
    omega: float = 1.16
    """SD of the log frailty (calibrated; the prior's 0.35 to 1.4, moved but hardly narrowed)."""
    h_multitarget: float = 0.589
    """Between-trial factor of the flare hazard in the multitarget trial; 1 in ALMS (calibrated)."""
    trial_factor: float = 1.0
    """A factor of every flare hazard, for trials elsewhere."""
    beta_cr: float = -0.44
    """Log hazard ratio of flares, complete against partial remission at entry (calibrated; its prior's)."""
    beta_dose: float = 0.5
    """Log hazard ratio of flares for taking nothing of the target dose against all of it (assumed)."""
    beta_black: float = 0.0
    """Log hazard ratio of flares, Black against other patients (0: no trial tells it)."""
    beta_age: float = 0.0
    """Log hazard ratio of flares a decade of age above 31 (0: no trial tells it)."""
    beta_class_v: float = 0.0
    """Log hazard ratio of flares, pure class V (0: no trial tells it)."""

    # Proteinuria, g/day, natural logarithms
    xi_mean: float = -1.12
    """Where log proteinuria drifts to (calibrated; 0.32 g/day)."""
    xi_mean_multitarget: float = -2.07
    """The same in the multitarget trial, where 78 % were in remission at month 18 (calibrated)."""
    xi_sd: float = 0.5
    """SD of it between patients (assumed)."""
    xi_on_entry: float = 0.2
    """How much of a patient's distance from the mean at entry stays (assumed)."""
    k_per_month: float = 0.094
    """Rate of the drift, a month (calibrated)."""
    sigma_o: float = 0.35
    """SD of the wandering of log proteinuria (semivariogram of ACCESS)."""
    tau_months: float = 2.5
    """Its correlation time, months (semivariogram of ACCESS)."""
    sigma_e: float = 0.324
    """SD of the error of a 24-hour collection, log (calibrated; its prior's, from ACCESS)."""
    sigma_upcr: float = 0.37
    """SD of the error of a spot ratio, log (semivariogram of ACCESS)."""
    jump_mean: float = 1.37
    """Rise of log proteinuria at a flare, its mean (calibrated; nearly its prior's)."""
    jump_sd: float = 0.45
    """SD of that rise between flares (assumed)."""
    jump_least: float = 0.3
    """The least rise that makes a flare (assumed)."""
    decay_per_month: float = 1 / 9
    """Rate a month at which a flare's proteinuria fades (assumed)."""
    cni_proteinuria: float = 0.242
    """Fall of log proteinuria on a calcineurin inhibitor that is no fall of activity (its prior's)."""
    cni_fade_days: float = 10.0
    """Time constant of its coming and going, days (assumed: gone within a month)."""

    # Kidney function, log creatinine
    sigma_creatinine: float = 0.06
    """SD of log creatinine between days (assumed: CV 6 %)."""
    slope_mean_per_year: float = 0.005
    """Chronic slope of log creatinine, mean (assumed)."""
    slope_sd_per_year: float = 0.02
    """SD of that slope between patients (assumed)."""
    q_nephritic: float = 0.189
    """Share of flares that raise creatinine (calibrated)."""
    step_median: float = 0.28
    """Rise of log creatinine at a nephritic flare, its median (fit: mean 0.30, SD 0.15)."""
    step_spread: float = 0.5
    """SD of the logarithm of that rise (fit)."""
    step_stays: float = 0.5
    """Part of the rise that never goes; the rest fades with `step_fade_months` (assumed)."""
    step_fade_months: float = 6.0
    """Time constant of the part that fades, months (assumed)."""
    q_severe: float = 0.563
    """Share of nephritic flares with irreversible loss (calibrated; weakly identified)."""
    severe_slope_median: float = 1.96
    """Slope of log creatinine, a year, after a severe flare: its median (calibrated)."""
    severe_slope_spread: float = 1.0
    """SD of the logarithm of that slope: a heavy tail, for kidney failures (assumed)."""
    severe_months: float = 24.0
    """How long that loss goes on, months (assumed)."""
    cni_creatinine: float = 0.06
    """Reversible rise of log creatinine on a calcineurin inhibitor (assumed)."""
    esrd_egfr: float = 15.0
    """Dialysis begins where true eGFR (MDRD) falls below it, mL/min/1.73 m2 (the protocols' definition)."""
    esrd_rise: float = 6.0
    """Dialysis begins, too, where creatinine is this many times that of entry (assumed)."""

    # Urinary sediment
    h_sediment_per_month: float = 0.0211
    """Rate a month at which an active sediment clears (calibrated)."""
    q_sediment: float = 0.35
    """Share of flares with an active sediment (assumed)."""
    casts_red: float = 0.20
    """Probability of red-cell casts in an active sediment (assumed)."""
    casts_white: float = 0.10
    """Probability of white-cell casts in an active sediment (assumed)."""
    uti: float = 0.025
    """Probability of a urinary infection at a visit (assumed)."""

    # Immunology and albumin, natural logarithms
    c3_activity: float = -0.15
    """Change of ln C3 for one log unit of activity (assumed)."""
    c4_activity: float = -0.20
    """Change of ln C4 for one log unit of activity (assumed)."""
    dsdna_activity: float = 0.45
    """Change of ln anti-dsDNA for one log unit of activity (assumed)."""
    c3_sd: float = 0.10
    """SD of ln C3 between visits beside activity (assumed)."""
    c4_sd: float = 0.14
    """The same of ln C4 (assumed)."""
    dsdna_sd: float = 0.25
    """The same of ln anti-dsDNA (assumed)."""
    lag_months: float = 1.5
    """How far complement and antibodies lag behind activity, months (assumed)."""
    aza_c3: float = -0.06
    """Change of ln C3 on azathioprine from month 3 on ([dooley2011] text; size assumed)."""
    aza_c4: float = -0.06
    """The same of ln C4 ([dooley2011] text; size assumed)."""
    albumin_top: float = 4.2
    """Serum albumin without proteinuria, g/dL (assumed)."""
    albumin_slope: float = 0.25
    """Its fall for each g/day of proteinuria, g/dL (assumed)."""
    albumin_sd: float = 0.20
    """SD of albumin between patients, g/dL (assumed)."""
    albumin_error: float = 0.12
    """SD of albumin between visits, g/dL (assumed)."""

    # Outside the kidney
    extrarenal: float = 0.0302
    """Major extrarenal flares (calibrated; 8 in 262.7 and 7 in 221.0 patient-years in [dooley2011])."""
    extrarenal_multitarget: float = 0.005
    """The same in the multitarget trial ([zhang2017]: 0 and 1 in 164 and 112 patient-years)."""
    extrarenal_days: float = 120.0
    """How long one is seen, days (assumed)."""
    bilag_b: float = 0.02
    """Probability of a grade B in one system at a visit (assumed)."""
    bilag_b_multitarget: float = 0.006
    """The same in the multitarget trial (assumed: one extrarenal relapse in 276 patient-years)."""
    bilag_c: float = 0.14
    """Probability of a grade C in one system at a visit (assumed)."""

    # Harm, doses
    leukopenia_mmf: float = 0.03
    """Leukopenia under mycophenolate (assumed; no serious one, [dooley2011])."""
    leukopenia_aza: float = 0.12
    """Leukopenia under azathioprine in ALMS (assumed; four serious ones, [dooley2011])."""
    leukopenia_mt: float = 0.055
    """Leukopenia under multitarget therapy ([zhang2017] Table 2: 7.8 % of patients)."""
    leukopenia_aza_multitarget: float = 0.25
    """Leukopenia under azathioprine in the multitarget trial ([zhang2017] Table 2: 25.6 %)."""
    liver_mmf: float = 0.01
    """Liver dysfunction under mycophenolate (assumed)."""
    liver_aza: float = 0.05
    """Liver dysfunction under azathioprine ([zhang2017]: 5.34 per 100 patient-years)."""
    liver_mt: float = 0.006
    """Liver dysfunction under multitarget therapy ([zhang2017]: 0.61 per 100 patient-years)."""
    ae_frailty: float = 0.5
    """SD of the log tendency to adverse events (assumed)."""
    cut_days: float = 60.0
    """How long the dose is cut for leukopenia, days (assumed)."""
    cut_to: float = 0.5
    """To which part of itself the dose is cut for leukopenia (assumed)."""
    low_dose: float = 0.19
    """Share of patients who never reach the target dose ([dooley2011]: 18.9 % under 80 % of it)."""
    high_dose: float = 0.06
    """Share of patients who take more than the target, up to 1.7 of it ([dooley2011]: SD of doses)."""
    high_dose_multitarget: float = 0.0
    """The same in the multitarget trial (assumed: doses were prescribed by visit)."""

    # Leaving
    d_mmf: float = 0.0879
    """Withdrawal under mycophenolate that is no treatment failure (calibrated; an identity gives 0.091)."""
    d_aza: float = 0.0871
    """The same under azathioprine in ALMS (calibrated; an identity gives 0.095)."""
    d_mt: float = 0.0529
    """The same under multitarget therapy (calibrated; 5.49 per 100 patient-years in [zhang2017])."""
    d_aza_multitarget: float = 0.156
    """The same under azathioprine in the multitarget trial (calibrated; 17.78 in [zhang2017])."""
    gamma_ae: float = 0.15
    """Withdrawals a year more for 60 days after leukopenia or liver dysfunction (assumed)."""
    ae_label_other: float = 0.474
    """Share of those withdrawals that are labeled adverse event (calibrated; an identity gives 0.45)."""
    ae_label_failure: float = 0.932
    """The same of withdrawals at treatment failure (calibrated; an identity gives 0.96)."""
    ae_label_other_multitarget: float = 0.353
    """The first of these shares in the multitarget trial (calibrated; 10 of 29 in [zhang2017])."""
    ae_label_failure_multitarget: float = 0.02
    """The second one there, where a relapse is its own reason ([zhang2017] Supplemental Table 1)."""
    death: float = 0.00158
    """Deaths, of any cause (calibrated; 1 in 483.7 patient-years in [dooley2011])."""

    # Committee and clinic
    q_c: float = 0.499
    """Probability that the committee confirms a flare of latent activity `committee_at` (calibrated)."""
    committee_at: float = 0.8
    """Latent activity (log proteinuria of flares) at which that is so (assumed)."""
    committee_slope: float = 1.0
    """Change of the logit of that probability for one unit of activity (assumed)."""
    q_lasting: float = 0.98
    """Probability that it confirms loss of function, or major activity outside the kidney (assumed)."""
    confirmed_days: float = 100.0
    """Days after a failure within which a loss of function that had begun is still confirmed (assumed)."""
    rho: float = 0.375
    """Probability that the clinic treats a suspected flare beyond the protocol (calibrated)."""

    def changed(self, **changes: float) -> Parameters:
        """The same with some numbers replaced; an unknown name is an error.

        Examples
        --------
        >>> Parameters().changed(lam_aza=0.3).lam_aza
        0.3
        """
        names = [f.name for f in fields(self)]
        for name, value in changes.items():
            if name not in names:
                near = difflib.get_close_matches(name, names, 3)
                raise DesignError(
                    "no such parameter of virtual patients",
                    where="parameters",
                    found=name,
                    expected="a field of flarefree.simulation.Parameters",
                    try_=" or ".join(near) if near else "docs/methods/virtual-patients.md lists them",
                )
            _require_number(name, value)
        return dataclasses.replace(self, **{name: float(value) for name, value in changes.items()})

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            _require_number(f.name, value)
            low, high = _LIMITS.get(f.name, _DEFAULT_LIMITS)
            if not low <= value <= high:
                raise DesignError(
                    "a parameter of virtual patients is out of range",
                    where=f.name,
                    found=f"{value:g}",
                    expected=f"{low:g} to {high:g}",
                )


_ANY = (-50.0, 50.0)
_SHARE = (0.0, 1.0)
_DEFAULT_LIMITS = (0.0, 1e6)
_LIMITS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(
        (
            "beta_cr", "beta_dose", "beta_black", "beta_age", "beta_class_v", "xi_mean",
            "xi_mean_multitarget", "xi_on_entry",
            "jump_mean", "cni_proteinuria", "slope_mean_per_year", "cni_creatinine", "c3_activity",
            "c4_activity", "committee_at", "committee_slope", "dsdna_activity", "aza_c3", "aza_c4",
            "albumin_slope",
        ),
        _ANY,
    ),
    **dict.fromkeys(
        (
            "q_nephritic", "q_severe", "q_sediment", "casts_red", "casts_white", "uti", "bilag_b",
            "bilag_b_multitarget",
            "bilag_c", "q_c", "q_lasting", "rho", "cut_to", "low_dose", "high_dose",
            "high_dose_multitarget", "ae_label_other",
            "ae_label_failure", "ae_label_other_multitarget", "ae_label_failure_multitarget", "step_stays",
        ),
        _SHARE,
    ),
    **dict.fromkeys(("tau_months", "lag_months", "step_fade_months", "cni_fade_days"), (0.01, 1e4)),
    **dict.fromkeys(("omega", "sigma_o", "sigma_e", "sigma_upcr", "xi_sd", "ae_frailty"), (0.0, 5.0)),
    "esrd_rise": (1.0, 1e3),
}  # fmt: skip


def _require_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise DesignError(
            "a parameter of virtual patients is no number",
            where=name,
            found=repr(value),
            expected="a finite number",
        )
