"""Virtual patients for a trial that really randomizes: who comes is drawn first, the course goes by the arm.

A patient's course depends on the arm, which nobody knows before randomization.  So a candidate brings a
stratum, a site and a day; when the list has given an arm, the candidate takes the course of the next virtual
patient of that stratum and arm.  The vault's arm and the patient's course agree, and the same patients can be
written as a study folder and analyzed directly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from flarefree.errors import DesignError

if TYPE_CHECKING:
    import polars as pl

    from flarefree.protocol.loaded import LoadedProtocol
    from flarefree.simulation.virtual_trial import VirtualTrial

__all__ = ["Candidate", "Course", "Pool", "Row", "candidates_of", "moved", "write_direct_study"]

Row = Mapping[str, str]
Stratum = tuple[str, ...]

_CANDIDATES = 1_000_000
"""Number of the virtual trial that candidates are drawn from; courses come from trials 0, 1, 2 ..."""
_LONGEST_SEARCH = 60
_IDENTITY = ("USUBJID", "SUBJID", "subject")
_FILES = ("dm", "suppdm", "sv", "ds", "mh", "ex", "cm", "pr", "lb", "vs", "qs", "ae", "ce", "decisions")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who comes: to which site, on which day, of which stratum."""

    site: str
    country: str
    day_one: date
    stratum: Stratum


@dataclass(frozen=True)
class Course:
    """All that is recorded of one virtual patient, as rows of a study's tables.

    Attributes
    ----------
    subject : str
        Under which name the rows stand.
    site : str
    arm : str
    stratum : tuple of str
        Levels of the protocol's factors, in its order.
    day_one : date
    tables : mapping of str to tuple of rows
        By the file's name without an ending: `dm`, `lb`, `decisions`.
    """

    subject: str
    site: str
    arm: str
    stratum: Stratum
    day_one: date
    tables: Mapping[str, tuple[Row, ...]]

    @cached_property
    def person(self) -> Row:
        """The row of DM."""
        return self.tables["dm"][0]

    @cached_property
    def others(self) -> dict[str, str]:
        """Further characteristics, by the protocol's columns."""
        return {row["QNAM"].lower(): row["QVAL"] for row in self.tables.get("suppdm", ())}

    def day(self, row: Row, column: str) -> date | None:
        """A date of one of its rows; None where it is empty or partial."""
        text = row.get(column) or ""
        return date.fromisoformat(text) if len(text) == 10 else None


class Pool:
    """Virtual patients by stratum and arm; more are drawn when one of a kind runs out.

    Parameters
    ----------
    protocol : LoadedProtocol
    seed : int
    is_null : bool
        Courses that do not depend on the arm: nothing that is recorded then tells it (B1, B3).
    """

    def __init__(self, protocol: LoadedProtocol, seed: int, *, is_null: bool = False) -> None:
        self.protocol, self.seed, self.is_null = protocol, seed, is_null
        self._waiting: dict[tuple[Stratum, str], deque[Course]] = {}
        self._drawn = 0

    def take(self, stratum: Stratum, arm: str) -> Course:
        """The next patient of this stratum who got this arm.

        Raises
        ------
        DesignError
            There is none, however many are drawn: the population has no such stratum.
        """
        kind = (stratum, "" if self.is_null else arm)
        begin = self._drawn
        while not self._waiting.get(kind):
            if self._drawn - begin > _LONGEST_SEARCH:
                raise DesignError(
                    "no virtual patient is of this stratum", where=", ".join(stratum), found=arm
                )
            for course in courses_of(_drawn(self.protocol, self.seed, self._drawn)):
                own = (course.stratum, "" if self.is_null else course.arm)
                self._waiting.setdefault(own, deque()).append(course)
            self._drawn += 1
        return self._waiting[kind].popleft()


def candidates_of(protocol: LoadedProtocol, seed: int, patients: int, sites: int) -> tuple[Candidate, ...]:
    """Who comes, in the order of their days: sites by turns of the population's own centers.

    Parameters
    ----------
    patients, sites : int
        The largest centers of the virtual trial are used where it has more than that.
    """
    found: list[Candidate] = []
    trial = 0
    while len(found) < patients:
        for course in courses_of(_drawn(protocol, seed, _CANDIDATES + trial)):
            found.append(Candidate(course.site, course.person["COUNTRY"], course.day_one, course.stratum))
        trial += 1
    found.sort(key=lambda one: (one.day_one, one.site))
    # As many as are wanted, evenly over the calendar of enrollment.
    kept = [found[n * len(found) // patients] for n in range(patients)]
    return tuple(_at_sites(kept, sites))


def _at_sites(candidates: list[Candidate], sites: int) -> Iterator[Candidate]:
    count: dict[str, int] = {}
    countries = {one.site: one.country for one in candidates}
    for one in candidates:
        count[one.site] = count.get(one.site, 0) + 1
    largest = sorted(count, key=lambda site: (-count[site], site))[:sites]
    for n, one in enumerate(candidates):
        if one.site in largest:
            yield one
        else:
            site = largest[n % len(largest)]
            yield replace(one, site=site, country=countries[site])


def _drawn(protocol: LoadedProtocol, seed: int, trial: int) -> VirtualTrial:
    from flarefree.simulation.virtual_trial import draw_virtual_trial

    return draw_virtual_trial(protocol, seed=seed, trial=trial)


def courses_of(trial: VirtualTrial) -> Iterator[Course]:
    """Each patient of a virtual trial, with all of their rows."""
    from flarefree.conduct.eligibility import Screened, strata_of
    from flarefree.simulation.study_files import study_tables

    by_subject: dict[str, dict[str, list[Row]]] = {}
    for name, frame in study_tables(trial).items():
        whose = "subject" if name == "decisions" else "USUBJID"
        for row in _texts(frame):
            if row.get("AESDTH") == "Y":
                row["AESEV"] = "FATAL"  # the fifth grade, which SDTM's severity has no word for
            if "QVAL" in row:
                row["QVAL"] = _as_entered(row["QVAL"])
            by_subject.setdefault(row[whose], {}).setdefault(name, []).append(row)
    for subject, tables in by_subject.items():
        person = tables["dm"][0]
        told = {row["QNAM"].lower(): row["QVAL"] for row in tables.get("suppdm", ())}
        known = {"sex": person["SEX"], "race": person["RACE"], **told}
        strata = strata_of(trial.protocol, Screened(date.min, (), known))
        yield Course(
            subject,
            person["SITEID"],
            person["ARMCD"],
            tuple(str(level) for level in strata.values()),
            date.fromisoformat(person["RFSTDTC"]),
            MappingProxyType({name: tuple(rows) for name, rows in tables.items()}),
        )


def _as_entered(text: str) -> str:
    """A number as somebody types it: nobody gives years to the seventh decimal."""
    _, dot, decimals = text.partition(".")
    return f"{float(text):.4f}" if dot and decimals.isdigit() and len(decimals) > 4 else text


def _texts(frame: pl.DataFrame) -> list[dict[str, str]]:
    """Rows as a CSV file has them: text, and nothing for what is absent."""
    import csv
    import io

    return list(csv.DictReader(io.StringIO(frame.write_csv())))


def moved(course: Course, subject: str, candidate: Candidate) -> Course:
    """A course under another name, at another site, begun on another day; study days stay what they were."""
    by = candidate.day_one - course.day_one
    tables = {
        name: tuple(_moved_row(row, course.subject, subject, candidate, by) for row in rows)
        for name, rows in course.tables.items()
    }
    return Course(
        subject, candidate.site, course.arm, course.stratum, candidate.day_one, MappingProxyType(tables)
    )


def _moved_row(row: Row, old: str, new: str, candidate: Candidate, by: timedelta) -> Row:
    told = {}
    for name, value in row.items():
        if name in _IDENTITY:
            told[name] = new if value == old else value
        elif name.endswith(("DTC", "_date", "RANDDT")):
            told[name] = _moved_date(value, by)
        else:
            told[name] = value
    if "SITEID" in told:
        told["SITEID"], told["COUNTRY"] = candidate.site, candidate.country
    return MappingProxyType(told)


def _moved_date(text: str, by: timedelta) -> str:
    if len(text) == 10:
        return (date.fromisoformat(text) + by).isoformat()
    if len(text) == 7:  # a diagnosis, to the month
        return (date.fromisoformat(f"{text}-15") + by).isoformat()[:7]
    return text


# The same patients, directly ----------------------------------------------------------------------


def write_direct_study(folder: Path, protocol: str, courses: tuple[Course, ...]) -> Path:
    """Courses as a study folder that `flarefree analyze` takes: no application has seen these rows."""
    import polars as pl

    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name in _FILES if any(name in course.tables for course in courses)]
    for name in names:
        rows: list[dict[str, Any]] = [dict(row) for course in courses for row in course.tables.get(name, ())]
        pl.DataFrame(rows, infer_schema_length=None).write_csv(folder / f"{name}.csv")
    files = "\n".join(f"  - file: {name}.csv" for name in names if name != "decisions")
    columns = ("subject", "endpoint", "reader", "is_confirmed", "event_date", "decided_date")
    mapped = "".join(f"\n      {name}: {name}" for name in columns)
    (folder / "study.yaml").write_text(
        f"# Virtual patients; nobody in these files exists.\nname: REHEARSAL\nprotocol: {protocol}\n"
        f"virtual: true\nfiles:\n{files}\n"
        f"  - file: decisions.csv\n    table: decisions\n    columns:{mapped}\n",
        encoding="utf-8",
    )
    return folder
