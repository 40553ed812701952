"""Did the chains converge, and how many draws are they worth: split R-hat and effective sample sizes.

Rank-normalized, as [vehtari2021]; nothing here needs the extra.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Diagnostics", "Worth", "compute_worth", "diagnose"]

Floats = NDArray[np.float64]
LARGEST_R_HAT = 1.01
LEAST_ESS_A_CHAIN = 100  # [vehtari2021], section 4
TAIL = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Worth:
    """Of each quantity: R-hat, effective sample sizes, and the Monte Carlo error of its mean."""

    r_hat: Floats
    ess_bulk: Floats
    ess_tail: Floats
    mc_error: Floats


def compute_worth(draws: Floats) -> Worth:
    """Of (chains, draws, n) float.

    R-hat is the larger of that of the ranks and of the folded ranks; the tails are the 5% and 95% points.
    A quantity that never varies has NaN.
    """
    halves = _split(draws)
    ranked = _normalized_ranks(halves)
    folded = _normalized_ranks(np.abs(halves - np.median(halves, axis=(0, 1))))
    tails = [
        _ess(_split((draws <= np.quantile(draws, q, axis=(0, 1))).astype(float))) for q in (TAIL, 1 - TAIL)
    ]
    n = draws.shape[0] * draws.shape[1]
    plain = _ess(halves)
    spread = draws.reshape(n, -1).std(axis=0, ddof=1)
    return Worth(
        np.maximum(_r_hat(ranked), _r_hat(folded)),
        _ess(ranked),
        np.minimum(tails[0], tails[1]),
        spread / np.sqrt(plain),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Diagnostics:
    """How the sampling went.

    Attributes
    ----------
    parameters : tuple of str
    worth : Worth
        Of each parameter.
    n_divergent, n_deepest, n_chains, n_draws : int
        Draws of all chains together.
    """

    parameters: tuple[str, ...]
    worth: Worth
    n_divergent: int
    n_deepest: int
    n_chains: int
    n_draws: int

    @property
    def complaints(self) -> tuple[str, ...]:
        """Why the results are not to be used; empty if they are."""
        told = []
        worst = _worst(self.worth.r_hat, largest=True)
        if worst is not None and self.worth.r_hat[worst] > LARGEST_R_HAT:
            told.append(
                f"R-hat {self.worth.r_hat[worst]:.3f} of {self.parameters[worst]} is above {LARGEST_R_HAT}"
            )
        least = LEAST_ESS_A_CHAIN * self.n_chains
        for kind, values in (("bulk", self.worth.ess_bulk), ("tail", self.worth.ess_tail)):
            worst = _worst(values, largest=False)
            if worst is not None and values[worst] < least:
                told.append(
                    f"effective sample size ({kind}) {values[worst]:.0f} of {self.parameters[worst]}"
                    f" is below {least}"
                )
        if self.n_divergent:
            told.append(f"{self.n_divergent} of {self.n_draws} transitions diverged")
        return tuple(told)

    @property
    def converged(self) -> bool:
        """Whether nothing speaks against using the results."""
        return not self.complaints

    def tidy(self) -> pl.DataFrame:
        """A row a parameter."""
        import polars as pl

        return pl.DataFrame(
            {
                "parameter": list(self.parameters),
                "r_hat": self.worth.r_hat,
                "ess_bulk": self.worth.ess_bulk,
                "ess_tail": self.worth.ess_tail,
                "mc_error": self.worth.mc_error,
            }
        ).with_columns(pl.col(pl.Float64).fill_nan(None))

    def __repr__(self) -> str:
        worst = (
            f"R-hat at most {np.nanmax(self.worth.r_hat):.3f}, effective sample size at least"
            f" {np.nanmin(self.worth.ess_bulk):.0f} (bulk), {np.nanmin(self.worth.ess_tail):.0f} (tail),"
            f" {self.n_divergent} divergent of {self.n_draws}"
        )
        if self.converged:
            return f"converged: {worst}"
        return "NOT CONVERGED: " + "; ".join(self.complaints) + f"\n{worst}"


def diagnose(
    named: dict[str, Floats], n_divergent: int, n_deepest: int, others: dict[str, Floats] | None = None
) -> Diagnostics:
    """Of each (chains, draws) by name, and of the worst of each (chains, draws, n) in `others`."""
    names = list(named)
    first = np.stack([named[name] for name in names], axis=2)
    parts = [compute_worth(first)]
    for name, draws in (others or {}).items():
        worth = compute_worth(draws)
        at = _worst(worth.r_hat, largest=True)
        if at is None:
            continue
        names.append(f"{name} (worst of {draws.shape[2]})")
        parts.append(
            Worth(
                worth.r_hat[[at]],
                np.array([np.nanmin(worth.ess_bulk)]),
                np.array([np.nanmin(worth.ess_tail)]),
                worth.mc_error[[at]],
            )
        )
    columns = [
        np.concatenate([getattr(part, field) for part in parts])
        for field in ("r_hat", "ess_bulk", "ess_tail", "mc_error")
    ]
    chains, draws_each = first.shape[:2]
    return Diagnostics(tuple(names), Worth(*columns), n_divergent, n_deepest, chains, chains * draws_each)


def _worst(values: Floats, *, largest: bool) -> int | None:
    if np.isnan(values).all():
        return None
    return int(np.nanargmax(values) if largest else np.nanargmin(values))


def _split(draws: Floats) -> Floats:
    """Each chain as two; the middle draw of an odd number is left out."""
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, draws.shape[1] - half :]])


def _normalized_ranks(draws: Floats) -> Floats:
    from scipy.special import ndtri
    from scipy.stats import rankdata

    n = draws.shape[0] * draws.shape[1]
    ranks = rankdata(draws.reshape(n, -1), axis=0).reshape(draws.shape)
    return np.asarray(ndtri((ranks - 0.375) / (n + 0.25)))


def _r_hat(draws: Floats) -> Floats:
    n = draws.shape[1]
    within = draws.var(axis=1, ddof=1).mean(axis=0)
    between = draws.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sqrt((n - 1) / n + between / within))


def _ess(draws: Floats) -> Floats:
    """Geyer's initial monotone sequence on the mean autocorrelation of the chains."""
    chains, n, k = draws.shape
    covariance = _autocovariance(draws)
    within = covariance[:, 0].mean(axis=0) * n / (n - 1)
    variance = within * (n - 1) / n
    if chains > 1:
        variance = variance + draws.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = 1 - (within - covariance.mean(axis=0)) / variance
    rho[0] = 1.0
    pairs = rho[: n - n % 2].reshape(-1, 2, k).sum(axis=1)
    out = np.full(k, np.nan)
    for j in np.flatnonzero(variance > 0):
        positive = pairs[:, j] > 0
        last = len(positive) if positive.all() else int(np.argmin(positive))
        # The first pair past the run still lends its even term where that is positive, as posterior's does.
        rest = max(rho[2 * last, j], 0.0) if 0 < last < len(positive) and 2 * last < n else 0.0
        sequence = np.minimum.accumulate(pairs[:last, j])
        time = max(-1 + 2 * sequence.sum() + rest, 1 / np.log10(chains * n))
        out[j] = chains * n / time
    return out


def _autocovariance(draws: Floats) -> Floats:
    """(chains, n, k), divided by n."""
    from scipy.fft import irfft, next_fast_len, rfft

    n = draws.shape[1]
    size = next_fast_len(2 * n)
    centered = draws - draws.mean(axis=1, keepdims=True)
    spectrum = np.abs(rfft(centered, size, axis=1)) ** 2
    return np.asarray(irfft(spectrum, size, axis=1)[:, :n] / n)
