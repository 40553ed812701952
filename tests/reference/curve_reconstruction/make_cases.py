"""Made curves with risk tables, for `guyot.R` and the test that reads its output.

Patients are drawn (seeds below), their Kaplan-Meier curve is read off at a grid of times to three
decimals, as a careful person with a ruler would; run once, output committed.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent

CASES = {
    # name: (seed, n, median, drop-out mean, clicks, table every, events told)
    "plain": (11, 200, 20.0, 60.0, 90, 6.0, False),
    "total": (12, 150, 15.0, 40.0, 70, 6.0, True),
    "small": (13, 40, 25.0, 50.0, 45, 12.0, False),
    "heavy": (14, 300, 40.0, 20.0, 100, 6.0, True),
    "untabled": (15, 120, 18.0, 45.0, 60, 0.0, True),
}


def main() -> None:
    points, risks = [], []
    for name, (seed, n, median, dropout, clicks, every, told) in CASES.items():
        rng = np.random.default_rng(seed)
        failure = rng.exponential(median / np.log(2), n)
        censoring = np.minimum(rng.exponential(dropout, n), rng.uniform(24, 36, n))
        time, event = np.minimum(failure, censoring), failure <= censoring
        order = np.argsort(time)
        time, event = time[order], event[order]
        curve = np.concatenate([[1.0], np.cumprod(1 - event / (n - np.arange(n)))])
        # The table's times stand among the clicks: every interval begins at a point.
        table = np.arange(0.0, time[-1], every) if every else np.array([0.0])
        grid = np.union1d(np.round(np.linspace(0, time[-1], clicks), 2), table)
        for t in grid:
            points.append((name, t, round(float(curve[np.searchsorted(time, t, side="right")]), 3)))
        for t in table:
            risks.append((name, t, int((time >= t).sum()), int(event.sum()) if told else ""))
    for file, head, rows in (
        ("points.csv", ("case", "time", "survival"), points),
        ("risk.csv", ("case", "time", "at_risk", "events"), risks),
    ):
        with (HERE / file).open("w", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(head)
            writer.writerows(rows)


if __name__ == "__main__":
    main()
