"""Edits of the role matrix, as somebody with an editor would make them, and whether they come into force."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import lru_cache
from typing import Any

from flarefree.conduct.roles.matrix import Matrix, built_in_text
from flarefree.conduct.roles.reading import matrix_of
from flarefree.conduct.taint import require_no_leaks
from flarefree.errors import ConductError
from flarefree.protocol.yaml_source import YamlSource, read_yaml

__all__ = ["SECRET", "Edit", "edited", "refusal_of", "show", "unjudged", "values_of_built_in"]

Values = dict[str, Any]
Edit = Callable[[Values], object]

SECRET = frozenset({"arm", "arm_revealing"})
"""Labels that blinded people must not see."""


@lru_cache(maxsize=1)
def _read() -> Values:
    return read_yaml(built_in_text(), "roles.yaml").values


def values_of_built_in() -> Values:
    """What `roles.yaml` says, as plain values; a copy."""
    return deepcopy(_read())


def edited(edit: Edit) -> Values:
    """The values after an edit."""
    values = values_of_built_in()
    edit(values)
    return values


def unjudged(values: Values) -> Matrix:
    """The matrix that values say, read but not judged."""
    return matrix_of(YamlSource("edited.yaml", "", values, {}, {}))


def refusal_of(values: Values) -> str:
    """Why a matrix does not come into force; empty if it does."""
    try:
        require_no_leaks(unjudged(values))
    except ConductError as error:
        return str(error)
    return ""


def show(role: str, field: str, verb: str = "see") -> Edit:
    """The edit that lists one more cell, while the trial is live."""

    def edit(values: Values) -> None:
        values["roles"][role]["may"].append({"verbs": [verb], "fields": [field], "phases": ["live"]})

    return edit
