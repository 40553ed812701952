"""What may be read: things of the record by kind, the outcome of a request, and the pages' own queries.

Everything comes through `flarefree.web.queries`.  Values whose reading is an entry of the log (a name, an
arm) are not in lists of things; they have queries of their own.  Lists have no totals: what somebody does
not see is not counted either.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.params.functions import Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from flarefree.conduct.audit.entries import time_text
from flarefree.conduct.visibility import Actor
from flarefree.web.api.answers import Differences, Me, Outcome, Page, Thing, answer, plain, thing_of
from flarefree.web.api.commanding import actor_in
from flarefree.web.api.content import REQUEST_ID, read_body
from flarefree.web.api.problems import NOTHING_HERE, Refusal
from flarefree.web.queries.outages import differences
from flarefree.web.queries.requests import outcome_of
from flarefree.web.queries.seeing import see_thing, see_things
from flarefree.web.trial import running_trial

__all__ = ["Slips", "add_readings"]

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$"
"""Of a kind, a key, a subject or a site."""
MOST, USUAL = 500, 100


def add_readings(api: NinjaAPI) -> None:
    """The operations that change nothing."""
    tags = ["reading"]
    api.post(
        "/outage/differences",
        response={200: Differences},
        operation_id="outage_differences",
        summary="Slips of an outage beside the record",
        tags=tags,
    )(compare_slips)
    api.get("/me", response={200: Me}, operation_id="me", summary="Who you are", tags=tags)(read_me)
    api.get(
        "/requests/{request_id}",
        response={200: Outcome},
        operation_id="outcome_of_request",
        summary="What became of a request of yours",
        description="The log's own word. Ask here when an answer was lost, instead of guessing.",
        tags=tags,
    )(read_request)
    api.get(
        "/things/{kind}",
        response={200: Page},
        operation_id="things",
        summary="Things of a kind",
        description="`subject`, `visit`, `lab`, `adverse_event` and so on, in the order in which they came, "
        "with the values that your role may see.",
        tags=tags,
    )(read_kind)
    api.get(
        "/things/{kind}/{key}",
        response={200: Thing},
        operation_id="thing",
        summary="One thing",
        tags=tags,
    )(read_one)


class PaperSlip(BaseModel):
    """One allocation on paper."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern=r"^[0-9]{8}$")
    subject: str = Field(pattern=NAME)
    site: str = Field(pattern=NAME)
    time: AwareDatetime = Field(description="When it was given, as written.")


class Slips(BaseModel):
    """Every slip of an outage, in the order in which the codes were given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slips: tuple[PaperSlip, ...] = Field(min_length=1, max_length=1000)


def compare_slips(request: HttpRequest) -> HttpResponse:
    """Nothing is changed by it: what is missing is entered by `enter_emergency_allocation`."""
    told: Slips = read_body(request, Slips)
    rows = [(s.code, s.subject, s.site, time_text(s.time)) for s in told.slips]
    return answer({"differences": [plain(one) for one in differences(actor_in(request), rows)]})


def read_me(request: HttpRequest) -> HttpResponse:
    """The token's person and role."""
    actor: Actor = actor_in(request)
    standing = running_trial().standing()
    return answer(
        {
            "person": actor.person,
            "role": actor.role,
            "sites": sorted(actor.sites),
            "phase": standing.phase,
            "protocol_digest": standing.protocol_digest,
        }
    )


def read_request(
    request: HttpRequest,
    request_id: str = Path(..., pattern=REQUEST_ID.removesuffix(r"(?!\n)"), example="7b0c6f0e-1d0a-4c55"),
) -> HttpResponse:
    """Also one that was asked for by voice: `voice-` and its nine digits."""
    found = outcome_of(actor_in(request).person, request_id)
    return answer(
        {
            "request_id": found.request,
            "is_done": found.is_done,
            "receipt": found.receipt,
            "done_at": found.done_at,
            "action": found.action,
            "about": found.about,
            "result": dict(found.result),
        }
    )


def read_kind(
    request: HttpRequest,
    kind: str = Path(..., pattern=NAME, example="visit"),
    subject: str = Query("", pattern=rf"{NAME}|^$", description="Only of this subject."),
    site: str = Query("", pattern=rf"{NAME}|^$", description="Only of this site."),
    after: str = Query("", pattern=rf"{NAME}|^$", description="Key of the last one that you have."),
    limit: int = Query(USUAL, ge=1, le=MOST),
) -> HttpResponse:
    """Some of them, and where to go on."""
    seen = [thing_of(item) for item in see_things(actor_in(request), kind, subject=subject, site=site)]
    seen = [thing for thing in seen if thing["facts"]]
    keys = [str(thing["key"]) for thing in seen]
    start = 0 if not after else keys.index(after) + 1 if after in keys else len(seen)
    items = seen[start : start + limit]
    return answer({"items": items, "next": items[-1]["key"] if start + limit < len(seen) else None})


def read_one(
    request: HttpRequest,
    kind: str = Path(..., pattern=NAME, example="subject"),
    key: str = Path(..., pattern=NAME, example="017-004"),
) -> HttpResponse:
    """What you may see of it."""
    item = see_thing(actor_in(request), kind, key)
    told = None if item is None else thing_of(item)
    if told is None or not told["facts"]:
        raise Refusal(404, NOTHING_HERE)
    return answer(told)
