"""The power of a published trial's own design: under its plan, and under the effect that it found."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from flarefree.simulation.calibration.posterior import Posterior
from flarefree.simulation.calibration.predicting import predict, recipe_for
from flarefree.simulation.parameters import Parameters

__all__ = ["PowerOf", "planned_rates", "powers_of"]

Report = Callable[[str, int, int], None]

_PLAN = {"AZA": 37.5, "MMF": 20.0}
"""Failures in 36 months, in percent, that ALMS was planned with [dooley2011]."""
_ENDPOINT = "treatment_failure"
_SIMPLE_TRIALS = 100_000


@dataclass(frozen=True)
class PowerOf:
    """How often a test rejects.

    Attributes
    ----------
    label : str
    power : float
    std_error : float
        Monte Carlo.
    note : str
    """

    label: str
    power: float
    std_error: float
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"label": self.label, "power": self.power, "std_error": self.std_error, "note": self.note}


def powers_of(
    trial: str, posterior: Posterior, trials: int, seed: int, report: Report
) -> tuple[PowerOf, ...]:
    """Power and type I error of ALMS at 116 v 111; nothing for a trial whose plan is not known."""
    if trial != "alms-maintenance":
        return ()
    from flarefree.simulation.simulating import simulate

    def run(label: str, note: str, **more: Any) -> PowerOf:
        found = simulate(trial, trials=trials, seed=seed + 2, workers=1, **more)
        report(label, trials, trials)
        rate = found.main.power["MMF"] if not more.get("null") else found.main.type_one_error["MMF"]  # type: ignore[index]
        return PowerOf(label, rate.rate, rate.std_error, note)

    rates = planned_rates(seed)
    hazards: Mapping[str, Any] = {f"hazard.{arm}": rate for arm, rate in rates.items()}
    seen = predict(
        recipe_for(trial, [(f"p_value {_ENDPOINT}", "")], seed=seed, parameters=posterior.draws()),
        [(f"p_value {_ENDPOINT}", "")], trials,
    )[f"p_value {_ENDPOINT}", ""]  # fmt: skip
    return (
        PowerOf("P below .003, as published", *_rate(seen < 0.003), "over the posterior"),
        PowerOf(
            "Power, effect as fitted", *_rate(seen < 0.05), "over the posterior: what was found, tried again"
        ),
        run("Power, effect at the point", "the parameters' defaults"),
        run(
            "Power, effect as planned, with withdrawal as fitted",
            f"failure by month 36 {_PLAN['AZA']:g} v {_PLAN['MMF']:g} % (latent flares {rates['AZA']:.3g} v "
            f"{rates['MMF']:.3g} a year)",
            settings=hazards,
        ),
        run(
            "Power, effect as planned, nobody withdraws",
            "the same flares",
            settings={**hazards, "dropout": 0.0},
        ),
        *_plain(seed),
        run("Type I error, arms alike", "both treated as azathioprine", null=True),
    )


def _plain(seed: int) -> tuple[PowerOf, ...]:
    """The plan as a formula takes it: exponential failures, no visits, 114 a group."""
    from flarefree.simulation.two_arm import simulate_two_arm

    out = []
    for dropout in (0.0, 0.2):
        found = simulate_two_arm(
            n_per_arm=114, control_failure=_PLAN["AZA"] / 100, treatment_failure=_PLAN["MMF"] / 100,
            horizon_months=36.0, trials=_SIMPLE_TRIALS, seed=seed, dropout=dropout,
        )  # fmt: skip
        who = f"{dropout:.0%} drop out" if dropout else "nobody drops out"
        label = f"Power of the plan as a formula takes it, {who}"
        note = "exponential times, 114 a group; 80 % is there where a fifth drop out" if dropout else ""
        out.append(PowerOf(label, found.power, found.power_std_error, note))
    return tuple(out)


def _rate(rejects: Any) -> tuple[float, float]:
    rate = float(np.mean(rejects))
    return rate, math.sqrt(rate * (1.0 - rate) / len(rejects))


def planned_rates(seed: int, trials: int = 200) -> dict[str, float]:
    """Latent flares a year that give virtual trials the planned failures by month 36 (Kaplan-Meier)."""
    key = f"incidence {_ENDPOINT} 36"
    keys = [(key, "MMF"), (key, "AZA")]

    def failures(rates: Mapping[str, float]) -> dict[str, float]:
        settings = {f"hazard.{arm}": rate for arm, rate in rates.items()}
        recipe = recipe_for("alms-maintenance", keys, seed=seed, parameters=Parameters(), settings=settings)
        found = predict(recipe, keys, trials)
        return {arm: float(found[key, arm].mean()) for arm in _PLAN}

    low = dict.fromkeys(_PLAN, 0.0)
    high = dict.fromkeys(_PLAN, 2.0)
    for _ in range(9):
        middle = {arm: 0.5 * (low[arm] + high[arm]) for arm in _PLAN}
        seen = failures(middle)
        for arm, wanted in _PLAN.items():
            (high if seen[arm] > wanted else low)[arm] = middle[arm]
    return {arm: 0.5 * (low[arm] + high[arm]) for arm in _PLAN}
