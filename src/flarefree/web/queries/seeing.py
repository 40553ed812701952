"""Things as an actor sees them: only the values whose field the matrix allows, of rows within their scope."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType

from flarefree.conduct.visibility import Actor, Target, decide
from flarefree.web.record.reading import Fact, Item, read_thing, read_things
from flarefree.web.trial import running_trial

__all__ = ["see", "see_thing", "see_things"]


def see(actor: Actor, items: Iterable[Item], *, phase: str = "") -> tuple[Item, ...]:
    """Things with the values that somebody sees; things of which they see nothing are not there.

    A case is seen by whom it was assigned to: the value `assigned_to`, names divided by spaces.
    """
    trial = running_trial()
    phase = phase or trial.phase
    allowed: dict[tuple[str, str, str], bool] = {}

    def is_seen(field: str, item: Item) -> bool:
        assigned = str(item["assigned_to"] or "")
        where = (field, item.site, assigned)
        if where not in allowed:
            target = Target(item.site, frozenset(assigned.split()))
            allowed[where] = decide(trial.matrix, actor, "see", field, phase, target).is_allowed
        return allowed[where]

    shown = (_only(item, {n: f for n, f in item.facts.items() if is_seen(f.field, item)}) for item in items)
    return tuple(item for item in shown if item.facts)


def _only(item: Item, facts: dict[str, Fact]) -> Item:
    """A thing with some of its values; whose it is, is told only where that value is among them.

    A member of the committee sees a case and not its patient.
    """
    hidden = {name for name in ("subject", "site") if name in item.facts and name not in facts}
    return replace(
        item,
        facts=MappingProxyType(facts),
        subject="" if "subject" in hidden else item.subject,
        site="" if "site" in hidden else item.site,
    )


def see_thing(actor: Actor, kind: str, key: str) -> Item | None:
    """One thing as somebody sees it; None if there is none, or nothing in it for them."""
    item = read_thing(kind, key)
    return next(iter(see(actor, () if item is None else (item,))), None)


def see_things(
    actor: Actor, kind: str = "", *, subject: str = "", site: str = "", attributes: tuple[str, ...] = ()
) -> tuple[Item, ...]:
    """Things of a kind, a subject or a site as somebody sees them."""
    return see(actor, read_things(kind, subject=subject, site=site, attributes=attributes))
