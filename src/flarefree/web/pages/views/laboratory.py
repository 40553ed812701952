"""Laboratory files: uploaded, judged row by row, and taken only after somebody has looked."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.errors import FlarefreeError
from flarefree.web import clock
from flarefree.web.commands.laboratory import ImportLaboratory
from flarefree.web.commands.troughs import ImportTrough, ReceiveTroughSample
from flarefree.web.forms.imports import ImportReport, judge_import
from flarefree.web.pages.asking import ask_page, done, show
from flarefree.web.pages.forms import AskForm, Input, Wrong, ask_content, form_of
from flarefree.web.pages.tables import Cell, table_of

__all__ = ["import_laboratory", "import_trough", "receive_trough"]

_LARGEST = 4_000_000


def import_laboratory(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """First what the file would do, all findings with their rows; then, confirmed, it is done.

    The file travels with the page between the two steps and is kept nowhere: some of its rows may tell an
    arm, and nothing of that kind may stand in the record's database, sessions included.
    """
    form = _form()
    report: ImportReport | None = None
    if request.method == "POST":
        form = _with_file(request, form.filled(request.POST))
        text = form.input("text").value
        report = None if form.wrongs else _judged(text)
        if report is None and not form.wrongs:
            form = form.with_wrongs(
                (Wrong("file", "The file cannot be read", "send CSV, or pipe-delimited messages"),)
            )
        elif report is not None and request.POST.get("step") == "confirm":
            answer = _asked(form, actor, is_partial=request.POST.get("choice") == "good")
            if not isinstance(answer, AskForm):
                taken = answer.result.get("taken", len(report.taken))
                return done(request, answer, reverse("import_laboratory"), f"{taken} results were taken.")
            form = answer
    told = {"form": form, "report": report, "table": None if report is None else _findings(report)}
    return show(request, "import", told, status=422 if form.wrongs else 200)


def _form() -> AskForm:
    return form_of(
        ImportLaboratory,
        Input("file_name", kind="hidden", is_required=False),
        Input("text", kind="hidden", is_required=False),
        fixed={"only_good_rows": False},
    )


def _with_file(request: HttpRequest, form: AskForm) -> AskForm:
    from dataclasses import replace

    upload = request.FILES.get("file")
    if upload is None:
        return form if form.input("text").value else form.with_wrongs((Wrong("file", "Choose a file"),))
    if (upload.size or 0) > _LARGEST:
        return form.with_wrongs((Wrong("file", "The file is larger than 4 MB", "send it in parts"),))
    try:
        text = upload.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        return form.with_wrongs((Wrong("file", "The file is not text in UTF-8", "save it as CSV in UTF-8"),))
    told = {"file_name": (upload.name or "file")[:120], "text": text}
    return replace(form, inputs=tuple(replace(i, value=told.get(i.name, i.value)) for i in form.inputs))


def _judged(text: str) -> ImportReport | None:
    try:
        return judge_import(text, clock.now())
    except FlarefreeError:
        return None


def _asked(form: AskForm, actor: Actor, *, is_partial: bool):  # type: ignore[no-untyped-def]
    content = {**form.content(), "only_good_rows": is_partial}
    return ask_content(form, content, actor)


def _findings(report: ImportReport):  # type: ignore[no-untyped-def]
    rows = [
        (
            Cell(f"Row {one.row}"), Cell(state=one.severity), one.subject,
            Cell(one.message, note=f"found: {one.found}" if one.found else ""), one.expected,
        )
        for one in report.findings
    ]  # fmt: skip
    head = ("Row", "Sort", "Subject", "What is odd", "Expected")
    return table_of("Findings", head, rows, empty="Nothing is odd about this file.")


# Troughs ------------------------------------------------------------------------------------------

_SUBJECT = Input("subject", "Subject", hint="As on the tube: 017-004.", is_short=True)
_SAMPLE = Input("sample", "Sample", hint="The number on the tube.", is_short=True)
_UTC = "In UTC."


def receive_trough(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """A tube reached the laboratory; what is drawn is drawn in each arm alike."""
    form = form_of(
        ReceiveTroughSample,
        _SUBJECT,
        _SAMPLE,
        Input("collected_at", "Drawn", "datetime", hint=_UTC, is_short=True),
        Input("last_dose_at", "Last dose taken", "datetime", hint=_UTC, is_short=True, is_required=False),
        Input("visit", "Visit", hint="As the protocol names it, if it was at one.", is_required=False),
        Input("is_hemolyzed", "It is hemolyzed", "check"),
        Input("is_clotted", "It is clotted", "check"),
    )
    return ask_page(
        request, actor, form, title="Receive a trough sample", button="Receive it",
        then=reverse("receive_trough"), said="The sample was received.", back=reverse("home"),
        lead="Then enter its result, whatever it is: the site is shown one for every sample.",
    )  # fmt: skip


def import_trough(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """A result goes to the vault, and the page says the same whatever it was."""
    form = form_of(
        ImportTrough,
        _SUBJECT,
        _SAMPLE,
        Input("result", "Result", hint="As the device printed it: 1.8 or <0.3.", is_short=True),
        Input("unit", "Unit", value="mg/L", is_short=True),
        Input("reported_at", "Reported", "datetime", hint=_UTC, is_short=True),
    )
    return ask_page(
        request, actor, form, title="Enter a trough’s result", button="Keep it",
        then=reverse("import_trough"), said="The result is kept.", back=reverse("home"),
        lead="No site, sponsor or committee sees it: sites are shown a result by the daily release.",
    )  # fmt: skip
