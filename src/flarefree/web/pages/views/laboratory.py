"""Laboratory files: uploaded, judged row by row, and taken only after somebody has looked."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.errors import FlarefreeError
from flarefree.web import clock
from flarefree.web.commands.laboratory import ImportLaboratory
from flarefree.web.forms.imports import ImportReport, judge_import
from flarefree.web.pages.asking import done, show
from flarefree.web.pages.forms import AskForm, Input, Wrong, ask_content, form_of
from flarefree.web.pages.tables import Cell, table_of

__all__ = ["import_laboratory"]

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
