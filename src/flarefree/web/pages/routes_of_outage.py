"""Pages of the other ways in: the telephone, and paper in an outage."""

from __future__ import annotations

from flarefree.web.pages.routes import Route
from flarefree.web.pages.views import outages, telephone

__all__ = ["OUTAGE"]

_RANDOMIZE = (("randomize", "allocation.request"),)

OUTAGE: tuple[Route, ...] = (
    Route(
        "telephone-pin/", "telephone_pin", telephone.telephone_pin,
        (*_RANDOMIZE, ("break_code", "code_breaks.answer")), "Telephone PIN", "Patients",
    ),
    Route(
        "emergency-list/", "emergency_list", outages.emergency_list, (("draw", "emergency.list"),),
        "Emergency list", "Trial",
    ),
    Route("subjects/<str:subject>/emergency-entry/", "emergency_entry", outages.back_entry, _RANDOMIZE),
    Route("outage/", "outage", outages.outage, (("see", "allocation.kit"),), "After an outage", "Data"),
)  # fmt: skip
