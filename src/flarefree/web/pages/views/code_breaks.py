"""Breaking one patient's code in an emergency, the register of it, and what it did to blinding."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.codebreak import BreakReason, Impact
from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web import clock
from flarefree.web.commands.base import Asked
from flarefree.web.commands.code_breaks import AssessCodeBreak, OrderCodeBreak, hear_answer
from flarefree.web.pages.asking import ask_page, may, show
from flarefree.web.pages.forms import AskForm, Input, Wrong, ask_content, form_of, wrong_of
from flarefree.web.pages.identifying import identified, needs_proof
from flarefree.web.pages.tables import Cell, table_of
from flarefree.web.queries.seeing import see_thing, see_things

__all__ = ["assess", "break_code", "register"]

_REASONS = tuple((reason.name, reason.value.capitalize()) for reason in BreakReason)
_IMPACTS = tuple((impact.name, impact.value.capitalize()) for impact in Impact)


def break_code(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Who, why, one subject; then the answer, once, on a page that nothing keeps."""
    form = _form(request.GET.get("subject", ""))
    if request.method == "POST":
        answer = _asked(request, actor, form)
        if not isinstance(answer, AskForm):
            return answer
        form = answer
    told = {"form": form, "needs_proof": needs_proof()}
    return show(request, "break_code", told, status=422 if form.wrongs else 200)


def _form(subject: str) -> AskForm:
    proof = (
        (
            Input("password", "Your password", "password", autocomplete="current-password"),
            Input("code", "Code from your authenticator", is_short=True, autocomplete="one-time-code"),
        )
        if needs_proof()
        else ()
    )
    return form_of(
        OrderCodeBreak,
        Input("subject", "Subject", is_short=True, value=subject, hint="One subject, as 017-004"),
        Input("reason", "Why", "radio", choices=_REASONS),
        Input("explanation", "In a sentence", hint="What happened. Do not wait to write more."),
        Input("impact", "Who will know", "radio", choices=_IMPACTS, value="TREATING_TEAM"),
        *proof,
        fixed={"identification": ""},
    )


def _asked(request: HttpRequest, actor: Actor, form: AskForm) -> HttpResponseBase | AskForm:
    form = form.filled(request.POST)
    told = {given.name: given.value for given in form.inputs}
    if form.missing():
        return _without_secrets(form.with_wrongs(form.missing()))
    proof = identified(request, form.request, told.get("password", ""), told.get("code", ""))
    if not proof:
        wrong = Wrong(
            "password",
            "The password and the code do not prove that it is you",
            "a code is good for half a minute, and once",
        )
        return _without_secrets(form.with_wrongs((wrong,)))
    content = {name: told[name] for name in ("subject", "reason", "explanation", "impact")}
    outcome = ask_content(form, {**content, "identification": proof}, actor)
    if isinstance(outcome, AskForm):
        return _without_secrets(outcome)
    asked = Asked(actor, f"heard/{form.request}", clock.now(), "web")
    try:
        answer = hear_answer(str(outcome.result["code_break"]), asked)
    except ConductError as error:
        return _without_secrets(form.with_wrongs((wrong_of(error),)))
    return show(request, "code_answer", {"answer": answer, "at": asked.at})


def _without_secrets(form: AskForm) -> AskForm:
    from dataclasses import replace

    hidden = {"password", "code"}
    return replace(form, inputs=tuple(replace(i, value="") if i.name in hidden else i for i in form.inputs))


def register(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Who broke which code, when and why, and what it did; never what the answer was."""
    can_assess = may(actor, (("record", "code_breaks.register"),))
    rows = []
    for thing in see_things(actor, "code_break"):
        reason = BreakReason[str(thing["reason"])] if thing["reason"] else None
        assessed: object = (
            Cell(str(thing["assessment"] or ""), note=f"by {thing['assessed_by']}")
            if thing["assessment"]
            else ""
        )
        if reason is not None and reason.is_planned:
            assessed = Cell("planned: none needed")
        elif not thing["assessment"] and can_assess and thing["ordered_by"] != actor.person:
            assessed = Cell("Assess", reverse("assess_code_break", args=[thing.key]))
        elif not thing["assessment"]:
            assessed = Cell(state="due")
        rows.append(
            (
                Cell(thing.subject),
                Cell(str(thing["ordered_by"] or ""), note=str(thing["role"] or "").replace("_", " ")),
                str(thing["ordered_at"] or "")[:16].replace("T", " "),
                Cell(
                    reason.value if reason else "",
                    note=Impact[str(thing["impact"])].value if thing["impact"] else "",
                ),
                assessed,
            )
        )
    head = ("Subject", "Who", "When (UTC)", "Why", "Impact on blinding")
    table = table_of("Code breaks", head, rows[::-1], empty="No code was broken.")
    acts = (
        (("Break a code", reverse("break_code")),)
        if may(actor, (("break_code", "code_breaks.answer"),))
        else ()
    )
    told = {
        "title": "Register of code breaks",
        "table": table,
        "acts": acts,
        "lead": "The register never says what the answer was.",
    }
    return show(request, "list", told)


def assess(request: HttpRequest, actor: Actor, key: str) -> HttpResponseBase:
    """What an unplanned code break did to blinding, judged by another person than broke it."""
    thing = see_thing(actor, "code_break", key)
    if thing is None:
        raise Http404
    form = form_of(
        AssessCodeBreak,
        Input(
            "assessment",
            "Impact on blinding",
            "long",
            hint="Who knows now, and what follows for the patient's assessments.",
        ),
        fixed={"code_break": key},
    )
    return ask_page(
        request, actor, form, title=f"Code break of {thing.subject}", button="Record it",
        then=reverse("code_breaks"), crumbs=(("Register", reverse("code_breaks")),),
    )  # fmt: skip
