"""A virtual trial's tables as files: CSV, and the `study.yaml` that labels them virtual."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from flarefree.errors import OutputError
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.simulation.recipes import text_of
from flarefree.simulation.study_events import (
    adverse_event_rows,
    clinical_events,
    decisions,
    exposures,
    medications,
    procedures,
)
from flarefree.simulation.study_findings import findings, measured_rows
from flarefree.simulation.study_tables import (
    demographics,
    dispositions,
    histories,
    study_id,
    supplemental,
    visits,
)
from flarefree.simulation.virtual_trial import VirtualTrial

__all__ = ["study_tables", "write_study_files"]

Change = Callable[[pl.DataFrame, VirtualTrial], pl.DataFrame]

_ORDER = ("dm", "suppdm", "sv", "ds", "mh", "ex", "cm", "pr", "lb", "vs", "qs", "ae", "ce")


def study_tables(trial: VirtualTrial, change: Change | None = None) -> dict[str, pl.DataFrame]:
    """Every table of a trial, by its file's name without an ending, in the order of `study.yaml`.

    `change` is given the rows of what was measured, and gives those that are written.
    """
    rows = measured_rows(trial)
    if change is not None:
        rows = change(rows, trial)
    made = {
        "dm": demographics(trial),
        "suppdm": supplemental(trial),
        "sv": visits(trial),
        "ds": dispositions(trial),
        "mh": histories(trial),
        "ex": exposures(trial),
        "cm": medications(trial),
        "pr": procedures(trial),
        "ae": adverse_event_rows(trial),
        "ce": clinical_events(trial),
        **{domain.lower(): table for domain, table in findings(trial, rows).items()},
    }
    return {name: made[name] for name in _ORDER if name in made} | {"decisions": decisions(trial)}


def write_study_files(folder: Path, trial: VirtualTrial, change: Change | None = None) -> Path:
    """Write a trial as a study folder; the same trial gives the same bytes."""
    tables = study_tables(trial, change)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (*_ORDER, "decisions"):
            (folder / f"{name}.csv").unlink(missing_ok=True)
        for name, frame in tables.items():
            frame.write_csv(folder / f"{name}.csv")
        protocol = _protocol_in(folder, trial.protocol)
        (folder / "study.yaml").write_text(_study_yaml(trial, protocol, tuple(tables)), encoding="utf-8")
    except OSError as error:
        raise OutputError(
            "the study cannot be written", where=str(folder), found=error.strerror or str(error)
        ) from None
    return folder


def _protocol_in(folder: Path, protocol: LoadedProtocol) -> str:
    """What `study.yaml` names: a built-in protocol by its name, any other as a copy in the folder."""
    from flarefree.protocol.loading import builtin_protocols, load_protocol

    name = protocol.spec.name
    if name in builtin_protocols() and load_protocol(name).digest == protocol.digest:
        return name
    text_of(protocol)  # says if the file has changed since it was read
    home, published = Path(protocol.folder or "."), protocol.spec.published
    _copy(home / protocol.path, folder / Path(protocol.path).name)
    if published and not Path(published).is_absolute() and ".." not in Path(published).parts:
        _copy(home / published, folder / published)
    return Path(protocol.path).name


def _copy(source: Path, target: Path) -> None:
    if source.is_file() and source.resolve() != target.resolve():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())


def _study_yaml(trial: VirtualTrial, protocol: str, tables: tuple[str, ...]) -> str:
    files = "\n".join(f"  - file: {name}.csv" for name in tables if name != "decisions")
    return f"""\
# Virtual patients: trial {trial.trial} of seed {trial.seed}; nobody in these files exists.
name: {study_id(trial)}
protocol: {protocol}
virtual: true
files:
{files}
  - file: decisions.csv
    table: decisions
    columns:
      subject: subject
      endpoint: endpoint
      reader: reader
      is_confirmed: is_confirmed
      event_date: event_date
      decided_date: decided_date
"""
