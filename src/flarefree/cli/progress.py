"""Progress on long work: one line on the terminal's error stream, nothing where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Report", "progress"]

Report = Callable[[str], None]
"""What long work calls with the name of the step that it begins."""


@contextmanager
def progress(total: int, *, quiet: bool = False) -> Iterator[Report]:
    """A bar over `total` steps; each call of what is given begins the next one."""
    if quiet or not sys.stderr.isatty():
        yield lambda step: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<32}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Starting", total=total)

        def begin(step: str) -> None:
            bar.update(task, description=step, advance=1)

        yield begin
