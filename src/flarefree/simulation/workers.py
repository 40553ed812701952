"""Processes of our own that simulate tiles: no script needs a guard for them, and one that dies is replaced.

A worker is `python -m flarefree.simulation.workers`.  It reads a task and a recipe,
then parts, and writes what the task gives; every message is a pickle with its length before it.
"""

from __future__ import annotations

import contextlib
import pickle
import queue
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import IO, Any

from flarefree.errors import FlarefreeError
from flarefree.simulation.recipes import Recipe

__all__ = ["run_on_workers"]

_LENGTH = struct.Struct("<Q")
_DEATHS = 3
"""How often the worker of one part may die before the part is given up."""


def run_on_workers(
    task: Any, recipe: Recipe, parts: list[tuple[int, int]], tile: int | None, processes: int
) -> Iterator[tuple[int, Any]]:
    """Each part's place and what `task(recipe, first, stop, tile)` gives of it, as they are done.

    Raises
    ------
    FlarefreeError
        A worker died three times over one part, or met an error that its reader can mend.
    """
    waiting: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
    for place in range(len(parts)):
        waiting.put((place, 0))
    done: queue.SimpleQueue[tuple[int, Any] | BaseException] = queue.SimpleQueue()
    stop = threading.Event()

    def serve() -> None:
        worker = _Worker(task, recipe, tile)
        try:
            while not stop.is_set():
                try:
                    place, deaths = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    done.put((place, worker.ask(parts[place])))
                except (EOFError, BrokenPipeError):
                    worker.close()
                    if stop.is_set():
                        return
                    if deaths + 1 >= _DEATHS:
                        raise FlarefreeError(
                            "a worker process died again and again over the same trials",
                            where=f"trials {parts[place][0]} to {parts[place][1] - 1}",
                            try_="fewer workers: --workers 1; it may be that memory was short",
                        ) from None
                    waiting.put((place, deaths + 1))
                    worker = _Worker(task, recipe, tile)
        except BaseException as error:
            done.put(error)
        finally:
            worker.close()

    threads = [threading.Thread(target=serve, daemon=True) for _ in range(processes)]
    for thread in threads:
        thread.start()
    try:
        for _ in parts:
            one = done.get()
            if isinstance(one, BaseException):
                raise one
            yield one
    finally:
        stop.set()
        for thread in threads:
            thread.join()


class _Worker:
    """One process, started when it is made."""

    def __init__(self, task: Any, recipe: Recipe, tile: int | None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flarefree.simulation.workers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._told = (task, recipe, tile)
        self._knows = False

    def ask(self, part: tuple[int, int]) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        if not self._knows:
            _write(self.process.stdin, self._told)
            self._knows = True
        _write(self.process.stdin, part)
        answer = _read(self.process.stdout)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self.process.terminate()
        self.process.wait()


def _write(pipe: IO[bytes], message: Any) -> None:
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(_LENGTH.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> Any:
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    data = pipe.read(length)
    if len(data) < length:
        raise EOFError
    return pickle.loads(data)


def _serve() -> None:
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # nothing that prints may come between our messages
    try:
        task, recipe, tile = _read(source)
        while True:
            first, stop = _read(source)
            try:
                answer: Any = task(recipe, first, stop, tile)
            except FlarefreeError as error:
                answer = error
            _write(sink, answer)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


if __name__ == "__main__":
    _serve()
