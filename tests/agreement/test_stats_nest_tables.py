"""Laboratory and vital-signs tables as chevron prints them, from its synthetic analysis datasets.

Every row of the first table of `lbt01` and `vst01`: n, mean, SD, median and range of values and of changes,
in three arms.  A printed number is right if ours rounds to it.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from flarefree.stats import mean

pytestmark = pytest.mark.shared

ARMS = ("A: Drug X", "B: Placebo", "C: Combination")
NUMBER = r"-?\d+(?:\.\d+)?"
CELLS = {
    "n": r"\d+",
    "Mean (SD)": rf"{NUMBER} \({NUMBER}\)",
    "Median": NUMBER,
    "Min - Max": rf"{NUMBER} - {NUMBER}",
}
Key = tuple[str, str, str]


def printed_cells(page: str) -> dict[Key, list[str]]:
    """Cells by parameter, visit and statistic, in the order of the columns; pages are joined."""
    found: dict[Key, list[str]] = defaultdict(list)
    parameter = visit = ""
    for line in page.splitlines():
        text = line.strip()
        if match := re.match(r"Parameter: (.+)", text):
            parameter, visit = match[1], ""
        elif re.fullmatch(r"SCREENING|BASELINE|(?:WEEK|CYCLE) .+", text):
            visit = text
        elif visit:
            for name, cell in CELLS.items():
                if text.startswith(name):
                    rest = text.removeprefix(name)
                    found[parameter, visit, name] += re.findall(rf"(?<=\s){cell}(?=\s|$)", rest)
    return found


def columns(rows: list[dict[str, str]], parameter: str, visit: str) -> Iterator[list[float]]:
    """Values and changes of each arm, as far as there are any."""
    for arm in ARMS:
        mine = [r for r in rows if (r["PARAM"], r["AVISIT"], r["ACTARM"]) == (parameter, visit, arm)]
        for column in ("AVAL", "CHG"):
            values = [float(r[column]) for r in mine if r[column] not in ("", "NA")]
            if values and not (column == "CHG" and visit in ("SCREENING", "BASELINE")):
                yield values


def statistics(values: list[float], name: str) -> list[float]:
    summary = mean(values)
    match name:
        case "n":
            return [float(summary.n)]
        case "Mean (SD)":
            return [summary.estimate, summary.std_error * summary.n**0.5]
        case "Median":
            return [median(values)]
        case _:
            return [min(values), max(values)]


@pytest.mark.parametrize(
    ("table", "data", "n_rows"), [("lbt01", "adlb.csv", 72), ("vst01", "advs.csv.gz", 56)]
)
def test_every_row_of_a_printed_table(shared: Path, table: str, data: str, n_rows: int) -> None:
    folder = shared / "data" / "nest_chevron"
    page = (folder / "expected_snapshots" / f"{table}.md").read_text(encoding="utf-8").split("\n# ")[0]
    path = folder / "adam_csv" / data
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        rows = list(csv.DictReader(file))
    checked = 0
    for (parameter, visit, name), cells in printed_cells(page.split("\n---\n")[0]).items():
        ours = [statistics(values, name) for values in columns(rows, parameter, visit)]
        shown = [re.findall(rf"(?<![\d.]){NUMBER}", cell) for cell in cells if (name, cell) != ("n", "0")]
        assert len(shown) == len(ours), (parameter, visit, name)
        for printed, computed in zip(shown, ours, strict=True):
            for one, other in zip(printed, computed, strict=True):
                half = 0.5 * 10.0 ** -len(one.partition(".")[2])
                assert float(one) == pytest.approx(other, abs=half + 1e-9), (parameter, visit, name)
        checked += 1
    assert checked >= n_rows
