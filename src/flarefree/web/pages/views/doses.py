"""Doses and kits: the instruction as the patient reads it, an interruption's clock, what was handed out."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct import dosing
from flarefree.conduct.visibility import Actor
from flarefree.studytime import study_day
from flarefree.web import clock
from flarefree.web.commands.base import Command
from flarefree.web.commands.doses import (
    ApproveResumption,
    DispenseKit,
    EndDoses,
    InterruptDoses,
    ResumeDoses,
    SetDoseStep,
    StartDoses,
    TitrateDose,
    WeighPatient,
)
from flarefree.web.commands.doses_standing import plan_in_force, state_of
from flarefree.web.commands.gates import date_at_site
from flarefree.web.commands.parts import day_one_of
from flarefree.web.pages.asking import ask_page, sees, show
from flarefree.web.pages.forms import Input, form_of
from flarefree.web.pages.tables import Cell, table_of
from flarefree.web.pages.templatetags.pages import day, grouped
from flarefree.web.pages.views.screening import crumbs_of, subject_seen
from flarefree.web.queries.seeing import see_things
from flarefree.web.record.reading import Item

__all__ = ["approve_resumption", "dispense", "dose", "dose_change"]

_REQUEST = "doses.request"
_WHY = tuple((reason.name, reason.value.capitalize()) for reason in dosing.StepReason)


def dose(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """What the patient takes now, what was handed out, and what may be changed."""
    thing = subject_seen(actor, subject)
    instructions = [i for i in see_things(actor, "instruction", subject=subject) if i["text"]]
    kits = see_things(actor, "dispensing", subject=subject)
    if thing["kit"] is None or not (sees(actor, "doses.instruction", thing.site)):
        raise Http404
    rows = [
        (
            day(str(k["date"] or "")),
            grouped(str(k["kit"] or "")),
            Cell(", ".join(_tablets(k))),
            Cell(state="void" if k["void"] else ""),
        )
        for k in kits
    ]
    told: dict[str, Any] = {
        "subject": thing,
        "instruction": instructions[-1] if instructions else None,
        "earlier": instructions[:-1][::-1],
        "kits": table_of(
            "Handed out", ("Date", "Kit", "Tablets", "State"), rows, empty="Nothing was handed out yet."
        ),
        "crumbs": crumbs_of(subject),
        "can_dispense": sees(actor, "dispensing.record", thing.site, "dispense"),
        "can_approve": sees(actor, _REQUEST, thing.site, "approve"),
    }
    if sees(actor, _REQUEST, thing.site):
        told |= _standing(thing)
        told["can_change"] = sees(actor, _REQUEST, thing.site, "record")
    return show(request, "dose", told)


def _tablets(kit: Item) -> list[str]:
    return [f"{kit[f'tablets.{n}']}" for n in range(1, 9) if kit[f"tablets.{n}"] is not None]


def _standing(thing: Item) -> dict[str, Any]:
    """Where the dose stands, for who may know that it was changed."""
    state, plan, day_one = state_of(thing.key), plan_in_force(clock.now()), day_one_of(thing)
    if day_one is None:
        return {}
    today = date_at_site(thing.site, clock.now())
    running = dosing.clock_of(plan, state, study_day(today, day_one))
    last = running.last_allowed_day if running else None
    return {
        "state": state,
        "clock": running,
        "clock_limit": plan.longest_interruption,
        "clock_until": None if last is None else _date_of(last, day_one),
        "changes": _changes(state, plan),
    }


def _date_of(day: int, day_one: date) -> date:
    return day_one + timedelta(days=day - 1 if day > 0 else day)


def _changes(state: dosing.DoseState, plan: dosing.DosePlan) -> tuple[tuple[str, str], ...]:
    """What may be asked for, as (name, words)."""
    if not state.log:
        return (("start", "Start"),)
    if state.ended_on is not None:
        return ()
    if state.interrupted_on is not None:
        return (("resume", "Resume"), ("weigh", "New weight"), ("end", "End for good"))
    some = [
        ("step", "Change the step"),
        ("interrupt", "Interrupt, or go below the minimum"),
        ("weigh", "New weight"),
    ]
    return tuple(some + [("titrate", "Follow the trough")] * bool(plan.titrated) + [("end", "End for good")])


def _share(share: Any) -> str:
    return f"{float(share):.0%} of the target" if share else "no tablets"


def dose_change(request: HttpRequest, actor: Actor, subject: str, change: str) -> HttpResponseBase:
    """One change of the dose; active drug and placebo together."""
    thing = subject_seen(actor, subject)
    if not sees(actor, _REQUEST, thing.site, "record"):
        raise Http404
    plan = plan_in_force(clock.now())
    steps = tuple((str(n), _share(share)) for n, share in enumerate(plan.steps))
    below = tuple((str(n), _share(share)) for n, share in enumerate(plan.temporary_steps))
    why = Input("why", "Why", "choice", choices=_WHY)
    weight = Input("weight_kg", "Weight", "number", unit="kg", is_short=True)
    step = Input("step", "Dose", "radio", choices=steps)
    forms: dict[str, tuple[type[Command], str, tuple[Input, ...]]] = {
        "start": (
            StartDoses,
            "Start study drug",
            (weight, Input("step", "Dose", "radio", choices=steps, value="0")),
        ),
        "weigh": (WeighPatient, "A new weight", (weight,)),
        "step": (SetDoseStep, "Change the step of the dose", (step, why)),
        "interrupt": (
            InterruptDoses,
            "Interrupt study drug",
            (Input("temporary", "For now", "radio", choices=below), why),
        ),
        "resume": (ResumeDoses, "Resume study drug", (step,)),
        "titrate": (
            TitrateDose,
            "Follow the trough",
            (Input("by", "By one tablet a day", "radio", choices=(("1", "More"), ("-1", "Less"))),),
        ),
        "end": (EndDoses, "End study drug", ()),
    }
    if change not in forms:
        raise Http404
    command, title, inputs = forms[change]
    form = form_of(
        command,
        Input("on", "From", "date", is_short=True),
        *inputs,
        fixed={"subject": subject, "until": None},
        initial={"on": date_at_site(thing.site, clock.now())},
    )
    return ask_page(
        request,
        actor,
        form,
        title=f"{title}: {subject}",
        then=reverse("dose", args=[subject]),
        lead="Every change is made to the active drug and to its placebo alike.",
        said="The dose is recorded.",
        crumbs=(*crumbs_of(subject), ("Dose", reverse("dose", args=[subject]))),
        is_grave=change == "end",
    )


def approve_resumption(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """The medical monitor lets a patient resume after too long an interruption."""
    subject_seen(actor, subject)
    form = form_of(ApproveResumption, Input("reason", "Why", "long"), fixed={"subject": subject})
    return ask_page(
        request, actor, form, title=f"Let {subject} resume study drug", button="Approve",
        then=reverse("dose", args=[subject]), crumbs=crumbs_of(subject),
    )  # fmt: skip


def dispense(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """The patient's own kit is handed out; the code is read from the box."""
    thing = subject_seen(actor, subject)
    if thing["kit"] is None:
        raise Http404
    products = plan_in_force(clock.now()).products
    form = form_of(
        DispenseKit,
        Input(
            "kit",
            "Code on the box",
            hint="Eight digits, typed from the box and not from this page.",
            is_short=True,
        ),
        Input("dispensed_on", "Handed out on", "date", is_short=True),
        *(
            Input(f"tablets.{n}", str(product.label), "number", unit="tablets", is_short=True, value="0")
            for n, product in enumerate(products)
        ),
        Input("reason", "Why, where study drug is resumed", is_required=False),
        fixed={"subject": subject},
        initial={"dispensed_on": date_at_site(thing.site, clock.now())},
    )
    typed = {name: str(value) for name, value in request.POST.items()}
    typed["kit"] = typed.get("kit", "").replace(" ", "")
    return ask_page(
        request,
        actor,
        form,
        title=f"Hand out the kit of {subject}",
        button="Hand it out",
        then=reverse("dose", args=[subject]),
        said="The kit was handed out.",
        typed=typed,
        crumbs=crumbs_of(subject),
    )
