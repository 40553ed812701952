"""What is believed of the parameters before the two trials are looked at, and on which scale they move.

A parameter moves on a scale on which its prior is normal: as it is, as its logarithm, or as its logit.
`z` is its place there, in prior standard deviations from the prior's middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flarefree.simulation.parameters import Parameters

__all__ = ["PRIORS", "Prior", "parameters_at"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prior:
    """A normal prior on a scale.

    Attributes
    ----------
    name : str
        Field of `Parameters`.
    scale : str
        `identity`, `log` or `logit`.
    middle : float
        The prior's median, on the parameter's own scale.
    sd : float
        On the scale.
    source : str
    """

    name: str
    scale: str
    middle: float
    sd: float
    source: str

    def value(self, z: float) -> float:
        """The parameter at `z`."""
        x = self._on_scale(self.middle) + self.sd * z
        match self.scale:
            case "log":
                return math.exp(x)
            case "logit":
                return 1.0 / (1.0 + math.exp(-x))
        return x

    def place(self, value: float) -> float:
        """`z` of a value."""
        return (self._on_scale(value) - self._on_scale(self.middle)) / self.sd

    def _on_scale(self, value: float) -> float:
        match self.scale:
            case "log":
                return math.log(value)
            case "logit":
                return math.log(value / (1.0 - value))
        return value


_RATES = "Weak: within a factor of four of ten flares per 100 patient-years, detected and not [dooley2011]"
_LEAVING = "Weak: one withdrawal in ten patient-years, within a factor of three"

PRIORS: tuple[Prior, ...] = (
    Prior("lam_mmf", "log", 0.25, 0.7, _RATES),
    Prior("lam_aza", "log", 0.40, 0.7, _RATES),
    Prior("hr_mt", "log", 1.0, 0.5, "No effect, and either direction alike: 12 relapses cannot tell"),
    Prior("h_multitarget", "log", 1.0, 0.6, "Weak: the flares of ALMS, within a factor of three"),
    Prior("q_c", "logit", 0.60, 0.7, "Documented of suspected flares: 15/25 and 26/40 [dooley2011]; wide"),
    Prior("rho", "logit", 0.35, 0.7, "Rescues of suspected flares: 9/25 and 19/40 [dooley2011]; wide"),
    Prior("beta_cr", "identity", -0.36, 0.3, "ln 0.70 between strata of remission [zhang2017]"),
    Prior("omega", "log", 0.70, 0.35, "0.3 to 1.2 are all possible"),
    Prior("jump_mean", "identity", 1.25, 0.2, "Proteinuria of flares multiplies by 2 to 6"),
    Prior("sigma_e", "log", 0.33, 0.12, "Semivariogram of ratios in ACCESS: nugget SD 0.35 to 0.40, spot"),
    Prior("xi_mean", "identity", math.log(0.25), 0.3, "Ratio of ACCESS at 12 months: geometric mean 0.36"),
    Prior("xi_mean_multitarget", "identity", math.log(0.25), 0.4, "The same, with room between trials"),
    Prior("k_per_month", "log", 0.12, 0.4, "Ratio of ACCESS: 2.3 to 0.36 in 12 months"),
    Prior("h_sediment_per_month", "log", 0.05, 0.6, "Weak: clears in 10 to 40 months"),
    Prior("q_nephritic", "logit", 0.20, 0.6, "Few nephritic flares ([dooley2011] Discussion)"),
    Prior("q_severe", "logit", 0.50, 1.2, "Nothing is known"),
    Prior("severe_slope_median", "log", 1.0, 1.0, "Nothing is known but that doubling takes months to years"),
    Prior("d_mmf", "log", 0.10, 0.5, _LEAVING),
    Prior("d_aza", "log", 0.10, 0.5, _LEAVING),
    Prior("d_mt", "log", 0.10, 0.6, _LEAVING),
    Prior("d_aza_multitarget", "log", 0.10, 0.6, _LEAVING),
    Prior("extrarenal", "log", 0.03, 0.5, "Weak"),
    Prior("ae_label_other", "logit", 0.45, 0.6, "Weak"),
    Prior("ae_label_failure", "logit", 0.90, 1.0, "Weak"),
    Prior("ae_label_other_multitarget", "logit", 0.35, 0.6, "Weak"),
    Prior("death", "log", 0.003, 0.8, "Deaths in trials of maintenance: 0 to 1 per 100 patient-years"),
    Prior("cni_proteinuria", "identity", 0.25, 0.10, "Size of the effect off the drug; no target tells it"),
)  # fmt: skip
"""The parameters that are fitted; all others stay as they are."""


def parameters_at(
    z: Sequence[float] | Floats, base: Parameters, priors: Sequence[Prior] = PRIORS
) -> Parameters:
    """Parameters at a point of the prior's scale.

    Parameters
    ----------
    z : (k,) float
        One place for each prior.
    base : Parameters
        For all others.
    """
    return base.changed(**{p.name: p.value(float(place)) for p, place in zip(priors, z, strict=True)})
