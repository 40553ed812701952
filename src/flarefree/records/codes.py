"""Every kind of finding: what it means, and what to do about it.

`docs/reference/findings.md` prints this table; a test holds the two, and the code that makes findings,
together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flarefree.records.findings import Severity

__all__ = ["CODES", "Code", "codes_table"]


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding, and the severities that it may have."""

    severities: tuple[Severity, ...]
    meaning: str
    remedy: str


def _error(meaning: str, remedy: str) -> Code:
    return Code((Severity.ERROR,), meaning, remedy)


def _warning(meaning: str, remedy: str) -> Code:
    return Code((Severity.WARNING,), meaning, remedy)


def _note(meaning: str, remedy: str = "") -> Code:
    return Code((Severity.NOTE,), meaning, remedy)


CODES: Mapping[str, Code] = MappingProxyType(
    {
        # Files
        "encoding": _note(
            "A file is not written in UTF-8, and was read as Windows-1252.",
            "Save it as UTF-8, or give `encoding`.",
        ),
        "ragged-row": _error(
            "A row has another number of fields than the header; it is left out.",
            "Mend the row; texts that hold the delimiter need quotation marks.",
        ),
        "blank-row": _note("Rows of a CSV file hold delimiters and nothing else; they are left out."),
        "same-column": _warning(
            "Two columns of a file have names that differ in case alone; one of them is read.",
            "Delete or rename one of them.",
        ),
        "wrong-type": _error(
            "A value of a Dataset-JSON file is not of its column's declared type; it is not used.",
            "Mend the value or the declaration.",
        ),
        "file-not-read": _note("A file holds nothing that an analysis needs, or the same as another file."),
        "not-used": _note(
            "Rows of an analysis dataset were not read: tabulations hold their measures or records, "
            "or the protocol has no use for them.",
            "`sources` in the protocol, if they should go first.",
        ),
        "only-in-analysis-data": _note("Records that only the analysis dataset has were taken from there."),
        "repeated-record": _note("Two files of one domain hold the same records; they count once."),
        "several-studies": _warning(
            "The files carry several study identifiers.", "Point at the folder of one study."
        ),
        "shifted-dates": Code(
            (Severity.WARNING, Severity.NOTE),
            "The first doses in an analysis dataset are not those of the subjects: its maker moved its "
            "dates.  A note "
            "where none of its rows are used.",
            "Use the dataset with the original dates.",
        ),
        "empty-file": _warning(
            "A file of subjects, results, doses, dispositions or visits has a header and no rows.",
            "Export it again; leave it out if the study has none.",
        ),
        "missing-measure": _warning(
            "An endpoint, covariate, population or analysis of the protocol uses a measure that no row "
            "gives; what rests on it stays unknown.",
            "Add the rows, or `tests` of the measure.",
        ),
        # Subjects
        "no-subjects": _error(
            "No file tells who the subjects are; they are taken from the other rows, without arms.",
            "Add DM, ADSL or a plain table of subjects.",
        ),
        "no-subject": _error(
            "A row of the subjects' table names no subject; it is left out.", "Fill in the identifier."
        ),
        "duplicate-subject": _warning(
            "A subject has several rows; the last one is taken.", "Keep one row a subject."
        ),
        "unknown-subject": Code(
            (Severity.ERROR, Severity.WARNING),
            "Rows of a subject that the subjects' table does not know are left out.  A warning where it is "
            "ADSL that "
            "knows subjects whom DM does not.",
            "Add the subject, or mend the identifier.",
        ),
        "subject-spelling": _warning(
            "A subject's identifier is written with other blanks or in another case; it is read as the "
            "same subject.",
            "Write identifiers alike.",
        ),
        "unknown-arm": _error(
            "The protocol has no arm of this name; the subjects are in none.",
            "`codes` of the arm in the protocol.",
        ),
        "no-arm": _warning("A subject has no arm, and is no screen failure.", "Fill in the arm."),
        "empty-arm": _warning("An arm of the protocol has no subjects.", "Check the arm's `codes`."),
        "day-one": _note(
            "The data hold no date of randomization; the reference start date (RFSTDTC, or the first dose) "
            "is day 1.",
            "RANDDT, or a disposition record RANDOMIZED.",
        ),
        "no-day-one": _warning(
            "A subject has an arm and no day 1; dates have no study days.", "Fill in the date."
        ),
        "default-taken": _note(
            "The data tell of no patient's covariate; every patient takes the protocol's default.",
            "`column` of the covariate, or `columns` of the map.",
        ),
        "missing-covariate": _warning(
            "No file holds some covariates that the protocol names.",
            "`column` of the covariate, or `columns` of the map.",
        ),
        "unknown-level": _warning(
            "A covariate's text is none of its levels; it is not used.",
            "`levels` of the covariate in the protocol.",
        ),
        "dates-out-of-order": _warning(
            "Dates of a subject cannot follow each other so: the last dose before the first, say.",
            "Mend the date.",
        ),
        # Results
        "unknown-test": Code(
            (Severity.NOTE, Severity.WARNING),
            "The protocol has no measure of a test; its rows are kept, and not analyzed.  A warning in "
            "plain tables, "
            "where somebody wrote the map.",
            "`tests` of the measure in the protocol.",
        ),
        "unknown-unit": _error(
            "A unit does not become the measure's; the values are not used.",
            "Mend the unit, or the measure's `unit`.",
        ),
        "missing-unit": Code(
            (Severity.ERROR, Severity.WARNING),
            "Results have no unit: not used, or (a warning) taken in the unit that the protocol assumes.",
            "Fill in the unit; `unit_if_missing` of the measure, or `units` of the map.",
        ),
        "unreadable-result": _error(
            "A result is no number (no grade, neither yes nor no); it is not used.",
            "Mend it; `grades`, `yes` and `no` of the measure name further words.",
        ),
        "censored-result": _note(
            "Results beyond a limit (`<0.1`, `>1000`): the number next to the limit is taken.  See the "
            "rule in "
            "[file formats](file-formats.md#results)."
        ),
        "range-result": _note("Results that are ranges (`0-2`): the middle is taken."),
        "out-of-range": _warning(
            "A value is beyond what the protocol calls plausible; it is used.", "Mend the value or its unit."
        ),
        "duplicate-row": _warning("A row says the same as another one.", "Delete one of them."),
        "contradictory-rows": _warning(
            "Another result of the same test at the same time; the later row counts.", "Delete the wrong one."
        ),
        # Dates
        "unreadable-date": _error(
            "A date cannot be read; it is not used.", "Mend it; `dates` of the map names a format."
        ),
        "unreadable-number": _error(
            "A number cannot be read; it is not used.", "Mend it; `decimal` of the map."
        ),
        "unreadable-yes-no": _error("This is neither yes nor no; it is not used.", "Write Y or N."),
        "partial-date": _note(
            "Dates of which the day, or the month too, is not known: the earliest possible is taken."
        ),
        "no-date": _error(
            "A result has neither date nor visit; it is not used.", "Fill in the date or the visit."
        ),
        "day-differs": _warning(
            "The file's study day is not that of its date; the date's is taken.", "Mend the date or the day."
        ),
        "day-from-first-dose": _note(
            "The file counts study days from the first dose, and we from randomization."
        ),
        "visit-outside-window": _warning("A visit was made outside its window.", "Nothing, if it is so."),
        "no-visit-known": _warning(
            "No visit of the data bears a name or number of the protocol's schedule: rows are placed in its "
            "windows by their days.",
            'Map the names: `values: {visit: {"M3": "Month 3"}}`, or add them to `codes` of the visits.',
        ),
        "unscheduled-visit": _note(
            "Visits that the protocol's schedule does not have.", "`codes` of the visit."
        ),
        "impossible-date": _error(
            "A date cannot be: before 1900, more than a hundred years from the middle of the study, more "
            "than twenty years from every other date of it, a birth after day 1, an end or a death before "
            "it; it is not used.",
            "Mend the date. [The rule](study-folder.md#dates-that-cannot-be).",
        ),
        "date-completed": _warning(
            "A part of a subject's date (death, end, first or last dose) is not known; the finding says "
            "which day is taken, and why.",
            "Complete the date. [The rule](study-folder.md#dates-of-which-a-part-is-not-known).",
        ),
        "partial-day-one": _warning(
            "A part of the date of day 1 is not known; the best whole date that stands in for it is taken, "
            "or the earliest day that it allows.",
            "Complete the date.",
        ),
        "impossible-age": _error("An age below 0 or above 120 years; it is not used.", "Mend the age."),
        "far-date": _warning("A record is dated more than a hundred years from day 1.", "Mend the date."),
        "after-death": _warning("A record is dated after the patient's death.", "Mend one of the dates."),
        "before-birth": _warning("A record is dated before the patient's birth.", "Mend one of the dates."),
        "before-consent": _warning("A record is dated before consent.", "Mend one of the dates."),
        "end-before-start": _warning("A record ends before it starts.", "Mend one of the dates."),
        # Treatment
        "before-treatment": _note("Adverse events that began before the first dose."),
        "unknown-frequency": _warning(
            "How many doses a day a frequency means is not known; there is no daily dose.",
            "QD, BID, TID, QW ...",
        ),
        "negative-dose": _warning("A dose is below zero; it is used so.", "Mend the dose."),
        # Written
        "beyond-transport": _note(
            "A dataset has numbers that a SAS transport file cannot hold (from 7.2e75 on, or below 5.4e-79); "
            "they are missing there.",
            "Look for the result that they are computed from.",
        ),
        # Decisions of a committee or an investigator
        "undated-decision": _error(
            "A confirmed event has no date; the decision is not used.", "Fill in the date."
        ),
        "unused-decision": _warning(
            "A decision is about an endpoint that the protocol does not adjudicate; it is not used.",
            "`adjudicated` of the endpoint, or its name in the decision.",
        ),
        "unknown-reader": _error(
            "A decision is of a reader that there is not; it is not used.", "`investigator` or `committee`."
        ),
        "event-before-day-one": _warning(
            "A reader confirmed an event and dates it before day 1.", "Mend the date."
        ),
        "contradictory-decisions": _warning(
            "A reader both confirmed and refuted the same event.", "Delete the wrong decision."
        ),
    }
)


def codes_table() -> str:
    """The table of `docs/reference/findings.md`."""
    lines = ["| code | severity | meaning | what to do |", "| --- | --- | --- | --- |"]
    for name, code in CODES.items():
        severities = ", ".join(str(severity) for severity in code.severities)
        meaning = " ".join(code.meaning.split())
        lines.append(f"| `{name}` | {severities} | {meaning} | {code.remedy} |")
    return "\n".join(lines)
