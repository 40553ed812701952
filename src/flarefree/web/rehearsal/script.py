"""What happens in a rehearsal, when and by whom: a virtual patient's rows become the acts of people.

A step is one command by one person at one moment.  Steps of all patients, put in order of time, are the
script; what the application answers to (queries, cases before the committee) is improvised by the director.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, time, timedelta
from typing import TYPE_CHECKING, Any

from flarefree.conduct.schedule import Due, dues_of
from flarefree.conduct.withdrawals import Ending, Participation, reasons_of
from flarefree.studytime import study_day
from flarefree.web.rehearsal.patients import Candidate, Course, Pool, Row, moved

if TYPE_CHECKING:
    from flarefree.conduct.randomization.lists import ListSet
    from flarefree.protocol.loaded import LoadedProtocol

__all__ = [
    "HOUR", "Enrolled", "Ref", "Step", "enroll_all", "lot",
    "reason_of", "screen_failure", "script_of", "suspicion_of", "truths_of",
]  # fmt: skip

HOUR = time(12, tzinfo=UTC)
"""When the day's acts begin: at this hour every site has the same date."""
SCREENED_BEFORE = timedelta(days=7)
_FAILS_EVERY = 11  # of those who come, one more who does not get in
_FAILS_AFTER, _FAILS_AGED = timedelta(days=2), 34
_ATTEMPT_DAYS = (14, 7, 0)
_LOST = "LOST TO FOLLOW-UP"
_WEIGHED_ANEW_KG = 5.0
_BACK_AFTER_DAYS = 12  # of at most 14


@dataclass(frozen=True, slots=True)
class Ref:
    """A value of an earlier step's result: `Ref("med-3", "medication")`."""

    step: str
    name: str


@dataclass(frozen=True)
class Step:
    """One command by one person.

    Attributes
    ----------
    day : date
    rank : int
        Order among the acts of a day.
    role, site : str
        Who; a site's own people where it is a site's.
    command : str
    content : mapping
        As the API takes it; a `Ref` stands for what an earlier step gave.
    id : str
        The request's id, unique in the rehearsal.
    subject : str
    """

    day: date
    rank: int
    role: str
    site: str
    command: str
    content: Mapping[str, Any]
    id: str
    subject: str = ""


@dataclass(frozen=True)
class Enrolled:
    """A candidate who is randomized in the script: number, code and arm as the lists will give them.

    Attributes
    ----------
    subject, kit, arm : str
    candidate : Candidate
    course : Course
        Moved to this patient's name, site and dates.
    """

    subject: str
    kit: str
    arm: str
    candidate: Candidate
    course: Course


def enroll_all(
    candidates: Sequence[Candidate], pool: Pool, lists: ListSet, *, courses_by: ListSet | None = None
) -> tuple[tuple[Enrolled, ...], tuple[tuple[str, Candidate], ...]]:
    """Everybody who enters, with the course of their arm; and who fails screening.

    Parameters
    ----------
    candidates : sequence of Candidate
        In order of their days: each stratum's slots are given in this order.
    pool : Pool
    lists : ListSet
    courses_by : ListSet, optional
        Lists by which courses are chosen, where they are to be the same whatever the arms (B1).

    Returns
    -------
    enrolled : tuple of Enrolled
    failed : tuple of (subject, Candidate)
    """
    used: dict[tuple[str, ...], int] = {}
    numbers: dict[str, int] = {}
    arms = tuple(lists.plan.arms)
    enrolled, failed = [], []
    # Of one day, in the order of sites: so the script has them, and slots and numbers are given in its order.
    for n, one in enumerate(sorted(candidates, key=lambda one: (one.day_one, one.site))):
        if n % _FAILS_EVERY == _FAILS_EVERY - 1:
            failed.append((_next_number(numbers, one.site), one))
        subject = _next_number(numbers, one.site)
        slot = used.get(one.stratum, 0)
        used[one.stratum] = slot + 1
        own = lists.list_of(one.stratum)
        chosen = (courses_by or lists).list_of(one.stratum)
        assert own is not None and chosen is not None  # lists are drawn for every stratum
        course = pool.take(one.stratum, arms[chosen.entries[slot]])
        enrolled.append(
            Enrolled(subject, own.codes[slot], arms[own.entries[slot]], one, moved(course, subject, one))
        )
    return tuple(enrolled), tuple(failed)


def _next_number(numbers: dict[str, int], site: str) -> str:
    numbers[site] = numbers.get(site, 0) + 1
    return f"{site}-{numbers[site]:03d}"


def script_of(
    protocol: LoadedProtocol,
    enrolled: Sequence[Enrolled],
    failed: Sequence[tuple[str, Candidate]],
    *,
    consent: str,
) -> tuple[Step, ...]:
    """All steps in the order of time; of one day, by rank, site and number."""
    steps: list[Step] = []
    for one in enrolled:
        steps += _Patient(protocol, one, consent).steps()
    for subject, candidate in failed:
        steps += _failing(subject, candidate, consent)
    return tuple(sorted(steps, key=lambda step: (step.day, step.rank, step.site, step.subject)))


def _failing(subject: str, candidate: Candidate, consent: str) -> Iterator[Step]:
    """Somebody who is screened and does not want to, or may not, go on."""
    day = candidate.day_one - SCREENED_BEFORE

    def step(on: date, rank: int, command: str, **content: Any) -> Step:
        role = "investigator" if command == "fail_screening" else "site_staff"
        return Step(on, rank, role, candidate.site, command, content, f"{subject}-{command}", subject)

    born = day.year - _FAILS_AGED
    yield step(day, 0, "screen_subject", site=candidate.site, sex="F", birth_year=born)
    yield step(day, 1, "record_consent", subject=subject, version=consent, given_on=day.isoformat())
    yield step(
        day + _FAILS_AFTER, 2, "fail_screening", subject=subject, reason="No response during induction"
    )


def screen_failure(like: Course, subject: str, candidate: Candidate) -> Course:
    """Somebody who fails screening, as rows: who they are, and that they did not get in.

    `like` is anybody's course: it says which variables there are.
    """
    ended = (candidate.day_one - SCREENED_BEFORE + _FAILS_AFTER).isoformat()
    known = {
        "RFPENDTC": ended, "USUBJID": subject, "SUBJID": subject,
        "SITEID": candidate.site, "COUNTRY": candidate.country,
        "SEX": "F", "AGE": str(_FAILS_AGED), "AGEU": "YEARS",
    }  # fmt: skip
    of_study = {name: like.person[name] for name in ("STUDYID", "DOMAIN")}
    person = {**dict.fromkeys(like.person, ""), **of_study, **known}
    end = {
        **like.tables["ds"][0], "USUBJID": subject,
        "DSTERM": "SCREEN FAILURE", "DSDECOD": "SCREEN FAILURE",
        "EPOCH": "SCREENING", "DSSTDTC": ended,
    }  # fmt: skip
    tables = {"dm": (person,), "ds": (end,)}
    return Course(subject, candidate.site, "", candidate.stratum, candidate.day_one, tables)


@dataclass(frozen=True)
class _Patient:
    """One patient's way through the trial, as steps."""

    protocol: LoadedProtocol
    one: Enrolled
    consent: str

    def steps(self) -> Iterator[Step]:
        yield from self._screening()
        yield from self._day_one()
        yield from self._doses()
        yield from self._visits()
        yield from self._events()
        yield from self._medications()
        yield from self._contacts()
        yield from self._ending()

    # Parts ------------------------------------------------------------------------------------------

    @property
    def course(self) -> Course:
        return self.one.course

    @property
    def day_one(self) -> date:
        return self.one.candidate.day_one

    @property
    def end(self) -> date:
        found = self.course.day(self.course.tables["ds"][0], "DSSTDTC")
        assert found is not None  # every virtual patient's end is dated
        return found

    @property
    def how(self) -> str:
        return str(self.course.tables["ds"][0]["DSDECOD"])

    def _step(self, when: date, rank: int, role: str, command: str, own: str = "", /, **content: Any) -> Step:
        content = {"subject": self.one.subject, **content}
        return Step(
            when, rank, role, self.one.candidate.site, command, content,
            f"{self.one.subject}-{command}{own}", self.one.subject,
        )  # fmt: skip

    def _screening(self) -> Iterator[Step]:
        day, person, subject = self.day_one - SCREENED_BEFORE, self.course.person, self.one.subject
        age = int(float(person["AGE"]))
        told = {
            "race": person["RACE"],
            "ethnicity": person["ETHNIC"],
            "region": person["REGION1"],
            "age": str(age),
            **{name: value for name, value in self.course.others.items() if value},
        }
        site = self.one.candidate.site
        content = {"site": site, "sex": person["SEX"], "birth_year": day.year - age, "characteristics": told}
        yield Step(day, 0, "site_staff", site, "screen_subject", content, f"{subject}-screen", subject)
        yield self._step(
            day, 1, "site_staff", "record_identity", full_name=f"Virtual Patient {subject}",
            contact="a telephone that nobody answers",
        )  # fmt: skip
        yield self._step(
            day, 1, "site_staff", "record_consent", version=self.consent, given_on=day.isoformat()
        )

    def _day_one(self) -> Iterator[Step]:
        day = self.day_one
        yield self._step(day, 3, "investigator", "record_eligibility", confirmed={"response": True})
        yield self._step(day, 4, "investigator", "randomize_subject")

    def _doses(self) -> Iterator[Step]:
        """Kits at every planned visit; a cut or an interruption here and there; the end."""
        weights = [(row["VSDTC"], row["VSORRES"]) for row in self.course.tables.get("vs", ())]
        day, weight = self.day_one, dict(weights)[self.day_one.isoformat()]
        yield self._step(day, 5, "investigator", "start_doses", on=day.isoformat(), weight_kg=weight)
        last = float(weight)
        for written, found in weights[1:]:
            on = date.fromisoformat(written)
            if on < self.end and abs(float(found) - last) >= _WEIGHED_ANEW_KG:
                last = float(found)
                yield self._step(
                    on, 4, "investigator", "weigh_patient", f"-{written}", on=written, weight_kg=found
                )
        for row in self.course.tables.get("sv", ()):
            on = date.fromisoformat(row["SVSTDTC"])
            if on < self.end or on == self.day_one:
                yield self._step(
                    on, 7, "pharmacist", "dispense_kit", f"-{row['SVSTDTC']}", kit=self.one.kit,
                    dispensed_on=row["SVSTDTC"],
                )  # fmt: skip
        yield from self._changes()
        if self.end > self.day_one:
            yield self._step(self.end, 9, "investigator", "end_doses", on=self.end.isoformat())

    def _changes(self) -> Iterator[Step]:
        """The first event for which a dose was reduced; in every other patient it is interrupted."""
        events = self.course.tables.get("ae", ())
        first = next((row for row in events if row["AEACN"] == "DOSE REDUCED"), None)
        if first is None:
            return
        begin = self.course.day(first, "AESTDTC")
        if begin is None or not self.day_one < begin < self.end - timedelta(days=_BACK_AFTER_DAYS):
            return
        back = begin + timedelta(days=_BACK_AFTER_DAYS)
        if int(self.one.kit) % 2:
            down, up = {"step": 1, "why": "ADVERSE_EVENT"}, {"step": 0, "why": "RECOVERED"}
            yield self._dose(begin, "set_dose_step", "-down", **down)
            yield self._dose(back, "set_dose_step", "-up", **up)
        else:
            yield self._dose(begin, "interrupt_doses", "", temporary=1, why="ADVERSE_EVENT")
            yield self._dose(back, "resume_doses", "", step=0)

    def _dose(self, on: date, command: str, own: str, **content: Any) -> Step:
        return self._step(on, 5, "investigator", command, own, on=on.isoformat(), **content)

    def _visits(self) -> Iterator[Step]:
        names = _visit_names(self.protocol)
        visits: dict[tuple[str, date], list[dict[str, str]]] = {}
        for row in self.course.tables.get("sv", ()):
            visits.setdefault(_visit_of(row, row["SVSTDTC"]), [])
        for domain in ("lb", "vs", "qs"):
            for row in self.course.tables.get(domain, ()):
                where = _visit_of(row, row[f"{domain.upper()}DTC"])
                visits.setdefault(where, []).append(_value(self.protocol, row, domain.upper()))
        for (written, on), values in sorted(visits.items(), key=lambda item: item[0][1]):
            visit = names.get(written, "Unscheduled")
            own = f"-{on.isoformat()}"
            when = {"date": on.isoformat()} if visit == "Unscheduled" else {}
            yield self._step(
                on, 2, "site_staff", "record_visit", own, visit=visit, date=on.isoformat(), values=values
            )
            yield self._step(on, 6, "investigator", "sign_visit", own, visit=visit, **when)
            if visit == self.protocol.spec.schedule.visits[0].name:
                yield self._step(on + timedelta(days=10), 7, "monitor", "verify_visit", own, visit=visit)

    def _events(self) -> Iterator[Step]:
        for n, row in enumerate(self.course.tables.get("ae", ())):
            begin, end = self.course.day(row, "AESTDTC"), self.course.day(row, "AEENDTC")
            if begin is None:
                continue
            yield self._step(
                max(begin, end or begin), 8, "site_staff", "record_adverse_event", f"-{n}",
                **_adverse_event(row),
            )  # fmt: skip
        for n, row in enumerate(self.course.tables.get("pr", ())):
            end = self.course.day(row, "PRENDTC") or self.course.day(row, "PRSTDTC")
            assert end is not None  # dialysis of virtual patients is dated
            yield self._step(
                end, 8, "site_staff", "record_procedure", f"-{n}", procedure=row["PRTRT"],
                start=row["PRSTDTC"], end=row["PRENDTC"] or None, category=row["PRCAT"],
            )  # fmt: skip
        for n, row in enumerate(self.course.tables.get("ce", ())):
            on = self.course.day(row, "CESTDTC")
            endpoint = suspicion_of(self.protocol, row["CETERM"])
            assert on is not None and endpoint  # virtual investigators suspect what the protocol names
            yield self._step(
                on, 8, "investigator", "record_verdict", f"-{n}", endpoint=endpoint, date=on.isoformat()
            )

    def _medications(self) -> Iterator[Step]:
        for n, row in enumerate(self.course.tables.get("cm", ())):
            begin, end = self.course.day(row, "CMSTDTC"), self.course.day(row, "CMENDTC")
            if begin is None:
                continue
            # What was taken before somebody came is told at the first visit after randomization.
            told = max(begin, self.day_one)
            content = _medication(row)
            first = self._step(told, 5, "site_staff", "record_medication", f"-{n}", **content)
            yield first
            if end is not None:
                key = Ref(first.id, "medication")
                yield Step(
                    max(end, told), 9, "site_staff", self.one.candidate.site, "correct_medication",
                    {"key": key, "end": end.isoformat(), "reason": "stopped"},
                    f"{self.one.subject}-stop_medication-{n}", self.one.subject,
                )  # fmt: skip

    def _contacts(self) -> Iterator[Step]:
        spec = self.protocol.spec
        # Who is lost is not reached between the attempts that are made in vain.
        silent = timedelta(days=max(_ATTEMPT_DAYS) if self.how == _LOST else 0)
        for due in dues_of(spec, self.day_one, Participation()):
            is_call = due.kind == "contact" and due.name.startswith("Telephone")
            if is_call and due.due < self.end - silent:
                yield self._contact(due, due.due)

    def _contact(self, due: Due, on: date) -> Step:
        own = f"-{due.name.replace(' ', '-')}"
        return self._step(
            on, 5, "site_staff", "record_contact", own, contact=due.name, date=on.isoformat(), reached=True
        )

    def _ending(self) -> Iterator[Step]:
        end, how, word = self.end, self.how, self.end.isoformat()
        if how == "COMPLETED":
            yield self._step(end, 10, "investigator", "complete_study")
        elif how == "DEATH":
            yield self._step(
                end, 10, "investigator", "record_vital_status", date=word, status="dead", death_date=word,
                source="the family",
            )  # fmt: skip
        elif how in ("WITHDRAWAL BY SUBJECT", "WITHDRAWAL OF CONSENT"):
            yield self._step(end, 10, "investigator", "withdraw_consent", withdrawn_on=word)
        else:
            if how == _LOST:
                yield from self._attempts()
            reason = reason_of(self.protocol, how)
            yield self._step(end, 10, "investigator", "leave_study", date=word, reason=reason)

    def _attempts(self) -> Iterator[Step]:
        for before in _ATTEMPT_DAYS:
            on = max(self.end - timedelta(days=before), self.day_one)
            yield self._step(
                on, 9, "site_staff", "record_contact", f"-in-vain-{before}", date=on.isoformat(),
                reached=False,
            )  # fmt: skip


# Rows as content ----------------------------------------------------------------------------------


def _visit_names(protocol: LoadedProtocol) -> dict[str, str]:
    schedule = protocol.spec.schedule
    names = [*(visit.name for visit in schedule.visits), *(visit.name for visit in schedule.at_events)]
    return {name.upper(): name for name in names}


def _visit_of(row: Row, on: str) -> tuple[str, date]:
    return row["VISIT"], date.fromisoformat(on)


def _value(protocol: LoadedProtocol, row: Row, domain: str) -> dict[str, str]:
    from flarefree.web.forms.meanings import measure_of_test

    measure = measure_of_test(protocol, row[f"{domain}TESTCD"])
    return {"measure": measure, "value": row[f"{domain}ORRES"], "unit": row[f"{domain}ORRESU"]}


_ACTIONS = {"DOSE NOT CHANGED": "none", "DOSE REDUCED": "dose reduced", "DRUG WITHDRAWN": "drug stopped"}


def _adverse_event(row: Row) -> dict[str, Any]:
    is_fatal = row["AESDTH"] == "Y"
    serious = ("death",) if is_fatal else ("hospitalization",) if row["AESER"] == "Y" else ()
    return {
        "verbatim": row["AETERM"],
        "term": row["AEDECOD"],
        "body_system": row["AEBODSYS"],
        "start": row["AESTDTC"],
        "end": row["AEENDTC"] or None,
        "severity": "fatal" if is_fatal else row["AESEV"].lower(),
        "serious_because": serious,
        "action": _ACTIONS.get(row["AEACN"], "unknown"),
        "outcome": "fatal" if is_fatal else "recovered",
        "caused_withdrawal": row["AEACN"] == "DRUG WITHDRAWN",
    }


def _medication(row: Row) -> dict[str, Any]:
    dose = f"{float(row['CMDOSE']):g}" if row["CMDOSE"] else None
    is_prednisone = row["CMDECOD"].casefold() == "prednisone"
    return {
        "drug": row["CMTRT"],
        "start": row["CMSTDTC"],
        "dose": dose,
        "unit": row["CMDOSU"] if dose else "",
        "route": row["CMROUTE"],
        "frequency": row["CMDOSFRQ"],
        "indication": row["CMINDC"],
        "prednisone_mg": dose if is_prednisone else None,
    }


def suspicion_of(protocol: LoadedProtocol, term: str) -> str:
    """The adjudicated endpoint that reads this suspicion."""
    plain = term.casefold()
    for name, endpoint in protocol.spec.endpoints.items():
        if endpoint.adjudicated and "clinical_event" in endpoint.when and endpoint.label.casefold() in plain:
            return name
    return ""


def reason_of(protocol: LoadedProtocol, coded: str) -> str:
    """The protocol's word for a coded reason; what has none is another reason."""
    found = reasons_of(protocol.spec, Ending.STUDY)
    return next((reason for reason, terms in found.items() if coded in terms), "Other")


def truths_of(one: Enrolled) -> dict[tuple[str, int], bool]:
    """What the virtual trial's committee said, by endpoint and study day."""
    found = {}
    for row in one.course.tables.get("decisions", ()):
        day = study_day(date.fromisoformat(row["event_date"]), one.candidate.day_one)
        found[row["endpoint"], day] = row["is_confirmed"] == "Y"
    return found


def lot(seed: int, *of: str) -> float:
    """A number from 0 to 1 that depends on nothing but what it is of."""
    drawn = hashlib.sha256("\x1f".join((str(seed), *of)).encode()).digest()
    return int.from_bytes(drawn[:7]) / 2.0**56
