"""Errors in sentences: the line with a caret under the place, and a name that may have been meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from flarefree.errors import LanguageError
from flarefree.protocol.language.nodes import Span

__all__ = ["SentenceError", "caret", "suggest"]


class SentenceError(LanguageError):
    """A sentence cannot be used; `span` is the place in its text, for whoever knows file and line."""

    def __init__(
        self, what: str, span: Span, text: str, *, where: str = "", expected: str = "", try_: str = ""
    ) -> None:
        super().__init__(what, where=where, found=caret(text, span), expected=expected, try_=try_)
        self.span = span


def caret(text: str, span: Span) -> str:
    """The line of `text` that holds `span`, and carets under it.

    Long lines are cut around the place, so that the carets stay under what they point at.
    """
    begin = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.start)
    line = text[begin : len(text) if end < 0 else end]
    start = span.start - begin
    width = max(1, min(span.end - begin, len(line)) - start)
    line, start, width = _shortened(line, start, width)
    return f"{line}\n{' ' * start}{'^' * width}"


_WIDEST = 88


def _shortened(line: str, start: int, width: int) -> tuple[str, int, int]:
    line = line.replace("\t", " ")
    if len(line) <= _WIDEST:
        return line, start, width
    first = max(0, start - 30)
    cut = line[first : first + _WIDEST]
    head = "... " if first else ""
    tail = " ..." if first + _WIDEST < len(line) else ""
    return head + cut + tail, start - first + len(head), min(width, _WIDEST - (start - first))


def suggest(name: str, known: Iterable[str]) -> str:
    """`did you mean creatinine?`, or an empty text if nothing is near.

    A known name that begins with what was written, or the other way round, is near as well.
    """
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=2, cutoff=0.6)
    if len(near) == 2 and _likeness(name, near[1]) < _likeness(name, near[0]) - 0.1:
        near = near[:1]
    if not near and len(name) >= 4:
        near = [other for other in names if other.startswith(name) or name.startswith(f"{other}_")][:2]
    return f"did you mean {' or '.join(near)}?" if near else ""


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other, one).ratio()
