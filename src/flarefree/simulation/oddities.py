"""Three odd rows in the demo's creatinine, put there on purpose and listed in its methods page.

They show what findings look like, and that one can matter; real studies have such rows, and a demo without
any would hide half of what flarefree does.  They are made last: nobody in the trial saw them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.simulation.recording import in_whole_si_units
from flarefree.simulation.virtual_trial import VirtualTrial

__all__ = ["add_oddities"]

_UNKNOWN_UNIT = "mg/lb"
_CELLS = 5.0  # red cells a field: with creatinine a quarter higher, a nephritic flare
_SAME = 1.15  # times day 1: no flare


def add_oddities(rows: pl.DataFrame, trial: VirtualTrial) -> pl.DataFrame:
    """The same rows with one value under another value's unit, one unit that is none, and one row twice.

    Parameters
    ----------
    rows : polars.DataFrame
        As `flarefree.simulation.study_findings.measured_rows` gives them.
    trial : VirtualTrial

    Returns
    -------
    polars.DataFrame
        Unchanged where there is no creatinine of three patients in months 1 to 3.
    """
    spec = trial.protocol.spec.measures.get("creatinine")
    if spec is None:
        return rows
    placed = rows.with_row_index("place")
    early = placed.filter(
        (pl.col("measure") == "creatinine") & (pl.col("unit") == spec.unit) & pl.col("code").is_between(1, 3)
    )
    chosen = _chosen(early, trial)
    if chosen is None:
        return rows
    wrong, nameless, twice = chosen
    value = float(rows.item(wrong, "text"))
    whole = f"{in_whole_si_units(np.array([value]), spec.unit)[0]:.0f}"
    at = pl.col("place")
    placed = placed.with_columns(
        text=pl.when(at == wrong).then(pl.lit(whole)).otherwise("text"),
        unit=pl.when(at == nameless).then(pl.lit(_UNKNOWN_UNIT)).otherwise("unit"),
    )
    again = placed.filter(at == twice)
    return pl.concat([placed, again]).sort("place", maintain_order=True).drop("place")


def _chosen(early: pl.DataFrame, trial: VirtualTrial) -> tuple[int, int, int] | None:
    """Rows of three patients; the first, if there is one, where a wrong creatinine makes a flare.

    Of such patients, one who fails later: then the slip moves an event, and makes none more.
    """
    first = early.unique("patient", keep="first", maintain_order=True)
    if first.height < 3:
        return None
    would_flare = _would_flare(early, trial)
    fails = trial.done.has_failed[early.get_column("patient").to_numpy()]
    best = int(np.argmax(would_flare.astype(np.int64) + (would_flare & fails)))
    wrong, patient = int(early.item(best, "place")), int(early.item(best, "patient"))
    others = first.filter(pl.col("patient") != patient).get_column("place").to_list()
    return wrong, int(others[0]), int(others[1])


def _would_flare(rows: pl.DataFrame, trial: VirtualTrial) -> npt.NDArray[np.bool_]:
    """Whether there is new hematuria on the row's day, and creatinine is normal and what it was on day 1."""
    panel, top = trial.outcomes.panel, trial.protocol.spec.measures["creatinine"].normal[1] or np.inf
    if "red_cells" not in panel.columns:
        return np.zeros(rows.height, dtype=bool)
    cells, creatinine = (panel.columns[name].values for name in ("red_cells", "creatinine"))
    found = []
    for patient, day in rows.select("patient", "day").iter_rows():
        first = int(panel.offsets[patient])
        here = first + int(np.flatnonzero(panel.days[first : panel.offsets[patient + 1]] == day)[0])
        bleeds = cells[here] >= _CELLS and cells[here] > cells[first]
        found.append(bool(bleeds and creatinine[here] <= min(top, _SAME * creatinine[first])))
    return np.array(found, dtype=bool)
