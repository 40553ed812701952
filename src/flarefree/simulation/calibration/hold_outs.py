"""Trials that nothing was fitted to, predicted: each a design on the same virtual patients.

Predicted twice over the posterior: as if flares were as frequent as in ALMS, and for a trial elsewhere,
whose flare hazards carry a factor of their own.  The factor that each published number asks for is told
afterwards; none was used before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from flarefree.errors import NotFoundError
from flarefree.protocol.language.messages import suggest
from flarefree.protocol.loading import parse_protocol
from flarefree.simulation.baseline import POPULATIONS
from flarefree.simulation.calibration.moments import moments
from flarefree.simulation.calibration.posterior import Posterior, load_posterior
from flarefree.simulation.calibration.predicting import views
from flarefree.simulation.calibration.targets import read_yaml_text, text_of
from flarefree.simulation.calibration.views import View
from flarefree.simulation.design import Design, design_of
from flarefree.simulation.parameters import Parameters
from flarefree.simulation.recipes import TRIALS_PER_DRAW, Definition, Recipe
from flarefree.simulation.streams import require_whole
from flarefree.simulation.treatments import TREATMENTS
from flarefree.studytime import DAYS_PER_YEAR, month_day

__all__ = ["HOLD_OUTS", "HeldOut", "Prediction", "load_hold_outs", "predict_hold_outs"]

Floats = npt.NDArray[np.float64]
Report = Callable[[str, int, int], None]

HOLD_OUTS = "hold-outs"
"""What the command calls them together."""
BETWEEN = 0.35
"""SD of the log factor of flares between trials (assumed: 95% of trials within a factor of two)."""


@dataclass(frozen=True)
class HeldOut:
    """One trial or cohort, as `hold_outs.yaml` describes it."""

    name: str
    label: str
    source: str
    spec: Mapping[str, Any]

    @property
    def arms(self) -> Mapping[str, Mapping[str, Any]]:
        """By name: treatment, patients, changes."""
        return cast(Mapping[str, Mapping[str, Any]], self.spec["arms"])


@dataclass(frozen=True)
class Prediction:
    """One published number that nothing was fitted to, predicted.

    Attributes
    ----------
    trial, label, arm : str
    published : float
    digits : int
    mean, low, high : float
        Flares as frequent as in ALMS: mean and 95% predictive interval, trial-sized.
    elsewhere_low, elsewhere_high : float
        For a trial elsewhere.
    pit : float
        Elsewhere: part of the virtual trials below the published number.
    factor, factor_low, factor_high : float
        Of flares that this number asks for (NaN where it says nothing of flares).
    source, note, misses : str
    """

    trial: str
    label: str
    arm: str
    published: float
    digits: int
    mean: float
    low: float
    high: float
    elsewhere_low: float
    elsewhere_high: float
    pit: float
    factor: float
    factor_low: float
    factor_high: float
    source: str
    note: str
    misses: str

    @property
    def is_inside(self) -> bool:
        """Within the interval of a trial elsewhere."""
        edge = 0.5 * 10.0**-self.digits + 1e-9
        return self.elsewhere_low - edge <= self.published <= self.elsewhere_high + edge

    @property
    def is_inside_as_alms(self) -> bool:
        """Within the interval with the flares of ALMS."""
        edge = 0.5 * 10.0**-self.digits + 1e-9
        return self.low - edge <= self.published <= self.high + edge

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "inside": self.is_inside, "inside_as_alms": self.is_inside_as_alms}


@lru_cache(maxsize=1)
def load_hold_outs() -> Mapping[str, HeldOut]:
    """All that come with this version."""
    content = read_yaml_text(text_of("hold_outs.yaml"))
    return {
        name: HeldOut(name, str(spec["label"]), str(spec["source"]), spec) for name, spec in content.items()
    }


def predict_hold_outs(
    names: Sequence[str] = (),
    *,
    trials: int = 800,
    seed: int = 20100910,
    posterior: Posterior | None = None,
    progress: Report | None = None,
) -> tuple[Prediction, ...]:
    """Predict numbers that nothing was fitted to.

    Parameters
    ----------
    names : sequence of str
        Of `hold_outs.yaml`; all if empty.
    trials : int
        Virtual trials of each, of either kind.
    seed : int
    posterior : Posterior, optional
        The one that comes with this version if not given.

    Raises
    ------
    NotFoundError
        No such trial.
    """
    known = load_hold_outs()
    for name in names:
        if name not in known:
            raise NotFoundError(
                "no such trial is held out", where="hold-outs", found=name, expected=", ".join(known),
                try_=suggest(name, tuple(known)),
            )  # fmt: skip
    require_whole(trials, "trials", 40, 10**7)
    sample = posterior or load_posterior()
    report = progress or (lambda title, done, total: None)
    found: list[Prediction] = []
    for name in names or tuple(known):
        found += _predict_one(known[name], sample, trials, seed, report)
    return tuple(found)


def _predict_one(
    held: HeldOut, posterior: Posterior, trials: int, seed: int, report: Report
) -> list[Prediction]:
    draws = posterior.draws()
    rng = np.random.default_rng([seed, 2])
    factors = _factors(posterior, rng)
    elsewhere = tuple(d.changed(trial_factor=f) for d, f in zip(draws, factors.tolist(), strict=True))
    as_alms = _simulated(held, draws, trials, seed, rng)
    report(held.label, trials, 2 * trials)
    abroad = _simulated(held, elsewhere, trials, seed + 1, rng)
    report(held.label, 2 * trials, 2 * trials)
    used = factors[(np.arange(trials) // TRIALS_PER_DRAW) % len(factors)]
    out = []
    for number in held.spec["numbers"]:
        values: Mapping[str, float] = number.get("values") or {"": number["value"]}
        for arm, published in values.items():
            key = number["statistic"], arm
            out.append(_prediction(held, number, arm, float(published), as_alms[key], abroad[key], used))
    return out


def _factors(posterior: Posterior, rng: np.random.Generator) -> Floats:
    """A factor for a trial elsewhere by draw: about the middle of ALMS (1) and the multitarget trial."""
    other = np.log(posterior.values[:, posterior.names.index("h_multitarget")])
    spread = BETWEEN * math.sqrt(1.5)  # of a third trial about the middle of two
    return np.asarray(np.exp(0.5 * other + spread * rng.standard_normal(len(other))))


def _prediction(
    held: HeldOut,
    number: Mapping[str, Any],
    arm: str,
    published: float,
    as_alms: Floats,
    abroad: Floats,
    factors: Floats,
) -> Prediction:
    digits = int(number.get("digits", 0))
    edge = 0.5 * 10.0**-digits + 1e-9 if digits or "events" not in number["statistic"] else 1e-9
    low, high = _interval(as_alms)
    far_low, far_high = _interval(abroad)
    known = abroad[np.isfinite(abroad)]
    pit = float((known < published - edge).mean() + 0.5 * (np.abs(known - published) <= edge).mean())
    asked = (
        _asked_factor(published, abroad, factors) if not number["statistic"].startswith("stays egfr") else ()
    )
    factor, factor_low, factor_high = asked or (math.nan, math.nan, math.nan)
    return Prediction(
        held.name, str(number["label"]), arm, published, digits, float(np.nanmean(as_alms)), low, high,
        far_low, far_high, pit, factor, factor_low, factor_high, held.source,
        str(held.spec["note"]).strip(), str(held.spec["misses"]).strip(),
    )  # fmt: skip


def _interval(values: Floats) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)


def _asked_factor(published: float, values: Floats, factors: Floats) -> tuple[float, float, float]:
    """Factors of the virtual trials whose number comes near the published one: median and 95%."""
    known = np.isfinite(values)
    away = np.abs(values[known] - published)
    near = away <= np.quantile(away, 0.1)
    middle, low, high = np.quantile(factors[known][near], [0.5, 0.025, 0.975])
    return float(middle), float(low), float(high)


# One trial as a protocol --------------------------------------------------------------------------


def _simulated(
    held: HeldOut, draws: tuple[Parameters, ...], trials: int, seed: int, rng: np.random.Generator
) -> dict[tuple[str, str], Floats]:
    recipe = recipe_of_hold_out(held, draws, seed)
    parts: dict[tuple[str, str], list[Floats]] = {}
    for view in views(recipe, trials):
        for number in held.spec["numbers"]:
            for key, values in _numbers(view, held, number, rng).items():
                parts.setdefault(key, []).append(values)
    return {key: np.concatenate(values) for key, values in parts.items()}


def _numbers(
    view: View, held: HeldOut, number: Mapping[str, Any], rng: np.random.Generator
) -> dict[tuple[str, str], Floats]:
    statistic = str(number["statistic"])
    arms = list(number.get("values") or {"": 0})
    name, _, rest = statistic.partition(" ")
    if name == "stays":
        return {(statistic, ""): _stays(view, rest, int(number["n"]), rng)}
    if name == "flare_rate":
        at_risk = view.total(view.outcomes.times["flare"].stop_days)
        rate = 100.0 * view.count(view.outcomes.times["flare"].is_event) / (at_risk / DAYS_PER_YEAR)
        return {(statistic, arm): rate[:, view.design.arms.index(arm)] for arm in arms}
    if name == "percent_among":
        return _percent_among(view, statistic, arms, number["n"])
    return moments(view, [(statistic, arm) for arm in arms])


def _percent_among(
    view: View, statistic: str, arms: Sequence[str], sizes: Mapping[str, int]
) -> dict[tuple[str, str], Floats]:
    """Percentage with the event, of the first so many patients of an arm who are in the state at entry."""
    among = view.in_state("among", 0)
    event = view.outcomes.times["flare"].is_event
    found = {}
    for arm in arms:
        place = view.design.arms.index(arm)
        mine = view.by_arm(among)[place]
        counted = mine & (np.cumsum(mine, axis=1) <= sizes[arm])
        had = (counted & view.by_arm(event)[place]).sum(axis=1)
        found[statistic, arm] = 100.0 * had / np.maximum(counted.sum(axis=1), 1)
    return found


def _stays(view: View, rest: str, n: int, rng: np.random.Generator) -> Floats:
    """Percentage of yearly steps that begin and end in a state, of as many as were published."""
    measure, low, high = rest.split()
    grid = view.tile.panel.columns[measure].values.reshape(view.trials, -1, len(view.design.visit_days))
    inside = (grid >= float(low)) & (grid < float(high))
    begins = inside[:, :, :-1]
    share = (begins & inside[:, :, 1:]).sum(axis=(1, 2)) / np.maximum(begins.sum(axis=(1, 2)), 1)
    return np.asarray(100.0 * rng.binomial(n, np.clip(share, 0.0, 1.0)) / n)


def recipe_of_hold_out(held: HeldOut, draws: tuple[Parameters, ...], seed: int) -> Recipe:
    """The recipe of a held-out trial's virtual trials."""
    text = protocol_text(held)
    definition = Definition("", text, f"{held.name}.yaml", "", "flare", "flare", ("flare",))
    design = _design(held, text)
    also = ("proteinuria", "egfr", "upcr") if held.spec.get("follows_all") or "among" in held.spec else ()
    return Recipe((definition,), design, seed, draws, "log-rank", also)


def _design(held: HeldOut, text: str) -> Design:
    protocol = parse_protocol(text, f"{held.name}.yaml", "")
    sizes = {f"n.{arm}": int(own["n"]) for arm, own in held.arms.items()}
    design = design_of(protocol, sizes)
    leaves = held.spec.get("withdrawals_per_year")
    treatments = []
    for own in held.arms.values():
        treatment = TREATMENTS[own["treatment"]].changed(**own.get("changes", {}))
        treatments.append(treatment if leaves is None else treatment.changed(withdrawals_per_year=leaves))
    changes: dict[str, Any] = {
        name: tuple(margin) for name, margin in held.spec.get("population", {}).items()
    }
    people: Any = replace(POPULATIONS["ALMS"], **changes) if changes else "ALMS"
    return replace(design, treatments=tuple(treatments), population=people)


_MEASURES = """\
  proteinuria: {label: Urinary protein, unit: g/day, tests: [PROTEXR]}
  upcr: {label: Protein to creatinine ratio, unit: mg/mg, tests: [PROTCRT]}
  creatinine: {label: Serum creatinine, unit: mg/dL, tests: [CREAT]}
  egfr: {label: eGFR, unit: mL/min/1.73 m2, equation: mdrd-186}
  albumin: {label: Serum albumin, unit: g/dL, tests: [ALB]}
  red_cells: {label: Urinary red cells, unit: /hpf, tests: [URBC]}
  c3: {label: Serum C3, unit: mg/dL, tests: [C3]}
"""


def protocol_text(held: HeldOut) -> str:
    """The smallest protocol that asks a held-out trial's question."""
    drug = sorted(TREATMENTS["MMF"].drugs)[0]  # treatments are set by the design; a protocol needs some drug
    arms = "\n".join(
        f"  {arm}: {{label: {arm}, regimens: [{{drug: {drug}, target: 2 g/day}}]}}" for arm in held.arms
    )
    months = range(0, int(held.spec["months"]) + 1, int(held.spec["spacing"]))
    visits = "\n".join(
        f"    - {{name: Month {m}, number: {m}, month: {m}, day: {month_day(m)}, "
        f"first_day: {month_day(m) - 14 if m else -28}, last_day: {month_day(m) + 14 if m else 1}}}"
        for m in months
    )
    reference = held.spec.get("reference", "AZA")
    among = f"  among: {{label: Counted, state: {held.spec['among']}}}\n" if "among" in held.spec else ""
    return f"""\
flarefree: 1
name: held-out-{held.name}
title: {held.label}
condition: Lupus nephritis
design:
  summary: Held out
  masking: Open
  allocation: Random
  follow_up: {held.spec["months"]} months
  eligibility: [Lupus nephritis]
arms:
{arms}
reference_arm: {reference}
epochs:
  induction: {{label: Induction, last_day: 1}}
schedule:
  visits:
{visits}
baseline: {{last_day: 1}}
covariates:
  age: {{label: Age, type: number, unit: years, column: age_years}}
  sex: {{label: Sex, levels: {{M: [M], F: [F]}}}}
  race: {{label: Race}}
measures:
{_MEASURES}populations: {{all: {{label: All, when: randomized}}}}
analyses:
  flare:
    {{kind: time_to_event, title: Flare, section: Results, population: all, purpose: primary,
     endpoint: flare, models: [{{label: Unadjusted}}]}}
report: {{sections: [Results]}}
endpoints:
{among}  flare:
    label: Renal flare
    adjudicated: {str(bool(held.spec["adjudicated"])).lower()}
    when: >
      {" ".join(str(held.spec["flare"]).split())}
"""
