"""E4 and M3 on the record: what a member's page holds, and what of others' sites and cases nobody sees."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flarefree.conduct.adjudication.cases import Case
from flarefree.conduct.adjudication.dossier import AllowList
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.visibility import Actor
from flarefree.conduct.withdrawals import Ending
from flarefree.errors import ConductError
from flarefree.web.checks.committee_trial import (
    KEEPER,
    MEMBERS,
    START,
    ask,
    committee_trial,
    member,
    plant,
    queue_now,
    release_cases,
)
from flarefree.web.commands.adjudication import AskAboutDossier
from flarefree.web.commands.adjudication_closing import SendNote
from flarefree.web.commands.adjudication_keeping import AnswerAboutDossier
from flarefree.web.commands.base import Command
from flarefree.web.queries.committee import board, desk
from flarefree.web.queries.dossiers import DossierPage, dossier_page, prepared_dossier
from flarefree.web.queries.seeing import see_things
from flarefree.web.record.reading import read_things
from flarefree.web.trial import running_trial

__all__ = ["CHECKS", "check_apart", "check_dossiers"]

FIELDS = frozenset(
    {"number", "question", "definition", "day", "last_day", "patient", "values", "records", "notes"}
)
"""All that a dossier is made of."""
_TOKEN = "zqx"
_MEMBERS_THINGS = frozenset({"case", "vote", "dossier_query", "protocol"})
_KEPT = frozenset({"subject", "site", "kind", "level", "basis", "assigned_to", "state", "copy_of"})


def check_dossiers(quick: bool) -> Iterator[Evidence]:
    """E4: pages of all cases, where every forbidden thing was planted beside what they are made of."""
    with TemporaryDirectory() as folder, committee_trial(Path(folder), patients=9 if quick else 60):
        release_cases()
        cases = [case for case in queue_now().cases if case.number]
        planted = sum(_plant_beside(case, n) for n, case in enumerate(cases))
        pages = {c.number: (c, dossier_page(member(c.round.assigned[0]), c.number)) for c in cases}
        told = {number: _text(page) for number, (_, page) in pages.items()}
        leaks = sum(_TOKEN in text.casefold() for text in told.values())
        yield Evidence(f"pages of {len(pages)} with any of {planted} planted values", 0, leaks, not leaks)
        yield from _who_and_when(pages, told)
        yield from _listed(pages)
        yield from _through_queries(cases)
        yield from _texts(cases)


def _plant_beside(case: Case, n: int) -> int:
    """Events, troughs, kits, doses, guesses and reasons of the case's own patient, each with a token."""
    of = {"subject": case.subject, "site": case.site}
    told: dict[str, tuple[str, Mapping[str, Any]]] = {
        "adverse_event": ("adverse_events.record", {"term": "E", "start": "2024-05-01", "severity": "S"}),
        "lab": ("labs.trough_shown", {"test": "TACROL", "value": "V", "unit": "U", "date": "2024-05-01"}),
        "dispensing": ("dispensing.record", {"kit": "K", "date": "2024-02-01"}),
        "instruction": ("doses.instruction", {"text": "I", "from": "2024-02-01"}),
        "withdrawal": (
            "withdrawals.record",
            {"what": Ending.DRUG.value, "reason": "R", "date": "2024-06-01"},
        ),
        "visit": ("free_text.site", {"words": "W"}),
        "finding": ("findings.record", {"message": "M", "status": "open"}),
        "medical_history": ("medications.record", {"term": "H", "date": "2020-01-01"}),
        "verdict": ("investigator.verdict", {"says": "O"}),
    }
    things = [
        (kind, f"{_TOKEN}.{n}.{kind}", field, {**of, **{k: _marked(v) for k, v in values.items()}})
        for kind, (field, values) in told.items()
    ]
    things.append(("subject", case.subject, "subject.characteristics", {"induction_drug": f"{_TOKEN}ind"}))
    plant(case.subject, *things, request=f"beside {n}", at=START)
    return len(things)


def _marked(value: str) -> str:
    return f"{_TOKEN}{value}" if len(value) == 1 else value


def _text(page: DossierPage) -> str:
    return json.dumps(asdict(page), default=str, ensure_ascii=False)


def _who_and_when(
    pages: Mapping[str, tuple[Case, DossierPage]], told: Mapping[str, str]
) -> Iterator[Evidence]:
    named = sum(case.subject in told[number] for number, (case, _) in pages.items())
    yield _is("pages that name the patient", 0, named)
    yield _is("pages with a date of the calendar", 0, sum("2024-" in text for text in told.values()))
    arms = {a.label for a in running_trial().protocol.spec.arms.values()}
    yield _is("pages with an arm's name", 0, sum(arm in text for arm in arms for text in told.values()))
    late = sum(
        point.day > case.last_day for case, page in pages.values() for s in page.series for point in s.points
    )
    yield _is("values after the last day that the dossier tells of", 0, late)


def _listed(pages: Mapping[str, tuple[Case, DossierPage]]) -> Iterator[Evidence]:
    protocol = running_trial().protocol
    fields = {name for _, page in pages.values() for name in page.dossier.to_dict()}
    yield Evidence(
        "fields of a dossier", ", ".join(sorted(FIELDS)), ", ".join(sorted(fields)), fields == FIELDS
    )
    unlisted = sum(
        line.measure not in AllowList.of(protocol, case.endpoint).measures
        for case, page in pages.values()
        for line in page.dossier.values
    )
    n = sum(len(page.dossier.values) for _, page in pages.values())
    yield Evidence(f"values of {n} that the allow-list does not name", 0, unlisted, n > 0 and not unlisted)
    labels = {protocol.spec.covariates[name].label for name in protocol.spec.adjudication.dossier.covariates}
    others = {label for _, page in pages.values() for label, _ in page.dossier.patient} - labels
    yield _is("characteristics that it does not name", 0, len(others))
    flares = [page for case, page in pages.values() if case.endpoint == "renal_flare"]
    whole = sum({s.measure for s in page.series} >= {"creatinine", "upcr"} for page in flares)
    yield Evidence(
        "flares with the measures that the sentence reads", len(flares), whole, whole == len(flares) > 0
    )


def _through_queries(cases: list[Case]) -> Iterator[Evidence]:
    """Beside the page: everything that a member can ask the record for."""
    subjects = {case.subject for case in cases}
    for name in MEMBERS:
        seen = see_things(member(name))
        kinds = sorted({item.kind for item in seen} - _MEMBERS_THINGS)
        yield _is(f"kinds that {name} sees beside cases, votes and questions", "", " ".join(kinds))
        kept = {fact for item in seen for fact in item.facts} & _KEPT
        named = sum(item.subject in subjects for item in seen)
        yield _is(f"patients, and values of the keeper's, that {name} sees", 0, len(kept) + named)


def _texts(cases: list[Case]) -> Iterator[Evidence]:
    case = cases[0]
    site = Actor("ines", "investigator", frozenset({case.site}))
    words = ("the patient was on tacrolimus", "kit 4711", "azathioprin 100 mg", "M M F stopped")
    for text in words:
        letter = SendNote(subject=case.subject, title="Letter", on="2024-02-10", text=text)
        ask(site, letter, days=1)
    clean = SendNote(subject=case.subject, title="Biopsy", on="2024-02-10", text="Class IV, active lesions.")
    ask(site, clean, days=1)
    notes = prepared_dossier(KEEPER, case.number).dossier.notes
    yield _is("texts that could tell the arm, held back", len(words), len(board(KEEPER).held))
    yield _is("texts shown", "Class IV, active lesions.", " ".join(note.text for note in notes))
    reader = member(case.round.assigned[0])
    query = str(ask(reader, AskAboutDossier(case=case.number, text="A repeat?"), days=1).result["query"])
    yield _refused(
        "an answer that could tell the arm", KEEPER, AnswerAboutDossier(query=query, text="on MMF then")
    )


def _refused(what: str, actor: Actor, command: Command) -> Evidence:
    try:
        ask(actor, command, days=2)
    except ConductError as error:
        return Evidence(what, "refused", f"refused: {error.what}", True)
    return Evidence(what, "refused", "done", False)


# M3 -----------------------------------------------------------------------------------------------


def check_apart(quick: bool) -> Iterator[Evidence]:
    """M3: nobody of a site sees another site's rows; nobody judges a case of their own site."""
    with TemporaryDirectory() as folder, committee_trial(Path(folder), patients=9 if quick else 60):
        release_cases()
        cases = {case.number: case for case in queue_now().cases if case.number}
        yield from _sites()
        yield from _judges(cases)


def _sites() -> Iterator[Evidence]:
    whole = read_things()
    sites = sorted({item.site for item in whole if item.subject})
    kinds = {item.kind for item in whole if item.subject}
    for role in ("investigator", "site_staff", "pharmacist", "monitor"):
        others = mine = 0
        for site in sites:
            seen = [i for i in see_things(Actor("ines", role, frozenset({site}))) if i.subject or i.site]
            others += sum(item.site != site for item in seen)
            mine += len(seen)
        what = f"{role}: rows of other sites, of {len(sites)} sites and {len(kinds)} kinds"
        yield Evidence(what, 0, others, not others and mine > 0)


def _judges(cases: Mapping[str, Case]) -> Iterator[Evidence]:
    seen = own = opened = tried = 0
    for name, site in MEMBERS.items():
        mine = {d.number for d in desk(member(name))}
        seen += len(mine)
        own += sum(cases[number].site == site for number in mine if site)
        for number in cases.keys() - mine:
            tried += 1
            opened += not _is_nothing(name, number)
    yield _is("cases on members' desks, two for each case", 2 * len(cases), seen)
    at_sites = sum(case.site in MEMBERS.values() for case in cases.values())
    yield Evidence(f"cases of {at_sites} at members' sites that lie on their own desk", 0, own,
                   not own and at_sites > 0)  # fmt: skip
    yield Evidence(f"others' dossiers opened, of {tried} tries", 0, opened, not opened and tried > 0)
    absent = _said(next(iter(MEMBERS)), "99999")
    there = next(n for n in cases if not any(d.number == n for d in desk(member(next(iter(MEMBERS))))))
    yield _is("the words for another's case and for none", absent, _said(next(iter(MEMBERS)), there))


def _is_nothing(name: str, number: str) -> bool:
    return _said(name, number) == "there is nothing here for you"


def _said(name: str, number: str) -> str:
    try:
        dossier_page(member(name), number)
    except ConductError as error:
        return error.what
    return "shown"


def _is(what: str, expected: str | int | bool, found: str | int | bool) -> Evidence:
    return Evidence(what, expected, found, found == expected)


CHECKS = (
    Check("E4", "Dossiers as members see them, with forbidden things planted beside", check_dossiers),
    Check("M3", "Sites apart, and no case on the desk of its own site", check_apart,
          left="addresses of pages: that each page asks these queries is for the tests of pages to show"),
)  # fmt: skip
