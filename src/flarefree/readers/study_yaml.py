"""`study.yaml`: which protocol, which files, and how their columns map to ours.

Stops at the first thing that is wrong, with its line.  How the file is written is told in
`docs/reference/study-folder.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flarefree.errors import ProtocolError, ReadError, StudyError
from flarefree.readers.maps import ColumnMap, WideColumn, inside_name, known_names
from flarefree.records.tables import TABLES

if TYPE_CHECKING:
    from flarefree.protocol.yaml_source import YamlSource

__all__ = ["FileEntry", "StudyFile", "read_study_yaml"]

_STUDY_KEYS = ("protocol", "name", "virtual", "missing", "dates", "decimal", "files", "release_keys", "note")
_FILE_KEYS = (
    "file", "table", "columns", "measures", "values", "constants", "units", "missing", "dates", "decimal",
    "delimiter", "encoding", "note",
)  # fmt: skip

_A_DELIMITER = 'delimiter: ";", or another single character; "\\t" is the tab'

_REQUIRED = {
    "observations": ("subject", "test", "value"),
    "exposures": ("subject", "drug"),
    "adverse_events": ("subject", "term"),
    "medications": ("subject", "drug"),
    "procedures": ("subject", "name"),
    "clinical_events": ("subject", "name"),
    "dispositions": ("subject", "status"),
    "visits": ("subject",),
    "medical_history": ("subject", "term"),
    "decisions": ("subject", "endpoint", "reader", "is_confirmed"),
}


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file that `study.yaml` names; `how` is None where its CDISC names are to be recognized."""

    path: Path
    how: ColumnMap | None
    delimiter: str | None = None
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class StudyFile:
    """What `study.yaml` says; `files` is None where every file of the folder is to be recognized.

    `release_keys` are public keys of those who together may release the arms of a trial (`--key`).
    """

    name: str = ""
    protocol: str = ""
    is_virtual: bool = False
    files: tuple[FileEntry, ...] | None = None
    release_keys: tuple[str, ...] = ()


def read_study_yaml(path: Path, covariates: Iterable[str] | None = None) -> StudyFile:
    """Read a `study.yaml`.

    Parameters
    ----------
    path : path
        The file; its folder is the study folder.
    covariates : iterable of str, optional
        The protocol's covariates, which a subjects' map may name beside our columns; while the protocol
        is not known, it may name anything.

    Raises
    ------
    StudyError
        The file is no YAML, has keys or names that do not exist, or names a file that is not there.
    """
    from flarefree.protocol.yaml_source import read_yaml

    try:
        source = read_yaml(path.read_text(encoding="utf-8"), path.name)
    except ProtocolError as error:
        raise StudyError(
            error.what.replace("the file is no protocol", "this file holds no keys and values"),
            where=error.where,
            found=error.found,
            expected="protocol: ..., files: ...",
            try_=error.try_,
        ) from None
    except UnicodeDecodeError:
        raise ReadError("this file is not written in UTF-8", where=path.name) from None
    except OSError as error:
        raise ReadError("this file cannot be read", where=path.name, found=str(error)) from None
    return _Reading(source, path.parent, None if covariates is None else tuple(covariates)).study()


class _Reading:
    """A `study.yaml` on its way to a `StudyFile`."""

    def __init__(self, source: YamlSource, folder: Path, covariates: tuple[str, ...] | None) -> None:
        self._source, self._folder, self._covariates = source, folder, covariates
        self._defaults: dict[str, Any] = {}

    def study(self) -> StudyFile:
        values = self._source.values
        self._known(values, "", _STUDY_KEYS)
        self._defaults = {key: values[key] for key in ("missing", "dates", "decimal") if key in values}
        files = values.get("files")
        if files is not None and not isinstance(files, list):
            raise self._error("files", "this is no list of files", expected="- file: labs.csv")
        entries = (
            None if files is None else tuple(self._entry(item, f"files.{i}") for i, item in enumerate(files))
        )
        for place, entry in enumerate(entries or ()):
            if entry in (entries or ())[:place]:
                raise self._error(
                    f"files.{place}", "this file is named twice", found=entry.path.name, expected="once"
                )
        return StudyFile(
            self._text(values, "name", ""),
            self._text(values, "protocol", ""),
            self._flag(values, "virtual"),
            entries,
            tuple(self._text(values, "release_keys", "").split()) if "release_keys" in values else (),
        )

    def _entry(self, item: Any, path: str) -> FileEntry:
        item = {"file": item} if isinstance(item, str) else item
        if not isinstance(item, dict):
            raise self._error(
                path, "this is no file's entry", found=str(item), expected="file: labs.csv, table: ..."
            )
        self._known(item, path, _FILE_KEYS)
        if "file" not in item:
            raise self._error(path, "file is missing", expected="file: labs.csv")
        file = self._folder / self._text(item, "file", path)
        if not file.exists():
            names = [p.name for p in self._folder.iterdir() if p.is_file()]
            raise self._error(
                f"{path}.file",
                "there is no such file in the study folder",
                found=str(item["file"]),
                try_=_near(str(item["file"]), names),
            )
        return FileEntry(
            file,
            self._map(item, path),
            self._delimiter(item, path),
            self._word(item, "encoding", path, "encoding: utf-8, latin-1 ..."),
        )

    def _map(self, item: Mapping[str, Any], path: str) -> ColumnMap | None:
        if "table" not in item:
            if "columns" in item or "measures" in item:
                raise self._error(
                    path,
                    "columns are named, but not the table that they belong to",
                    expected=f"table: one of {', '.join(TABLES)}",
                )
            return None
        table = self._choice(item, "table", path, TABLES)
        wide = self._wide(item, path, table)
        columns = self._columns(item, path, table)
        constants = self._texts(item, "constants", path)
        self._names(constants, f"{path}.constants", table)
        required = _REQUIRED.get(table, ("subject",)) if not wide else ("subject",)
        settings = {**self._defaults, **item}
        self._date_format(item, f"{path}.dates" if "dates" in item else "dates", settings)
        return ColumnMap(
            table,
            {inside_name(table, ours): (theirs,) for ours, theirs in columns.items()},
            required=tuple(inside_name(table, ours) for ours in required),
            wide=wide,
            values=self._values(item, path, table, wide),
            constants={inside_name(table, ours): text for ours, text in constants.items()},
            units=self._texts(item, "units", path),
            missing=frozenset(str(code) for code in _as_list(settings.get("missing", ()))),
            date_format=self._word(settings, "dates", path, 'dates: "%d/%m/%Y"'),
            decimal=self._decimal(settings, path),
        )

    def _columns(self, item: Mapping[str, Any], path: str, table: str) -> dict[str, str]:
        columns = self._texts(item, "columns", path)
        self._names(columns, f"{path}.columns", table)
        return columns

    def _wide(self, item: Mapping[str, Any], path: str, table: str) -> dict[str, WideColumn]:
        if "measures" not in item:
            return {}
        if table != "observations":
            raise self._error(f"{path}.measures", "only observations have measures", found=f"table: {table}")
        made = {}
        for test, where in self._mapping(item, "measures", path).items():
            if isinstance(where, dict):
                self._known(where, f"{path}.measures.{test}", ("column", "unit"))
                made[test] = WideColumn(str(where.get("column", test)), str(where.get("unit", "")))
            else:
                made[test] = WideColumn(str(where))
        return made

    def _values(
        self, item: Mapping[str, Any], path: str, table: str, wide: Mapping[str, WideColumn]
    ) -> dict[str, dict[str, str]]:
        values = self._mapping(item, "values", path)
        for name, recoding in values.items():
            if not isinstance(recoding, dict):
                raise self._error(f"{path}.values.{name}", "this is no recoding", expected="{1: M, 2: F}")
        self._names([name for name in values if name not in wide], f"{path}.values", table)
        return {
            name if name in wide else inside_name(table, name): {str(k): str(v) for k, v in recoding.items()}
            for name, recoding in values.items()
        }

    # Checks ------------------------------------------------------------------------------------------

    def _names(self, names: Iterable[str], path: str, table: str) -> None:
        if table == "subjects" and self._covariates is None:
            return
        known = (*known_names(table), *((self._covariates or ()) if table == "subjects" else ()))
        for name in names:
            if name not in known:
                raise self._error(
                    f"{path}.{name}",
                    f"{table} have no column {name}",
                    expected=", ".join(known),
                    try_=_near(name, known),
                )

    def _known(self, values: Mapping[str, Any], path: str, keys: tuple[str, ...]) -> None:
        for key in values:
            if key not in keys:
                raise self._error(
                    f"{path}.{key}".lstrip("."),
                    f"{key} is not a key here",
                    expected=", ".join(keys),
                    try_=_near(key, keys),
                )

    def _choice(self, item: Mapping[str, Any], key: str, path: str, choices: Iterable[str]) -> str:
        value = self._text(item, key, path)
        if value not in choices:
            raise self._error(
                f"{path}.{key}",
                f"there is no {key} of this name",
                found=value,
                expected=", ".join(choices),
                try_=_near(value, choices),
            )
        return value

    def _date_format(self, item: Mapping[str, Any], path: str, settings: Mapping[str, Any]) -> None:
        form = settings.get("dates")
        if form is None:
            return
        parts = set(re.findall(r"%(.)", str(form)))
        if not parts or not parts <= set("dmyYbBHMSjeT"):
            raise self._error(
                path,
                "this is no format of dates",
                found=str(form),
                expected="such as %d/%m/%Y (day, month, year)",
            )

    def _mapping(self, item: Mapping[str, Any], key: str, path: str) -> dict[str, Any]:
        value = item.get(key, {})
        if not isinstance(value, dict):
            raise self._error(
                f"{path}.{key}", "this is no mapping", found=str(value), expected=f"{key}: {{ours: theirs}}"
            )
        return value

    def _texts(self, item: Mapping[str, Any], key: str, path: str) -> dict[str, str]:
        return {name: str(value) for name, value in self._mapping(item, key, path).items()}

    def _text(self, item: Mapping[str, Any], key: str, path: str) -> str:
        value = item.get(key, "")
        if isinstance(value, (dict, list)):
            raise self._error(f"{path}.{key}".lstrip("."), "this is no text", found=str(value))
        return "" if value is None else str(value)

    def _word(self, item: Mapping[str, Any], key: str, path: str, expected: str) -> str | None:
        value = item.get(key)
        if value is None or (isinstance(value, str) and value):
            return value
        raise self._error(f"{path}.{key}", f"{key} is a text", found=str(value), expected=expected)

    def _delimiter(self, item: Mapping[str, Any], path: str) -> str | None:
        delimiter = self._word(item, "delimiter", path, _A_DELIMITER)
        if delimiter is None or (len(delimiter) == 1 and delimiter.isascii() and delimiter not in '"\r\n'):
            return delimiter
        raise self._error(
            f"{path}.delimiter", "a delimiter is one character", found=repr(delimiter), expected=_A_DELIMITER
        )

    def _decimal(self, settings: Mapping[str, Any], path: str) -> str:
        decimal = settings.get("decimal", ".")
        if decimal in (".", ","):
            return str(decimal)
        raise self._error(
            f"{path}.decimal", "this is no decimal sign", found=str(decimal), expected='decimal: "." or ","'
        )

    def _flag(self, item: Mapping[str, Any], key: str) -> bool:
        value = item.get(key, False)
        if not isinstance(value, bool):
            raise self._error(key, f"{key} is true or false", found=str(value), expected="true or false")
        return value

    def _error(
        self, path: str, what: str, *, found: str = "", expected: str = "", try_: str = ""
    ) -> StudyError:
        return StudyError(what, where=self._source.place(path), found=found, expected=expected, try_=try_)


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _near(word: str, words: Iterable[str]) -> str:
    near = get_close_matches(word, list(words), n=1)
    return f"{near[0]}?" if near else ""
