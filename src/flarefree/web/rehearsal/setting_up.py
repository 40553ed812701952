"""A trial is set up as trials are: protocol, sites, people, lists drawn and sealed, report signed, go-live.

What persons do goes through the door.  What the unblinded statistician does apart from the application, the
drawing and sealing of lists, is done here with keys that the rehearsal makes and keeps: that is how it knows
which arm a code means, which nobody in a real trial does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

from flarefree.conduct.audit import public_key_of as anchor_key_of
from flarefree.conduct.randomization.lists import ListSet, StratumList, draw_lists, seal_lists
from flarefree.conduct.randomization.plan import plan_of
from flarefree.conduct.randomization.sealing import public_key_of
from flarefree.conduct.visibility import Actor
from flarefree.web.rehearsal.doors import DirectDoor
from flarefree.web.rehearsal.people import Person, people_of, zone_of

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol
    from flarefree.web.rehearsal.doors import Door
    from flarefree.web.rehearsal.patients import Candidate

__all__ = ["ADMINISTRATOR", "CONSENT", "Keys", "draw_rehearsal_lists", "keys_of", "set_up", "swapped"]

ADMINISTRATOR = Person("administrator", "First administrator", "administrator")
CONSENT = "1.0"
_HOLDERS = ("kira", "karl")
_REPLICATES = 1000  # the least that going live takes


@dataclass(frozen=True)
class Keys:
    """Secrets that persons outside of the application hold; of a rehearsal, made from its seed.

    Attributes
    ----------
    lists_seed, lists_key, keeper_key : bytes
        Of the lists, of who seals them, of the keeper of anchors.
    shares : two of bytes
        Of the two holders of the release key.
    """

    lists_seed: bytes
    lists_key: bytes
    keeper_key: bytes
    shares: tuple[bytes, bytes]


def keys_of(seed: int) -> Keys:
    """The same for the same seed; a rehearsal's secrets keep nothing secret."""

    def made(of: str) -> bytes:
        return hashlib.sha256(f"flarefree rehearsal {of} {seed}".encode()).digest()

    shares = made("first share"), made("second share")
    return Keys(made("lists"), made("sealing"), made("keeper"), shares)


def draw_rehearsal_lists(protocol: LoadedProtocol, keys: Keys) -> ListSet:
    """The trial's lists."""
    return draw_lists(plan_of(protocol), protocol_digest=protocol.digest, seed=keys.lists_seed)


def swapped(lists: ListSet) -> ListSet:
    """The same lists with the two arms exchanged in every slot; codes stay where they are (B1)."""
    return replace(lists, lists=tuple(_swapped(one) for one in lists.lists))


def _swapped(one: StratumList) -> StratumList:
    return replace(one, entries=tuple(1 - arm for arm in one.entries))


def set_up(
    door: Door,
    protocol: LoadedProtocol,
    candidates: Sequence[Candidate],
    lists: ListSet,
    keys: Keys,
    at: datetime,
    tick: Callable[[], datetime],
) -> dict[str, Person]:
    """From an empty record to a live trial; everybody by name.

    Parameters
    ----------
    door : Door
    protocol : LoadedProtocol
    candidates : sequence of Candidate
        Their sites are those of the trial.
    lists : ListSet
    keys : Keys
    at : datetime
        When it begins.
    tick : function
        A moment passes.
    """
    _begin_administration(tick())
    planned: dict[str, int] = {}
    countries: dict[str, str] = {}
    for one in candidates:
        planned[one.site] = planned.get(one.site, 0) + 1
        countries[one.site] = one.country
    people = {person.name: person for person in people_of(sorted(planned))}
    people[ADMINISTRATOR.name] = ADMINISTRATOR
    number = 0

    def ask(who: Person, command: str, /, **content: object) -> None:
        nonlocal number
        number += 1
        tick()
        door.ask(who, command, content, f"set-up-{number}")

    text = _text_of(protocol)
    # A file, with the line's end at its end, by which its digest goes: the API takes texts without one.
    DirectDoor(tick).ask(ADMINISTRATOR, "record_protocol", {"text": text}, "set-up-protocol")
    for site in sorted(planned):
        ask(
            ADMINISTRATOR, "add_site", site=site, title=f"Virtual hospital {site}", country=countries[site],
            zone=zone_of(countries[site]), planned=planned[site],
        )  # fmt: skip
    for person in people_of(sorted(planned)):
        ask(ADMINISTRATOR, "open_account", person=person.name, full_name=person.full_name)
        ask(
            ADMINISTRATOR, "grant_role", person=person.name, role=person.role, sites=list(person.sites),
            reason="takes part in the rehearsal",
        )  # fmt: skip
    ask(ADMINISTRATOR, "publish_keeper_key", public_key=anchor_key_of(keys.keeper_key))
    ask(
        ADMINISTRATOR, "register_release_keys",
        **{name: value for n, (holder, share) in enumerate(zip(_HOLDERS, keys.shares, strict=True), 1)
           for name, value in ((f"holder_{n}", holder), (f"key_{n}", public_key_of(share).hex()))},
    )  # fmt: skip
    plan_digest = hashlib.sha256(text.encode()).hexdigest()
    ask(ADMINISTRATOR, "record_analysis_plan", digest=plan_digest, version="1.0")
    _seal(protocol, lists, keys, people["ulla"], tick)
    sponsor = people["sofia"]
    approved = date.fromordinal(at.date().toordinal())
    ask(
        sponsor, "approve_consent_version", version=CONSENT, approved_on=approved.isoformat(),
        title="Consent to take part",
    )  # fmt: skip
    ask(sponsor, "go_live", reason="all is in place")
    return people


def _begin_administration(at: datetime) -> None:
    """The first administrator, where no start of the application let one in."""
    from flarefree.web.commands.accounts import BeginAdministration
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute
    from flarefree.web.record.reading import read_things

    if not read_things("account", attributes=("is_active",)):
        execute(BeginAdministration(), Asked(None, "begin-administration", at, "machine"))


def _text_of(protocol: LoadedProtocol) -> str:
    from flarefree.simulation.recipes import text_of

    return text_of(protocol)


def _seal(
    protocol: LoadedProtocol, lists: ListSet, keys: Keys, who: Person, tick: Callable[[], datetime]
) -> None:
    """What the unblinded statistician brings: sealed lists, and the signed simulation of their scheme."""
    from flarefree.conduct.randomization.candidates import mix_of
    from flarefree.conduct.randomization.reporting import compare_schemes, sign_report
    from flarefree.conduct.randomization.simulating import Setting
    from flarefree.web.vault import service

    actor = Actor(who.name, who.role)
    at = tick()
    service.install_lists(
        seal_lists(lists, keys.lists_key).to_bytes(),
        protocol=protocol,
        public_key=public_key_of(keys.lists_key),
        published_sha256=lists.sha256,
        by=actor,
        request="rehearsal-lists",
        at=at,
    )
    plan = lists.plan
    size = protocol.spec.design.planned_size or plan.list_length
    setting = Setting(mix_of(protocol, {}), size, _REPLICATES, 1, 20)
    report = compare_schemes(plan, setting, protocol_digest=protocol.digest, schemes=())
    report = replace(report, trial=plan.trial)
    signed = sign_report(report, keys.lists_key, signed_by=who.full_name, time=at.isoformat())
    service.keep_report(signed.to_bytes(), by=actor, request="rehearsal-report", at=tick())
