"""Into the trial: screened, described, consent, eligibility by the protocol's sentences, randomized."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.eligibility import criteria_of
from flarefree.conduct.visibility import Actor
from flarefree.web import clock
from flarefree.web.commands.consents import RecordConsent, WithdrawConsent
from flarefree.web.commands.gates import Gates, date_at_site, gates_of
from flarefree.web.commands.identities import RecordIdentity
from flarefree.web.commands.reading_back import RandomizeAsReadBack
from flarefree.web.commands.subjects import (
    CorrectStratum,
    FailScreening,
    RecordEligibility,
    ScreenSubject,
    SetCharacteristics,
)
from flarefree.web.pages.asking import ask_page, show
from flarefree.web.pages.forms import Input, form_of
from flarefree.web.queries.seeing import see_thing, see_things
from flarefree.web.record.reading import Item
from flarefree.web.trial import running_trial

__all__ = [
    "characteristics", "consent", "correct_stratum", "eligibility", "fail_screening", "identity", "kit",
    "randomize", "screen", "subject_seen", "withdraw_consent",
]  # fmt: skip

_SEX = (("F", "Female"), ("M", "Male"))
_REASON = Input("reason", "Why", "long", hint="Needed where an earlier value is replaced.", is_required=False)
_WHY = Input("reason", "Why", "long", hint="Stays in the log.")


def subject_seen(actor: Actor, subject: str) -> Item:
    """A subject as the actor sees them; one whom they do not see is not there."""
    thing = see_thing(actor, "subject", subject)
    if thing is None:
        raise Http404
    return thing


def crumbs_of(subject: str) -> tuple[tuple[str, str], ...]:
    """The pages above one about a subject."""
    return (("Subjects", reverse("subjects")), (subject, reverse("subject", args=[subject])))


def screen(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Somebody is considered for the trial."""
    sites = [site for site in see_things(actor, "site") if site["is_open"]]
    mine = [site for site in sites if not actor.sites or site.key in actor.sites]
    form = form_of(
        ScreenSubject,
        Input(
            "site", "Site", "choice", choices=tuple((s.key, f"{s.key} {s['title']}") for s in mine),
            value=mine[0].key if len(mine) == 1 else "",
        ),
        Input("sex", "Sex", "radio", choices=_SEX, is_required=False),
        Input("birth_year", "Year of birth", "number", is_short=True, is_required=False),
        *_described(),
    )  # fmt: skip
    return ask_page(
        request, actor, form, title="Screen a patient", button="Give a number", back=reverse("subjects"),
        then=lambda outcome: reverse("subject", args=[outcome.result["subject"]]),
        said="The patient has a number.", crumbs=(("Subjects", reverse("subjects")),),
        lead="The patient gets the site's next number. No name is entered here.",
    )  # fmt: skip


def characteristics(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """What a patient is, as the protocol asks for it."""
    thing = subject_seen(actor, subject)
    form = form_of(
        SetCharacteristics,
        Input("characteristics.sex", "Sex", "choice", choices=_SEX, is_required=False),
        Input("characteristics.birth_year", "Year of birth", "number", is_short=True, is_required=False),
        *_described(),
        _REASON,
        fixed={"subject": subject},
        initial={f"characteristics.{name}": fact.value for name, fact in thing.facts.items()},
    )
    return ask_page(
        request, actor, form, title=f"Characteristics of {subject}", then=reverse("subject", args=[subject]),
        crumbs=crumbs_of(subject),
    )  # fmt: skip


def _described() -> tuple[Input, ...]:
    """One input for each covariate that is entered."""
    asked = {"sex", "birth_year", "site", "country"}
    return tuple(
        Input(
            f"characteristics.{name}",
            covariate.label,
            "choice" if covariate.levels else ("number" if covariate.type == "number" else "text"),
            choices=tuple((level, level) for level in covariate.levels),
            unit=covariate.unit,
            is_short=covariate.type == "number",
            is_required=False,
        )
        for name, covariate in running_trial().protocol.spec.covariates.items()
        if name not in asked and not (covariate.from_measure or covariate.of or covariate.when)
    )


def consent(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """A patient signed."""
    thing = subject_seen(actor, subject)
    versions = [version for version in see_things(actor, "consent_version") if not version["ended_on"]]
    form = form_of(
        RecordConsent,
        Input(
            "version",
            "Version signed",
            "choice",
            choices=tuple((v.key, f"{v.key}: {v['title']}") for v in versions),
            value=versions[-1].key if versions else "",
        ),
        Input("given_on", "Signed on", "date", is_short=True),
        Input(
            "given_by",
            "Signed by",
            "radio",
            value="patient",
            choices=tuple(
                (v, v.capitalize())
                for v in ("patient", "legal representative", "patient and legal representative")
            ),
        ),
        fixed={"subject": subject},
        initial={"given_on": date_at_site(thing.site, clock.now())},
    )
    notes = () if versions else ("No version of the consent form was approved yet: the sponsor does that.",)
    return ask_page(
        request, actor, form, title=f"Consent of {subject}", then=reverse("subject", args=[subject]),
        said="Consent is recorded.", crumbs=crumbs_of(subject), told={"notes": notes},
    )  # fmt: skip


def withdraw_consent(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """A patient takes consent back: contacts stop, data stay."""
    thing = subject_seen(actor, subject)
    form = form_of(
        WithdrawConsent,
        Input("withdrawn_on", "Withdrawn on", "date", is_short=True),
        fixed={"subject": subject},
        initial={"withdrawn_on": date_at_site(thing.site, clock.now())},
    )
    return ask_page(
        request,
        actor,
        form,
        title=f"Consent of {subject} is withdrawn",
        is_grave=True,
        lead="No further contact or visit is made. What was recorded before is kept, as the consent said.",
        button="Record the withdrawal",
        then=reverse("subject", args=[subject]),
        said="The withdrawal is recorded.",
        crumbs=crumbs_of(subject),
    )


def identity(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """Name and contact, kept apart under a key that can be destroyed."""
    subject_seen(actor, subject)
    form = form_of(
        RecordIdentity,
        Input("full_name", "Name"),
        Input("contact", "How to reach them", "long", is_required=False),
        _REASON,
        fixed={"subject": subject},
    )
    return ask_page(
        request, actor, form, title=f"Who {subject} is", then=reverse("subject", args=[subject]),
        lead="Kept apart from the trial's data, under a key of its own that can be destroyed.",
        said="Name and contact are kept.", crumbs=crumbs_of(subject),
    )  # fmt: skip


def eligibility(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """Every rule with its sentence, what it rests on and what the evaluator says; the rest is confirmed."""
    thing = subject_seen(actor, subject)
    if "status" not in thing.facts:
        raise Http404
    gates = gates_of(subject, clock.now())
    rules = criteria_of(running_trial().protocol)
    judged = [rule for rule in gates.eligibility.rules if rules[rule.name].is_judged]
    said = {True: "true", False: "false", None: ""}
    form = form_of(
        RecordEligibility,
        *(
            Input(
                f"confirmed.{rule.name}", rule.label, "radio", value=said[rule.is_met], is_required=False,
                choices=(("true", "Yes, this is so"), ("false", "No")),
            )
            for rule in judged
        ),
        _REASON,
        fixed={"subject": subject},
    )  # fmt: skip
    told = {
        "subject": thing,
        "gates": gates,
        "rules": gates.eligibility.rules,
        "judged": {rule.name for rule in judged},
        "can_randomize": _is_ready(thing, gates),
    }
    return ask_page(
        request,
        actor,
        form,
        title=f"Eligibility of {subject}",
        template="eligibility",
        button="Evaluate and record",
        then=reverse("eligibility", args=[subject]),
        said="Eligibility is recorded.",
        back=reverse("subject", args=[subject]),
        crumbs=crumbs_of(subject),
        told=told,
    )


def _is_ready(subject: Item, gates: Gates) -> bool:
    wanted = {"consent_valid", "eligible_by_data", "strata_complete"}
    return subject["status"] == "eligible" and wanted <= gates.open_gates


def fail_screening(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """The patient will not enter."""
    subject_seen(actor, subject)
    form = form_of(FailScreening, _WHY, fixed={"subject": subject})
    return ask_page(
        request, actor, form, title=f"{subject} does not enter the trial", button="Record it",
        then=reverse("subject", args=[subject]), crumbs=crumbs_of(subject), is_grave=True,
    )  # fmt: skip


def randomize(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """Number and strata are read back and confirmed; then the vault gives a code."""
    thing = subject_seen(actor, subject)
    gates = gates_of(subject, clock.now())
    spec = running_trial().protocol.spec
    strata = tuple(
        (spec.covariates[name].label if name in spec.covariates else name.replace("_", " "), level)
        for name, level in gates.strata.items()
    )
    waits_for = (
        ("Consent is valid", "", gates.has_consent),
        ("Eligible by the data", "", gates.is_eligible is True),
        ("Every stratum is known", "", all(level for level in gates.strata.values())),
        ("Randomization is open", "", running_trial().standing().randomization == "open"),
    )
    told = {
        "subject": thing,
        "strata": strata,
        "gates": waits_for,
        "is_ready": thing["status"] == "eligible" and all(is_open for *_, is_open in waits_for),
    }
    # The strata travel with the form: what is allocated is what was read on this page, or nothing.
    read_back = (
        Input(f"strata.{name}", kind="hidden", value=level or "") for name, level in gates.strata.items()
    )
    form = form_of(RandomizeAsReadBack, *read_back, fixed={"subject": subject})
    return ask_page(
        request, actor, form, title=f"Randomize {subject}", button="Yes, randomize", template="randomize",
        then=reverse("kit", args=[subject]), said="Randomized.", back=reverse("subject", args=[subject]),
        crumbs=crumbs_of(subject), told=told,
    )  # fmt: skip


def kit(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """The code to hand out, in large digits, and on paper."""
    thing = subject_seen(actor, subject)
    if thing["kit"] is None:
        raise Http404
    return show(request, "kit", {"subject": thing, "crumbs": crumbs_of(subject)})


def correct_stratum(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """The stratum that a randomized patient is really in; the one used stays."""
    thing = subject_seen(actor, subject)
    spec = running_trial().protocol.spec
    factors = spec.randomization.strata if spec.randomization else ()
    form = form_of(
        CorrectStratum,
        *(
            Input(
                f"actual.{name}", spec.covariates[name].label, "choice", is_required=False,
                choices=tuple((level, level) for level in spec.covariates[name].levels),
                value=str(thing[f"stratum_actual.{name}"] or ""),
                hint=f"Used at randomization: {thing[f'stratum.{name}']}",
            )
            for name in factors
        ),
        _WHY,
        fixed={"subject": subject},
    )  # fmt: skip
    return ask_page(
        request,
        actor,
        form,
        title=f"Stratum of {subject}",
        then=reverse("subject", args=[subject]),
        lead="The stratum used, the allocation and its code stay as they are; both strata are exported.",
        said="The actual stratum is recorded.",
        crumbs=crumbs_of(subject),
    )
