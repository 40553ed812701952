"""Writing a report: every file into a folder beside the target, moved into place when all are there.

A failure leaves nothing that looks whole.  A folder that an earlier run wrote is replaced; one that
holds anything else is refused, since it would be deleted.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from flarefree.errors import OutputError
from flarefree.readers.dataset_json import write_dataset_json
from flarefree.readers.xport_writer import write_xport
from flarefree.records.findings import Finding, findings_frame
from flarefree.reports.ars import render_ars
from flarefree.reports.building import build_document, figure_names
from flarefree.reports.content import DatasetLike, ReportContent
from flarefree.reports.document import Document
from flarefree.reports.figures import Palette, figure_data
from flarefree.reports.html import render_html
from flarefree.reports.manifest import MANIFEST, describe_outputs, listed_files, render_manifest
from flarefree.reports.pdf import render_pdf
from flarefree.reports.text import slug
from flarefree.results import tidy

__all__ = ["WrittenReport", "files_below", "write_into", "write_report"]

Progress = Callable[[str, int, int], None]
"""Called with what begins, how many steps are done, and how many there are."""

LONGEST_TEXT = 200  # bytes, in a SAS transport file
LONGEST_LABEL = 40

STEPS = ("Datasets", "Results", "Figures", "Report (HTML)", "Report (PDF)", "Manifest")


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """Where a report is, and which files it has (relative to `folder`, sorted)."""

    folder: Path
    files: tuple[str, ...]

    @property
    def html(self) -> Path:
        """The report as a page."""
        return self.folder / "report.html"

    @property
    def pdf(self) -> Path:
        """The report on paper."""
        return self.folder / "report.pdf"


def write_report(content: ReportContent, out: Path, *, progress: Progress | None = None) -> WrittenReport:
    """Write the report, its data, datasets and manifest into the folder `out`.

    Parameters
    ----------
    content : ReportContent
        What to show.
    out : Path
        The folder; made if it is not there, replaced if an earlier run wrote it.
    progress : callable, optional
        Told of each step as it begins.

    Returns
    -------
    WrittenReport

    Raises
    ------
    OutputError
        `out` is a file, holds files that are not ours, or cannot be written.
    """
    told = progress or _silent
    written = write_into(Path(out), lambda folder: _write_all(content, folder, told))
    told("Done", len(STEPS), len(STEPS))
    return written


def _silent(step: str, done: int, total: int) -> None:
    """Tell nobody."""


def write_into(out: Path, fill: Callable[[Path], None]) -> WrittenReport:
    """Fill a folder beside `out`, then move it there; of an earlier report nothing is lost until then.

    Raises
    ------
    OutputError
        `out` is a file, holds files that are not ours, or cannot be written.
    """
    require_replaceable(out)
    with _beside(out) as folder:
        fill(folder)
        files = files_below(folder)
        _move_into_place(folder, out)
    return WrittenReport(out, files)


# The folder --------------------------------------------------------------------------------------


def require_replaceable(out: Path) -> None:
    """Refuse a target that holds anything but an earlier report of ours."""
    if not out.exists():
        return
    if not out.is_dir():
        raise OutputError("the output is a file", where=str(out), expected="a folder", try_="another --out")
    present = files_below(out)
    ours = listed_files(out)
    foreign = [name for name in present if ours is None or name not in ours]
    if not foreign:
        return
    shown = ", ".join(foreign[:5]) + (f" and {len(foreign) - 5} more" if len(foreign) > 5 else "")
    raise OutputError(
        "the output folder holds files that flarefree did not write",
        where=str(out),
        found=shown,
        expected="an empty folder, or an earlier report",
        try_="another folder, or move these files away",
    )


def files_below(folder: Path) -> tuple[str, ...]:
    """Every file below a folder, sorted, relative to it."""
    return tuple(sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()))


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A folder next to `out`, on the same disk; gone afterwards unless it was moved away."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.unfinished-", dir=out.parent))
        folder.chmod(0o755)  # mkdtemp makes it private; a report is to be read
    except OSError as error:
        raise _cannot_write(out, error) from error
    try:
        yield folder
    except OSError as error:
        raise _cannot_write(out, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move_into_place(folder: Path, out: Path) -> None:
    if not out.exists():
        folder.rename(out)
        return
    retired = Path(tempfile.mkdtemp(prefix=f".{out.name}.replaced-", dir=out.parent))
    try:
        out.rename(retired / "earlier")
        try:
            folder.rename(out)
        except OSError:
            (retired / "earlier").rename(out)  # the earlier report is better than none
            raise
    finally:
        shutil.rmtree(retired, ignore_errors=True)


def _cannot_write(out: Path, error: OSError) -> OutputError:
    return OutputError(
        "the report cannot be written",
        where=str(out),
        found=error.strerror or str(error),
        try_="a folder that can be written, on a disk with room",
    )


# The files ---------------------------------------------------------------------------------------


def _write_all(content: ReportContent, folder: Path, told: Progress) -> None:
    total = len(STEPS)
    told(STEPS[0], 0, total)
    notes: list[Finding] = []
    for name, dataset in content.datasets.items():
        notes += write_dataset(name, dataset, folder / "adam", study=content.study)
    content = replace(content, findings=(*content.findings, *notes))

    told(STEPS[1], 1, total)
    findings_frame(content.findings).write_csv(folder / "findings.csv")
    tidy(content.results).write_csv(folder / "results.csv")
    _write_text(folder / "ars.json", render_ars(content))

    told(STEPS[2], 2, total)
    document = build_document(content)
    _write_figures(content, document, folder)

    told(STEPS[3], 3, total)
    outputs = describe_outputs(folder, files_below(folder))
    document = replace(document, outputs=outputs)
    _write_text(folder / "report.html", render_html(document, Palette.of(content.protocol.spec)))

    told(STEPS[4], 4, total)
    (folder / "report.pdf").write_bytes(render_pdf(document))

    told(STEPS[5], 5, total)
    _write_text(folder / MANIFEST, render_manifest(content, folder, files_below(folder)))


def _write_figures(content: ReportContent, document: Document, folder: Path) -> None:
    """The very drawings that the page and the PDF show, each with its data."""
    drawn = {f.id: f.svg for section in document.sections for r in section.results for f in r.figures}
    if drawn:
        (folder / "figures").mkdir()
    for (result_id, place), name in figure_names(content.results).items():
        result = next(result for result in content.results if result.id == result_id)
        _write_text(folder / "figures" / f"{name}.svg", drawn[name])
        figure_data(result.figures[place]).write_csv(folder / "figures" / f"{name}.csv")


def write_dataset(name: str, dataset: DatasetLike, folder: Path, *, study: str = "") -> tuple[Finding, ...]:
    """One dataset as Parquet, CSV, SAS transport and Dataset-JSON; notes on what transport cannot hold.

    Lists become text joined by semicolons, but for Parquet, which has them.  A transport file holds at
    most 200 bytes of a text: longer ones are cut there, and there only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = slug(name)
    flat = _without_lists(dataset.frame)
    dataset.frame.write_parquet(folder / f"{stem}.parquet")
    flat.write_csv(folder / f"{stem}.csv")
    notes = write_xport(
        _with_short_texts(flat),
        folder / f"{stem}.xpt",
        name=name,
        label=_cut(dataset.label, LONGEST_LABEL),
        labels={column: _cut(label, LONGEST_LABEL) for column, label in dataset.labels.items()},
    )
    write_dataset_json(
        flat,
        folder / f"{stem}.json",
        name=name,
        label=dataset.label,
        labels=dataset.labels,
        keys=dataset.keys,
        study=study,
    )
    return notes


def _without_lists(frame: pl.DataFrame) -> pl.DataFrame:
    lists = [column for column, kind in frame.schema.items() if isinstance(kind, pl.List)]
    return frame.with_columns(pl.col(c).cast(pl.List(pl.String)).list.join("; ") for c in lists)


def _with_short_texts(frame: pl.DataFrame) -> pl.DataFrame:
    long = [
        column
        for column, kind in frame.schema.items()
        if kind == pl.String and (frame.get_column(column).str.len_bytes().max() or 0) > LONGEST_TEXT  # type: ignore[operator]
    ]
    return frame.with_columns(
        pl.Series(
            c, [None if text is None else _cut(text, LONGEST_TEXT) for text in frame.get_column(c)], pl.String
        )
        for c in long
    )


def _cut(text: str, most: int) -> str:
    """`text` in at most that many bytes, no character halved."""
    return text.encode()[:most].decode(errors="ignore")


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
