"""Compile the numerical kernels once, after installation: `python -m flarefree.cli.warm_up`.

Runs the demo's job and a simulation on a few virtual patients and throws the results away; numba keeps
what it compiled beside the source files, and the first real run starts at once.
"""

from __future__ import annotations

import io
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

__all__ = ["warm_up"]


def warm_up() -> None:
    """Run the whole job on a small virtual trial, and a few trials through the batched engine."""
    from flarefree.cli.analyze import demo
    from flarefree.simulation.simulating import simulate

    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        demo(out=Path(folder) / "report", study=None, seed=1, patients=60, as_json=True)
    for protocol in ("alms-maintenance", "multitarget-maintenance"):
        simulate(protocol, trials=4, workers=1)


if __name__ == "__main__":
    warm_up()
