"""Laboratory files: CSV and pipe-delimited messages (an HL7 version 2 subset) to rows, with their places.

Nothing is judged here but whether a row can be read.  Of a message only these are read: PID-3 (patient),
OBR-3 (accession), OBR-7 (collected), OBR-22 (reported), and of each OBX the test (3), value (5), unit (6),
reference range (7), status (11) and time of observation (14).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import islice
from zoneinfo import ZoneInfo

from flarefree.errors import ReadError

__all__ = ["MOST_ROWS", "LabRow", "Unread", "read_laboratory_file"]

MOST_ROWS = 5000
"""In one file: an import is one entry of the log."""


@dataclass(frozen=True, slots=True)
class LabRow:
    """One result as its file has it.

    Attributes
    ----------
    row : int
        Line of the file, from 1.
    subject, test, value, unit, low, high, visit, accession : str
    collected, resulted : str
        `2026-02-04` or `2026-02-04T08:30`, at the site; empty if the file does not say.
    status : str
        `final`, `corrected`, `preliminary`, `cannot`.
    """

    row: int
    subject: str
    test: str
    value: str
    unit: str = ""
    low: str = ""
    high: str = ""
    visit: str = ""
    collected: str = ""
    resulted: str = ""
    accession: str = ""
    status: str = "final"

    @property
    def date(self) -> str:
        """The date at the site on which it was collected."""
        return self.collected[:10]


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that cannot be read, and why."""

    row: int
    code: str
    message: str
    found: str = ""


def read_laboratory_file(text: str, zone: str = "UTC") -> tuple[tuple[LabRow, ...], tuple[Unread, ...]]:
    """Rows of a file, and the lines that are none.

    Parameters
    ----------
    text : str
        The whole file.
    zone : str
        Where times with an offset are brought to: the site's zone.

    Raises
    ------
    ReadError
        It is neither of the two forms, is empty, or is too long.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise ReadError("the file is empty", where="file", expected="results, one a line")
    is_message = bool(re.match(r"\s*(MSH|PID|OBR|OBX|FHS|BHS)\|", text))
    # No more is read than is taken: millions of lines that are none would hold the server up.
    found = list(islice(_messages(text, zone) if is_message else _table(text, zone), MOST_ROWS + 1))
    if len(found) > MOST_ROWS:
        raise ReadError(
            "the file has too many rows",
            where="file",
            found=f"more than {MOST_ROWS:,}",
            expected=f"{MOST_ROWS:,} at most",
            try_="send it in parts",
        )
    rows = tuple(one for one in found if isinstance(one, LabRow))
    return rows, tuple(one for one in found if isinstance(one, Unread))


# CSV ----------------------------------------------------------------------------------------------

_NAMES: Mapping[str, tuple[str, ...]] = {
    "subject": ("subject", "usubjid", "subjid", "patient", "patient_id", "subject_id"),
    "test": ("test", "lbtestcd", "testcd", "test_code", "analyte", "measure"),
    "value": ("value", "result", "lborres", "orres"),
    "unit": ("unit", "units", "lborresu", "orresu"),
    "low": ("low", "lbornrlo", "ref_low", "lower_limit"),
    "high": ("high", "lbornrhi", "ref_high", "upper_limit"),
    "visit": ("visit", "lbvisit"),
    "collected": ("collected", "date", "lbdtc", "collection_date", "collected_at"),
    "resulted": ("resulted", "result_time", "reported", "reported_at"),
    "accession": ("accession", "lbrefid", "sample", "sample_id", "specimen_id"),
    "status": ("status", "result_status"),
}
_NEEDED = ("subject", "test", "value", "collected")


def _table(text: str, zone: str) -> Iterator[LabRow | Unread]:
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    lines = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        columns = _columns(next(lines))
        width = len(head.split(delimiter))
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != width:
                yield Unread(lines.line_num, "ragged-row", "another number of fields than the header has",
                             f"{len(cells)}, not {width}")  # fmt: skip
                continue
            told = {name: cells[at].strip() for name, at in columns.items()}
            yield _row(lines.line_num, told, zone)
    except csv.Error as error:
        yield Unread(lines.line_num, "ragged-row", "this line cannot be read", str(error))


def _columns(header: list[str]) -> dict[str, int]:
    written = [cell.strip().casefold().replace(" ", "_") for cell in header]
    found = {
        name: written.index(word) for name, words in _NAMES.items() for word in words[::-1] if word in written
    }
    missing = [name for name in _NEEDED if name not in found]
    if missing:
        raise ReadError(
            "the header lacks a column",
            where="file, line 1",
            found=", ".join(written)[:200],
            expected=", ".join(missing),
            try_="a header such as SUBJECT,TEST,VALUE,UNIT,DATE; or pipe-delimited messages",
        )
    return found


_STATUS = {
    "": "final", "f": "final", "final": "final", "c": "corrected", "corrected": "corrected",
    "p": "preliminary", "preliminary": "preliminary", "i": "preliminary", "r": "preliminary",
    "x": "cannot", "cannot": "cannot", "d": "cannot", "w": "cannot", "u": "final",
}  # fmt: skip


def _row(line: int, told: Mapping[str, str], zone: str) -> LabRow | Unread:
    times = {}
    for name in ("collected", "resulted"):
        written = told.get(name, "")
        read = _time(written, zone)
        if read is None:
            return Unread(line, "unreadable-date", f"this date ({name}) cannot be read", written[:40])
        times[name] = read
    status = _STATUS.get(told.get("status", "").casefold())
    if status is None:
        return Unread(line, "unknown-status", "no status of a result is called so", told["status"][:40])
    if not told["subject"] or not told["test"]:
        lacks = "subject" if not told["subject"] else "test"
        return Unread(line, f"no-{lacks}", f"the row names no {lacks}")
    texts = {
        name: told.get(name, "") for name in ("test", "value", "unit", "low", "high", "visit", "accession")
    }
    if any(not text.isprintable() or len(text) > 200 for text in (told["subject"], *texts.values())):
        return Unread(line, "unreadable-result", "a field holds what cannot be printed, or too much")
    return LabRow(
        line,
        told["subject"],
        **texts,
        collected=times["collected"],
        resulted=times["resulted"],
        status=status,
    )


FIRST_YEAR, _LAST_YEAR = 1880, 9998
"""No result is older; beyond the other end a time zone would lead out of the calendar."""
_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::\d{2}(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?\Z"
)
_HL7 = re.compile(r"(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(?:\d{2}(?:\.\d+)?)?)?([+-]\d{4})?\Z")


def _time(written: str, zone: str) -> str | None:
    """A date or a time at the site; None if it is neither, empty where nothing was written."""
    if not written:
        return ""
    match = _ISO.match(written) or _HL7.match(written)
    if match is None:
        return None
    year, month, day, hour, minute, offset = match.groups()
    try:
        when = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0))
        if not FIRST_YEAR <= when.year < _LAST_YEAR:
            return None
        if hour is None:
            return when.date().isoformat()
        if offset:
            when = when.replace(tzinfo=_offset(offset)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    return when.isoformat(timespec="minutes")


def _offset(written: str) -> timezone:
    if written == "Z":
        return timezone.utc  # noqa: UP017
    digits = written[1:].replace(":", "")
    ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(ahead if written[0] == "+" else -ahead)


# Messages -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Place:
    """Where a message is: whose, and of which order."""

    marks: str = "^~\\&"
    subject: str = ""
    accession: str = ""
    collected: str = ""
    resulted: str = ""


def _messages(text: str, zone: str) -> Iterator[LabRow | Unread]:
    place = _Place()
    for line, segment in enumerate(text.split("\n"), 1):
        if not segment.strip():
            continue
        fields = segment.strip().split("|")
        match fields[0]:
            case "MSH":
                marks = fields[1] if len(fields) > 1 and len(fields[1]) >= 4 else "^~\\&"
                place = _Place(marks=marks)
            case "PID":
                place = _Place(place.marks, _part(fields, 3, place.marks))
            case "OBR":
                place.accession = _part(fields, 3, place.marks)
                place.collected, place.resulted = _field(fields, 7), _field(fields, 22)
            case "OBX":
                yield _observation(line, fields, place, zone)
            case name if re.fullmatch(r"[A-Z][A-Z0-9]{2}", name):
                continue  # other segments say nothing of a result
            case name:
                yield Unread(line, "unreadable-result", "this is no segment of a message", name[:20])


def _observation(line: int, fields: list[str], place: _Place, zone: str) -> LabRow | Unread:
    low, high = _range(_text(_field(fields, 7), place.marks))
    told = {
        "subject": place.subject,
        "test": _part(fields, 3, place.marks),
        "value": _text(_field(fields, 5), place.marks),
        "unit": _part(fields, 6, place.marks),
        "low": low,
        "high": high,
        "accession": place.accession,
        "collected": _field(fields, 14) or place.collected,
        "resulted": place.resulted,
        "status": _field(fields, 11),
    }
    return _row(line, told, zone)


def _field(fields: list[str], number: int) -> str:
    return fields[number].strip() if len(fields) > number else ""


def _part(fields: list[str], number: int, marks: str) -> str:
    """The first component of the first repetition."""
    return _text(_field(fields, number).split(marks[1])[0].split(marks[0])[0], marks)


def _text(written: str, marks: str) -> str:
    """Escapes of separators; a component's mark within a value (`^`) means a structured number: `<^0.1`."""
    escape = marks[2]
    for code, mark in (("F", "|"), ("S", marks[0]), ("R", marks[1]), ("T", marks[3])):
        written = written.replace(f"{escape}{code}{escape}", mark)
    written = written.replace(f"{escape}E{escape}", escape)
    return "".join(written.split(marks[0])) if re.match(r"[<>]=?\^", written) else written


def _range(written: str) -> tuple[str, str]:
    """`0.5-1.2`, `<5`, `>60`."""
    number = r"(\d+(?:\.\d+)?)"
    both = re.fullmatch(rf"{number}\s*-\s*{number}", written)
    if both:
        return both.group(1), both.group(2)
    one = re.fullmatch(rf"([<>])=?\s*{number}", written)
    if one:
        return ("", one.group(2)) if one.group(1) == "<" else (one.group(2), "")
    return "", ""
