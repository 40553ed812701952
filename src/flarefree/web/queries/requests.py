"""What became of a request: the log's own word, for who asked for it (check F-2).

A client that lost the answer asks here instead of guessing.  Requests that are being done are waited for, so
that "not done" is true of everything that had arrived.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.db import transaction

from flarefree.web.record.models import LogRow
from flarefree.web.record.reading import read_head

__all__ = ["RequestOutcome", "outcome_of"]


@dataclass(frozen=True)
class RequestOutcome:
    """What the log says of a request id.

    Attributes
    ----------
    request : str
    is_done : bool
        Whether it stands in the log.  If not, nothing was changed by it, and it may be asked again with the
        same id: it will be done once.
    receipt : str
        Witness of its entry; empty if not done.
    done_at : datetime, optional
    action, about : str
        The entry's verb, and what it is about.
    result : mapping
        What the asker was told.
    """

    request: str
    is_done: bool
    receipt: str = ""
    done_at: datetime | None = None
    action: str = ""
    about: str = ""
    result: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


def outcome_of(person: str, request: str) -> RequestOutcome:
    """What became of a person's request; of somebody else's, as if it were not there."""
    with transaction.atomic():
        read_head(for_update=True)  # those who hold the lock now are done before we look
        row = LogRow.objects.filter(request=request).first()
    if row is None:
        return RequestOutcome(request, False)
    entry = row.to_entry()
    if entry.content["who"] != person:
        return RequestOutcome(request, False)
    return RequestOutcome(
        request,
        True,
        entry.receipt,
        entry.head.at,
        entry.content["action"],
        entry.content["about"],
        MappingProxyType(json.loads(row.answer)),
    )
