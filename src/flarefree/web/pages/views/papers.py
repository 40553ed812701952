"""Papers and persons: forms of consent, identities read and erased, the site's guess, locks, anchors."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web.commands.adjudication_closing import CorrectNote, LockAdjudication
from flarefree.web.commands.anchoring import AnchorLog
from flarefree.web.commands.consents import ApproveConsentVersion, EndConsentVersion
from flarefree.web.commands.follow_up import CorrectEnding
from flarefree.web.commands.identities import EraseIdentity
from flarefree.web.commands.randomizing import FlagRandomizedInError
from flarefree.web.commands.troughs import RecordSiteGuess
from flarefree.web.pages.asking import ask_page, may, show
from flarefree.web.pages.forms import Input, form_of, new_request_id
from flarefree.web.pages.tables import Cell, table_of
from flarefree.web.pages.views.screening import crumbs_of, subject_seen
from flarefree.web.queries.identities import identity_of
from flarefree.web.queries.seeing import see_thing, see_things
from flarefree.web.trial import running_trial

__all__ = [
    "anchor",
    "approve_consent_form",
    "consent_forms",
    "correct_ending",
    "correct_note",
    "end_consent_form",
    "erase_identity",
    "flag_error",
    "lock_adjudication",
    "read_identity",
    "site_guess",
]

APPROVE = (("approve", "configuration"),)
_WHY = Input("reason", "Why", "long", hint="Stays in the log.")


def consent_forms(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Versions of the form that patients sign."""
    can = may(actor, APPROVE)
    rows = [
        (
            Cell(version.key),
            str(version["title"] or ""),
            str(version["approved_on"] or ""),
            str(version["ended_on"] or ""),
            Cell("End it", reverse("end_consent_form", args=[version.key]))
            if can and not version["ended_on"]
            else "",
        )
        for version in see_things(actor, "consent_version")
    ]
    head = ("Version", "Title", "Approved", "Ended", "To do")
    table = table_of("Forms of consent", head, rows, empty="None was approved yet.")
    acts = (("Approve a version", reverse("approve_consent_form")),) if can else ()
    return show(request, "list", {"title": "Forms of consent", "table": table, "acts": acts})


def approve_consent_form(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """A version may be signed from its date on."""
    form = form_of(
        ApproveConsentVersion,
        Input("version", "Version", is_short=True),
        Input("title", "Title"),
        Input("approved_on", "Approved on", "date", is_short=True),
    )
    return ask_page(request, actor, form, title="Approve a form of consent", then=reverse("consent_forms"))


def end_consent_form(request: HttpRequest, actor: Actor, version: str) -> HttpResponseBase:
    """Nobody signs it any more; consents given to it stay good."""
    form = form_of(
        EndConsentVersion,
        Input("ended_on", "From which date on", "date", is_short=True),
        _WHY,
        fixed={"version": version},
    )
    return ask_page(request, actor, form, title=f"End version {version}", then=reverse("consent_forms"))


def read_identity(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """Name and contact, shown on request; each look is an entry of the log."""
    subject_seen(actor, subject)
    told: dict[str, object] = {
        "subject": subject,
        "request_id": new_request_id(),
        "crumbs": crumbs_of(subject),
    }
    if request.method == "POST":
        try:
            told["identity"] = identity_of(actor, subject, request.POST.get("request_id") or new_request_id())
        except ConductError as error:
            told["error"] = error.what
    return show(request, "read_identity", told)


def erase_identity(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """The key of a name is destroyed; the trial's record stays."""
    subject_seen(actor, subject)
    form = form_of(EraseIdentity, _WHY, fixed={"subject": subject})
    return ask_page(
        request,
        actor,
        form,
        title=f"Erase who {subject} is",
        lead="The key of name and contact is destroyed, for good. The trial's record stays as it is.",
        button="Erase it",
        is_grave=True,
        then=reverse("subject", args=[subject]),
        crumbs=crumbs_of(subject),
    )


def site_guess(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """Which treatment the site believes in: asked to measure blinding, kept in the vault, shown to nobody."""
    subject_seen(actor, subject)
    arms = running_trial().protocol.spec.arms
    choices = (*((name, arm.label) for name, arm in arms.items()), ("unknown", "I cannot tell"))
    sure = tuple(
        (str(n), text) for n, text in enumerate(("A guess", "Unsure", "Half sure", "Sure", "Certain"), 1)
    )
    form = form_of(
        RecordSiteGuess,
        Input("guess", "Which treatment do you think the patient takes?", "radio", choices=choices),
        Input("certainty", "How sure are you?", "radio", choices=sure),
        fixed={"subject": subject},
    )
    return ask_page(
        request,
        actor,
        form,
        title=f"Your guess about {subject}",
        lead="Asked of every site, to measure blinding. Nobody sees your answer; nothing follows from it.",
        said="Your guess is kept.",
        then=reverse("subject", args=[subject]),
        crumbs=crumbs_of(subject),
    )


def correct_ending(request: HttpRequest, actor: Actor, key: str) -> HttpResponseBase:
    """A stop of the drug, or a departure, that was entered wrongly."""
    row = see_thing(actor, "withdrawal", key)
    if row is None:
        raise Http404
    form = form_of(
        CorrectEnding,
        Input("date", "Date", "date", is_short=True, is_required=False, value=str(row["date"] or "")),
        Input("reason", "Reason", is_required=False, value=str(row["reason"] or "")),
        Input("is_void", "It did not happen at all", "check"),
        Input("why", "Why this is corrected", "long"),
        fixed={"subject": row.subject, "supersedes": key},
    )
    return ask_page(
        request,
        actor,
        form,
        title=f"Correct an ending of {row.subject}",
        then=reverse("subject", args=[row.subject]),
        crumbs=crumbs_of(row.subject),
    )


def flag_error(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """Somebody was randomized who should not have been: said, and nothing is taken back."""
    subject_seen(actor, subject)
    form = form_of(FlagRandomizedInError, _WHY, fixed={"subject": subject})
    return ask_page(
        request,
        actor,
        form,
        title=f"{subject} was randomized in error",
        lead="The allocation stands, and the patient is followed up like any other; the analysis is told.",
        button="Record it",
        said="It is recorded.",
        then=reverse("subject", args=[subject]),
        crumbs=crumbs_of(subject),
    )


def correct_note(request: HttpRequest, actor: Actor, key: str) -> HttpResponseBase:
    """A text for the committee, sent again without the words that held it back."""
    row = see_thing(actor, "note", key)
    if row is None:
        raise Http404
    form = form_of(
        CorrectNote,
        Input("title", "What it is", value=str(row["title"] or "")),
        Input(
            "text",
            "Text",
            "long",
            value=str(row["text"] or ""),
            hint="Without names, and without study drugs.",
        ),
        _WHY,
        fixed={"note": key},
    )
    return ask_page(
        request,
        actor,
        form,
        title=f"A text about {row.subject} for the committee",
        button="Send it again",
        then=reverse("subject", args=[row.subject]),
        crumbs=crumbs_of(row.subject),
    )


def lock_adjudication(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The committee's queue is closed, with the digest of its decisions."""
    return ask_page(
        request,
        actor,
        form_of(LockAdjudication),
        title="Close adjudication",
        button="Close it",
        lead="All cases are decided and safety knows of negative ones. A change of the data opens it again.",
        then=reverse("trial"),
        said="Adjudication is closed.",
        crumbs=(("The trial", reverse("trial")),),
    )


def anchor(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The keeper's signature under where the log stands, brought back."""
    form = form_of(
        AnchorLog,
        Input("chain", "Log"),
        Input("length", "Entries", "number", is_short=True),
        Input("head", "Hash of the last one"),
        Input("at", "When the keeper signed", is_short=True),
        Input("number", "Number of the anchor", "number", is_short=True),
        Input("previous", "Hash of the anchor before"),
        Input("signature", "Signature", "long"),
    )
    return ask_page(
        request,
        actor,
        form,
        title="Bring an anchor back",
        then=reverse("log"),
        crumbs=(("Log", reverse("log")),),
    )
