"""`read_study`: a folder, with or without a `study.yaml`, or one file, becomes a `Study`.

Decides which files there are and what each of them is; `assembling.py` does the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from flarefree.errors import ProtocolError, ReadError, StudyError
from flarefree.readers.assembling import Reading, assemble
from flarefree.readers.covariates import covariate_names
from flarefree.readers.expectations import Expectations, protocol_of
from flarefree.readers.files import SUFFIXES, data_files, read_table, suffix_of
from flarefree.readers.raw import relative_name
from flarefree.readers.recognizing import Recognized, recognize
from flarefree.readers.study_yaml import FileEntry, StudyFile, read_study_yaml
from flarefree.records.findings import Finding, Severity

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol
    from flarefree.protocol.schema import Protocol
    from flarefree.records.study import Study

__all__ = ["read_study", "release_keys_of"]

_STUDY_FILES = ("study.yaml", "study.yml")


def read_study(path: Path | str, protocol: LoadedProtocol | Protocol | str | Path | None = None) -> Study:
    """Read a study: its patients, what was observed of them, and what is odd in it.

    Parameters
    ----------
    path : path
        A folder of data files, nested or not, with or without a `study.yaml`; that `study.yaml`; or one
        data file.
    protocol : LoadedProtocol, Protocol, str or path, optional
        The trial's protocol, by name, path or loaded: it says what tests mean, and names units, arms,
        visits and covariates.  What `study.yaml` says, if not given; without any, tests keep their codes
        and no value is converted.

    Returns
    -------
    Study

    Raises
    ------
    ReadError
        A file cannot be read at all.
    StudyError
        There is nothing to read, `study.yaml` is wrong, or a table lacks what it cannot do without.

    Examples
    --------
    >>> study = read_study("trial", protocol="alms-maintenance")  # doctest: +SKIP
    >>> study["observations"].filter(measure="upcr")  # doctest: +SKIP
    """
    path = Path(path)
    if not path.exists():
        raise ReadError("there is no such file or folder", where=str(path), expected="a folder of data files")
    folder, file = (path, None) if path.is_dir() else (path.parent, path)
    described = _study_yaml(folder) if file is None or file.name in _STUDY_FILES else None
    said = read_study_yaml(described) if described is not None else StudyFile()
    if protocol is not None:
        spec, reference = protocol_of(protocol, folder)
    else:
        spec, reference = _protocol_said(said, described, folder)
    expected = Expectations.of(spec)
    if described is not None:  # again, now that the covariates' names are known
        said = read_study_yaml(described, covariate_names(expected))
    notes: list[Finding] = []
    if said.files is not None:
        readings = [_read_entry(entry, folder, expected) for entry in said.files]
    elif file is not None and file.name not in _STUDY_FILES:
        readings, notes = _read_files([file], folder, is_alone=True)
    else:
        readings, notes = _read_files(data_files(folder), folder, is_alone=False)
    _require_files(readings, path)
    name = said.name or _study_name(readings) or path.resolve().name
    return assemble(
        readings,
        expected,
        name=name,
        protocol=reference,
        is_virtual=said.is_virtual,
        notes=[*notes, *_several_studies(readings)],
    )


def release_keys_of(path: Path | str) -> tuple[str, ...]:
    """Public keys of those who may release the arms, as the `study.yaml` of a study says; none without it."""
    path = Path(path)
    described = _study_yaml(path if path.is_dir() else path.parent)
    return () if described is None else read_study_yaml(described).release_keys


def _study_yaml(folder: Path) -> Path | None:
    return next((folder / name for name in _STUDY_FILES if (folder / name).is_file()), None)


def _protocol_said(said: StudyFile, described: Path | None, folder: Path) -> tuple[Protocol | None, str]:
    """The protocol that `study.yaml` names, and what it is found by."""
    _require_protocol_file(said.protocol, described, folder)
    try:
        return protocol_of(said.protocol, folder)
    except ProtocolError as error:
        if error.where or described is None:
            raise
        raise StudyError(
            error.what,
            where=f"{described.name} protocol",
            found=error.found,
            expected=error.expected,
            try_=error.try_,
        ) from None


_A_KEY_OF_PROTOCOLS = re.compile(  # at a line's beginning, or in a mapping of JSON
    r"(?:^|[{,])\s*[\"']?(flarefree|title|arms|endpoints|measures|schedule)[\"']?\s*:", re.M
)


def _require_protocol_file(said: str, described: Path | None, folder: Path) -> None:
    """Refuse a file that is no protocol without a word of what it holds.

    A study folder may come from anybody, and errors of a protocol quote it: nobody is to read other
    files of this machine so.
    """
    path = folder / said
    if described is None or not said or not path.is_file():
        return
    try:
        with path.open("rb") as stream:
            head = stream.read(1_000_000).decode("utf-8", "replace")
    except OSError:
        return  # to be told by whoever reads it
    if path.suffix.lower() not in (".yaml", ".yml", ".json") or not _A_KEY_OF_PROTOCOLS.search(head):
        raise StudyError(
            "study.yaml names a file that is no protocol",
            where=f"{described.name} protocol",
            found=said,
            expected="the name of a built-in protocol, or a YAML file (.yaml, .yml) with a protocol",
        )


# Files -----------------------------------------------------------------------------------------------


def _read_entry(entry: FileEntry, folder: Path, expected: Expectations) -> Reading:
    how = entry.how
    keep = None
    if how is not None:
        wanted = (
            {name.casefold() for name in covariate_columns(expected)} if how.table == "subjects" else set()
        )

        def keep(name: str) -> bool:
            return how.needs(name) or name.casefold() in wanted

    raw = read_table(entry.path, root=folder, delimiter=entry.delimiter, encoding=entry.encoding, keep=keep)
    if how is not None:
        return Reading(raw, Recognized(how))
    what = recognize(raw)
    if what.how is None and not what.is_for_covariates:
        raise StudyError(
            "this file is no dataset of SDTM or ADaM that flarefree reads, and study.yaml does not map it",
            where=raw.source.path,
            found=what.why_not,
            try_="table: and columns: in study.yaml, or leave the file out",
        )
    return Reading(raw, what)


def covariate_columns(expected: Expectations) -> tuple[str, ...]:
    """The columns that the protocol's covariates are looked for in."""
    covariates = expected.protocol.covariates if expected.protocol else {}
    return tuple(covariates[name].column or name for name in covariate_names(expected))


def _read_files(
    paths: Iterable[Path], folder: Path, *, is_alone: bool
) -> tuple[list[Reading], list[Finding]]:
    """Every file, with what it is; a file that is no table at all is an error only if it is asked for."""
    readings: list[Reading] = []
    notes: list[Finding] = []
    for path in paths:
        if not is_alone and _is_no_table(path):
            notes.append(
                _not_read(
                    path, folder, "a JSON file that is no Dataset-JSON" if ".json" in path.name else "a text"
                )
            )
            continue
        raw = read_table(path, root=folder)
        twin = next(
            (r.raw for r in readings if r.raw.name.upper() == raw.name.upper() and _same_rows(r, raw)), None
        )
        if twin is not None:
            notes.append(_not_read(path, folder, f"the same table as {twin.source.path}"))
            continue
        readings.append(Reading(raw, recognize(raw)))
    return readings, notes


def _same_rows(reading: Reading, raw: object) -> bool:
    return reading.raw.frame.equals(raw.frame)  # type: ignore[attr-defined]


def _is_no_table(path: Path) -> bool:
    """JSON that is no Dataset-JSON, and text files: a folder may well hold some."""
    from flarefree.readers.dataset_json import is_dataset_json

    if suffix_of(path) == ".txt":
        return True
    if suffix_of(path) != ".json" or path.name.endswith(".gz"):
        return False
    try:
        with path.open("rb") as stream:
            return not is_dataset_json(stream.read(4096))
    except OSError:
        return False


def _not_read(path: Path, folder: Path, why: str) -> Finding:
    return Finding("file-not-read", Severity.NOTE, f"not read: {why}", relative_name(path, folder))


def _require_files(readings: list[Reading], path: Path) -> None:
    if not readings:
        raise StudyError(
            "this folder holds no data files",
            where=str(path),
            expected=f"files that end in {', '.join(SUFFIXES)}, also with .gz",
        )


# Name --------------------------------------------------------------------------------------------------


def _study_ids(readings: Iterable[Reading]) -> dict[str, str]:
    """Every STUDYID of the data that are read, with the first file that has it."""
    found: dict[str, str] = {}
    for reading in readings:
        column = reading.raw.column("STUDYID") if reading.what.how is not None else None
        if column is None or not reading.what.dataset:
            continue
        for study in reading.raw.frame[column].drop_nulls().unique().sort():
            found.setdefault(str(study), reading.raw.source.path)
    return found


def _study_name(readings: Iterable[Reading]) -> str:
    return next(iter(_study_ids(readings)), "")


def _several_studies(readings: Iterable[Reading]) -> list[Finding]:
    found = _study_ids(readings)
    if len(found) < 2:
        return []
    listed = ", ".join(f"{study} ({file})" for study, file in found.items())
    return [
        Finding(
            "several-studies",
            Severity.WARNING,
            "the data are of several studies",
            column="STUDYID",
            found=listed,
            expected="one study",
        )
    ]
