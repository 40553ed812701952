"""The end of a rehearsal: locked, released by two holders, exported, analyzed, compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flarefree.conduct.audit import anchor_log
from flarefree.conduct.audit.anchors import links_of
from flarefree.conduct.detecting import Detector, Level
from flarefree.conduct.visibility import Actor
from flarefree.conduct.withdrawals import CONSENT_TERMS, Ending, reasons_of
from flarefree.web.rehearsal.comparing import Compared, compare_analyses, compare_derivations
from flarefree.web.rehearsal.patients import Candidate, Course, Row, write_direct_study
from flarefree.web.rehearsal.script import Enrolled, reason_of, screen_failure, suspicion_of, truths_of

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol
    from flarefree.web.rehearsal.rehearsing import Director
    from flarefree.web.rehearsal.setting_up import Keys

__all__ = ["anchor", "close_trial", "compare_directly", "export_and_key", "write_direct"]


def close_trial(director: Director, keys: Keys) -> None:
    """From the last patient's last visit to the released key.

    Raises
    ------
    RehearsalError, ConductError
        A gate is closed: somebody is not followed up, a query or case is open.
    """
    people = director.people
    director.ask(people["sofia"], "close_randomization", {"reason": "all patients are in"})
    director.ask(people["dario"], "lock_adjudication", {})
    anchor(director, keys)
    director.ask(people["dario"], "lock_trial", {"reason": "the data are complete"})
    anchor(director, keys)
    for name, share in zip(("kira", "karl"), keys.shares, strict=True):
        told = {"share": share.hex(), "reason": "the data are locked, the plan is recorded"}
        director.ask(people[name], "present_share", told)
    anchor(director, keys)
    director.ask(people["kira"], "unblind_trial", {"reason": "both shares were presented"})


def anchor(director: Director, keys: Keys) -> None:
    """The keeper outside signs where the log stands; the reviewer of the log brings it back."""
    from flarefree.web.people.anchors import read_anchors
    from flarefree.web.record.models import LogRow
    from flarefree.web.record.reading import read_head

    before = read_anchors()
    begin = before[-1].length if before else 0
    rows = LogRow.objects.filter(number__gte=begin).order_by("number")
    head = read_head()
    assert head is not None  # the trial was set up
    last = before[-1] if before else None
    links = links_of(row.to_entry() for row in rows.iterator())
    signed = anchor_log(head.chain, last, links, at=director.clock.tick(), signing_key=keys.keeper_key)
    director.ask(director.people["aude"], "anchor_log", signed.to_dict())


def export_and_key(director: Director, folder: Path, key: Path) -> int:
    """The study folder and the key file, as the statistician gets them; how many patients are in it."""
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.release import fetch_key_file
    from flarefree.web.exporting import export_study

    person = director.people["bertil"]
    actor = Actor(person.name, person.role)
    at: datetime = director.clock.tick()
    key.write_bytes(fetch_key_file(Asked(actor, "rehearsal-key-file", at)))
    director.clock.tick()
    return export_study(actor, folder, request="rehearsal-export").patients


# The same patients, directly ----------------------------------------------------------------------


def write_direct(
    folder: Path,
    protocol: LoadedProtocol,
    enrolled: Sequence[Enrolled],
    failed: Sequence[tuple[str, Candidate]] = (),
) -> Path:
    """The patients' rows as a study, with what the same committee says of what the same rule finds there.

    The detector looks once, at the finished data: whatever order of visits, corrections and meetings there
    was in the conducted trial, it must come out alike.
    """
    from flarefree.readers.study_folder import read_study

    named = str(protocol.spec.name)
    courses = tuple(_as_coded(protocol, one.course) for one in enrolled)
    screened = tuple(screen_failure(courses[0], *one) for one in failed)
    write_direct_study(folder, named, (*courses, *screened))
    decisions = _decisions(protocol, enrolled, read_study(folder))
    _write_decisions(folder, decisions)
    return folder


def _as_coded(protocol: LoadedProtocol, course: Course) -> Course:
    """The end of participation in the first of the protocol's terms for its reason, as forms have it."""
    kept = ("DEATH", *protocol.spec.withdrawals.completed)

    def coded(row: Row) -> Row:
        term = row["DSDECOD"]
        if term in CONSENT_TERMS:
            return {**row, "DSDECOD": CONSENT_TERMS[1]}
        reason = reason_of(protocol, term)
        return row if term in kept else {**row, "DSDECOD": reasons_of(protocol.spec, Ending.STUDY)[reason][0]}

    ends = tuple(coded(row) for row in course.tables["ds"])
    return replace(course, tables={**course.tables, "ds": ends})


def _decisions(protocol: LoadedProtocol, enrolled: Sequence[Enrolled], study: Any) -> list[dict[str, str]]:
    from datetime import UTC

    detector = Detector(protocol)
    found = detector.detect(study, datetime(2000, 1, 1, tzinfo=UTC)).candidates
    truths = {one.subject: truths_of(one) for one in enrolled}
    met: dict[tuple[str, str], list[int]] = {}
    for one in found:
        if one.level is Level.MET:
            met.setdefault((one.subject, one.endpoint), []).append(one.day)
    rows = []
    for one in found:
        near = met.get((one.subject, one.endpoint), ())
        is_near = any(abs(day - one.day) <= detector.same_event_days for day in near)
        said = truths[one.subject].get((one.endpoint, one.day), one.level is Level.MET)
        if one.level is not Level.MET and not said and is_near:
            continue  # it is the rule's own event that the analysis would take this refusal for
        rows.append(_row(one.subject, one.endpoint, "committee", said, str(one.date)))
    return rows + [row for one in enrolled for row in _words(protocol, one)]


def _words(protocol: LoadedProtocol, one: Enrolled) -> list[dict[str, str]]:
    """What investigators suspected."""
    return [
        _row(one.subject, suspicion_of(protocol, row["CETERM"]), "investigator", True, row["CESTDTC"])
        for row in one.course.tables.get("ce", ())
    ]


def _row(subject: str, endpoint: str, reader: str, said: bool, on: str) -> dict[str, str]:
    return {
        "subject": subject,
        "endpoint": endpoint,
        "reader": reader,
        "is_confirmed": "Y" if said else "N",
        "event_date": on,
        "decided_date": "",
    }


def _write_decisions(folder: Path, rows: list[dict[str, str]]) -> None:
    import polars as pl

    names = ("subject", "endpoint", "reader", "is_confirmed", "event_date", "decided_date")
    pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String)).write_csv(folder / "decisions.csv")


def compare_directly(study: Path, key: Path, direct: Path, protocol: LoadedProtocol) -> tuple[Compared, ...]:
    """Both folders read, derived and analyzed, and set side by side."""
    from flarefree.analysis.run import analyze
    from flarefree.readers.release_key import read_release_key, with_arms
    from flarefree.readers.study_folder import read_study, release_keys_of

    conducted = with_arms(read_study(study), read_release_key(key, release_keys_of(study)), protocol)
    one, other = analyze(read_study(direct)), analyze(conducted, protocol=protocol)
    return (*compare_derivations(one.derivation, other.derivation), *compare_analyses(one, other))
