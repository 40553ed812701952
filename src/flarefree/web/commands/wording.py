"""What no command may hold: letters that cannot be seen or that turn others around, a spreadsheet's formula,
times that no clock shows.

A name that is read from right to left by a hidden mark looks like another name; a text that begins with `=`
is carried out by the spreadsheet that opens an export of it.  Both are refused where they would come in, so
that what is kept is what was meant, and an export needs to change nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel

__all__ = ["FIRST_YEAR", "require_sound"]

FIRST_YEAR = 1880
"""Nobody in a trial was born before, and nothing of them is dated before."""
_LAST_YEAR = 9998  # a year from the end, where no time zone leads beyond it
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters but tab and line ends; embeddings, overrides and isolates of direction (Unicode Standard
Annex 9); halves of pairs.  Marks of direction alone (U+200E, U+200F) belong to names in some scripts."""
_FORMULA = re.compile(r"[=@]\s*\S|[+-]\s*[A-Za-z_]\w*\s*[(|!]")


def require_sound(command: BaseModel, *, raw: frozenset[str] = frozenset()) -> None:
    """Refuse a command with a text or time that cannot be kept.

    Parameters
    ----------
    command : pydantic model
    raw : frozenset of str
        Fields that are whole files, whose reader judges them.

    Raises
    ------
    ValueError
        In words, with the field's name.
    """
    for name in type(command).model_fields:
        for value in () if name in raw else _within(getattr(command, name)):
            wrong = _wrong(value)
            if wrong:
                raise ValueError(f"{name.replace('_', ' ')}: {wrong}")


def _within(value: Any) -> Iterator[Any]:
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _within(getattr(value, name))
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from (name, *_within(one))
    elif isinstance(value, tuple | list | set | frozenset):
        for one in value:
            yield from _within(one)
    else:
        yield value


def _wrong(value: Any) -> str:
    if isinstance(value, str):
        if _HIDDEN.search(value):
            return "this text holds characters that cannot be printed"
        return "a text cannot begin as a spreadsheet's formula" if _FORMULA.match(value) else ""
    if isinstance(value, datetime):
        return "" if FIRST_YEAR <= value.year < _LAST_YEAR else "no such time"
    return "no such date" if isinstance(value, date) and value.year < FIRST_YEAR else ""
