"""Runs virtual trials tile by tile: here, on all cores, or on a Dask cluster, with the same bits.

A tile is a range of trials; it goes to whoever is free, and its summaries come back to their place.  Since
every random number has an address, neither tile size nor workers nor order matter.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from flarefree.errors import DesignError
from flarefree.simulation.looks import look_at
from flarefree.simulation.recipes import TRIALS_PER_DRAW, Recipe, compiled
from flarefree.simulation.summaries import Room, Summaries, compare_arms, count_type, joined
from flarefree.simulation.tiles import Asker, Tile

__all__ = ["ask_trials", "cores", "run_parts", "run_recipe", "summarize_trials", "tile_size"]

TILE_PATIENTS = 22_000
"""Patients of a tile: what they are measured with stays in a core's cache."""
PART = 8
"""Tiles that travel together, at least; ..."""
_PARTS = 1_000
"""... at most so many parts."""
_WORTH_WORKERS = 1_500_000
"""Patients from which on starting further processes pays."""

Report = Callable[[int, int], None]
Task = Callable[[Recipe, int, int, "int | None"], Any]


def tile_size(recipe: Recipe) -> int:
    """Trials of a tile, in whole groups of those that share a draw."""
    groups = TILE_PATIENTS // (recipe.design.n * TRIALS_PER_DRAW)
    return TRIALS_PER_DRAW * max(1, groups)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_recipe(
    recipe: Recipe,
    trials: int,
    *,
    first_trial: int = 0,
    workers: int | None = None,
    scheduler: str | None = None,
    tile: int | None = None,
    report: Report | None = None,
) -> Summaries:
    """Simulate trials, and keep a summary of each.

    Parameters
    ----------
    recipe : Recipe
    trials : int
    first_trial : int
        Number of the first; trial 1000 is the same one wherever a run begins.
    workers : int, optional
        Processes; as many as there are cores, if that is worth it, without it.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers then do the work.
    tile : int, optional
        Trials of a tile.
    report : callable, optional
        Called with how many trials are done, and how many there are.
    """
    room = Room(trials, first_trial)
    run_parts(
        summarize_trials,
        recipe,
        trials,
        first_trial,
        workers=workers,
        scheduler=scheduler,
        tile=tile,
        report=report,
        take=room.take,
    )
    return room.filled()


def run_parts(
    task: Task,
    recipe: Recipe,
    trials: int,
    first_trial: int,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    tile: int | None = None,
    report: Report | None = None,
    take: Callable[[int, Any], None],
) -> None:
    """Give `take` the first trial of each part and what `task(recipe, first, stop, tile)` gives of it."""
    size = (tile or tile_size(recipe)) * max(PART, trials // (_PARTS * (tile or tile_size(recipe))))
    parts = [(a, min(a + size, first_trial + trials)) for a in range(first_trial, first_trial + trials, size)]
    if workers is not None and workers < 1:
        raise DesignError("no workers", where="workers", found=str(workers), expected="1 or more")
    wanted = cores() if trials * recipe.design.n > _WORTH_WORKERS else 1
    processes = min(wanted if workers is None else workers, len(parts))
    if scheduler is not None:
        from flarefree.simulation.cluster import run_on_cluster

        done = run_on_cluster(scheduler, task, recipe, parts, tile)
    elif processes > 1:
        from flarefree.simulation.workers import run_on_workers

        done = run_on_workers(task, recipe, parts, tile, processes)
    else:
        done = ((i, task(recipe, *part, tile)) for i, part in enumerate(parts))
    finished = 0
    for place, found in done:
        take(parts[place][0], found)
        finished += parts[place][1] - parts[place][0]
        if report is not None:
            report(finished, trials)


def summarize_trials(recipe: Recipe, first: int, stop: int, tile: int | None = None) -> Summaries:
    """Trials `first` to `stop` (not counted), summarized."""
    parts = []
    for trials, tile_done in ask_trials(recipe, first, stop, tile):
        parts.append(_summarize(recipe, tile_done, len(trials)))
    return joined(parts)


def ask_trials(
    recipe: Recipe, first: int, stop: int, tile: int | None = None
) -> Iterator[tuple[range, Tile]]:
    """Tiles of trials one after another, each under one draw of the parameters.

    A tile's measurements are written over by the next tile: take what is needed of them first.
    """
    asker = _asker(recipe)
    start = first
    while start < stop:
        end = min(start + (tile or tile_size(recipe)), stop)
        if len(recipe.draws) > 1:
            end = min(end, (start // TRIALS_PER_DRAW + 1) * TRIALS_PER_DRAW)
        trials = range(start, end)
        yield trials, asker.ask(trials, recipe.draws[recipe.draw_of(start)])
        start = end


_KEPT: list[tuple[Recipe, Asker]] = []


def _asker(recipe: Recipe) -> Asker:
    """Whoever asks for this very recipe; kept from one part of a run to the next."""
    if not _KEPT or _KEPT[0][0] is not recipe:
        _KEPT[:] = [
            (recipe, Asker(compiled(recipe.definitions), recipe.design, recipe.seed, recipe.also, True))
        ]
    return _KEPT[0][1]


def _summarize(recipe: Recipe, tile: Tile, trials: int) -> Summaries:
    design, questions = recipe.design, compiled(recipe.definitions)
    arms, starts = len(design.arms), _starts(design.sizes)
    events, tests, days, completed = [], [], [], []
    for question, outcomes in zip(questions, tile.outcomes, strict=True):
        events += [_by_arm(outcomes.times[name].is_event, trials, starts) for name in question.asked]
        tests.append(compare_arms(outcomes.times[question.primary], design, trials, recipe.analysis))
        ends = outcomes.consequences.end_days.astype(np.int64)
        days.append(np.add.reduceat(ends.reshape(trials, -1), starts, axis=1))
        completed.append(_by_arm(outcomes.consequences.reasons < 0, trials, starts))
    z, log_hr, error, survival = (np.stack(of, axis=1) for of in zip(*tests, strict=True))
    look_z, look_events, look_day, look_n = look_at(recipe, questions[0], tile, trials)
    return Summaries(
        events=np.stack(events, axis=1).astype(count_type(design.sizes)).reshape(trials, -1, arms),
        z=z,
        log_hr=log_hr,
        log_hr_error=error,
        survival=survival,
        days=np.stack(days, axis=1),
        completed=np.stack(completed, axis=1).astype(np.int32),
        look_z=look_z,
        look_events=look_events,
        look_day=look_day,
        look_n=look_n,
    )


def _starts(sizes: tuple[int, ...]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)


def _by_arm(flags: np.ndarray, trials: int, starts: np.ndarray) -> np.ndarray:
    """How many of each arm, (trials, arms)."""
    return np.add.reduceat(flags.reshape(trials, -1), starts, axis=1, dtype=np.int32)
