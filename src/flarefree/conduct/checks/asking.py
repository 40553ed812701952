"""Asking a rule for something, and whether it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flarefree.errors import ConductError

__all__ = ["is_refused", "refusal"]


def is_refused(ask: Callable[..., Any], *args: Any, **named: Any) -> bool:
    """Whether a rule refuses."""
    return bool(refusal(ask, *args, **named))


def refusal(ask: Callable[..., Any], *args: Any, **named: Any) -> str:
    """All that a rule says when it refuses, on one line; empty if it does not."""
    try:
        ask(*args, **named)
    except ConductError as error:
        return " ".join(str(error).split())
    return ""
