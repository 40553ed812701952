"""The study folder of the demo: kept where the caller says, else only for the time of the analysis."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flarefree.errors import OutputError

__all__ = ["require_free_study", "virtual_study"]


@contextmanager
def virtual_study(keep: Path | None, patients: int, seed: int | None) -> Iterator[Path]:
    """A virtual trial as a study folder; the same seed gives the same bytes."""
    from flarefree.simulation.demo_trial import DEFAULT_SEED, write_demo_study

    chosen = DEFAULT_SEED if seed is None else seed
    if keep is not None:
        require_free_study(keep)
        yield write_demo_study(keep, patients=patients, seed=chosen)
        return
    with tempfile.TemporaryDirectory(prefix="flarefree-") as made:
        yield write_demo_study(Path(made) / "study", patients=patients, seed=chosen)


def require_free_study(folder: Path) -> None:
    """A folder that holds anything but an earlier virtual study is left alone."""
    study_file = folder / "study.yaml"
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if study_file.is_file() and "virtual: true" in study_file.read_text(encoding="utf-8", errors="replace"):
        return
    raise OutputError(
        "the folder for the virtual study holds other files",
        where=str(folder),
        expected="an empty folder, or an earlier virtual study",
        try_="another --study",
    )
