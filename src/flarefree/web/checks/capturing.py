"""Everything that a blinded role can fetch, as bytes: walked from the router, so that a new page is in it.

Every GET address of pages, API and log-in, for one person of every blinded role, with values taken from what
is in the record; status, headers in their order, cookies and body.  Beside them what is not fetched but seen:
answers to commands, refusals, the server's log, the voice line's prompts, exports, the record's database,
names and sizes of files.
"""

from __future__ import annotations

import io
import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flarefree.web.rehearsal.people import Person
from flarefree.web.rehearsal.seeding import begin_draw

if TYPE_CHECKING:
    from django.test import Client

__all__ = [
    "Difference", "Known", "addresses_of", "as_bytes", "blinded_roles", "capture_database", "capture_files",
    "capture_pages", "differences", "known_of_record", "log_captured", "time_of_machine",
    "unknown_parts",
]  # fmt: skip

UNBLINDED = frozenset({"laboratory", "unblinded_statistician", "safety_board"})
"""Roles that may see arms, or what gives them away, while the trial is live."""
_NOT_WALKED = re.compile(r"^(accounts/logout/|static/)")
_AT_MOST = 24  # addresses of one pattern
_KINDS_OF_KEYS = (
    "query", "adverse_event", "medication", "code_break", "referral", "dossier_query", "lab", "note",
)  # fmt: skip


@dataclass(frozen=True)
class Known:
    """Values that stand in addresses, by the name of their part.

    Attributes
    ----------
    values : mapping of str to tuple of str
    pairs : tuple of (kind, key)
        Things of the record.
    """

    values: Mapping[str, tuple[str, ...]]
    pairs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Difference:
    """Something that is not the same on both sides."""

    what: str
    place: int
    one: bytes = field(repr=False)
    other: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"{self.what}, byte {self.place}: {self.one[-60:]!r} / {self.other[-60:]!r}"


def blinded_roles() -> tuple[str, ...]:
    """All roles of the matrix but those that may see arms."""
    from flarefree.web.trial import running_trial

    return tuple(role for role in running_trial().matrix.roles if role not in UNBLINDED)


def known_of_record(subjects: Sequence[str]) -> Known:
    """Values of addresses from what the record has: the same on both sides, since keys come from requests."""
    from flarefree.web.record.models import Thing
    from flarefree.web.trial import running_trial

    keys: dict[str, list[str]] = {}
    for kind, key in Thing.objects.order_by("since", "id").values_list("kind", "key"):
        keys.setdefault(kind, []).append(key)
    matrix = running_trial().matrix
    numbers = [key for key in keys.get("case", []) if key.isdigit()]
    values = {
        "subject": (*subjects, "XXX-999"),
        "visit": ("month-0", "month-3"),
        "site": (*keys.get("site", [])[:1], "nowhere"),
        "person": ("mona", "nobody"),
        "role": tuple(list(matrix.roles)[:2]),
        "number": (*numbers[:2], "00000"),
        "contact": ("telephone-1",),
        "change": ("weigh", "weight", "start", "step", "interrupt", "resume", "end"),
        "digest": tuple(keys.get("protocol", [])[:1]),
        "request_id": (f"{subjects[0]}-randomize_subject", "no-such-request"),
        "secret": ("a-link-that-nobody-made",),
        "token": (*keys.get("token", [])[:1], "no-such-token"),
        "kind": tuple(keys),
        "attribute": ("status", "value"),
        "measure": ("creatinine",),
        "version": ("1.0",),
        "key": tuple(key for kind in _KINDS_OF_KEYS for key in keys.get(kind, [])[:1]),
    }
    pairs = tuple((kind, key) for kind, own in keys.items() for key in own[:1])
    return Known(values, pairs)


# The router ---------------------------------------------------------------------------------------


def addresses_of(known: Known, at_most: int = _AT_MOST) -> tuple[str, ...]:
    """Every address of the router, with known values in the place of its parts; of each not more than told.

    A part that nobody knows a value of gets any: the page is asked for, and `unknown_parts` says so.
    """
    from django.urls import get_resolver

    found = [
        address
        for route in _routes(get_resolver().url_patterns)
        for address in _filled(route, known, at_most)
    ]
    return tuple(dict.fromkeys(found))


def _routes(patterns: Iterable[Any], before: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from _routes(pattern.url_patterns, route)
        elif not _NOT_WALKED.match(route):
            yield route


def unknown_parts(known: Known) -> tuple[str, ...]:
    """Parts of addresses that nobody knows a value of: a new one is to be told in `known_of_record`."""
    from django.urls import get_resolver

    parts = (name for route in _routes(get_resolver().url_patterns) for name in _PART.findall(route))
    return tuple(dict.fromkeys(name for name in parts if name not in known.values))


_ANY = ("1",)
_PART = re.compile(r"<(?:\w+:)?(\w+)>")


def _filled(route: str, known: Known, at_most: int) -> Iterator[str]:
    names = _PART.findall(route)
    if {"kind", "key"} <= set(names):
        told = [dict(zip(("kind", "key"), pair, strict=True)) for pair in known.pairs]
        names = [name for name in names if name not in ("kind", "key")]
    else:
        told = [{}]
    ways = list(product(*(known.values.get(name, _ANY) for name in names)))
    for n, (pair, values) in enumerate(product(told, ways)):
        if n >= at_most:
            return
        whole = {**pair, **dict(zip(names, values, strict=True))}
        yield "/" + _PART.sub(lambda found, whole=whole: whole[found[1]], route)  # type: ignore[misc]


# Fetching -----------------------------------------------------------------------------------------


def capture_pages(
    people: Iterable[Person],
    known: Known,
    *,
    only: Callable[[str], bool] = lambda address: True,
    at_most: int = _AT_MOST,
) -> dict[str, bytes]:
    """What each person is answered at every address: by page with a session, by API with a token."""
    addresses = [address for address in addresses_of(known, at_most) if only(address)]
    found: dict[str, bytes] = {}
    for person in people:
        begin_draw(f"log-in {person.name}")
        client, token = _client_of(person), _token_of(person)
        for address in addresses:
            begin_draw(f"{person.name} {address}")
            if address.startswith("/api/"):
                response = client.get(address, headers={"Authorization": f"Bearer {token}"})
            else:
                response = client.get(address)
            found[f"{person.role} {address}"] = _bytes_of(response)
    return found


def _client_of(person: Person) -> Client:
    """Somebody logged in, as their browser is."""
    from django.test import Client

    from flarefree.web.clock import now
    from flarefree.web.people.models import Account

    told = {"full_name": person.full_name, "made_at": now(), "password": "!"}
    account, _ = Account.objects.get_or_create(name=person.name, defaults=told)
    _give_second_factor(account)
    client = Client(raise_request_exception=False)
    client.force_login(account)
    return client


def _give_second_factor(account: Any) -> None:
    from allauth.mfa.models import Authenticator

    from flarefree.web.clock import now

    kind = Authenticator.Type.TOTP
    if not Authenticator.objects.filter(user=account, type=kind).exists():
        told = {"data": {"secret": "not used"}, "created_at": now()}
        Authenticator.objects.create(user=account, type=kind, **told)


def _token_of(person: Person) -> str:
    from flarefree.conduct.visibility import Actor
    from flarefree.web.people.tokens import make_token

    return make_token(Actor(person.name, person.role, frozenset(person.sites)), label="capture").secret


def _bytes_of(response: Any) -> bytes:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    headers = "".join(f"{name}: {value}\n" for name, value in response.items())
    cookies = response.cookies.output()
    return f"{response.status_code}\n{headers}{cookies}\n\n".encode() + body


# What is seen without being fetched ---------------------------------------------------------------


@contextmanager
def time_of_machine(read: Callable[[], datetime]) -> Iterator[None]:
    """Within the block libraries that read the machine's clock (headers, sessions) read the trial's."""
    from django.utils import timezone

    before = time.time, timezone.now
    time.time, timezone.now = lambda: read().timestamp(), read
    try:
        yield
    finally:
        time.time, timezone.now = before


@contextmanager
def log_captured() -> Iterator[Callable[[], bytes]]:
    """The server's log within the block, more of it than is written; instead of where it is written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    before, handlers = root.level, root.handlers[:]
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    try:
        yield lambda: stream.getvalue().encode()
    finally:
        root.setLevel(before)
        root.handlers[:] = handlers


def capture_database() -> dict[str, bytes]:
    """Every table of the record's database, row by row: as they lie there, or by their first column.

    Where PostgreSQL puts the next version of a row depends on when it swept; its order tells nothing.
    """
    from django.db import connection

    found = {}
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            if table == "django_migrations":  # when they were run, by the database's own clock
                continue
            quoted = connection.ops.quote_name(table)
            cursor.execute(f"SELECT * FROM {quoted}")  # names come from the database itself
            rows = [repr(row) for row in cursor.fetchall()]
            found[f"database {table}"] = "\n".join(rows).encode()
    return found


def capture_files(folder: Path, *, but: Iterable[str] = ()) -> dict[str, bytes]:
    """Every file below a folder: its name, and its bytes."""
    left_out = tuple(but)
    return {
        f"file {path.relative_to(folder)}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not str(path.relative_to(folder)).startswith(left_out)
    }


def as_bytes(told: Any) -> bytes:
    """Results of commands, in their own order."""
    return json.dumps(told, default=str, ensure_ascii=False).encode()


# Comparing ----------------------------------------------------------------------------------------


def differences(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> tuple[Difference, ...]:
    """Everything that is not the same, byte by byte; also what is there on one side only, and the order."""
    found = []
    for name in dict.fromkeys((*one, *other)):
        left, right = one.get(name, b"(nothing)"), other.get(name, b"(nothing)")
        if left != right:
            place = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), 0)
            place = place or min(len(left), len(right))
            found.append(Difference(name, place, left[: place + 20], right[: place + 20]))
    if not found and list(one) != list(other):
        found.append(Difference("the order of things", 0, b"", b""))
    return tuple(found)
