"""Text from outside, made fit to print: what a page, a figure or a PDF cannot hold is shown as `�`.

Patients' text is not ours: it may carry control characters, halves of surrogate pairs from a broken
file, or marks that turn the direction of the line.  Escaping is each renderer's own task.
"""

from __future__ import annotations

import re

__all__ = ["clean_text", "slug", "typeset"]

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # controls, but for tab and line ends
    "\u202a-\u202e\u2066-\u2069"  # marks that reorder what follows them
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"  # no characters at all
)


def clean_text(text: str) -> str:
    """`text` with every unprintable character replaced by U+FFFD."""
    return _UNPRINTABLE.sub("\ufffd", text)


def slug(text: str) -> str:
    """A name that may be part of an address or a file's name: letters, digits, `_`, `-`, `.`."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text).lstrip(".") or "_"


_SIGNS = (
    (re.compile(r">=\s?(?=\d)"), "≥"),
    (re.compile(r"<=\s?(?=\d)"), "≤"),
    (re.compile(r"\bm2\b"), "m²"),
    (re.compile(r"\bmm3\b"), "mm³"),
    (re.compile(r"(?<![\w.−-])-(?=\d)"), "−"),
)


def typeset(label: str) -> str:
    """A label as a journal sets it: `>=90 mL/min/1.73 m2` as `≥90 mL/min/1.73 m²`, a minus as `−`.

    For labels, headings and titles; never for the protocol's sentences, which stay as they are written.
    """
    for pattern, sign in _SIGNS:
        label = pattern.sub(sign, label)
    return label
