"""What no covariate explains: a factor between populations, stated and carried into the limits.

Matching characteristics does not make two trials one: definitions, care, adherence and genes differ too.
The factor is log-normal with median 1; its SD is an assumption that the user can replace.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from flarefree.errors import EvidenceError
from flarefree.evidence.arguments import as_number

__all__ = ["PopulationFactor", "default_population_factor", "read_population_factor"]

# Flares under azathioprine and the patient-years behind them, in two trials of maintenance.
ALMS_FLARES, ALMS_YEARS = 26, 727.2 / 365.25 * 111  # [dooley2011], results: mean 727.2 days, 111 patients
MULTITARGET_FLARES, MULTITARGET_YEARS = 6, 6 / 0.0534  # [zhang2017] suppl. table 1: 5.34 per 100 years
ARM_CORRELATION = 0.5
"""Of the factor between two arms of a population: half of it is the population's, half the treatment's in it.

With 0.5 the SD of a ratio of two arms equals that of one arm, as in the usual random-effects network
[higgins1996], so that one number serves both.
"""


@dataclass(frozen=True, slots=True)
class PopulationFactor:
    """SD of the logarithm of the factor, and where it comes from."""

    sd: float
    reason: str

    def variance_of(self, effect: str, means: tuple[float, float] | None = None) -> float:
        """What it adds to the variance of an effect, on the effect's own scale (log for ratios).

        A risk difference is shifted through the two arms' hazards, correlated by `ARM_CORRELATION`.
        """
        if effect == "RD" and means is not None:
            first, second = (_slope(p) for p in means)
            both = first * first + second * second - 2 * ARM_CORRELATION * first * second
            return self.sd**2 * both
        return self.sd**2 * 2 * (1 - ARM_CORRELATION)


def default_population_factor() -> PopulationFactor:
    """The SD that two trials' azathioprine arms suggest, by the method of moments.

    The hazard of a renal flare under azathioprine was 0.45 times as high in the multitarget trial as in ALMS.
    Two populations drawn with an SD tau differ by d with E d^2 = 2 tau^2 + v, v the sampling variance of
    the log ratio; hence tau^2 = (d^2 - v) / 2.  One difference is one degree of freedom: an order of
    magnitude, not an estimate to lean on.
    """
    d = math.log((MULTITARGET_FLARES / MULTITARGET_YEARS) / (ALMS_FLARES / ALMS_YEARS))
    v = 1 / ALMS_FLARES + 1 / MULTITARGET_FLARES
    sd = round(math.sqrt(max(d * d - v, 0.0) / 2), 2)
    reason = (
        f"from the flare hazard under azathioprine in two trials, {math.exp(d):.2f} times as high in the "
        "multitarget trial as in ALMS: one difference, so an order of magnitude; set population_factor_sd "
        "to your own"
    )
    return PopulationFactor(sd, reason)


def read_population_factor(given: float | None, effect: str) -> PopulationFactor:
    """The user's SD, or the default; a mean difference has no default, as it has no common scale."""
    if given is None:
        if effect == "MD":
            return PopulationFactor(0.0, "none: a mean difference has no default; give one in its own unit")
        return default_population_factor()
    if not 0 <= as_number(given) < math.inf:
        raise EvidenceError(
            "no standard deviation", where="population_factor_sd", found=f"{given!r}", expected="0 or more"
        )
    return PopulationFactor(float(given), "given by the user")


def _slope(p: float) -> float:
    """How a risk moves with the log of its hazard: risk = 1 - exp(-H), d risk / d log H = H exp(-H)."""
    return -(1 - p) * math.log1p(-p) if 0 < p < 1 else 0.0
