"""Few words that templates need beyond Django's: numbers moved, dates and fields as people read them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django import template
from django.utils.safestring import SafeString, mark_safe

from flarefree.web.pages import wording

__all__ = ["register"]

register = template.Library()


@register.filter
def add_number(value: float, other: float) -> float:
    """One number and another; Django's own `add` drops what is behind the point."""
    return round(float(value) + float(other), 1)


@register.filter
def calm(value: Any) -> str:
    """What was written in capitals, in ordinary letters."""
    return wording.calm(str(value))


@register.filter
def item(of: Mapping[str, Any] | Any, name: str) -> Any:
    """A value by its name, None if there is none."""
    try:
        return of[name]
    except (KeyError, IndexError, TypeError):
        return None


@register.filter
def day(value: date | str | None) -> str:
    """A date as nobody mistakes it: 5 Jan 2026."""
    if not value:
        return ""
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, str):
        text = value
        try:
            value = date.fromisoformat(text[:10])
        except ValueError:
            return text
    return f"{value.day} {value:%b %Y}"


@register.filter
def words(value: Any) -> str:
    """A name of the record in words: `on_treatment` is `on treatment`, True is `yes`."""
    match value:
        case None:
            return ""
        case True:
            return "yes"
        case False:
            return "no"
        case _:
            return str(value).replace("_", " ")


_STATES = {
    "good": (
        "randomized on_treatment completed closed done open agreed complete met true yes signed verified "
        "eligible active sealed approved decided"
    ),
    "warn": (
        "due suspected overdue query unknown disagreed halted late off_treatment open_query to_vote "
        "to_decide not_assessable flagged asked_about implausible warning"
    ),
    "bad": (
        "died failed refused lost screen_failed not_met false missed consent_withdrawn withdrawn void "
        "serious error"
    ),
    "note": "screening consented planned assigned voting voted answered live in_window prepared cited note",
}
_STATE_OF = {word: state for state, listed in _STATES.items() for word in listed.split()}


@register.filter
def state(value: Any) -> str:
    """The class of a state's badge; the badge says it in words as well."""
    return _STATE_OF.get(str(value).lower().replace(" ", "_"), "")


@register.filter
def grouped(code: str) -> str:
    """A code in groups of four, so that it is read aloud without a slip."""
    text = str(code)
    return " ".join(text[n : n + 4] for n in range(0, len(text), 4))


@register.simple_tag
def qr(text: str, title: str) -> SafeString:
    """A QR code as SVG with classes in place of styles, so that the security policy stands."""
    import segno
    from django.utils.html import escape

    out = io.BytesIO()
    segno.make(text, micro=False).save(
        out,
        kind="svg",
        border=3,
        xmldecl=False,
        svgns=False,
        omitsize=True,
        title=None,
        svgclass=None,
        lineclass="qrline",
    )
    drawn = out.getvalue().decode().strip()
    return mark_safe(drawn.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1))


@register.filter
def css_id(name: str) -> str:
    """An id as a CSS selector has it: its dots are no classes."""
    return str(name).replace(".", "\\.")


@register.filter
def of(thing: Any, attribute: str) -> Any:
    """What a thing itself has, its key or site: a dot in a template would look among its values."""
    return getattr(thing, attribute)


@register.filter
def key(thing: Any) -> str:
    """A thing's key."""
    return str(thing.key)


@register.filter
def slug(name: str) -> str:
    """A visit's name as it stands in an address."""
    from flarefree.web.commands.parts import slug_of

    return slug_of(str(name))
