"""Whether vault and record are whole and agree: what every check of allocation asks at its end."""

from __future__ import annotations

from typing import Any

from flarefree.web.record.models import LogRow
from flarefree.web.record.reading import facts_of
from flarefree.web.vault import service

__all__ = ["look_at"]


def look_at() -> dict[str, Any]:
    """What stands.

    Returns
    -------
    dict
        `given`: codes by patient, in the vault.  `logged`: patients whose allocation is in the vault's log.
        `recorded`: codes by patient, in the record.  `entries`: patients with an entry of randomization
        there.  `is_whole`: numbers run from 1 without a gap and each list's slots too.
    """
    given = service.receipts_since()
    return {
        "given": {one.receipt.subject: one.receipt.code for one in given},
        "logged": sorted(service.logged_allocations()),
        "recorded": facts_of("subject", "kit"),
        "entries": sorted(_entries()),
        "is_whole": [one.sequence for one in given] == list(range(1, len(given) + 1))
        and service.has_no_gaps(),
    }


def _entries() -> list[str]:
    rows = LogRow.objects.filter(about__startswith="subject/").order_by("number")
    found = []
    for row in rows:
        entry = row.to_entry()
        if entry.content["action"] == "randomize" and any(c.field == "allocation.kit" for c in entry.changes):
            found.append(str(entry.content["about"]).partition("/")[2])
    return found
