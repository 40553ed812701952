"""How one characteristic is distributed: the margins that a Gaussian copula ties together.

Each takes standard normals and gives values of its kind, increasing in the normal, so that a positive
correlation underneath is a positive one above.  `mean` and `sd` are those of the values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError

__all__ = ["Bernoulli", "Categorical", "Fixed", "LogNormal", "Margin", "Normal", "Steps", "TruncatedNormal"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Steps:
    """A discrete margin as a staircase: `values[k]` between `thresholds[k-1]` and `thresholds[k]`."""

    thresholds: Floats
    values: Floats


class Margin(Protocol):
    """What a copula asks of a margin."""

    @property
    def mean(self) -> float:
        """Of the values (codes of a `Categorical`)."""
        ...

    @property
    def sd(self) -> float:
        """Of the values; 0 where they do not vary."""
        ...

    @property
    def steps(self) -> Steps | None:
        """The staircase of a discrete margin; None of a continuous one."""
        ...

    def values(self, z: Floats) -> NDArray[Any]:
        """Values of standard normals `z`, of the same shape."""
        ...


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal by mean and SD."""

    mean: float
    sd: float

    def __post_init__(self) -> None:
        _require_finite("mean", self.mean)
        _require_positive("sd", self.sd)

    @property
    def steps(self) -> None:
        """Continuous."""

    def values(self, z: Floats) -> Floats:
        """Of standard normals."""
        return self.mean + self.sd * z


@dataclass(frozen=True, slots=True)
class TruncatedNormal:
    """Normal cut off below `low` and above `high`; `location` and `scale` are those before the cut.

    `from_moments` takes the mean and SD after the cut, as a paper prints them of eligible patients.
    """

    location: float
    scale: float
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        _require_finite("location", self.location)
        _require_positive("scale", self.scale)
        if not self.low < self.high:
            raise StatsError(
                "the limits of a truncated normal stand the wrong way round",
                where="low",
                found=f"{self.low:g} to {self.high:g}",
                expected="low < high",
            )
        if not self._mass() > 1e-300:
            raise StatsError(
                "nothing of this normal lies between its limits",
                where="low",
                found=f"{self.location:g} (SD {self.scale:g}) within {self.low:g} to {self.high:g}",
                expected="limits that leave some of it",
            )

    @classmethod
    def from_moments(
        cls, mean: float, sd: float, low: float = -math.inf, high: float = math.inf
    ) -> TruncatedNormal:
        """The one whose mean and SD after the cut are these.

        Raises
        ------
        StatsError
            No truncated normal has them: the mean lies outside the limits, or the SD is too large (as
            large as a uniform's between two limits, or an exponential's above one).
        """
        from scipy.optimize import root

        _require_positive("sd", sd)
        scale = sd

        def misfit(asked: Floats) -> Floats:
            margin = cls(mean + asked[0] * scale, scale * math.exp(asked[1]), low, high)
            return np.array([(margin.mean - mean) / scale, math.log(margin.sd / scale)])

        if low < mean < high:
            try:
                found = root(misfit, [0.0, 0.0], tol=1e-12)
            except (StatsError, ValueError, OverflowError):
                found = None
            if found is not None and np.abs(misfit(found.x)).max() < 1e-8:
                return cls(mean + found.x[0] * scale, scale * math.exp(found.x[1]), low, high)
        raise StatsError(
            "no truncated normal has this mean and SD",
            where="mean",
            found=f"mean {mean:g}, SD {sd:g} within {low:g} to {high:g}",
            expected="a mean inside the limits and an SD well below that of a uniform",
            try_="LogNormal.from_moments for a skewed positive measurement",
        )

    @property
    def mean(self) -> float:
        """After the cut."""
        a, b = self._standard_limits()
        return self.location + self.scale * (_phi(a) - _phi(b)) / self._mass()

    @property
    def sd(self) -> float:
        """After the cut."""
        a, b = self._standard_limits()
        mass = self._mass()
        shift = (_phi(a) - _phi(b)) / mass
        edge = (
            (a * _phi(a) if math.isfinite(a) else 0.0) - (b * _phi(b) if math.isfinite(b) else 0.0)
        ) / mass
        return self.scale * math.sqrt(max(1.0 + edge - shift * shift, 1e-300))

    @property
    def steps(self) -> None:
        """Continuous."""

    def values(self, z: Floats) -> Floats:
        """Of standard normals, by the inverse distribution function."""
        from scipy.special import ndtr, ndtri

        a, b = self._standard_limits()
        if a > 0:  # both limits on the right: work on the left, where small probabilities keep their digits
            u = ndtr(-b) + ndtr(-z) * (ndtr(-a) - ndtr(-b))
            standard = -ndtri(u)
        else:
            standard = ndtri(ndtr(a) + ndtr(z) * (ndtr(b) - ndtr(a)))
        return np.clip(self.location + self.scale * standard, self.low, self.high)

    def _standard_limits(self) -> tuple[float, float]:
        return (self.low - self.location) / self.scale, (self.high - self.location) / self.scale

    def _mass(self) -> float:
        a, b = self._standard_limits()
        return _normal_cdf(-a) - _normal_cdf(-b) if a > 0 else _normal_cdf(b) - _normal_cdf(a)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Log-normal by median (the geometric mean) and geometric SD; `from_moments` by mean and SD."""

    median: float
    gsd: float

    def __post_init__(self) -> None:
        _require_positive("median", self.median)
        if not (math.isfinite(self.gsd) and self.gsd > 1.0):
            raise StatsError(
                "a geometric SD is a factor above 1",
                where="gsd",
                found=f"{self.gsd:g}",
                expected="more than 1 (exp of the SD of logs)",
            )

    @classmethod
    def from_moments(cls, mean: float, sd: float) -> LogNormal:
        """The one with this arithmetic mean and SD: log variance = log(1 + sd^2 / mean^2)."""
        _require_positive("mean", mean)
        _require_positive("sd", sd)
        variance = math.log1p((sd / mean) ** 2)
        return cls(mean * math.exp(-variance / 2), math.exp(math.sqrt(variance)))

    @property
    def mean(self) -> float:
        """Arithmetic."""
        return self.median * math.exp(math.log(self.gsd) ** 2 / 2)

    @property
    def sd(self) -> float:
        """Arithmetic."""
        return self.mean * math.sqrt(math.expm1(math.log(self.gsd) ** 2))

    @property
    def steps(self) -> None:
        """Continuous."""

    def values(self, z: Floats) -> Floats:
        """Of standard normals."""
        return self.median * np.exp(math.log(self.gsd) * z)


@dataclass(frozen=True, slots=True)
class Bernoulli:
    """Yes with this probability; yes where the normal underneath is high."""

    probability: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0:
            raise StatsError(
                "not a probability", where="probability", found=f"{self.probability:g}", expected="0 to 1"
            )

    @property
    def mean(self) -> float:
        """The probability."""
        return self.probability

    @property
    def sd(self) -> float:
        """Of zeros and ones."""
        return math.sqrt(self.probability * (1 - self.probability))

    @property
    def steps(self) -> Steps:
        """From no to yes."""
        return Steps(_thresholds((1 - self.probability, self.probability)), np.array([0.0, 1.0]))

    def values(self, z: Floats) -> NDArray[np.bool_]:
        """Of standard normals."""
        return z > self.steps.thresholds[0]


@dataclass(frozen=True, slots=True)
class Categorical:
    """Levels with probabilities, in the order of the normal underneath.

    Values are codes 0, 1, ... into `levels`.  An order is assumed even of levels that have none (races,
    say): put first the levels that go with low values of what they are correlated with, or leave the
    correlation 0.
    """

    levels: tuple[str, ...]
    probabilities: tuple[float, ...]
    _thresholds: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(self.levels))
        object.__setattr__(self, "probabilities", tuple(float(p) for p in self.probabilities))
        if len(self.levels) != len(self.probabilities) or len(set(self.levels)) != len(self.levels):
            raise StatsError(
                "levels and probabilities do not go together",
                where="levels",
                found=f"{self.levels!r} with {self.probabilities!r}",
                expected="different levels, and a probability for each",
            )
        total = math.fsum(self.probabilities)
        if not (self.levels and min(self.probabilities) >= 0 and abs(total - 1.0) < 1e-6):
            raise StatsError(
                "the probabilities of the levels do not add up to 1",
                where="probabilities",
                found=f"{self.probabilities!r}, together {total:g}",
                expected="1",
            )
        object.__setattr__(self, "_thresholds", _thresholds(self.probabilities))

    @property
    def mean(self) -> float:
        """Of the codes."""
        return float(np.arange(len(self.levels)) @ np.array(self.probabilities))

    @property
    def sd(self) -> float:
        """Of the codes."""
        codes = np.arange(len(self.levels)) - self.mean
        return math.sqrt(float(codes**2 @ np.array(self.probabilities)))

    @property
    def steps(self) -> Steps:
        """From each level to the next."""
        return Steps(self._thresholds, np.arange(len(self.levels), dtype=float))

    def values(self, z: Floats) -> NDArray[np.int64]:
        """Codes of standard normals."""
        return np.searchsorted(self._thresholds, z, side="left").astype(np.int64)

    def labels(self, codes: NDArray[np.int64]) -> NDArray[np.object_]:
        """The levels that codes stand for."""
        return np.array(self.levels, dtype=object)[codes]


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same value for everyone."""

    value: float

    @property
    def mean(self) -> float:
        """The value."""
        return self.value

    @property
    def sd(self) -> float:
        """Zero."""
        return 0.0

    @property
    def steps(self) -> Steps:
        """A staircase without a step."""
        return Steps(np.zeros(0), np.array([float(self.value)]))

    def values(self, z: Floats) -> Floats:
        """The value, for each."""
        return np.full(np.shape(z), float(self.value))


def _thresholds(probabilities: tuple[float, ...]) -> Floats:
    """Where the normal passes from one level to the next."""
    from scipy.special import ndtri

    below = np.cumsum(probabilities)[:-1]
    above = np.cumsum(probabilities[::-1])[::-1][1:]  # from the other end: keeps the digits of rare levels
    return np.where(below < 0.5, ndtri(np.clip(below, 0, 1)), -ndtri(np.clip(above, 0, 1)))


def _phi(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi) if math.isfinite(x) else 0.0


def _normal_cdf(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def _require_finite(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise StatsError("not a number", where=name, found=f"{value:g}", expected="a finite number")


def _require_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise StatsError("not a positive number", where=name, found=f"{value:g}", expected="more than 0")
