"""The first page of a virtual trial: everybody in it, and one click to act as each."""

from __future__ import annotations

from django.contrib.auth import login, logout
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from flarefree.web import clock
from flarefree.web.demonstration import is_demonstration
from flarefree.web.people.models import Account
from flarefree.web.queries.people import PersonInRole, everybody_in_roles
from flarefree.web.trial import running_trial

__all__ = ["act_as", "people"]

_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
_FIRST = ("investigator", "site_staff", "pharmacist", "committee_member", "committee_chair")


@never_cache
def people(request: HttpRequest) -> HttpResponse:
    """Everybody of the virtual trial with their roles, those first who do most."""
    if not is_demonstration():
        raise Http404
    roles = running_trial().matrix.roles
    order = {name: n for n, name in enumerate(_FIRST)}
    found = sorted(
        everybody_in_roles(), key=lambda one: (order.get(one.role, len(order)), one.role, one.person)
    )
    shown = tuple((one, *_title(roles[one.role].title), _try(one)) for one in found)
    return render(request, "pages/demo.html", {"people": shown})


def _title(title: str) -> tuple[str, str]:
    what, _, purpose = title.partition(";")
    return what, purpose.strip()


_TRY = {
    "investigator": "Randomize a patient who is eligible; break a code in an emergency.",
    "site_staff": "Enter a visit, with a creatinine that is ten times the last one.",
    "pharmacist": "Hand out a kit by its code.",
    "committee_member": "Judge a suspected flare; your vote is sealed.",
    "committee_chair": "Decide where two members differ.",
    "committee_coordinator": "Release the cases that wait.",
    "data_manager": "See what is late and what is asked; import a laboratory file.",
    "sponsor": "See recruitment and its forecast.",
    "audit_reviewer": "Read who did what, when and why.",
}


def _try(one: PersonInRole) -> str:
    return _TRY.get(one.role, "")


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
    return HttpResponseRedirect(reverse("home"))


def _row_of(one: PersonInRole) -> Account:
    """The row to log in by; nobody has a password here, so none is good."""
    account = Account.objects.filter(name=one.person).first()
    if account is None:
        account = Account(name=one.person, full_name=one.full_name, made_at=clock.now())
        account.set_unusable_password()
        account.save()
    return account
