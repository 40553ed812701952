"""Roles and what they may do: the matrix as data, and who may hold which roles at which time.

Takes `roles.yaml` and the history of grants; gives a checked `Matrix` and a person's roles at a time.
What a role sees is decided in `flarefree.conduct.visibility`, how labels travel in `flarefree.conduct.taint`.
Begin reading at `roles.yaml`, then `matrix.py`; `persons.py` has grants, revocations and forbidden pairs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.conduct.roles.matrix import Cell, Matrix, load_matrix
    from flarefree.conduct.roles.persons import Grant, Grants

__all__ = ["Cell", "Grant", "Grants", "Matrix", "load_matrix"]

_HOME = {
    "Cell": "matrix",
    "Matrix": "matrix",
    "load_matrix": "matrix",
    "Grant": "persons",
    "Grants": "persons",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"flarefree.conduct.roles.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
