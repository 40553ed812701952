"""Who asks for a page, and may they: a denial is answered like an address that leads nowhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from flarefree.conduct.visibility import Actor, Target, decide
from flarefree.errors import FlarefreeError
from flarefree.web.commands.base import Outcome
from flarefree.web.demonstration import is_demonstration
from flarefree.web.pages.forms import AskForm, ask_for
from flarefree.web.trial import running_trial

__all__ = ["Crumb", "ask_page", "done", "guarded", "may", "sees", "show"]

Right = tuple[str, str]
Crumb = tuple[str, str]
"""Words and address of a page above this one."""


def may(actor: Actor, rights: tuple[Right, ...], phase: str = "") -> bool:
    """Whether a role has one of some rights in the phase, on some row or other; no right asked for is had."""
    if not rights:
        return True
    trial = running_trial()
    phase = phase or trial.phase
    return any(trial.matrix.allows(actor.role, verb, field, phase) for verb, field in rights)


def sees(actor: Actor, field: str, site: str, verb: str = "see") -> bool:
    """Whether somebody may do something with a field of a site's rows now."""
    trial = running_trial()
    return decide(trial.matrix, actor, verb, field, trial.phase, Target(site)).is_allowed


def guarded(
    view: Callable[..., HttpResponseBase], rights: tuple[Right, ...]
) -> Callable[..., HttpResponseBase]:
    """A view that only those reach who have one of the rights; it is given who acts.

    Pages are kept by no cache: what stands on them is one person's, of one moment.
    """

    @wraps(view)
    def answered(request: HttpRequest, **told: Any) -> HttpResponseBase:
        if not getattr(request.user, "is_authenticated", False):
            if is_demonstration():
                return HttpResponseRedirect(reverse("demo"))
            return redirect_to_login(request.get_full_path(), str(settings.LOGIN_URL))
        from flarefree.web.people.acting import actor_of

        actor = actor_of(request)
        if actor is None:
            return HttpResponseRedirect(reverse("choose_role"))
        if not may(actor, rights):
            raise Http404
        try:
            response = view(request, actor, **told)
        except FlarefreeError as error:
            # A query that refuses says no more than that; a command's refusal is shown by its form.
            raise Http404 from error
        response["Cache-Control"] = "no-store"
        return response

    return answered


def show(
    request: HttpRequest, template: str, told: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """A page; for htmx, which names the part it wants, the part alone."""
    return render(request, f"pages/{template}.html", told or {}, status=status)


def done(request: HttpRequest, outcome: Outcome, then: str, said: str = "Saved.") -> HttpResponseRedirect:
    """Leave a form behind: the next page says what became of it, by its entry's number."""
    messages.success(request, f"{said} Entry {outcome.entry} of the log.", extra_tags="good")
    return HttpResponseRedirect(then)


def ask_page(
    request: HttpRequest,
    actor: Actor,
    form: AskForm,
    *,
    title: str,
    then: str | Callable[[Outcome], str],
    said: str = "Saved.",
    lead: str = "",
    button: str = "Save",
    back: str = "",
    crumbs: tuple[Crumb, ...] = (),
    template: str = "ask",
    is_grave: bool = False,
    told: dict[str, Any] | None = None,
    typed: Mapping[str, str] | None = None,
) -> HttpResponseBase:
    """A page that asks for one command: shown, asked, shown again with what was wrong, or left behind.

    Parameters
    ----------
    form : AskForm
        As it is shown at first.
    then : address, or a function of the outcome
        Where a request that was granted leads: a page loaded again asks for nothing again.
    said : str
        What the next page says of it.
    typed : mapping, optional
        Instead of the browser's POST, where the page makes something of it first.
    """
    if request.method == "POST":
        answer = ask_for(form, request.POST if typed is None else typed, actor)
        if not isinstance(answer, AskForm):
            return done(request, answer, then(answer) if callable(then) else then, said)
        form = answer
    shown = {
        "form": form,
        "title": title,
        "lead": lead,
        "button": button,
        "back": back or (then if isinstance(then, str) else ""),
        "crumbs": crumbs,
        "is_grave": is_grave,
    }
    return show(request, template, {**shown, **(told or {})}, status=422 if form.wrongs else 200)
