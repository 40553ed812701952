"""The study folder: what `flarefree analyze` reads, written whole or not at all; arms are not in it.

SDTM's names where it has them, the committee's decisions beside, an extract of the log, a manifest with
digests.  Only what the exporter may take out by the role matrix is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import polars as pl

from flarefree.conduct.audit import Entry
from flarefree.conduct.audit.exporting import Redaction, export_log
from flarefree.conduct.visibility import Actor, Target, decide, require_allowed
from flarefree.errors import OutputError
from flarefree.web.clock import now
from flarefree.web.commands.base import Asked
from flarefree.web.commands.executing import execute
from flarefree.web.commands.exporting import NoteExport
from flarefree.web.committee_store import decisions_of_record
from flarefree.web.config import WebConfig
from flarefree.web.record import models
from flarefree.web.record.reading import Item, facts_of, read_head, read_things
from flarefree.web.study import DECISION_COLUMNS, frame_of, is_of_study, written_decisions
from flarefree.web.study_rows import Rows, rows_of
from flarefree.web.trial import RunningTrial, running_trial

__all__ = ["Exported", "export_study"]

Format = Literal["csv", "parquet"]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes
    ----------
    folder : Path
    patients : int
    files : tuple of str
    digest : str
        SHA-256 of `manifest.json`; the log has it too.
    receipt : str
        Witness of the log's entry.
    """

    folder: Path
    patients: int
    files: tuple[str, ...]
    digest: str
    receipt: str


def export_study(actor: Actor, folder: Path, *, format: Format = "csv", request: str = "") -> Exported:
    """Write the study folder.

    Parameters
    ----------
    actor : Actor
        Who takes the data out.
    folder : Path
        Must not be there yet, or be empty.
    format : `csv` or `parquet`
    request : str, optional
        Of the log's entry; made from the manifest if not given.

    Raises
    ------
    ConductError
        The actor may not export.
    OutputError
        The folder cannot be written, or holds something.
    """
    trial = running_trial()
    phase = trial.phase
    for field in ("subject.number", "labs.efficacy", "decisions.record"):
        require_allowed(trial.matrix, actor, "export", field, phase, Target())
    _require_free(folder)
    try:
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=_parent(folder)))
    except OSError as error:
        raise OutputError(
            "the folder cannot be written", where=str(folder), found=str(error.strerror)
        ) from None
    try:
        files, patients = _write_all(part, actor, trial, phase, format)
        digest = _write_manifest(part, files, patients, trial)
        _sync(part)
        entry = execute(
            NoteExport(digest=digest, patients=patients, files=len(files)),
            Asked(actor, request or f"export:{digest[:40]}:{now().isoformat()}", now()),
        )
        if folder.is_dir():
            folder.rmdir()
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return Exported(folder, patients, (*files, "manifest.json"), digest, entry.receipt)


def _parent(folder: Path) -> Path:
    parent = folder.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    return parent


def _require_free(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(
            "there is something here already",
            where=str(folder),
            expected="a folder that is not there yet, or is empty",
            try_="another name: what was exported before is never written over",
        )


# Content ------------------------------------------------------------------------------------------


def _write_all(
    part: Path, actor: Actor, trial: RunningTrial, phase: str, format: Format
) -> tuple[list[str], int]:
    rows = _rows(actor, trial, phase)
    named: list[tuple[str, pl.DataFrame]] = [
        (one.domain.lower(), _with_lineage(one)) for one in rows if one.rows
    ]
    decisions = written_decisions(decisions_of_record())
    files = [_write_frame(part, name, frame, format) for name, frame in named]
    described: list[str] = [f"  - file: {name}" for name in files]
    if decisions.height:
        files.append(_write_frame(part, "decisions", decisions, format))
        columns = ", ".join(f"{name}: {name}" for name in DECISION_COLUMNS)
        described.append(f"  - {{file: {files[-1]}, table: decisions, columns: {{{columns}}}}}")
    files.append(_write_log(part, actor, trial, phase))
    protocol, more = _protocol(part, trial)
    files += more
    lines = [
        f"protocol: {protocol}",
        f"name: {json.dumps(trial.protocol.spec.name)}",
        *(["virtual: true"] if WebConfig.from_environment().is_demo else []),
        *_release_keys(trial),
        "files:",
        *described,
    ]
    files.append(_write_text(part, "study.yaml", "\n".join(lines) + "\n"))
    patients = next((len(one.rows) for one in rows if one.domain == "DM"), 0)
    return files, patients


def _release_keys(trial: RunningTrial) -> list[str]:
    """Whose signatures a key file must have (`flarefree analyze --key`)."""
    facts = trial.standing().facts
    keys = [str(facts[name]) for name in ("release_key_1", "release_key_2") if facts.get(name)]
    return [f"release_keys: {' '.join(keys)}"] if keys else []


def _rows(actor: Actor, trial: RunningTrial, phase: str) -> tuple[Rows, ...]:
    zones = {site: str(zone or "UTC") for site, zone in facts_of("site", "zone").items()}
    countries = {site: str(told) for site, told in facts_of("site", "country").items() if told}
    items = _exportable(actor, trial, phase, (item for item in read_things() if is_of_study(item)))
    return rows_of(items, trial.protocol.spec, zones, countries)


def _exportable(actor: Actor, trial: RunningTrial, phase: str, items: Iterable[Item]) -> Iterator[Item]:
    """Things with the values whose field the actor may take out."""
    known: dict[tuple[str, str], bool] = {}

    def may(field: str, site: str) -> bool:
        if (field, site) not in known:
            target = Target(site)
            known[field, site] = decide(trial.matrix, actor, "export", field, phase, target).is_allowed
        return known[field, site]

    for item in items:
        facts = {name: fact for name, fact in item.facts.items() if may(fact.field, item.site)}
        if facts:
            yield replace(item, facts=MappingProxyType(facts))


def _with_lineage(rows: Rows) -> pl.DataFrame:
    """The rows, with the log's entry that wrote each of them and the key of its thing."""
    return frame_of(rows.rows).with_columns(
        pl.Series("FFENTRY", [str(entry) for entry in rows.entries]),
        pl.Series("FFKEY", list(rows.keys)),
    )


def _write_log(part: Path, actor: Actor, trial: RunningTrial, phase: str) -> str:
    """Entries of what the actor may take out; of the others the hashes, so that the chain still verifies."""

    def may(field: str) -> bool:
        matrix = trial.matrix
        if field not in matrix.fields:
            return False
        # Every site's: roles that export have the whole trial as their scope.
        return decide(matrix, actor, "export", field, phase, Target()).is_allowed

    def sees_item(_: Entry, item: Mapping[str, Any]) -> bool:
        return may(str(item.get("field", "")))

    def sees_content(entry: Entry) -> bool:
        fields = {str(item["field"]) for item in entry.items if "field" in item}
        return bool(fields) and all(may(field) for field in fields)

    redaction = Redaction(sees_content, sees_item)
    with (part / "audit.jsonl").open("wb") as file:
        rows = models.LogRow.objects.order_by("number").iterator()
        file.writelines(export_log((row.to_entry() for row in rows), redaction))
    return "audit.jsonl"


def _protocol(part: Path, trial: RunningTrial) -> tuple[str, list[str]]:
    """A built-in protocol by its name; any other goes along."""
    from flarefree.protocol.loading import builtin_protocols, load_protocol

    protocol = trial.protocol
    name = protocol.spec.name
    if name in builtin_protocols() and load_protocol(name).digest == protocol.digest:
        return name, []
    shutil.copyfile(protocol.path, part / "protocol.yaml")
    return "protocol.yaml", ["protocol.yaml"]


# Files --------------------------------------------------------------------------------------------


def _write_frame(part: Path, name: str, frame: pl.DataFrame, format: Format) -> str:
    file = f"{name}.{format}"
    if format == "csv":
        frame.write_csv(part / file)
    else:
        frame.write_parquet(part / file)
    return file


def _write_text(part: Path, name: str, text: str) -> str:
    (part / name).write_text(text, encoding="utf-8")
    return name


def _write_manifest(part: Path, files: list[str], patients: int, trial: RunningTrial) -> str:
    from flarefree._version import __version__

    head = read_head()
    told = {
        "made_by": f"flarefree {__version__}",
        "trial": trial.protocol.spec.name,
        "phase": trial.phase,
        "protocol_sha256": trial.protocol_digest,
        "arms": "masked",
        "patients": patients,
        "log": None if head is None else {"chain": head.chain, "length": head.length, "hash": head.hash},
        "files": {name: hashlib.sha256((part / name).read_bytes()).hexdigest() for name in sorted(files)},
    }
    text = json.dumps(told, indent=2, sort_keys=True) + "\n"
    _write_text(part, "manifest.json", text)
    return hashlib.sha256(text.encode()).hexdigest()


def _sync(part: Path) -> None:
    """To the disk before the folder has its name: a power cut leaves a whole folder or none."""
    for path in part.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
