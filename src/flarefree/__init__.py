"""flarefree runs a lupus nephritis trial from one protocol file.

Takes a protocol (YAML) and patients' rows; gives endpoints with lineage, analyses and a report.
The public face is small and lazy: nothing heavy is imported before it is used.  Begin reading at
`flarefree.protocol.schema` (what a trial says), then `flarefree.endpoints` (how it is applied).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from flarefree._version import __version__ as __version__

if TYPE_CHECKING:
    from flarefree import evidence, simulation, stats
    from flarefree.analysis.run import analyze
    from flarefree.endpoints.derive import derive
    from flarefree.protocol.loading import load_protocol
    from flarefree.readers.study_folder import read_study
    from flarefree.simulation.simulating import simulate

__all__ = ["analyze", "derive", "evidence", "load_protocol", "read_study", "simulate", "simulation", "stats"]

_HOME = {
    "analyze": "flarefree.analysis.run",
    "derive": "flarefree.endpoints.derive",
    "load_protocol": "flarefree.protocol.loading",
    "read_study": "flarefree.readers.study_folder",
    "simulate": "flarefree.simulation.simulating",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in ("evidence", "simulation", "stats"):
        return import_module(f"flarefree.{name}")
    raise AttributeError(f"module 'flarefree' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
