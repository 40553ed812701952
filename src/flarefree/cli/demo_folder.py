"""The study folder of the demo: written for the time of the analysis, kept beside the report."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["virtual_study"]


@contextmanager
def virtual_study(patients: int, seed: int | None) -> Iterator[Path]:
    """A virtual trial as a study folder; the same seed gives the same bytes."""
    from flarefree.simulation.virtual_trial import DEFAULT_SEED, write_virtual_trial

    with tempfile.TemporaryDirectory(prefix="flarefree-") as made:
        yield write_virtual_trial(
            Path(made) / "study", size=patients, seed=DEFAULT_SEED if seed is None else seed
        )
