"""The same trials on a Dask cluster: the scheduler's address is all that changes.

Parts are sent to whichever worker is free, again where a worker was lost, and come back to their place; the
bits are those of a run on one core.  The extra is `pip install flarefree[cluster]`.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

from flarefree.errors import DesignError, MissingExtraError
from flarefree.simulation.recipes import Recipe

__all__ = ["run_on_cluster"]

_RETRIES = 10
_WAIT = "20s"


def run_on_cluster(
    address: str, task: Any, recipe: Recipe, parts: list[tuple[int, int]], tile: int | None
) -> Iterator[tuple[int, Any]]:
    """Each part's place and what `task(recipe, first, stop, tile)` gives of it, as they are done.

    Raises
    ------
    MissingExtraError
        Dask distributed is not installed.
    DesignError
        No scheduler answers at the address, or it has no workers.
    """
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=_WAIT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise DesignError(
            "no scheduler answers there",
            where="scheduler",
            found=f"{address}: {type(error).__name__}",
            expected="the address that `dask scheduler` prints, as tcp://host:8786",
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_WAIT)
        except TimeoutError:
            raise DesignError(
                "the scheduler has no workers",
                where="scheduler",
                found=address,
                try_=f"dask worker {address}",
            ) from None
        yield from _gathered(distributed, client, task, recipe, parts, tile)


def _gathered(
    distributed: Any, client: Any, task: Any, recipe: Recipe, parts: list[tuple[int, int]], tile: int | None
) -> Iterator[tuple[int, Any]]:
    # A task's result, not scattered data: if the worker that holds it is lost, it is made again.
    told = client.submit(pickle.loads, pickle.dumps(recipe), pure=False)
    futures = {
        client.submit(_work, task, told, part, tile, pure=False, retries=_RETRIES): place
        for place, part in enumerate(parts)
    }
    for future, found in distributed.as_completed(futures, loop=client.loop, with_results=True):
        yield futures.pop(future), found
        future.release()


def _work(task: Any, recipe: Recipe, part: tuple[int, int], tile: int | None) -> Any:
    return task(recipe, *part, tile)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise MissingExtraError(
            "Dask distributed is not installed", where="scheduler", try_="pip install 'flarefree[cluster]'"
        ) from None
    return distributed
