"""What becomes of the virtual patients, month by month, before anyone measures it.

A latent flare raises log proteinuria, which decays; some flares raise creatinine too, and a few of
those do not come back.  Sediment, complement and anti-dsDNA follow activity.  Equations, parameters
and their sources: `docs/methods/virtual-alms-trial.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flarefree.simulation.patients import Patients

__all__ = ["MONTHS_BEFORE", "Courses", "Parameters", "follow_courses"]

_MOST_LOG_PROTEINURIA = float(np.log(18.0))  # g/day; a kidney cannot lose albumin for long beyond this

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

MONTHS_BEFORE = 6
"""Months of induction before day 1 that a course begins with."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Rates per year unless said otherwise; the letters are those of the methods page."""

    lam_mmf: float = 0.192
    lam_aza: float = 0.479
    omega: float = 0.8
    """SD of the log frailty."""
    xi_mean: float = float(np.log(0.31))
    """Log of the proteinuria (g/day) that patients drift to, mean and SD."""
    xi_sd: float = 0.5
    k_per_month: float = 0.094
    sigma_o: float = 0.35
    """SD of the wandering of log proteinuria, and its correlation time in months."""
    tau_months: float = 2.5
    jump_mean: float = 1.25
    jump_sd: float = 0.45
    decay_per_month: float = 1 / 9
    q_nephritic: float = 0.18
    step_mean: float = 0.30
    step_sd: float = 0.15
    q_severe: float = 0.25
    """Of nephritic flares, the share after which creatinine goes on rising."""
    severe_slope_per_year: float = 1.1
    sediment_clears_per_month: float = 0.05
    sediment_returns_with_flare: float = 0.35
    q_casts: float = 0.25
    death_per_year: float = 0.002
    extrarenal_per_year: float = 0.031

    def flare_rate(self, arm: npt.NDArray[np.str_]) -> Numbers:
        """Latent flares per year, by arm."""
        return np.where(arm == "MMF", self.lam_mmf, self.lam_aza)


@dataclass(frozen=True, slots=True)
class Courses:
    """True courses of n patients over m months, from -6 on; arrays have shape (n, m)."""

    months: Numbers
    log_proteinuria: Numbers
    log_creatinine: Numbers
    activity: Numbers
    """Log proteinuria that is due to flares: what complement and anti-dsDNA follow."""
    flare_begins: Flags
    sediment: Flags
    casts: Flags
    c3: Numbers
    c4: Numbers
    anti_dsdna: Numbers
    albumin: Numbers
    extrarenal_flare: Flags
    death_month: Numbers
    """Shape (n,); infinity if alive."""


def follow_courses(
    patients: Patients, parameters: Parameters, *, months: int, rng: np.random.Generator
) -> Courses:
    """Follow every patient through induction and `months` months of maintenance."""
    p, n = parameters, len(patients)
    time = np.arange(-MONTHS_BEFORE, months + 1, dtype=float)
    m = len(time)
    o = _wandering(n, m, p.sigma_o, p.tau_months, rng)
    xi = rng.normal(p.xi_mean, p.xi_sd, n)
    x0 = np.log(patients.proteinuria)
    induction_fall = rng.uniform(0.9, 2.2, n) / MONTHS_BEFORE  # log units a month
    hazard = p.flare_rate(patients.arm)[:, None] / 12 * np.exp(patients.frailty)[:, None]
    begins = (rng.random((n, m)) < 1 - np.exp(-hazard)) & (time > 0)
    jump = np.maximum(rng.normal(p.jump_mean, p.jump_sd, (n, m)), 0.3)
    nephritic = begins & (rng.random((n, m)) < p.q_nephritic)
    severe = nephritic & (rng.random((n, m)) < p.q_severe)
    step = np.maximum(rng.normal(p.step_mean, p.step_sd, (n, m)), 0.05)

    activity = np.zeros((n, m))
    creatinine = np.log(patients.creatinine)[:, None] + np.zeros((n, m))
    sediment = np.zeros((n, m), dtype=bool)
    casts = np.zeros((n, m), dtype=bool)
    f = np.zeros(n)
    g = rng.normal(0, 0.02, n)
    slope = np.zeros(n)
    active = rng.random(n) < 0.75
    for j in range(m):
        f = f * (1 - p.decay_per_month) + jump[:, j] * begins[:, j]
        slope = slope + severe[:, j] * p.severe_slope_per_year / 12 * rng.exponential(1.0, n)
        g = g * 0.97 + step[:, j] * nephritic[:, j] + slope
        returns = begins[:, j] & (rng.random(n) < p.sediment_returns_with_flare)
        active = (active & (rng.random(n) >= p.sediment_clears_per_month)) | returns
        activity[:, j], sediment[:, j] = f, active
        creatinine[:, j] += g
        casts[:, j] = active & (rng.random(n) < p.q_casts) & (f > 0.3)

    ahead = np.minimum(time, 0.0)[None, :]
    drift = (x0 - xi)[:, None] * np.exp(-p.k_per_month * np.maximum(time, 0.0))[None, :]
    log_proteinuria = xi[:, None] + drift - ahead * induction_fall[:, None] + o + activity
    log_proteinuria = np.minimum(log_proteinuria, _MOST_LOG_PROTEINURIA)
    lagged = np.concatenate([activity[:, :1], activity[:, :-1]], axis=1)
    azathioprine_from_month_3 = (patients.arm == "AZA")[:, None] & (time >= 3)[None, :]

    def marker(median: float, spread: float, follows: float, arm_effect: float = 0.0) -> Numbers:
        own = rng.normal(np.log(median), spread, n)[:, None]
        noise = _wandering(n, m, 0.10, 2.0, rng)
        early = -follows * ahead / MONTHS_BEFORE * -0.5
        return np.exp(own + follows * lagged + noise + early + arm_effect * azathioprine_from_month_3)

    return Courses(
        months=time,
        log_proteinuria=log_proteinuria,
        log_creatinine=creatinine,
        activity=activity,
        flare_begins=begins,
        sediment=sediment,
        casts=casts,
        c3=marker(94, 0.24, -0.15, -0.06),
        c4=marker(19, 0.38, -0.20, -0.06),
        anti_dsdna=marker(60, 0.70, 0.45),
        albumin=np.clip(
            4.1 - 0.35 * np.exp(log_proteinuria).clip(0, 6) / 1.5 + rng.normal(0, 0.12, (n, m)), 1.2, 5.2
        ),
        extrarenal_flare=(rng.random((n, m)) < p.extrarenal_per_year / 12) & (time > 0),
        death_month=_first_month(rng, n, p.death_per_year, months),
    )


def _wandering(n: int, m: int, sd: float, tau: float, rng: np.random.Generator) -> Numbers:
    """A stationary Ornstein-Uhlenbeck process at monthly steps."""
    rho = np.exp(-1 / tau)
    out = np.empty((n, m))
    out[:, 0] = rng.normal(0, sd, n)
    for j in range(1, m):
        out[:, j] = rho * out[:, j - 1] + rng.normal(0, sd * np.sqrt(1 - rho**2), n)
    return out


def _first_month(rng: np.random.Generator, n: int, rate_per_year: float, months: int) -> Numbers:
    month = rng.exponential(12 / rate_per_year, n)
    return np.where(month <= months, month, np.inf)
