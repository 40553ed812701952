"""Calls as entries of the log: each identification is one, whether it was right or not."""

from __future__ import annotations

import secrets
from datetime import datetime

from flarefree.web.commands.base import Asked
from flarefree.web.commands.executing import execute
from flarefree.web.commands.telephoning import End, NoteTelephone

__all__ = ["note_call"]


def note_call(person: str, end: End, at: datetime) -> None:
    """That an account was used, or tried; `person` is empty where the number is nobody's."""
    asked = Asked(None, f"telephone-{secrets.token_hex(16)}", at, "machine")
    execute(NoteTelephone(person=person, end=end), asked)
