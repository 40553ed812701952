"""Things that the board keeps, as an actor sees them: what is read often is read from memory."""

from __future__ import annotations

from flarefree.conduct.visibility import Actor
from flarefree.web.queries.board import board_now
from flarefree.web.queries.scopes import Sight
from flarefree.web.queries.seeing import see
from flarefree.web.record.reading import Item

__all__ = ["see_on_board"]


def see_on_board(actor: Actor, kind: str, field: str) -> tuple[Item, ...]:
    """All patients' things of a kind, as somebody sees them; none of sites where they do not see a field.

    Parameters
    ----------
    kind : str
        One that the board keeps whole: `subject` or `query`.
    field : str
        Of the role matrix: what must be seen at a site for its rows to be looked at.
    """
    sight = Sight(actor)
    items = (
        item
        for patient in board_now().of_site("")
        if sight.sees(field, patient.site)
        for item in ((patient.subject,) if kind == "subject" else patient.of_kind(kind))
    )
    return see(actor, items)
