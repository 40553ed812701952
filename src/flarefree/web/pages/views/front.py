"""First pages: which role to act in, help, and the answers for what is not there."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache

from flarefree.errors import ConductError
from flarefree.web.config import WebConfig
from flarefree.web.people.acting import choose_role as act_in
from flarefree.web.people.acting import roles_of
from flarefree.web.trial import running_trial

__all__ = ["choose_role", "failed", "help_page", "no_such_page", "not_understood"]


def help_page(request: HttpRequest) -> HttpResponse:
    """How things are done, for everybody."""
    return render(request, "pages/help.html")


@never_cache
@login_required
def choose_role(request: HttpRequest) -> HttpResponse:
    """Somebody with several roles says in which they act; somebody without one is told so."""
    held = roles_of(request)
    if request.method == "POST":
        try:
            act_in(request, request.POST.get("role", ""))
        except ConductError:
            return no_such_page(request)
        return HttpResponseRedirect("/")
    roles = running_trial().matrix.roles
    shown = tuple((name, *_title(roles[name].title)) for name in held if name in roles)
    return render(request, "pages/choose_role.html", {"roles": shown})


def _title(title: str) -> tuple[str, str]:
    """What a role is, and what it is for."""
    what, _, purpose = title.partition(";")
    return what, purpose.strip()


def no_such_page(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """The one answer for what is not there and for what is not for the reader, to the last byte."""
    request._is_lost = True  # type: ignore[attr-defined]  # the menu marks no line as the one asked for
    response = render(request, "404.html", status=404)
    response["Cache-Control"] = "no-store"
    return response


def failed(request: HttpRequest) -> HttpResponse:
    """Something went wrong here: said without asking the database, which may be what went wrong."""
    told = {"is_demo": WebConfig.from_environment().is_demo}
    return HttpResponse(render_to_string("500.html", told), status=500)


def not_understood(
    request: HttpRequest, exception: Exception | None = None, reason: str = ""
) -> HttpResponse:
    """A form that was open too long, or something that no form of ours sends."""
    response = render(request, "400.html", status=400)
    response["Cache-Control"] = "no-store"
    return response
