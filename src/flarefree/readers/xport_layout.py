"""The layout of a SAS transport file (XPORT version 5), as its reader checks it and its writer makes it.

A file is a sequence of 80-byte records: three of the library, then for each member its headers, one
140-byte description a variable (NAMESTR), and its rows, packed without regard to the records and filled
up with blanks.  Nothing says how many rows there are.  Source: SAS Institute, TS-140, "The Record
Layout of a Data Set in SAS Transport (XPORT) Format".
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from flarefree.errors import ReadError

__all__ = ["RECORD", "Layout", "Variable", "header", "read_layout"]

RECORD = 80
NAMESTR = 140
_NUMERIC, _CHARACTER = 1, 2
_NAMESTR_FORMAT = ">hhhh8s40s8shhh2s8shhl52s"


@dataclass(frozen=True, slots=True)
class Variable:
    """One column: its place and width within a row, in bytes."""

    name: str
    label: str
    is_numeric: bool
    width: int
    offset: int
    format: str = ""
    format_width: int = 0

    def packed(self, number: int) -> bytes:
        """Its NAMESTR."""
        return struct.pack(
            _NAMESTR_FORMAT,
            _NUMERIC if self.is_numeric else _CHARACTER,
            0,
            self.width,
            number,
            _blank_filled(self.name, 8),
            _blank_filled(self.label, 40),
            _blank_filled(self.format, 8),
            self.format_width,
            0,
            0,
            b"\0\0",
            _blank_filled("", 8),
            0,
            0,
            self.offset,
            b"\0" * 52,
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """A member of a transport file: its name, its columns, and where its rows are."""

    name: str
    label: str
    variables: tuple[Variable, ...]
    data_start: int
    row_width: int


def header(kind: str, tail: str = "0" * 30) -> bytes:
    """A header record: `HEADER RECORD*******OBS     HEADER RECORD!!!!!!!000...`."""
    return f"HEADER RECORD*******{kind:<8}HEADER RECORD!!!!!!!{tail}".ljust(RECORD).encode("ascii")


def _blank_filled(text: str, width: int) -> bytes:
    return text.encode("utf-8").ljust(width)[:width]


def is_transport(content: bytes) -> bool:
    """Whether the bytes begin as a SAS transport file does, of any version."""
    return content.startswith((b"HEADER RECORD*******LIBRARY", b"HEADER RECORD*******LIBV8"))


def is_version_5(content: bytes) -> bool:
    """Whether it is version 5, the one that regulators ask for."""
    return content.startswith(b"HEADER RECORD*******LIBRARY")


def read_layout(content: bytes, where: str) -> Layout:
    """The layout of a version 5 file's only member.

    Raises
    ------
    ReadError
        The file ends within its headers or within a row, or holds several members.
    """
    if len(content) % RECORD:
        raise _cut_short(where, f"{len(content):,} bytes", "a multiple of 80 bytes")
    member = 3 * RECORD
    if len(content) < member + 5 * RECORD:
        raise _cut_short(where, "the end of the file within its headers", "a description of the columns")
    size = _number(content[member + 74 : member + 78], where)
    name, label = _member_name(content, member)
    namestr = member + 4 * RECORD
    n_variables = _number(content[namestr + 54 : namestr + 58], where)
    start = namestr + RECORD
    end = start + -(-n_variables * size // RECORD) * RECORD
    if len(content) < end + RECORD:
        raise _cut_short(where, "the end of the file within its headers", f"{n_variables} columns")
    variables = tuple(_variable(content, start + i * size) for i in range(n_variables))
    layout = Layout(name, label, variables, end + RECORD, sum(v.width for v in variables))
    _require_one_member(content, layout, where)
    _require_whole_rows(content, layout, where)
    return layout


def _number(digits: bytes, where: str) -> int:
    if not digits.isdigit():
        raise ReadError(
            "this transport file's headers are damaged",
            where=where,
            found=repr(digits),
            expected="a number",
            try_="copy it again from where it came, in binary mode",
        )
    return int(digits)


def _member_name(content: bytes, member: int) -> tuple[str, str]:
    described = member + 2 * RECORD
    name = content[described + 8 : described + 16]
    label = content[described + RECORD + 32 : described + RECORD + 72]
    return _text(name), _text(label)


def _text(raw: bytes) -> str:
    raw = raw.rstrip(b"\0 ")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("windows-1252", "replace")


def _variable(content: bytes, start: int) -> Variable:
    fields = struct.unpack(_NAMESTR_FORMAT, content[start : start + NAMESTR])
    kind, _, width, _, name, label, form, form_width = fields[:8]
    return Variable(_text(name), _text(label), kind == _NUMERIC, width, fields[14], _text(form), form_width)


def _require_one_member(content: bytes, layout: Layout, where: str) -> None:
    second = re.search(rb"HEADER RECORD\*{7}MEMBER  HEADER RECORD!{7}", content[layout.data_start :])
    if second and second.start() % RECORD == 0:
        raise ReadError(
            "this transport file holds several datasets",
            where=where,
            found=f"{layout.name} and at least one more",
            expected="one dataset a file",
            try_="export each dataset into its own file",
        )


def _require_whole_rows(content: bytes, layout: Layout, where: str) -> None:
    """Whatever follows the last whole row must be blanks that fill up the last record."""
    if not layout.row_width:
        raise ReadError("this transport file has no columns", where=where)
    rest = (len(content) - layout.data_start) % layout.row_width
    if rest and content[len(content) - rest :].strip(b" "):
        n_rows = (len(content) - layout.data_start) // layout.row_width
        raise _cut_short(where, f"the end of the file within row {n_rows + 1:,}", "whole rows")


def _cut_short(where: str, found: str, expected: str) -> ReadError:
    return ReadError(
        "this SAS transport file was cut short",
        where=where,
        found=found,
        expected=expected,
        try_="copy it again from where it came, in binary mode",
    )
