"""An entry of an audit chain as a row of a table; the record and the vault each have a table of them."""

from __future__ import annotations

import json
from typing import Any, Self

from django.db import models

from flarefree.conduct.audit import Entry
from flarefree.conduct.audit.entries import canonical, place_entry

__all__ = ["AuditRow"]


class AuditRow(models.Model):
    """One entry.  Rows are only added: triggers and grants of the database refuse everything else."""

    number = models.BigIntegerField(primary_key=True)
    chain = models.CharField(max_length=120)
    previous = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)
    content = models.TextField()
    items = models.TextField()
    request = models.CharField(max_length=120, unique=True)
    about = models.CharField(max_length=200, db_index=True)

    class Meta:
        """Each chain has its own table."""

        abstract = True

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """The row of an entry."""
        return cls(
            number=entry.number,
            chain=entry.chain,
            previous=entry.previous,
            hash=entry.hash,
            content=canonical(dict(entry.content)).decode(),
            items=canonical([dict(item) for item in entry.items]).decode(),
            request=entry.content["request"],
            about=entry.content["about"],
        )

    def to_entry(self) -> Entry:
        """The entry, its hashes computed anew from what is stored."""
        content: dict[str, Any] = json.loads(self.content)
        return place_entry(self.chain, self.number, self.previous, content, tuple(json.loads(self.items)))
