"""Analyses: what the protocol asks of a derived study, as tables and figures that hold numbers.

Takes a `Derivation` (or a study folder) and the protocol's list of analyses; gives one
`AnalysisResult` each, and ADaM-shaped datasets.  Formats nothing and reads no files.
Read `run.py` first, then `plan.py` (kind to module), `trial.py` (arms and cohorts), and any one
analysis, such as `withdrawals.py`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.analysis.datasets import Dataset, build_datasets
    from flarefree.analysis.run import Analysis, analyze
    from flarefree.analysis.trial import open_trial

__all__ = ["Analysis", "Dataset", "analyze", "build_datasets", "open_trial"]

_HOME = {
    "Analysis": "run",
    "Dataset": "datasets",
    "analyze": "run",
    "build_datasets": "datasets",
    "open_trial": "trial",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
