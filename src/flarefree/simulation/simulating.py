"""`simulate`: a protocol, how many trials, what to change; back come operating characteristics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np

from flarefree.errors import DesignError
from flarefree.protocol.language.messages import suggest
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.loading import load_protocol
from flarefree.simulation.assembling import (
    added,
    definition,
    pooled,
    provenance,
    reduced_definition,
    rejections,
)
from flarefree.simulation.characteristics import DefinitionResult, OperatingCharacteristics, Rejections
from flarefree.simulation.design import design_of
from flarefree.simulation.engine import run_recipe, tile_size
from flarefree.simulation.looks import Looks, parse_looks, stop_at_looks
from flarefree.simulation.parameters import Parameters
from flarefree.simulation.recipes import Definition, Recipe, compiled, definition_of
from flarefree.simulation.reduction import (
    BANK_PATIENTS,
    Bank,
    Reduced,
    bank_error,
    build_bank,
    draw_reduced,
    is_reducible,
    require_reducible,
)
from flarefree.simulation.streams import require_whole
from flarefree.simulation.summaries import ANALYSES, Summaries

__all__ = ["DEFAULT_SEED", "draws_of", "recipe_of", "simulate"]

DEFAULT_SEED = 20110401
_PILOT_TRIALS = 256
KEPT = 500_000
"""Trials of which summaries are kept; the rejections of those after them are counted."""

Report = Callable[[str, int, int], None]


def simulate(
    protocol: LoadedProtocol | str,
    *,
    trials: int = 1000,
    seed: int = DEFAULT_SEED,
    sizes: Mapping[str, int] | Sequence[int] | int | None = None,
    settings: Mapping[str, Any] | None = None,
    endpoint: str | None = None,
    endpoints: Sequence[str] = (),
    define: Mapping[str, str] | None = None,
    definitions: Mapping[str, Mapping[str, str]] | None = None,
    analysis: str = "log-rank",
    level: float = 0.05,
    looks: Looks | Sequence[float] | str | int | None = None,
    null: bool = False,
    reduce: bool | None = None,
    bank_patients: int = BANK_PATIENTS,
    parameters: Parameters | Sequence[Parameters] | str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    first_trial: int = 0,
    progress: Report | None = None,
) -> OperatingCharacteristics:
    """Simulate a protocol's trial very many times, with virtual patients, through its own sentences.

    Parameters
    ----------
    protocol : LoadedProtocol or str
        The protocol, its name, or its file.
    trials : int
    seed : int
        From 0 to 2^64 - 1.  The same seed gives the same virtual patients under every design.
    sizes : mapping of arm to int, sequence, or int, optional
        Patients by arm; as many as the published trial enrolled without it.
    settings : mapping, optional
        What to change: see `flarefree simulate --settings`.
    endpoint : str, optional
        What is tested; the protocol's primary endpoint without it.
    endpoints : sequence of str
        Further endpoints tested on the same patients.
    define : mapping of endpoint to sentence, optional
        Other sentences, in place of the protocol's.
    definitions : mapping of name to (mapping of endpoint to sentence), optional
        Further definitions, beside the protocol's own and on the same virtual patients; patients leave at
        the failure that each definition sees.
    analysis : str
        `log-rank`, `cox` (Wald), or `grouped log-rank` (by visit).
    level : float
        Of the two-sided test.
    looks : Looks, sequence of float, str or int, optional
        Interim looks, at fractions of the planned events: `[0.5, 0.75]`, `"0.5,0.75:pocock"`, or how many.
    null : bool
        Also simulate the trial with every arm treated as the reference arm, for the type I error.
    reduce : bool, optional
        Draw trials as counts by visit (exact; `grouped log-rank` only); without it, where that is faster.
    bank_patients : int
        Of each arm, behind a reduction.
    parameters : Parameters, sequence of Parameters, or "posterior", optional
        Of virtual patients; of several draws, each serves eight trials in turn.
    workers : int, optional
        Processes.  The numbers do not depend on it.
    scheduler : str, optional
        Address of a Dask scheduler.
    first_trial : int
        Number of the first trial.
    progress : callable, optional
        Called with a title, how many trials are done, and how many there are.

    Returns
    -------
    OperatingCharacteristics

    Raises
    ------
    DesignError, NotFoundError, LanguageError
        A setting, endpoint or sentence that makes no sense; what was found and what is allowed.

    Notes
    -----
    Method, and what is exact: docs/methods/virtual-trials-engine.md.

    Examples
    --------
    >>> import flarefree as ff
    >>> found = ff.simulate("alms-maintenance", trials=40, seed=1)
    >>> found.sizes
    (116, 111)
    """
    require_whole(trials, "trials", 1, 2**31)
    require_whole(first_trial, "first_trial", 0, 2**31 - trials)
    loaded = protocol if isinstance(protocol, LoadedProtocol) else load_protocol(protocol)
    planned = parse_looks(looks)
    recipe = recipe_of(
        loaded, seed=seed, sizes=sizes, settings=settings, endpoint=endpoint, endpoints=endpoints,
        define=define, definitions=definitions, analysis=analysis, parameters=parameters,
    )  # fmt: skip
    if not 0.0 < level < 1.0:
        raise DesignError("not a level", where="level", found=f"{level!r}", expected="between 0 and 1")
    run = _Run(trials, first_trial, level, workers, scheduler, progress, bank_patients)
    if planned is not None:
        recipe = replace(recipe, fractions=planned.fractions, planned_events=run.plan_events(recipe))
    if reduce:
        require_reducible(recipe)
    worth_it = trials * min(recipe.design.sizes) > 4 * bank_patients
    if is_reducible(recipe) and (reduce or (reduce is None and worth_it)):
        return run.reduced(loaded, recipe, null)
    return run.full(loaded, recipe, null, planned)


def recipe_of(
    protocol: LoadedProtocol,
    *,
    seed: int,
    sizes: Mapping[str, int] | Sequence[int] | int | None = None,
    settings: Mapping[str, Any] | None = None,
    endpoint: str | None = None,
    endpoints: Sequence[str] = (),
    define: Mapping[str, str] | None = None,
    definitions: Mapping[str, Mapping[str, str]] | None = None,
    analysis: str = "log-rank",
    parameters: Parameters | Sequence[Parameters] | str | None = None,
    asked: Sequence[str] | None = None,
    also: Sequence[str] = (),
) -> Recipe:
    """Everything that trials are made from, checked; see `simulate`.

    `asked` are the endpoints to report, all events and composites if not given; `also` are measures to take
    though no sentence asks for them.
    """
    require_whole(seed, "seed", 0, 2**64 - 1)
    if analysis not in ANALYSES:
        raise DesignError(
            "no such analysis", where="analysis", found=analysis, expected=", ".join(ANALYSES),
            try_=suggest(analysis, ANALYSES),
        )  # fmt: skip
    draws = draws_of(parameters)
    design = design_of(protocol, {**dict(settings or {}), **_sizes(protocol, sizes)}, parameters=draws[0])
    wanted = None if asked is None else tuple(asked)
    base = dict(define or {})
    found = [definition_of(protocol, "", base, endpoint, wanted)]
    for other in endpoints:
        found.append(replace(found[0], name=other, endpoint=other))
    for name, changes in (definitions or {}).items():
        found.append(_named(protocol, name, {**base, **changes}, changes, endpoint, wanted))
    recipe = Recipe(tuple(found), design, seed, draws, analysis, tuple(also))
    compiled(recipe.definitions)
    return recipe


def _named(
    protocol: LoadedProtocol,
    name: str,
    changes: Mapping[str, str],
    own: Mapping[str, str],
    endpoint: str | None,
    asked: tuple[str, ...] | None,
) -> Definition:
    """A definition that changes an endpoint, or adds one, which then is what it tests."""
    added = [changed for changed in own if changed not in protocol.spec.endpoints]
    tested = added[-1] if added else endpoint
    reported = None if asked is None else (*asked, *added)
    return definition_of(protocol, name, changes, tested, reported)


def draws_of(parameters: Parameters | Sequence[Parameters] | str | None) -> tuple[Parameters, ...]:
    """The parameters that trials use in turn; see `recipes.draw_number`."""
    if parameters is None:
        return (Parameters(),)
    if isinstance(parameters, str):
        return _named_draws(parameters)
    draws = (parameters,) if isinstance(parameters, Parameters) else tuple(parameters)
    if not draws or not all(isinstance(one, Parameters) for one in draws):
        raise DesignError("no parameters", where="parameters", expected="Parameters, or several")
    return draws


def _named_draws(name: str) -> tuple[Parameters, ...]:
    if name != "posterior":
        raise DesignError(
            "no such parameters", where="parameters", found=name, expected="posterior, or Parameters"
        )
    from flarefree.simulation.calibration.posterior import load_posterior

    return load_posterior().draws()


def _sizes(protocol: LoadedProtocol, sizes: Any) -> dict[str, Any]:
    """Sizes as settings."""
    if sizes is None:
        return {}
    if isinstance(sizes, Mapping):
        return {f"n.{arm}": n for arm, n in sizes.items()}
    if isinstance(sizes, int):
        return {"n": sizes}
    arms = list(protocol.spec.arms)
    if len(sizes) != len(arms):
        raise DesignError(
            "not a size for each arm", where="sizes", found=str(list(sizes)), expected=", ".join(arms)
        )
    return {f"n.{arm}": n for arm, n in zip(arms, sizes, strict=True)}


class _Run:
    """One call of `simulate`: what it was asked, beside the recipe."""

    def __init__(
        self,
        trials: int,
        first_trial: int,
        level: float,
        workers: int | None,
        scheduler: str | None,
        progress: Report | None,
        bank_patients: int,
    ) -> None:
        self.trials = trials
        self.first_trial = first_trial
        self.level = level
        self.where: dict[str, Any] = {"workers": workers, "scheduler": scheduler}
        self.progress = progress
        self.bank_patients = bank_patients

    def plan_events(self, recipe: Recipe) -> int:
        """Events of the first 256 trials on average: what information is counted from."""
        pilot = self._summaries(recipe, "Planning looks", _PILOT_TRIALS, 0)
        question = compiled(recipe.definitions)[0]
        place, design = question.asked.index(question.primary), recipe.design
        compared = next(k for k in range(len(design.arms)) if k != design.reference)
        events = pilot.events[:, place, [compared, design.reference]].sum(axis=1)
        return max(2, round(float(events.mean())))

    def full(
        self, protocol: LoadedProtocol, recipe: Recipe, null: bool, looks: Looks | None
    ) -> OperatingCharacteristics:
        """Every trial simulated whole."""
        count, critical = len(recipe.definitions), NormalDist().inv_cdf(1.0 - self.level / 2.0)
        found, power = self._counted(recipe, "Simulating trials", critical)
        errors: list[dict[str, Rejections]] | list[None] = [None] * count
        if null:
            alike = replace(recipe, design=recipe.design.as_null())
            errors = self._counted(alike, "Simulating trials without effect", critical)[1]
        results = [definition(recipe, k, found, power[k], errors[k]) for k in range(count)]
        rejects = np.abs(found.z[:, :, 0]) >= critical
        agreement = [[float((a & b).mean()) for b in rejects.T] for a in rejects.T]
        seen = None
        if looks is not None:
            seen = stop_at_looks(found, looks, recipe.planned_events, self.level)
        how = {"engine": "every trial simulated whole", "tile": tile_size(recipe), **self._kept_of()}
        return self._result(protocol, recipe, tuple(results), agreement, seen, how, found)

    def reduced(self, protocol: LoadedProtocol, recipe: Recipe, null: bool) -> OperatingCharacteristics:
        """Trials as counts by visit."""
        critical = NormalDist().inv_cdf(1.0 - self.level / 2.0)
        bank = self._bank(recipe, "Filling the bank")
        found, power = self._drawn(recipe, bank, critical)
        errors = None
        if null:
            alike = replace(recipe, design=recipe.design.as_null())
            # Under the null the arms differ only by luck; one bank for all makes the error rate exact.
            same = pooled(self._bank(alike, "Filling the bank without effect"))
            errors = self._drawn(alike, same, critical)[1]
        of_log_hr, of_power = bank_error(bank, found, recipe.design.reference, self.level)
        error = 0.0 if math.isnan(of_power) else of_power
        power = {arm: replace(one, bank_error=error) for arm, one in power.items()}
        result = reduced_definition(recipe, bank, found, power, errors)
        how = {
            **self._kept_of(),
            "engine": "multinomial reduction: trials drawn as counts by visit, exact for this test",
            "bank": f"{bank.patients:,} patients of each arm through the protocol's sentences",
            "bank_error_of_log_hazard_ratio": of_log_hr,
            "bank_error_of_power": of_power,
        }
        return self._result(
            protocol, recipe, (result,), [[result.power[a].rate for a in result.power]], None, how, found
        )

    def _blocks(self) -> list[tuple[int, int]]:
        """First trial and number of trials of each block; what is kept is of the first."""
        end = self.first_trial + self.trials
        return [(first, min(KEPT, end - first)) for first in range(self.first_trial, end, KEPT)]

    def _kept_of(self) -> dict[str, str]:
        if self.trials <= KEPT:
            return {}
        return {"distributions": f"of the first {KEPT:,} trials; power and type I error are of all"}

    def _counted(
        self, recipe: Recipe, title: str, critical: float
    ) -> tuple[Summaries, list[dict[str, Rejections]]]:
        """Summaries of the first block, and rejections of all by definition."""
        kept: Summaries | None = None
        counts: list[dict[str, Rejections]] = []
        for first, trials in self._blocks():
            found = self._summaries(recipe, title, trials, first)
            own = [rejections(recipe.design, found.z[:, k], critical) for k in range(found.z.shape[1])]
            counts = [added(a, b) for a, b in zip(counts, own, strict=True)] if counts else own
            kept = kept or found
        assert kept is not None
        return kept, counts

    def _drawn(self, recipe: Recipe, bank: Bank, critical: float) -> tuple[Reduced, dict[str, Rejections]]:
        """The first block of trials drawn as counts, and rejections of all."""
        kept: Reduced | None = None
        counts: dict[str, Rejections] = {}
        for first, trials in self._blocks():
            found = draw_reduced(recipe, bank, trials, first_trial=first)
            own = rejections(recipe.design, found.z, critical)
            counts = added(counts, own) if counts else own
            kept = kept or found
        assert kept is not None
        return kept, counts

    def _bank(self, recipe: Recipe, title: str) -> Bank:
        return build_bank(recipe, self.bank_patients, report=self._report(title), **self.where)

    def _summaries(self, recipe: Recipe, title: str, trials: int, first: int) -> Summaries:
        return run_recipe(recipe, trials, first_trial=first, report=self._report(title), **self.where)

    def _report(self, title: str) -> Callable[[int, int], None] | None:
        progress = self.progress
        return None if progress is None else lambda done, total: progress(title, done, total)

    def _result(
        self,
        protocol: LoadedProtocol,
        recipe: Recipe,
        definitions: tuple[DefinitionResult, ...],
        agreement: list[list[float]],
        looks: Any,
        how: Mapping[str, Any],
        kept: Summaries | Reduced,
    ) -> OperatingCharacteristics:
        from flarefree._version import __version__

        design = recipe.design
        told = {
            **how,
            "trials": self.trials,
            "seed": recipe.seed,
            "parameters": provenance(recipe),
            "population": design.population,
            "settings": dict(design.settings),
            "version": f"flarefree {__version__}",
        }
        return OperatingCharacteristics(
            protocol=protocol.spec.name,
            arms=design.arms,
            reference=design.arms[design.reference],
            sizes=design.sizes,
            trials=self.trials,
            first_trial=self.first_trial,
            seed=recipe.seed,
            analysis=recipe.analysis,
            level=self.level,
            definitions=definitions,
            agreement=tuple(tuple(row) for row in agreement),
            looks=looks,
            how=told,
            per_trial=kept,
        )
