"""Pages of an outage: the list on paper, entry from it, and the comparison."""

from __future__ import annotations

from flarefree.web.pages.routes import Route
from flarefree.web.pages.views import outages

__all__ = ["OUTAGE"]

_RANDOMIZE = (("randomize", "allocation.request"),)

OUTAGE: tuple[Route, ...] = (
    Route(
        "emergency-list/", "emergency_list", outages.emergency_list, (("draw", "emergency.list"),),
        "Emergency list", "Trial",
    ),
    Route("subjects/<str:subject>/emergency-entry/", "emergency_entry", outages.back_entry, _RANDOMIZE),
    Route("outage/", "outage", outages.outage, (("see", "allocation.kit"),), "After an outage", "Data"),
)  # fmt: skip
