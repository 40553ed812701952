"""The trial's own pages: is it ready, may anybody be randomized, are the data closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.conduct.workflow import RANDOMIZATION, TRIAL
from flarefree.web import clock
from flarefree.web.commands.base import Asked
from flarefree.web.commands.randomizing import ReconcileVault
from flarefree.web.commands.trial_phases import (
    CloseRandomization,
    GoLive,
    GoOn,
    LockTrial,
    PublishKeeperKey,
    RecordAnalysisPlan,
)
from flarefree.web.commands.trial_protocol import AmendProtocol, ApproveAmendment, RecordProtocol
from flarefree.web.pages.asking import ask_page, may, show
from flarefree.web.pages.forms import Input, form_of, new_request_id
from flarefree.web.pages.tables import Cell, table_of
from flarefree.web.people.phase_gates import open_gates
from flarefree.web.queries.seeing import see_things
from flarefree.web.trial import running_trial

if TYPE_CHECKING:
    from flarefree.conduct.workflow import Machine
    from flarefree.protocol.loaded import LoadedProtocol

__all__ = [
    "amend_protocol", "approve_amendment", "close_randomization", "go_live", "go_on", "keeper_key", "lock",
    "plan_of_analysis", "protocol", "reconcile", "record_protocol", "trial",
]  # fmt: skip

GATES = {
    "protocol_recorded": ("The protocol is recorded", "Its text and digest stand in the log."),
    "rules_leak_nothing": (
        "No adjudicated end point rests on what gives the arm away",
        "Every sentence was followed to the fields it reads.",
    ),
    "matrix_recorded": ("The role matrix is recorded", "It is the one that this program runs by."),
    "lists_sealed": (
        "Allocation lists are sealed",
        "Drawn by the unblinded statistician, kept in the vault.",
    ),
    "simulation_report_signed": (
        "The scheme's simulation report is signed",
        "Of exactly the scheme whose lists are sealed.",
    ),
    "keeper_key_published": (
        "The key of the log's keeper is published",
        "Somebody outside signs how far the log has come.",
    ),
    "everybody_followed_up": ("Everybody was followed up", "No subject is still in the trial."),
    "queries_closed": ("All queries are closed", ""),
    "cases_closed_and_reconciled": ("All cases are decided", "The committee's queue is empty."),
    "log_anchored": ("The log is anchored", "Its keeper signed its present end."),
    "cause_removed": ("The cause was removed", "Who approves says so, in words."),
    "allocations_reconciled": ("Record and vault agree", "Each allocation stands in both."),
    "two_key_holders": ("Two holders gave their shares", ""),
    "analysis_plan_recorded": ("The plan of analysis is recorded", "Its digest stands in the log."),
}
CONFIGURE = (("configure", "configuration"),)
APPROVE = (("approve", "configuration"),)
LOCK = (("lock", "configuration"),)
_WHY = Input("reason", "Why", "long", hint="Stays in the log.")


def _checklist(actor: Actor, transition: str, machine: Machine = TRIAL) -> tuple[tuple[str, str, bool], ...]:
    """Gates of a transition as (title, note, is open)."""
    asked = Asked(actor, new_request_id(), clock.now())
    standing = running_trial().standing(asked.at)
    found = open_gates(machine, transition, asked, standing).open
    names = machine.transition(transition).gates
    return tuple((*GATES.get(name, (name.replace("_", " "), "")), name in found) for name in names)


def trial(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Where the trial stands, and what its next step waits for."""
    standing = running_trial().standing()
    phase = standing.phase
    step = {"before_go_live": "go_live", "live": "lock", "locked": "unblind"}.get(phase, "")
    gates = _checklist(actor, step) if step else ()
    told = {
        "standing": standing,
        "step": step,
        "gates": gates,
        "is_ready": all(is_open for *_, is_open in gates),
        "can_configure": may(actor, CONFIGURE),
        "can_approve": may(actor, APPROVE),
        "can_lock": may(actor, LOCK),
        "halted_because": standing.facts.get("halted_because"),
        "plan_version": standing.facts.get("analysis_plan_version"),
    }
    return show(request, "trial", told)


def go_live(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The first patient may come."""
    return ask_page(
        request, actor, form_of(GoLive, _WHY), title="Go live", button="Go live", then=reverse("trial"),
        lead="From here on patients can be randomized. There is no way back to the set-up.",
        said="The trial is live.", crumbs=_crumbs(), told={"gates": _checklist(actor, "go_live")},
        template="gated",
    )  # fmt: skip


def lock(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The data are complete."""
    return ask_page(
        request, actor, form_of(LockTrial, _WHY), title="Lock the data", button="Lock the data",
        then=reverse("trial"), said="The data are locked.", crumbs=_crumbs(), is_grave=True,
        lead="After this no value changes any more. Arms stay masked until two holders release the key.",
        told={"gates": _checklist(actor, "lock")}, template="gated",
    )  # fmt: skip


def go_on(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Randomization goes on after a halt."""
    return ask_page(
        request, actor, form_of(GoOn, _WHY), title="Let randomization go on", button="Go on",
        then=reverse("trial"), said="Randomization goes on.", crumbs=_crumbs(),
        told={"gates": _checklist(actor, "go_on", RANDOMIZATION)}, template="gated",
    )  # fmt: skip


def close_randomization(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Enough patients."""
    return ask_page(
        request, actor, form_of(CloseRandomization, _WHY), title="Close randomization", is_grave=True,
        button="Close it for good", lead="Nobody more is randomized, ever. Follow-up goes on.",
        then=reverse("trial"), said="Randomization is closed.", crumbs=_crumbs(),
    )  # fmt: skip


def reconcile(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """After a restore, the vault is brought to where the record, or a site's paper, says that it stood."""
    form = form_of(
        ReconcileVault,
        Input(
            "last_number",
            "How many patients were randomized, at least",
            "number",
            hint="By the record, an anchor, or what the sites have on paper.",
            is_short=True,
        ),
        Input(
            "last_code", "Code of the last of them", hint="If it is known.", is_short=True, is_required=False
        ),
        Input("reason", "What was restored, and from when", "long", hint="Stays in the log."),
    )
    return ask_page(
        request, actor, form, title="Reconcile after a restore", button="Reconcile", is_grave=True,
        lead="Allocations that the restored vault lacks are decided again from the record, in their order, "
        "and must give the same codes. Nothing is changed if they do not.",
        then=reverse("trial"), said="Vault and record agree.", crumbs=_crumbs(),
    )  # fmt: skip


def keeper_key(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The key by which the log's keeper signs."""
    form = form_of(PublishKeeperKey, Input("public_key", "Public key", hint="64 hexadecimal digits"), _WHY)
    return ask_page(
        request, actor, form, title="Publish the keeper's key", then=reverse("trial"), button="Publish",
        said="The key is published.", crumbs=_crumbs(),
    )  # fmt: skip


def plan_of_analysis(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The plan's digest, before anybody knows an arm."""
    form = form_of(
        RecordAnalysisPlan,
        Input("version", "Version", is_short=True),
        Input("digest", "SHA-256 of the file", hint="64 hexadecimal digits"),
        _WHY,
    )
    return ask_page(
        request, actor, form, title="Record the plan of analysis", then=reverse("trial"),
        said="The plan is recorded.", crumbs=_crumbs(),
    )  # fmt: skip


def protocol(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The protocol in force, in its own words, with its versions."""
    loaded = running_trial().protocol
    rows = [
        (
            Cell(version.key[:12]),
            str(version["recorded_by"] or ""),
            str(version["in_force_from"] or "")[:10],
            Cell(state="approved" if version["in_force_from"] else "proposed"),
            Cell("Approve", reverse("approve_amendment", args=[version.key]))
            if not version["in_force_from"] and may(actor, APPROVE)
            else "",
        )
        for version in see_things(actor, "protocol", attributes=("name", "recorded_by", "in_force_from"))
    ]
    head = ("Digest", "Recorded by", "In force from", "State", "To do")
    table = table_of(
        "Versions", head, rows, empty="None is recorded yet; this is the file of the installation."
    )
    told = {
        "sentences": _sentences(loaded),
        "eligibility": loaded.spec.design.eligibility,
        "spec": loaded.spec,
        "digest": loaded.digest,
        "table": table,
        "can_configure": may(actor, CONFIGURE),
        "phase": running_trial().phase,
    }
    return show(request, "protocol", told)


def _sentences(loaded: LoadedProtocol) -> tuple[tuple[str, str, str], ...]:
    """End points as (label, sentence, place); how lists are made is not among what is shown."""
    return tuple(
        (str(endpoint.label), loaded.sentence(path).text, loaded.place(path))
        for name, endpoint in loaded.spec.endpoints.items()
        for path in (f"endpoints.{name}.when", f"endpoints.{name}.state")
        if path in loaded.sentences
    )


def record_protocol(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The first version."""
    form = form_of(RecordProtocol, Input("text", "The file's text", "file"), _WHY)
    return ask_page(
        request, actor, form, title="Record the protocol", then=reverse("trial"), button="Record it",
        said="The protocol is recorded.", crumbs=(("The trial", reverse("trial")),),
    )  # fmt: skip


def amend_protocol(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """A new version from a date on."""
    form = form_of(
        AmendProtocol,
        Input("text", "The new file's text", "file"),
        Input("proposed_from", "In force from", "date", is_short=True),
        _WHY,
    )
    return ask_page(
        request, actor, form, title="Propose an amendment", then=reverse("trial"), button="Propose it",
        lead="Somebody else approves it. What was done before its date stays under the version before.",
        said="The amendment is proposed.", crumbs=(("The trial", reverse("trial")),),
    )  # fmt: skip


def approve_amendment(request: HttpRequest, actor: Actor, digest: str) -> HttpResponseBase:
    """Another person than proposed it."""
    form = form_of(ApproveAmendment, _WHY, fixed={"digest": digest})
    return ask_page(
        request, actor, form, title=f"Approve the amendment {digest[:12]}", then=reverse("protocol"),
        button="Approve it", said="The amendment is approved.", crumbs=(("Protocol", reverse("protocol")),),
    )  # fmt: skip


def _crumbs() -> tuple[tuple[str, str], ...]:
    return (("The trial", reverse("trial")),)
