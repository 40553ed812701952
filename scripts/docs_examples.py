"""Run the examples of the pages, and tell the pages again with what came out.

A page is run from top to bottom in one folder.  In a ```console block every line that begins with `$ `
is run by bash, and the lines after it are what it prints.  ```python blocks share their names; a ```text
block that follows one is what it prints.  Other blocks are not run.

Pages name patients of the demo: the first with a flare that counts, the first without one, the one with a
slip of the pen.  `scripts/docs_people.json` has who they are; where the virtual trial changes, others take
their places on every page.

`python scripts/docs_examples.py` runs the pages of `PAGES` and writes those of which something changed;
`tests/unit/test_docs_examples.py` fails where a page would change.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PEOPLE = ROOT / "scripts" / "docs_people.json"
PAGES = (
    "README.md",
    "docs/tutorial/first-report.md",
    "docs/how-to/analyze-a-study.md",
    "docs/how-to/answer-a-question.md",
    "docs/how-to/audit-a-table.md",
    "docs/how-to/carry-a-result.md",
    "docs/how-to/read-the-evidence.md",
    "docs/how-to/use-from-python.md",
)
STUDY, STUDY_OF_MAKE = "trial", "flarefree-demo-study"
"""What pages call the virtual study that `flarefree demo` and `make demo` leave."""

WIDTH = "100"  # columns of the terminal that pages show


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its lines, and where they stand in the page (first line, one past)."""

    language: str
    lines: tuple[str, ...]
    start: int
    stop: int


def main() -> None:
    """Run all pages and write those that have changed."""
    with tempfile.TemporaryDirectory() as folder:
        make_study(Path(folder))
        before, now = json.loads(PEOPLE.read_text("utf-8")), people(Path(folder) / STUDY)
    for name in PAGES:
        page = ROOT / name
        text = with_people(page.read_text("utf-8"), before, now)
        with tempfile.TemporaryDirectory() as folder:
            if not makes_its_own_study(text):
                make_study(Path(folder))
            told = retell(text, Path(folder))
        if told != page.read_text("utf-8"):
            page.write_text(told, "utf-8")
            sys.stdout.write(f"wrote {name}\n")
    PEOPLE.write_text(json.dumps(now, indent=2) + "\n", "utf-8")


def people(study: Path) -> dict[str, str]:
    """Who plays which part on the pages, and the lines of `lb.csv` that they show.

    `flare` failed by a proteinuric flare under azathioprine, `quiet` had none in at least four assessments,
    and `slip` has the value that is hardly possible; each is the first of whom it is so, and somebody else.
    """
    import polars as pl

    import flarefree as ff

    derived = ff.derive(ff.read_study(study))
    arms, labs = derived.subjects.select("subject", "arm"), derived.study["observations"]
    slip = next(finding for finding in derived.study.findings if finding.code == "out-of-range")
    flares = derived.events.filter(pl.col("is_used") & (pl.col("endpoint") == "proteinuric_flare"))
    times = derived.time_to_event.filter(endpoint="treatment_failure", component="renal_flare", is_event=True)
    failed = times.filter(pl.col("subject") != slip.subject).join(arms.filter(arm="AZA"), on="subject")
    failed = failed.join(flares, left_on=["subject", "time"], right_on=["subject", "day"], how="semi")
    flare = failed.sort("subject").row(0, named=True)
    seen = labs.filter(measure="upcr").group_by("subject").len().filter(pl.col("len") > 4)
    others = seen.filter(~pl.col("subject").is_in([slip.subject, flare["subject"]]))
    quiet = others.join(flares, on="subject", how="anti").get_column("subject").min()
    shown = labs.filter(subject=flare["subject"], measure="upcr", day=flare["time"]).row(0, named=True)
    return {
        "flare": str(flare["subject"]),
        "flare_line": str(shown["row"] + 1),
        "quiet": str(quiet),
        "slip": slip.subject,
        "slip_line": str((slip.row or 0) + 1),
    }


def with_people(text: str, before: dict[str, str], now: dict[str, str]) -> str:
    """A page with other people, and other lines of their file, in the places of those that it names."""
    names = {before[part]: now[part] for part in ("flare", "quiet", "slip")}
    lines = {f"-e {before['flare_line']}p ": f"-e {now['flare_line']}p "}
    lines[f"'{before['slip_line']}s,"] = f"'{now['slip_line']}s,"
    every = {**names, **lines}
    return re.sub("|".join(map(re.escape, every)), lambda found: every[found[0]], text)


def makes_its_own_study(text: str) -> bool:
    """Whether a page's own commands make the study that it is about."""
    return any(f"--study {STUDY}" in command for command in commands(text))


def make_study(folder: Path) -> None:
    """Put the virtual study that the pages are about into a folder, under both of its names."""
    from flarefree.simulation.demo_trial import write_demo_study

    write_demo_study(folder / STUDY)
    (folder / STUDY_OF_MAKE).symlink_to(folder / STUDY)


def retell(text: str, folder: Path) -> str:
    """The page with what its examples print when they are run in `folder`."""
    lines = text.splitlines()
    names: dict[str, Any] = {}
    told: dict[int, tuple[int, list[str]]] = {}  # first line -> one past the last, lines instead
    printed: list[str] | None = None  # of the python block before
    for block in blocks(text):
        if block.language == "console":
            told[block.start] = (block.stop, list(_run_console(block, folder)))
        elif block.language == "text" and printed is not None:
            told[block.start] = (block.stop, printed)
        printed = run_python(block, names, folder) if block.language == "python" else None
    for start in sorted(told, reverse=True):
        stop, instead = told[start]
        lines[start:stop] = instead
    return "\n".join(lines) + "\n"


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page."""
    lines = text.splitlines()
    opened: tuple[str, int] | None = None
    for number, line in enumerate(lines):
        if opened is None and (fence := re.fullmatch(r"```(\w+)", line)):
            opened = (fence[1], number + 1)
        elif opened is not None and line == "```":
            yield Block(opened[0], tuple(lines[opened[1] : number]), opened[1], number)
            opened = None
        elif opened is None and line == "```":
            raise ValueError(f"line {number + 1}: a block without a language")
    if opened is not None:
        raise ValueError(f"the block at line {opened[1]} has no end")


def commands(text: str) -> list[str]:
    """The command lines of a page's console blocks."""
    return [
        line.removeprefix("$ ")
        for block in blocks(text)
        if block.language == "console"
        for line in block.lines
        if line.startswith("$ ")
    ]


def _run_console(block: Block, folder: Path) -> Iterator[str]:
    for line in block.lines:
        if line.startswith("$ "):
            yield line
            yield from shell(line.removeprefix("$ "), folder)


def shell(command: str, folder: Path) -> list[str]:
    """What a command prints, in lines; a failure that the page does not show is an error here.

    `flarefree check` ends with 1 where there are findings: that alone is no failure.
    """
    here = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": f"{here}{os.pathsep}{os.environ.get('PATH', '')}",
        "COLUMNS": WIDTH,
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode > 1:
        raise RuntimeError(f"{command}\nended with {done.returncode}\n{done.stdout}{done.stderr}")
    return [line.rstrip() for line in done.stdout.splitlines()]


def run_python(block: Block, names: dict[str, Any], folder: Path) -> list[str]:
    """Run a block with the names of the blocks before it; what it prints, in lines."""
    printed = io.StringIO()
    code = compile("\n".join(block.lines), f"<python block at line {block.start}>", "exec")
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        exec(code, names)
    return [line.rstrip() for line in printed.getvalue().splitlines()]


if __name__ == "__main__":
    main()
