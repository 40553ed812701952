"""Which outcomes and characteristics of the base are parts of which: what their definitions say.

`complete`: every patient is in exactly one.  `exclusive`: nobody is in two.  `components`: the whole is
having any of them, and all of them are listed where the whole is.  Without a word: a part, no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

__all__ = ["part_of", "part_of_baseline"]

_COMPLETE = {
    "sex": ("male", "female"),
    "race": ("white", "black", "asian", "other_race"),
    "ethnic group": ("hispanic", "non_hispanic"),
    "biopsy class": ("class_iii", "class_iv", "class_v"),
    "eGFR category": ("egfr_90_and_above", "egfr_60_to_90", "egfr_30_to_60", "egfr_15_to_30"),
}
# Listed whole in one table of one document only: elsewhere a table may show some of the parts.
_LISTED: Mapping[tuple[str, str], tuple[str, str]] = MappingProxyType(
    {
        ("zhang2017_supplement", "any_relapse"): ("not_completed", "exclusive"),
        ("zhang2017_supplement", "dropout"): ("not_completed", "exclusive"),
        ("zhang2017_supplement", "renal_flare"): ("any_relapse", "components"),
        ("zhang2017_supplement", "extrarenal_flare"): ("any_relapse", "components"),
        ("zhang2017_supplement", "lost_to_follow_up"): ("dropout", "complete"),
        ("zhang2017_supplement", "adverse_event_withdrawal"): ("dropout", "complete"),
        ("zhang2017_supplement", "protocol_violation"): ("dropout", "complete"),
        ("zhang2017_supplement", "esrd"): ("renal_endpoint", "components"),
        ("zhang2017_supplement", "creatinine_doubling"): ("renal_endpoint", "components"),
        ("zhang2017_supplement", "egfr_decline"): ("renal_endpoint", "components"),
    }
)
_PARTS = {
    "treatment_failure": ("renal_flare", "rescue_therapy", "esrd", "creatinine_doubling"),
    "treatment_failure_broad": ("treatment_failure", "major_extrarenal_flare"),
    "infection": (
        *("varicella_zoster", "herpes_simplex", "pneumonia", "urinary_tract_infection", "skin_infection"),
        *("upper_respiratory_infection", "other_infection", "serious_infection", "cytomegalovirus"),
    ),
    "any_adverse_event": (
        "infection",
        "serious_adverse_event",
        "leukopenia",
        "liver_dysfunction",
        "alopecia",
    ),
    "serious_adverse_event": (
        "serious_pneumonia",
        "serious_leukopenia",
        "serious_lupus",
        "serious_infection",
    ),
    "overall_remission": ("complete_remission", "partial_remission"),
}
_GROUP = {name: (whole, "complete") for whole, names in _COMPLETE.items() for name in names}
_GROUP |= {name: (whole, "") for whole, names in _PARTS.items() for name in names}


def part_of(outcome: str, document: str = "") -> dict[str, str]:
    """`part_of` and `parts` of an outcome's row, by the base's names; empty where nothing is known."""
    whole, parts = _LISTED.get((document, outcome)) or _GROUP.get(outcome, ("", ""))
    return {"part_of": whole, "parts": parts} if whole else {}


def part_of_baseline(name: str, printed: Iterable[str]) -> dict[str, str]:
    """The same of a characteristic; `printed` are all that its table has for the arm.

    A table that leaves a category out cannot be asked whether the categories make up the arm.
    """
    found = part_of(name)
    if found and not set(_COMPLETE.get(found["part_of"], ())) <= set(printed):
        found["parts"] = "exclusive"
    return found
