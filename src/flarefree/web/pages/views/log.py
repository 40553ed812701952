"""The log, as a blinded reviewer reads it: who, when, why; values and words are left out."""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponseBase

from flarefree.conduct.visibility import Actor
from flarefree.web.pages.asking import may, show
from flarefree.web.pages.tables import Cell, table_of
from flarefree.web.queries.trail import trail

__all__ = ["log"]

_MOST = 100
_NUMBER = re.compile(r"[0-9]{1,15}")


def log(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Entries, the latest first, a hundred at a time."""
    about = request.GET.get("about", "").strip()
    before = request.GET.get("before", "")
    number = int(before) if _NUMBER.fullmatch(before) else None
    entries = trail(actor, before=number, about=about, limit=_MOST)
    rows = [
        (
            Cell(f"{entry['number']}"),
            Cell(
                str(entry["at"])[:19].replace("T", " "),
                note=f"site in {entry['zone']}" if entry["zone"] != "UTC" else "",
            ),
            Cell(str(entry["who"]), note=str(entry["role"]).replace("_", " ")),
            str(entry["action"]).replace("_", " "),
            Cell(str(entry["about"])),
            str(entry["reason_code"]).replace("_", " "),
        )
        for entry in entries
    ]
    head = ("Entry", "When (UTC)", "Who", "Did", "About", "Why")
    told = {
        "table": table_of("Log", head, rows, empty="No entry fits."),
        "about": about,
        "can_anchor": may(actor, (("export", "audit.trail"),)),
        "next": entries[-1]["number"] if len(entries) == _MOST else None,
    }
    return show(request, "log", told)
