"""Virtual trials of a published one, trial-sized, with every statistic that its targets ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.loading import load_protocol
from flarefree.simulation.asking import Question
from flarefree.simulation.calibration.moments import (
    Key,
    endpoints_of,
    measures_of,
    moments,
    states_of,
)
from flarefree.simulation.calibration.views import View
from flarefree.simulation.engine import ask_trials
from flarefree.simulation.parameters import Parameters
from flarefree.simulation.recipes import Recipe, compiled
from flarefree.simulation.simulating import recipe_of

__all__ = ["predict", "recipe_for", "views"]

Floats = npt.NDArray[np.float64]


def recipe_for(
    trial: str | LoadedProtocol,
    keys: Iterable[Key],
    *,
    seed: int,
    parameters: Parameters | Sequence[Parameters] | None = None,
    settings: dict[str, Any] | None = None,
) -> Recipe:
    """The recipe of a protocol's trials in which some statistics can be computed."""
    protocol = load_protocol(trial) if isinstance(trial, str) else trial
    statistics = [statistic for statistic, _ in keys]
    also = [*measures_of(statistics), *_measures_of_states(protocol, states_of(statistics))]
    return recipe_of(
        protocol,
        seed=seed,
        parameters=parameters,
        settings=settings,
        asked=endpoints_of(statistics),
        also=tuple(dict.fromkeys(also)),
    )


def views(recipe: Recipe, trials: int, first_trial: int = 0) -> Iterator[View]:
    """Tiles of trials, each as trials."""
    question = compiled(recipe.definitions)[0]
    for numbers, tile in ask_trials(recipe, first_trial, first_trial + trials):
        yield View(tile, question, recipe.design, len(numbers))


def predict(recipe: Recipe, keys: Sequence[Key], trials: int, first_trial: int = 0) -> dict[Key, Floats]:
    """Statistics of virtual trials, each (trials,)."""
    parts = [moments(view, keys) for view in views(recipe, trials, first_trial)]
    return {key: np.concatenate([part[key] for part in parts]) for key in keys}


def with_parameters(recipe: Recipe, *draws: Parameters) -> Recipe:
    """The same recipe under other parameters."""
    return replace(recipe, draws=draws)


def _measures_of_states(protocol: LoadedProtocol, states: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for state in states for name in _measures_of_state(protocol, state))


def _measures_of_state(protocol: LoadedProtocol, state: str) -> tuple[str, ...]:
    from flarefree.endpoints.context import Context
    from flarefree.protocol.language.nodes import Holds, Measure
    from flarefree.protocol.language.walking import walk

    context = Context.of(protocol)
    waiting = [context.states[state]]
    named: dict[str, None] = {}
    while waiting:
        for part in walk(waiting.pop()):
            if isinstance(part, Holds | Measure):
                if part.name in context.states:
                    waiting.append(context.states[part.name])
                else:
                    named[part.name] = None
    return tuple(name for name in named if name in protocol.spec.measures)


def question_of(recipe: Recipe) -> Question:
    """The protocol's own definition."""
    return compiled(recipe.definitions)[0]
