"""A visit's form: values with units and ranges; what is odd is asked about, then saved as it was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError, NotFoundError
from flarefree.web import clock
from flarefree.web.commands.gates import date_at_site, stands
from flarefree.web.commands.results import earlier_values, last_before, results_among
from flarefree.web.commands.values import CorrectValue, MarkEnteredInError
from flarefree.web.commands.visits import MissVisit, RecordVisit, SignVisit, VerifyVisit
from flarefree.web.forms.checking import check_result, oddities_of
from flarefree.web.forms.forms import FormField, visit_names
from flarefree.web.forms.forms import form_of as form_of_visit
from flarefree.web.pages.asking import ask_page, done, show
from flarefree.web.pages.forms import AskForm, Input, ask_content, form_of, wrong_of
from flarefree.web.pages.measures import GROUPS, group_of
from flarefree.web.pages.templatetags.pages import day
from flarefree.web.pages.views.screening import crumbs_of, subject_seen
from flarefree.web.pages.wording import calm
from flarefree.web.queries.seeing import see_thing, see_things
from flarefree.web.queries.trail import value_history
from flarefree.web.record.reading import Item
from flarefree.web.trial import running_trial

__all__ = ["check_value", "correct_value", "mark_error", "miss_visit", "sign_visit", "verify_visit", "visit"]

_WHY = Input("reason", "Why", "long", hint="Stays in the log.")


@dataclass(frozen=True)
class ValueInput:
    """One measure on the page: its value, its unit, and what was odd about it."""

    field: FormField
    value: Input
    unit: Input | None
    warning: str = ""


def visit(request: HttpRequest, actor: Actor, subject: str, visit: str) -> HttpResponseBase:
    """A visit's form, empty or as it was entered."""
    thing = subject_seen(actor, subject)
    name = _name_of(visit)
    seen = see_things(actor, subject=subject)
    entered = next((i for i in seen if i.kind == "visit" and i["visit"] == name), None)
    today = date_at_site(thing.site, clock.now())
    fields = form_of_visit(running_trial().protocol, name).fields
    rows = _rows(seen, name)
    form = _form(subject, name, fields, entered, rows, today, _last_values(seen, name))
    warnings: dict[str, str] = {}
    is_asked = False
    if request.method == "POST":
        told = request.POST
        form = form.filled(told)
        warnings = _warnings(form, fields, seen, today)
        is_asked = bool(warnings) and told.get("odd_seen") != _mark(warnings)
        if is_asked:
            form = replace(form, wrongs=())
        else:
            answer = _asked(request, actor, form, fields, subject, name)
            if not isinstance(answer, AskForm):
                return answer
            form = answer
    shown = {
        "form": form,
        "title": f"{name} of {subject}",
        "crumbs": crumbs_of(subject),
        "subject": thing,
        "visit": name,
        "slug": visit,
        "entered": entered,
        "head": tuple(i for i in form.inputs if i.name in {"date"}),
        "tail": tuple(i for i in form.inputs if i.name in {"words", "reason"}),
        "groups": _groups(form, fields, warnings),
        "warnings": tuple((f"in-v.{measure}", text) for measure, text in warnings.items()),
        "is_asked": is_asked,
        "mark": _mark(warnings),
        "button": "Save as written" if is_asked else "Save the visit",
    }
    return show(request, "visit", shown, status=422 if form.wrongs or is_asked else 200)


def _name_of(slug: str) -> str:
    from flarefree.web.commands.parts import slug_of

    for name in visit_names(running_trial().protocol):
        if slug_of(name) == slug:
            return name
    raise Http404


def _rows(seen: Sequence[Item], name: str) -> dict[str, Item]:
    """What was entered at the visit, by measure."""
    return {
        str(item["measure"]): item
        for item in results_among(seen)
        if item["visit"] == name and not item["source"] and stands(item)
    }


def _form(
    subject: str,
    name: str,
    fields: Sequence[FormField],
    entered: Item | None,
    rows: Mapping[str, Item],
    today: date,
    last: Mapping[str, str],
) -> AskForm:
    inputs = [Input("date", "Date of the visit", "date", is_short=True)]
    initial: dict[str, Any] = {"date": (entered["date"] if entered else None) or today}
    for field in fields:
        row = rows.get(field.measure)
        inputs.append(_value_input(field, last.get(field.measure, "")))
        initial[f"v.{field.measure}"] = row["value"] if row else None
        if field.units:
            inputs.append(_unit_input(field))
            initial[f"u.{field.measure}"] = (row["unit"] if row else None) or field.unit
    inputs.append(
        Input("words", "Remarks", "long", is_required=False, hint="Do not name a study drug you suspect.")
    )
    if entered is not None and entered["date"]:
        inputs.append(
            Input(
                "reason",
                "Why a value is changed",
                "long",
                is_required=False,
                hint="Needed where one is replaced.",
            )
        )
    fixed = {"subject": subject, "visit": name, "values": (), "reason": ""}
    return form_of(RecordVisit, *inputs, fixed=fixed, initial=initial)


def _value_input(field: FormField, last: str) -> Input:
    kind = {"number": "number", "text": "text"}.get(field.kind, "choice")
    return Input(
        f"v.{field.measure}", field.label, kind, choices=tuple((c, _word(c)) for c in field.choices),
        hint=last, is_required=False, is_short=True,
    )  # fmt: skip


def _word(choice: str) -> str:
    return {"Y": "Yes", "N": "No"}.get(choice, choice.capitalize())


def _unit_input(field: FormField) -> Input:
    choices = tuple((unit, _unit(unit)) for unit in field.units)
    return Input(f"u.{field.measure}", f"Unit of {field.label}", "choice", choices=choices, is_required=False)


def _unit(unit: str) -> str:
    return unit.replace("10^9", "10⁹")


def _last_values(seen: Sequence[Item], name: str) -> dict[str, str]:
    """What was measured last, so that a slip is seen while it is made."""
    found = earlier_values([item for item in seen if item["visit"] != name])
    return {
        measure: f"Last: {calm(one[-1].value)} {_unit(one[-1].unit)}".rstrip() + f", {day(one[-1].date)}"
        for measure, one in found.items()
        if one
    }


def _groups(
    form: AskForm, fields: Sequence[FormField], warnings: Mapping[str, str]
) -> tuple[tuple[str, tuple[ValueInput, ...], bool], ...]:
    """Urine, blood, vital signs, scores; each with whether it is all choices, which need less room."""
    protocol = running_trial().protocol
    by_name = {given.name: given for given in form.inputs}
    groups: dict[str, list[ValueInput]] = {name: [] for name in GROUPS}
    for field in fields:
        value, unit = by_name[f"v.{field.measure}"], by_name.get(f"u.{field.measure}")
        one = ValueInput(field, value, unit, warnings.get(field.measure, ""))
        groups[group_of(protocol, field.measure)].append(one)
    return tuple(
        (title, tuple(sorted(found, key=lambda one: one.field.kind != "number")), _are_choices(found))
        for title, found in groups.items()
        if found
    )


def _are_choices(found: Sequence[ValueInput]) -> bool:
    return all(one.value.kind == "choice" for one in found)


def _warnings(
    form: AskForm, fields: Sequence[FormField], seen: Sequence[Item], today: date
) -> dict[str, str]:
    """What is odd about the values, as a question; what cannot be is the command's to refuse."""
    typed = {given.name: given.value for given in form.inputs}
    when = _date(typed.get("date", "")) or today
    others = [item for item in seen if item["visit"] != form.fixed["visit"]]
    found: dict[str, str] = {}
    for field in fields:
        value = typed.get(f"v.{field.measure}", "")
        question = value and _question(
            field.measure, value, typed.get(f"u.{field.measure}", ""), others, when
        )
        if question:
            found[field.measure] = question
    return found


def _question(measure: str, value: str, unit: str, seen: Sequence[Item], when: date) -> str:
    protocol = running_trial().protocol
    try:
        checked = check_result(protocol, measure, value, unit)
    except ConductError:
        return ""
    last = last_before(earlier_values(seen).get(measure, ()), when)
    odd = oddities_of(protocol, checked, last)
    return odd[0].question if odd else ""


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _mark(warnings: Mapping[str, str]) -> str:
    """What was asked; an answer to other questions is no answer to these."""
    import hashlib

    return hashlib.sha256("\n".join(f"{k}={v}" for k, v in sorted(warnings.items())).encode()).hexdigest()[
        :16
    ]


def _asked(
    request: HttpRequest, actor: Actor, form: AskForm, fields: Sequence[FormField], subject: str, name: str
) -> HttpResponseBase | AskForm:
    """The command with the values that were typed."""
    typed = {given.name: given.value for given in form.inputs}
    values = [
        {"measure": f.measure, "value": typed[f"v.{f.measure}"], "unit": typed.get(f"u.{f.measure}", "")}
        for f in fields
        if typed[f"v.{f.measure}"]
    ]
    content = {
        "subject": subject, "visit": name, "date": typed["date"], "values": values,
        "words": typed.get("words", ""), "reason": typed.get("reason", ""),
    }  # fmt: skip
    answer = ask_content(form, content, actor)
    if isinstance(answer, AskForm):
        return answer
    asked = len(answer.result.get("questions", ()))
    said = "The visit is saved." + (
        f" {asked} question{'s were' if asked > 1 else ' was'} raised about its values." if asked else ""
    )
    return done(request, answer, reverse("subject", args=[subject]), said)


def check_value(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """For htmx: what is odd about one value, while the form is filled in; nothing is saved."""
    subject_seen(actor, subject)
    measure = request.GET.get("measure", "")
    value, unit = request.POST.get(f"v.{measure}", "").strip(), request.POST.get(f"u.{measure}", "")
    told: dict[str, Any] = {"measure": measure}
    if value:
        try:
            check_result(running_trial().protocol, measure, value, unit)
        except ConductError as error:
            told["error"] = wrong_of(error).text
        else:
            seen = see_things(actor, subject=subject)
            told["warning"] = _question(measure, value, unit, seen, date_at_site("", clock.now()))
    return show(request, "parts/value_said", told)


# Missed, signed, verified, corrected --------------------------------------------------------------


def miss_visit(request: HttpRequest, actor: Actor, subject: str, visit: str) -> HttpResponseBase:
    """A visit did not take place."""
    subject_seen(actor, subject)
    name = _name_of(visit)
    form = form_of(MissVisit, _WHY, fixed={"subject": subject, "visit": name})
    return ask_page(
        request, actor, form, title=f"{name} of {subject} was missed", button="Record it",
        then=reverse("subject", args=[subject]), crumbs=crumbs_of(subject),
    )  # fmt: skip


def sign_visit(request: HttpRequest, actor: Actor, subject: str, visit: str) -> HttpResponseBase:
    """The investigator vouches for the form."""
    return _on_visit(
        request, actor, SignVisit, subject, visit, "Sign", "I have read these values and vouch for them."
    )


def verify_visit(request: HttpRequest, actor: Actor, subject: str, visit: str) -> HttpResponseBase:
    """The monitor says that the form is what the source says."""
    return _on_visit(
        request, actor, VerifyVisit, subject, visit, "Verify", "The values are what the source says."
    )


def _on_visit(
    request: HttpRequest, actor: Actor, command: Any, subject: str, slug: str, button: str, lead: str
) -> HttpResponseBase:
    subject_seen(actor, subject)
    name = _name_of(slug)
    rows = _rows(see_things(actor, subject=subject), name)
    facts = tuple(
        (_label(measure), f"{row['value']} {row['unit'] or ''}".strip())
        for measure, row in sorted(rows.items())
    )
    form = form_of(command, fixed={"subject": subject, "visit": name, "date": None})
    return ask_page(
        request, actor, form, title=f"{button} {name} of {subject}", button=button, lead=lead,
        then=reverse("subject", args=[subject]), crumbs=crumbs_of(subject), told={"facts": facts},
    )  # fmt: skip


def _label(measure: str) -> str:
    try:
        return running_trial().protocol.spec.measures[measure].label
    except (KeyError, NotFoundError):
        return measure.replace("_", " ")


def correct_value(request: HttpRequest, actor: Actor, kind: str, key: str) -> HttpResponseBase:
    """One value replaced, with its reason; every value that stood is shown."""
    row = _row(actor, kind, key)
    form = form_of(
        CorrectValue,
        Input("value", _label(str(row["measure"] or row.kind)), "text", is_short=True),
        Input("unit", "Unit", is_short=True, is_required=False),
        _WHY,
        fixed={"kind": kind, "key": key, "date": None, "low": row["low"], "high": row["high"]},
        initial={name: row[name] for name in ("value", "unit")},
    )
    return ask_page(
        request,
        actor,
        form,
        title=f"Correct a value of {row.subject}",
        template="correct",
        button="Replace it",
        lead="The earlier value stays in the record and in the log.",
        said="The value was replaced.",
        then=reverse("subject", args=[row.subject]),
        crumbs=crumbs_of(row.subject),
        told={"row": row, "history": value_history(actor, kind, key)},
    )


def mark_error(request: HttpRequest, actor: Actor, kind: str, key: str) -> HttpResponseBase:
    """A row that should not be there stays, and counts no more."""
    row = _row(actor, kind, key)
    form = form_of(MarkEnteredInError, _WHY, fixed={"kind": kind, "key": key})
    return ask_page(
        request, actor, form, title="Entered in error", is_grave=True,
        lead=f"The row of {row.subject} stays in the record, marked, and counts no more.",
        button="Mark it", then=reverse("subject", args=[row.subject]), crumbs=crumbs_of(row.subject),
    )  # fmt: skip


def _row(actor: Actor, kind: str, key: str) -> Item:
    row = see_thing(actor, kind, key)
    if row is None or not row.subject:
        raise Http404
    return row
