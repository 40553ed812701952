"""Endpoints: what the protocol's sentences are, of every patient, with the rows they rest on.

Takes a study (`flarefree.records`) and a protocol (`flarefree.protocol`); gives a `Derivation` of frames.
Begin reading at `derive.py` (the steps), then `evaluate.py` (a sentence on a panel) and `gathering.py`
(rows become assessments); `standing.py` decides which event counts, `explain.py` says why.
Virtual trials use `evaluate.py` and `time_to_event.py` alone: neither knows records.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.endpoints.context import Context
    from flarefree.endpoints.derivation import Derivation
    from flarefree.endpoints.equations import compute_egfr
    from flarefree.endpoints.evaluate import Evaluator, evaluate_condition, evaluate_value
    from flarefree.endpoints.explain import Explanation
    from flarefree.endpoints.panel import Panel, PanelColumn, build_panel, regular_panel
    from flarefree.endpoints.registry import derive_registry

# `derive` and `explain` are modules here, and would hide functions of the same name: take `flarefree.derive`,
# and `explain` from `flarefree.endpoints.explain`.
__all__ = [
    "Context",
    "Derivation",
    "Evaluator",
    "Explanation",
    "Panel",
    "PanelColumn",
    "build_panel",
    "compute_egfr",
    "derive_registry",
    "evaluate_condition",
    "evaluate_value",
    "regular_panel",
]

_HOME = {
    "Context": "context",
    "Derivation": "derivation",
    "Evaluator": "evaluate",
    "Explanation": "explain",
    "Panel": "panel",
    "PanelColumn": "panel",
    "build_panel": "panel",
    "compute_egfr": "equations",
    "derive_registry": "registry",
    "evaluate_condition": "evaluate",
    "evaluate_value": "evaluate",
    "regular_panel": "panel",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"flarefree.endpoints.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
