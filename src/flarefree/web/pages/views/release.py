"""Data out: the study folder, the blinded review, and the ceremony that releases the key."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web import clock
from flarefree.web.commands.base import Asked
from flarefree.web.commands.exporting import NoteExport
from flarefree.web.commands.release import PresentShare, RegisterReleaseKeys, fetch_key_file
from flarefree.web.commands.trial_phases import UnblindTrial
from flarefree.web.exporting import export_study
from flarefree.web.pages.asking import ask_page, may, show
from flarefree.web.pages.forms import Input, form_of, new_request_id
from flarefree.web.pages.tables import result_table
from flarefree.web.study import masked_review
from flarefree.web.trial import running_trial

__all__ = ["ceremony", "export", "key_file", "name_holders", "present_share", "review", "unblind"]

SHARE = (("release", "release.key_share"),)
_WHY = Input("reason", "Why", "long", hint="Stays in the log.")


def export(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The study folder as one file; that it was taken out is an entry of the log."""
    form = form_of(NoteExport, fixed={"digest": "", "patients": 0, "files": 0})
    if request.method != "POST":
        return show(request, "export", {"form": form})
    form = form.filled(request.POST)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "study"
        told = export_study(actor, place, request=form.request)
        packed = _packed(place)
    response = HttpResponse(packed, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="study-{told.digest[:12]}.zip"'
    return response


def _packed(folder: Path) -> bytes:
    """The folder's files in the order of their names, with no clock: same data, same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            told = zipfile.ZipInfo(f"study/{file.relative_to(folder).as_posix()}", (2000, 1, 1, 0, 0, 0))
            told.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(told, file.read_bytes())
    return out.getvalue()


def review(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The whole analysis with all patients in one column: what stands in the data, and what is missing.

    It takes a while, and so it is asked for and not met by chance.
    """
    if request.method != "POST":
        return show(request, "review", {"is_asked": False})
    shown = tuple(
        {
            "title": result.title,
            "absent": result.reason,
            "warnings": result.warnings,
            "shown": tuple(map(result_table, result.tables)),
        }
        for result in masked_review(actor).results
    )
    return show(request, "review", {"is_asked": True, "results": shown})


def ceremony(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Who must be there, who was, and what is still missing."""
    facts = running_trial().standing().facts
    holders = tuple(
        (n, facts.get(f"release_holder_{n}") or "not named", bool(facts.get(f"share_presented_{n}")))
        for n in (1, 2)
    )
    told = {
        "holders": holders,
        "are_both": all(is_there for *_, is_there in holders),
        "phase": running_trial().phase,
        "can_present": may(actor, SHARE),
        "has_presented": any(who == actor.person and is_there for _, who, is_there in holders),
        "can_fetch": may(actor, (("export", "allocation.arm"),)),
        "can_name": may(actor, (("configure", "configuration"),))
        and running_trial().phase == "before_go_live",
    }
    return show(request, "ceremony", told)


def name_holders(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Two persons, each with the public key of a share that only they have."""
    form = form_of(
        RegisterReleaseKeys,
        Input("holder_1", "First holder", hint="Account"),
        Input("key_1", "Public key of the first share", hint="64 hexadecimal digits"),
        Input("holder_2", "Second holder", hint="Account"),
        Input("key_2", "Public key of the second share", hint="64 hexadecimal digits"),
        _WHY,
    )
    return ask_page(request, actor, form, title="Name the holders of the key", then=reverse("ceremony"))


def present_share(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """One holder's part; the share is written nowhere."""
    form = form_of(PresentShare, Input("share", "Your share", "password", hint="64 hexadecimal digits"), _WHY)
    return ask_page(
        request,
        actor,
        form,
        title="Present your share",
        button="Present it",
        then=reverse("ceremony"),
        lead="With the second share the key is released. A share is kept in no log, answer or database.",
        said="Your share was presented.",
        crumbs=(("The ceremony", reverse("ceremony")),),
        is_grave=True,
    )


def unblind(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The phase after both were there."""
    return ask_page(
        request, actor, form_of(UnblindTrial, _WHY), title="The ceremony is done", button="Unblind the trial",
        lead="From here on the statistician who analyzes may fetch the key. There is no way back.",
        then=reverse("ceremony"), crumbs=(("The ceremony", reverse("ceremony")),), is_grave=True,
    )  # fmt: skip


def key_file(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The released key, for who analyzes."""
    if request.method != "POST":
        return show(request, "key_file", {"request_id": new_request_id()})
    try:
        told = fetch_key_file(
            Asked(actor, request.POST.get("request_id") or new_request_id(), clock.now(), "web")
        )
    except ConductError as error:
        return show(request, "key_file", {"request_id": new_request_id(), "error": error.what}, status=422)
    response = HttpResponse(told, content_type="application/json")
    response["Content-Disposition"] = 'attachment; filename="key.json"'
    return response
