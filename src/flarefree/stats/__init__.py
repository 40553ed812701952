"""The statistics of a trial: arrays in, frozen results out.

Takes arrays, or a formula and a frame; gives results with `.tidy()`, `.glance()` and a readable repr.
Knows no patients, no protocol and no files.  Read `formula/` first (how a model is asked for), then the
module of the method: `tables.py`, `linear.py`, `survival/`, `mixed/`.  Names are imported at first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Formula": "formula",
    "cox": "survival",
    "cumulative_incidence": "survival",
    "design_matrix": "formula",
    "fine_gray": "survival",
    "gee": "mixed",
    "gray": "survival",
    "incidence_rate": "survival",
    "kaplan_meier": "survival",
    "logistic_mixed": "mixed",
    "logrank": "survival",
    "mmrm": "mixed",
    "parse_formula": "formula",
    "rmst": "survival",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value  # a module of the same name must not hide the function
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
