"""Progress on long work: a bar on the terminal's error stream, nothing where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Progress", "progress_bar"]

Progress = Callable[[str, int, int], None]
"""Called with the title of what begins, how many steps are done, and how many there are."""


@contextmanager
def progress_bar(*, quiet: bool = False) -> Iterator[Progress]:
    """A bar that long work moves by calling what is given."""
    if quiet or not sys.stderr.isatty():
        yield lambda title, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Starting (the first run compiles)", total=None)

        def move(title: str, done: int, total: int) -> None:
            bar.update(task, description=title, completed=done, total=total)

        yield move
