"""The evidence base as one frozen value, and as frames."""

from __future__ import annotations

__all__: list[str] = []
