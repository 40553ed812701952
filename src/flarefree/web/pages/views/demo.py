"""The first page of a virtual trial: everybody in it, and one click to act as each."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth import login, logout
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from flarefree.web import clock
from flarefree.web.demonstration import is_demonstration
from flarefree.web.pages.tour import Stop, stops_of
from flarefree.web.people.models import Account
from flarefree.web.queries.people import PersonInRole, everybody_in_roles
from flarefree.web.trial import running_trial

__all__ = ["act_as", "people"]

_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@never_cache
def people(request: HttpRequest) -> HttpResponse:
    """What waits, role by role, in the order of a newcomer's five minutes; then everybody, by site."""
    if not is_demonstration():
        raise Http404
    found = everybody_in_roles()
    told = {"stops": _stops(found), "groups": _by_site(found), "count": len(found)}
    return render(request, "pages/demo.html", told)


def _stops(found: Sequence[PersonInRole]) -> tuple[tuple[Stop, str], ...]:
    return tuple((stop, _title(stop.person)) for stop in stops_of(found))


def _title(one: PersonInRole) -> str:
    """The role without what it is for, and its site."""
    title = running_trial().matrix.roles[one.role].title.partition(";")[0]
    return f"{title}, {one.sites[0]}" if len(one.sites) == 1 else title


def _by_site(found: Sequence[PersonInRole]) -> tuple[tuple[str, tuple[tuple[PersonInRole, str], ...]], ...]:
    """Those of the whole trial first, then site by site."""
    groups: dict[str, list[tuple[PersonInRole, str]]] = {}
    for one in sorted(found, key=lambda one: (one.role, one.person)):
        where = f"Site {one.sites[0]}" if len(one.sites) == 1 else ""
        groups.setdefault(where, []).append((one, _title(one)))
    return tuple((name or "The whole trial", tuple(groups[name])) for name in sorted(groups))


@require_POST
def act_as(request: HttpRequest) -> HttpResponse:
    """Log in as somebody of the virtual trial."""
    if not is_demonstration():
        raise Http404
    name = request.POST.get("person", "")
    named = next((one for one in everybody_in_roles() if one.person == name), None)
    if named is None:
        raise Http404
    account = _row_of(named)
    if request.user.is_authenticated:
        logout(request)
    login(request, account, backend=_BACKEND)
    then = request.POST.get("then", "")
    is_ours = then.startswith("/") and url_has_allowed_host_and_scheme(then, allowed_hosts=None)
    return HttpResponseRedirect(then if is_ours else reverse("home"))


def _row_of(one: PersonInRole) -> Account:
    """The row to log in by; nobody has a password here, so none is good."""
    account = Account.objects.filter(name=one.person).first()
    if account is None:
        account = Account(name=one.person, full_name=one.full_name, made_at=clock.now())
        account.set_unusable_password()
        account.save()
    return account
