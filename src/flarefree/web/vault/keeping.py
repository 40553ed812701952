"""What else gives an arm away, kept sealed: a site's guess, a metabolite, a true trough."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flarefree.errors import ConductError
from flarefree.web.trial import running_trial
from flarefree.web.vault.chain import add_entry, read_chain, sealed_change, vault_transaction
from flarefree.web.vault.keys import open_value, seal_value
from flarefree.web.vault.models import Kept

__all__ = ["keep", "keep_in", "kept_of", "kept_values"]

_BLOCK = 4096
"""A sample with its sham and one without are equally long."""


def keep(
    kind: str, key: str, subject: str, value: Any, *, field: str, by: str, request: str, at: datetime
) -> None:
    """Keep one value, in a transaction of its own; the same one again changes nothing.

    Parameters
    ----------
    kind, key : str
        `site_guess`, and its own name.
    subject : str
    value : JSON
    field : str
        Of the role matrix.
    by : str

    Raises
    ------
    ConductError
        Another value stands under this name.
    """
    with vault_transaction():
        keep_in(kind, key, subject, {"value": value}, field=field, by=by, request=request, at=at)


def keep_in(
    kind: str,
    key: str,
    subject: str,
    told: dict[str, Any],
    *,
    field: str,
    by: str,
    request: str,
    at: datetime,
) -> None:
    """Keep within a transaction of the vault."""
    standing = Kept.objects.filter(kind=kind, key=key).first()
    if standing is not None:
        if standing.subject == subject and _is_same(_open(standing), told):
            return
        raise ConductError("this was kept before, with another value", where=f"{kind} {key}")
    head = read_chain()
    sealed = seal_value(told, purpose=f"{kind} {key}", block=_BLOCK)
    Kept.objects.create(kind=kind, key=key, subject=subject, sealed=sealed, entry=head.length)
    add_entry(
        head,
        at,
        who=by,
        role="vault",
        action="record",
        about=f"subject/{subject}" if subject else f"vault/{kind}",
        reason_code="as_planned",
        protocol=running_trial().protocol_digest,
        request=f"keep/{request}",
        changes=(sealed_change(f"{kind}/{key}", field, sealed),),
    )


def _is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether what came from outside is the same; a sham that was drawn for it is not drawn again."""
    return all(one[name] == other[name] for name in other if name not in {"shown", "donor"})


def _open(row: Kept) -> dict[str, Any]:
    return dict(open_value(bytes(row.sealed), purpose=f"{row.kind} {row.key}"))


def kept_of(kind: str, *, key: str = "", subject: str = "") -> list[dict[str, Any]]:
    """What is kept of a kind, opened, each with its key.  Only for other modules of the vault."""
    given = {name: value for name, value in (("key", key), ("subject", subject)) if value}
    rows = Kept.objects.filter(kind=kind, **given).order_by("id")
    return [{"key": row.key, "subject": row.subject, **_open(row)} for row in rows]


def kept_values(kind: str, *, who: str, role: str, request: str, at: datetime) -> tuple[tuple[str, Any], ...]:
    """What is kept of a kind, by subject, for a role that may see it; that it was read is logged (A6).

    The matrix is asked by who calls this.
    """
    with vault_transaction():
        add_entry(
            read_chain(),
            at,
            who=who,
            role=role,
            action="see",
            about=f"vault/{kind}",
            reason_code="read",
            protocol=running_trial().protocol_digest,
            request=f"see/{request}",
        )
        return tuple((str(one["subject"]), one.get("value", one)) for one in kept_of(kind))
