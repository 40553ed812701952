"""Operating characteristics: what very many virtual trials of one design gave, and how it was computed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flarefree.simulation.looks import LookResults

if TYPE_CHECKING:
    import polars as pl

__all__ = ["DefinitionResult", "Distribution", "OperatingCharacteristics", "Rejections", "distribution_of"]

QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)


@dataclass(frozen=True, slots=True)
class Distribution:
    """How a number is spread over trials.

    Attributes
    ----------
    n : int
        Trials in which it is a finite number.
    mean, sd : float
    quantiles : tuple of float
        2.5, 25, 50, 75 and 97.5 %.
    minimum, maximum : float
    """

    n: int
    mean: float
    sd: float
    quantiles: tuple[float, ...]
    minimum: float
    maximum: float

    @property
    def std_error(self) -> float:
        """Monte Carlo error of the mean."""
        return self.sd / math.sqrt(self.n) if self.n else math.nan

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        named = dict(zip(("q025", "q25", "median", "q75", "q975"), self.quantiles, strict=True))
        return {
            "n": self.n, "mean": self.mean, "sd": self.sd, **named, "min": self.minimum, "max": self.maximum
        }  # fmt: skip


def distribution_of(values: npt.ArrayLike) -> Distribution:
    """The spread of some numbers; those that are infinite or do not exist are left out."""
    x = np.asarray(values, dtype=np.float64).ravel()
    x = x[np.isfinite(x)]
    if not x.size:
        return Distribution(0, math.nan, math.nan, (math.nan,) * len(QUANTILES), math.nan, math.nan)
    sd = float(x.std(ddof=1)) if x.size > 1 else math.nan
    quantiles = tuple(float(q) for q in np.quantile(x, QUANTILES))
    return Distribution(int(x.size), float(x.mean()), sd, quantiles, float(x.min()), float(x.max()))


@dataclass(frozen=True, slots=True)
class Rejections:
    """How often a test rejected.

    Attributes
    ----------
    rejected, trials : int
    in_favor : int
        Of the rejections, those in favor of the arm compared.
    bank_error : float
        Of the rate, from the size of the bank behind a reduction; 0 where every trial was simulated.
    """

    rejected: int
    trials: int
    in_favor: int
    bank_error: float = 0.0

    @property
    def rate(self) -> float:
        """Power, or error rate."""
        return self.rejected / self.trials

    @property
    def std_error(self) -> float:
        """Monte Carlo error of the rate, the bank's included."""
        return math.hypot(math.sqrt(self.rate * (1.0 - self.rate) / self.trials), self.bank_error)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Exact limits [clopper1934] of the rate; a bank's error widens them on both sides."""
        from scipy.special import betaincinv

        tail, k, n = (1.0 - level) / 2.0, self.rejected, self.trials
        low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
        high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1.0 - tail))
        if self.bank_error:
            more = 1.959963984540054 * self.bank_error
            low = self.rate - math.hypot(self.rate - low, more)
            high = self.rate + math.hypot(high - self.rate, more)
        return max(low, 0.0), min(high, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        low, high = self.interval()
        return {
            "rate": self.rate, "std_error": self.std_error, "conf_low": low, "conf_high": high,
            "rejected": self.rejected, "trials": self.trials, "in_favor": self.in_favor,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class DefinitionResult:
    """What one definition gave on the virtual patients that all definitions share.

    Attributes
    ----------
    name : str
        Empty for the protocol's own.
    endpoint : str
        The endpoint that was tested.
    power : mapping of str to Rejections
        By arm compared with the reference.
    type_one_error : mapping of str to Rejections or None
        The same where all arms are treated as the reference arm.
    hazard_ratio : mapping of str to Distribution
        By arm; `no_hazard_ratio` counts trials in which it is infinite or does not exist.
    events : mapping of str to mapping of str to Distribution
        By endpoint, then arm.
    survival : mapping of str to Distribution
        Part of each arm free of the endpoint at the horizon (Kaplan-Meier).
    follow_up_months, completed : mapping of str to Distribution
        Mean months of treatment and follow-up, and patients who stayed to the end, by arm.
    """

    name: str
    endpoint: str
    power: Mapping[str, Rejections]
    type_one_error: Mapping[str, Rejections] | None
    hazard_ratio: Mapping[str, Distribution]
    no_hazard_ratio: Mapping[str, int]
    events: Mapping[str, Mapping[str, Distribution]]
    survival: Mapping[str, Distribution]
    follow_up_months: Mapping[str, Distribution]
    completed: Mapping[str, Distribution]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""

        def each(named: Mapping[str, Any]) -> dict[str, Any]:
            return {key: value.to_dict() for key, value in named.items()}

        return {
            "definition": self.name or "protocol",
            "endpoint": self.endpoint,
            "power": each(self.power),
            "type_one_error": None if self.type_one_error is None else each(self.type_one_error),
            "hazard_ratio": each(self.hazard_ratio),
            "no_hazard_ratio": dict(self.no_hazard_ratio),
            "events": {name: each(by_arm) for name, by_arm in self.events.items()},
            "free_of_event_at_horizon": each(self.survival),
            "follow_up_months": each(self.follow_up_months),
            "completed": each(self.completed),
        }


@dataclass(frozen=True)
class OperatingCharacteristics:
    """What very many virtual trials gave.

    Attributes
    ----------
    protocol : str
    arms : tuple of str
    reference : str
    sizes : tuple of int
    trials, first_trial, seed : int
    analysis : str
    level : float
        Of the two-sided test.
    definitions : tuple of DefinitionResult
        The protocol's own first; all on the same virtual patients.
    agreement : tuple of tuple of float
        Part of the trials in which two definitions both reject, by their places.
    looks : LookResults or None
    how : mapping of str to object
        How it was computed: engine, version, parameters, tiles, settings.
    """

    protocol: str
    arms: tuple[str, ...]
    reference: str
    sizes: tuple[int, ...]
    trials: int
    first_trial: int
    seed: int
    analysis: str
    level: float
    definitions: tuple[DefinitionResult, ...]
    agreement: tuple[tuple[float, ...], ...]
    looks: LookResults | None
    how: Mapping[str, Any]
    per_trial: Any = field(default=None, repr=False, compare=False)

    @property
    def main(self) -> DefinitionResult:
        """Of the protocol's own definition."""
        return self.definitions[0]

    @property
    def compared(self) -> str:
        """The first arm that is compared with the reference."""
        return next(iter(self.main.power))

    @property
    def power(self) -> float:
        """Part of the trials that reject, of the first arm compared, by the protocol's own definition.

        With interim looks: that cross a boundary at any look.
        """
        return self.looks.power if self.looks is not None else self.main.power[self.compared].rate

    @property
    def power_std_error(self) -> float:
        """Monte Carlo error of `power`."""
        if self.looks is not None:
            return math.sqrt(self.looks.power * (1.0 - self.looks.power) / self.trials)
        return self.main.power[self.compared].std_error

    @property
    def type_one_error(self) -> float | None:
        """Part of the trials that reject where all arms are treated alike; None if that was not asked."""
        found = self.main.type_one_error
        return None if found is None else found[self.compared].rate

    @property
    def hazard_ratio(self) -> Distribution:
        """Of the first arm compared."""
        return self.main.hazard_ratio[self.compared]

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        main = self.main
        error = None if main.type_one_error is None else main.type_one_error[self.compared].to_dict()
        return {
            "protocol": self.protocol,
            "patients": "virtual",
            "arms": dict(zip(self.arms, self.sizes, strict=True)),
            "reference_arm": self.reference,
            "trials": self.trials,
            "seed": self.seed,
            "analysis": self.analysis,
            "level": self.level,
            "power": self.power,
            "power_std_error": self.power_std_error,
            "power_interval": list(self._interval()),
            **({} if error is None else {"type_one_error": self.type_one_error, "type_one": error}),
            "definitions": [definition.to_dict() for definition in self.definitions],
            **({"agreement": [list(row) for row in self.agreement]} if len(self.agreement) > 1 else {}),
            **({} if self.looks is None else {"looks": _looks(self.looks)}),
            "how": dict(self.how),
        }

    def _interval(self) -> tuple[float, float]:
        if self.looks is None:
            return self.main.power[self.compared].interval()
        return Rejections(round(self.looks.power * self.trials), self.trials, 0).interval()

    def tidy(self) -> pl.DataFrame:
        """One row a statistic: definition, endpoint, arm, statistic, mean, sd, q025, median, q975, n."""
        import polars as pl

        rows = [row for definition in self.definitions for row in _tidy_rows(definition)]
        schema = {
            "definition": pl.String, "endpoint": pl.String, "arm": pl.String, "statistic": pl.String,
            "mean": pl.Float64, "sd": pl.Float64, "q025": pl.Float64, "median": pl.Float64,
            "q975": pl.Float64, "n": pl.Int64,
        }  # fmt: skip
        return pl.DataFrame(rows, schema=schema, orient="row")

    def __str__(self) -> str:
        from flarefree.simulation.telling import tell

        return tell(self)

    def __repr__(self) -> str:
        low, high = self._interval()
        return (
            f"<{self.trials:,} virtual trials of {self.protocol}: power {self.power:.3f} "
            f"({low:.3f} to {high:.3f}), median hazard ratio {self.hazard_ratio.quantiles[2]:.2f}>"
        )


def _looks(looks: LookResults) -> dict[str, Any]:
    return {
        "fractions": list(looks.boundaries.fractions),
        "spending": looks.boundaries.spending,
        "boundaries_z": list(looks.boundaries.z),
        "planned_events": looks.planned_events,
        "power": looks.power,
        "stops": list(looks.stops),
        "crosses": list(looks.crosses),
        "expected_events": looks.expected_events,
        "expected_patients": looks.expected_patients,
        "expected_months": looks.expected_months,
    }


def _tidy_rows(d: DefinitionResult) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    name = d.name or "protocol"

    def add(endpoint: str, arm: str, statistic: str, of: Distribution) -> None:
        low, _, middle, _, high = of.quantiles
        rows.append((name, endpoint, arm, statistic, of.mean, of.sd, low, middle, high, of.n))

    rejections: Sequence[tuple[str, Mapping[str, Rejections]]] = [("power", d.power)]
    if d.type_one_error is not None:
        rejections = [*rejections, ("type_one_error", d.type_one_error)]
    for statistic, rates in rejections:
        for arm, rate in rates.items():
            limits = rate.interval()
            own = (name, d.endpoint, arm, statistic, rate.rate, rate.std_error)
            rows.append((*own, limits[0], None, limits[1], rate.trials))
    for arm, ratio in d.hazard_ratio.items():
        add(d.endpoint, arm, "hazard_ratio", ratio)
    for endpoint, events in d.events.items():
        for arm, spread in events.items():
            add(endpoint, arm, "events", spread)
    for statistic, by_arm in (
        ("free_of_event_at_horizon", d.survival),
        ("follow_up_months", d.follow_up_months),
        ("completed", d.completed),
    ):
        for arm, spread in by_arm.items():
            add(d.endpoint, arm, statistic, spread)
    return rows
