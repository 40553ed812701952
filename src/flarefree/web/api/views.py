"""The queries behind the pages, as JSON: what is due, who is where, what awaits whom.

Each is a function of who asks; what it leaves out is not there, nor counted.  A query that refuses says no
more than that there is nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.params.functions import Path, Query

from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web.api.answers import View, answer, plain
from flarefree.web.api.commanding import actor_in
from flarefree.web.api.problems import NOTHING_HERE, Refusal
from flarefree.web.queries import committee, dashboards, overdue, subjects, trail

__all__ = ["add_views"]

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$"

OF_ALL: dict[str, tuple[str, Callable[[Actor], Any]]] = {
    "subjects": ("Every patient whom you see, and what is next for each", subjects.subject_list),
    "recruitment": ("Patients against plan, with a forecast", dashboards.recruitment),
    "desk": ("Cases that await your vote", committee.desk),
    "board": ("Cases as the committee's coordinator has them", committee.board),
    "referrals": ("Suspected events that were judged to be none", committee.referrals),
}
OF_SITE: dict[str, tuple[str, Callable[..., Any]]] = {
    "overdue": ("What is overdue", overdue.overdue),
    "coming_up": ("What falls due next", overdue.coming_up),
    "completeness": ("How complete the data are", dashboards.completeness),
    "open_queries": ("Queries that await an answer", dashboards.open_queries),
}


def add_views(api: NinjaAPI) -> None:
    """All of them."""

    def told(address: str, name: str, summary: str, view: Callable[..., HttpResponse]) -> None:
        view.__name__ = name
        api.get(address, response={200: View}, operation_id=name, summary=summary, tags=["reading"])(view)

    for name, (summary, query) in OF_ALL.items():
        told(f"/views/{name}", f"view_{name}", summary, _of_all(query))
    for name, (summary, of_site) in OF_SITE.items():
        told(f"/views/{name}", f"view_{name}", summary, _of_site(of_site))
    told("/views/subjects/{subject}", "view_subject", "All that is known of a patient", _of_subject())
    told("/views/sites/{site}", "view_site", "A site and what awaits it", _of_one_site())
    told("/views/history/{kind}/{key}/{attribute}", "view_history", "Every value that stood", _history())


def _of_all(query: Callable[[Actor], Any]) -> Callable[..., HttpResponse]:
    def view(request: HttpRequest) -> HttpResponse:
        return _seen(lambda: query(actor_in(request)))

    return view


def _of_site(query: Callable[..., Any]) -> Callable[..., HttpResponse]:
    def view(
        request: HttpRequest,
        site: str = Query("", pattern=rf"{_NAME}|^$", description="Only of this site."),
    ) -> HttpResponse:
        return _seen(lambda: query(actor_in(request), site=site))

    return view


def _of_subject() -> Callable[..., HttpResponse]:
    def view(
        request: HttpRequest, subject: str = Path(..., pattern=_NAME, example="017-004")
    ) -> HttpResponse:
        return _seen(lambda: subjects.subject_page(actor_in(request), subject))

    return view


def _of_one_site() -> Callable[..., HttpResponse]:
    def view(request: HttpRequest, site: str = Path(..., pattern=_NAME, example="017")) -> HttpResponse:
        return _seen(lambda: dashboards.site_dashboard(actor_in(request), site))

    return view


def _history() -> Callable[..., HttpResponse]:
    def view(
        request: HttpRequest,
        kind: str = Path(..., pattern=_NAME, example="lab"),
        key: str = Path(..., pattern=_NAME),
        attribute: str = Path(..., pattern=_NAME, example="value"),
    ) -> HttpResponse:
        return _seen(lambda: trail.value_history(actor_in(request), kind, key, attribute))

    return view


def _seen(query: Callable[[], Any]) -> HttpResponse:
    try:
        found = query()
    except ConductError as error:
        raise Refusal(404, NOTHING_HERE) from error
    return answer({"view": plain(found)})
