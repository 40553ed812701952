"""What the keeper of anchors gets: the links of the log since the last anchor; they tell nothing of it."""

from __future__ import annotations

from typing import Any

from flarefree.conduct.audit.anchors import links_of
from flarefree.conduct.visibility import Actor, require_allowed
from flarefree.web.people.anchors import read_anchors
from flarefree.web.record.models import LogRow
from flarefree.web.record.reading import read_head
from flarefree.web.trial import running_trial

__all__ = ["links_for_keeper"]


def links_for_keeper(actor: Actor) -> dict[str, Any]:
    """The log's name, the last anchor that was brought back, and every link since: hashes only, for JSON.

    Raises
    ------
    ConductError
        The actor may not export the trail.
    """
    trial = running_trial()
    require_allowed(trial.matrix, actor, "export", "audit.trail", trial.phase)
    anchors, head = read_anchors(), read_head()
    rows = LogRow.objects.filter(number__gte=anchors[-1].length if anchors else 0).order_by("number")
    links = links_of(row.to_entry() for row in rows.iterator())
    return {
        "chain": "" if head is None else head.chain,
        "last": anchors[-1].to_dict() if anchors else None,
        "links": [
            {"number": one.number, "previous": one.previous, "content_sha256": one.content_sha256}
            for one in links
        ],
    }
