"""What the unblinded role must hear of: a list at its end, an old backup, many code breaks.

An alarm is kept apart from what rang it: the request that met the end of a list was refused and left nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flarefree.web.vault import models
from flarefree.web.vault.chain import add_entry, read_chain, vault_transaction

__all__ = ["Alarm", "alarms", "ring"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm.

    Attributes
    ----------
    kind : str
        `list_at_its_end`, `not_reconciled`, `code_breaks`.
    text : str
        Which list, or whose breaks; nothing in it depends on an arm.
    """

    kind: str
    text: str
    at: datetime


def ring(kind: str, text: str, *, key: str, at: datetime, protocol: str) -> bool:
    """Ring, once for each trouble; whether it is new.

    Parameters
    ----------
    key : str
        What it is about: the same trouble is told once.
    """
    with vault_transaction():
        if models.Alarm.objects.filter(key=key).exists():
            return False
        models.Alarm.objects.create(key=key, at=at, kind=kind, text=text)
        add_entry(
            read_chain(),
            at,
            who="system",
            role="vault",
            action="alarm",
            about=f"vault/{kind}",
            reason_code=kind,
            reason=text,
            protocol=protocol,
            request=f"alarm/{key}"[:120],
        )
    return True


def alarms() -> tuple[Alarm, ...]:
    """All, the earliest first."""
    return tuple(Alarm(row.kind, row.text, row.at) for row in models.Alarm.objects.order_by("id"))
