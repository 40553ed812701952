"""Quotation marks of delimited text: each opens at a field's beginning and closes at its end.

One that does not would swallow the rows that follow it, so that reading stops there, with its line.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flarefree.errors import ReadError

__all__ = ["require_around_fields", "require_closed", "shortened"]

_NEWLINE, _RETURN = (ord(c) for c in "\n\r")
_LINE_FEED = b"\n"


def require_closed(
    text: bytes,
    data: npt.NDArray[np.uint8],
    within: npt.NDArray[np.bool_],
    quotes: npt.NDArray[np.bool_],
    between: npt.NDArray[np.bool_],
    where: str,
) -> None:
    """Raise where the last quotation mark leaves a text open, at the mark that was never closed.

    `within` is true after an odd number of marks, `between` where a delimiter or a newline stands.
    """
    if not within[-1]:
        return
    places = np.flatnonzero(quotes)
    stray = _stray_quotes(data, within, quotes, between)
    opened = int(places[-1])
    if stray.any():
        # Every mark after the unclosed one changes its part; the first that stands oddly follows it.
        first = int(np.flatnonzero(stray)[0])
        if within[first]:  # it opens where no text begins: it is the odd one itself
            return
        opened = int(places[places < first][-1])
    line = int((data[:opened] == _NEWLINE).sum()) + 1
    raise ReadError(
        "a quotation mark is opened and never closed",
        where=f"{where} line {line}",
        found=shortened(text[opened : opened + 80].decode("utf-8", "replace").split("\n")[0]),
        expected='a second " after the text; one within a text is written twice ("")',
    )


def _stray_quotes(
    data: npt.NDArray[np.uint8],
    within: npt.NDArray[np.bool_],
    quotes: npt.NDArray[np.bool_],
    between: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """Quotation marks that open in the middle of a field, or close there."""
    may_open = np.append(True, (between | quotes)[:-1])
    may_close = np.append((between | quotes | (data == _RETURN))[1:], True)
    return quotes & np.where(within, ~may_open, ~may_close)


def require_around_fields(
    data: npt.NDArray[np.uint8],
    within: npt.NDArray[np.bool_],
    quotes: npt.NDArray[np.bool_],
    between: npt.NDArray[np.bool_],
    where: str,
) -> None:
    """A quotation mark opens at a field's beginning and closes at its end; a stray one would swallow rows.

    `between` is true where a delimiter or a newline stands.
    """
    stray = _stray_quotes(data, within, quotes, between)
    if not stray.any():
        return
    place = int(np.flatnonzero(stray)[0])
    line = int((data[:place] == _NEWLINE).sum()) + 1
    start = data[:place].tobytes().rfind(_LINE_FEED) + 1
    raise ReadError(
        "a quotation mark stands within a text that is not in quotation marks, or follows one that is",
        where=f"{where} line {line}",
        found=shortened(data[start : place + 20].tobytes().decode("utf-8", "replace").split("\n")[0][-60:]),
        expected='quotation marks around the whole text, and those within it written twice: "5"" long"',
        try_="export the file again with texts in quotation marks, or write the mark twice",
    )


def shortened(line: str, length: int = 60) -> str:
    line = line.strip()
    return line if len(line) <= length else line[: length - 3] + "..."
