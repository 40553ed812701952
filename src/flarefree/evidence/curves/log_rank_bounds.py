"""`log_rank_range`: every log-rank statistic that a printed risk table allows, least and greatest exactly.

A risk table with events says how many, not when: within an interval events of the two arms and
censorings may come in any order.  The statistic is U^2 / V; both parts are sums over instants, so their
attainable pairs have a convex hull that dynamic programming finds corner by corner.
Equations: docs/methods/curve-reconstruction.md, section 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from flarefree.errors import EvidenceError
from flarefree.evidence.arguments import as_number, require_whole
from flarefree.evidence.curves.placement_hull import Hull
from flarefree.evidence.curves.placements import Placement, Placements
from flarefree.evidence.curves.risk_tables import EventTable, mend, read_event_table
from flarefree.results import Figure

__all__ = ["LogRankRange", "log_rank_range"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]

TIES = {"none": 0, "any": 1, "column": 2}  # as `_log_rank_kernels` numbers them
TIES_IN_WORDS = {
    "none": "no ties",
    "any": "any ties",
    "column": "a column's events at one instant",
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LogRankRange:
    """The log-rank chi-square statistics that a risk table allows.

    Attributes
    ----------
    lowest, highest : float
        Attained by `placement("lowest")` and `placement("highest")`.
    lowest_bound, highest_bound : float
        No placement lies beyond these; they equal `lowest` and `highest` but for the search's tolerance.
    sample : (draws,) float
        Statistics of random placements, each time uniform within its interval: what is usual, not what
        is possible.
    printed : float or None
    labels : tuple of str
    events : tuple of int
        Events that were placed, by arm.
    at_risk_means, ties, repair : str
    contradictions, changes : tuple of str
        Columns that cannot be as printed if numbers at risk are of those followed on; what was changed.
    """

    lowest: float
    highest: float
    lowest_bound: float
    highest_bound: float
    sample: Floats
    printed: float | None
    labels: tuple[str, str]
    events: tuple[int, int]
    at_risk_means: str
    ties: str
    repair: str | None
    contradictions: tuple[str, ...]
    changes: tuple[str, ...]
    extremes: tuple[Placement, Placement]

    def placement(self, which: Literal["lowest", "highest"]) -> pl.DataFrame:
        """Patients that attain an end of the range: arm, time, event."""
        return self.extremes[0 if which == "lowest" else 1].patients(self.labels)

    @property
    def includes_printed(self) -> bool | None:
        """Whether the printed statistic is possible; None where none was given."""
        if self.printed is None:
            return None
        return self.lowest_bound <= self.printed <= self.highest_bound

    def tidy(self) -> pl.DataFrame:
        """One row: ends of the range, their bounds, the middle of the random placements, the print."""
        low, middle, high = np.percentile(self.sample, [2.5, 50, 97.5]) if self.sample.size else [np.nan] * 3
        return pl.DataFrame(
            {
                "at_risk_means": [self.at_risk_means],
                "ties": [self.ties],
                "repair": [self.repair],
                "lowest": [self.lowest],
                "highest": [self.highest],
                "lowest_bound": [self.lowest_bound],
                "highest_bound": [self.highest_bound],
                "usual_low": [float(low)],
                "usual_median": [float(middle)],
                "usual_high": [float(high)],
                "printed": [self.printed],
                "includes_printed": [self.includes_printed],
            },
            schema_overrides={"printed": pl.Float64, "repair": pl.String, "includes_printed": pl.Boolean},
        )

    @property
    def reading(self) -> str:
        """How the table was read, in words."""
        parts = [f"at risk: followed {'up to' if self.at_risk_means == 'before' else 'beyond'} each time"]
        if self.changes:
            parts.append("surplus events set aside" if self.repair == "events" else "numbers at risk lowered")
        return "; ".join([*parts, TIES_IN_WORDS[self.ties]])

    def plot(self, *others: LogRankRange) -> Figure:
        """The range, what is usual and what is printed; other readings of the table as further rows."""
        rows = [
            one.tidy()
            .with_columns(pl.lit(one.reading).alias("label"))
            .rename({"lowest": "low", "highest": "high"})
            for one in (self, *others)
        ]
        names = ["label", "low", "high", "usual_low", "usual_median", "usual_high"]
        main = pl.concat(rows).select(names).with_columns(pl.col(names[3:]).fill_nan(None))
        return Figure(
            "log_rank_range",
            "Log-rank statistics that the risk table allows",
            "statistic_range",
            {"main": main},
            x_label="Log-rank chi-square",
            footnotes=("Boxes: 95% of random placements, and their median.",),
            options={"printed": self.printed},
        )

    def __repr__(self) -> str:
        first, second = self.labels
        lines = [
            f"Log-rank chi-square, {first} ({self.events[0]} events) and {second} ({self.events[1]} events): "
            f"{self.lowest:.4g} to {self.highest:.4g}",
            self.reading,
        ]
        if self.sample.size:
            low, middle, high = np.percentile(self.sample, [2.5, 50, 97.5])
            lines.append(
                f"random placements ({self.sample.size}): median {middle:.3g}, 95% {low:.3g} to {high:.3g}"
            )
        if self.printed is not None:
            lines.append(
                f"printed {self.printed:g}: {'possible' if self.includes_printed else 'not possible'}"
            )
        lines += [f"changed: {note}" for note in self.changes]
        lines += [f"contradiction: {note}" for note in self.contradictions]
        return "\n".join(lines)


def log_rank_range(
    risk_table: Any,
    *,
    printed: float | None = None,
    at_risk_means: Literal["after", "before"] = "after",
    ties: Literal["any", "none", "column"] = "any",
    repair: Literal["events", "at_risk"] | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> LogRankRange:
    """Least and greatest log-rank statistic that a risk table with events allows.

    Parameters
    ----------
    risk_table : frame and so on, or mapping
        Rows `arm`, `time`, `at_risk`, `events` of two arms; or a mapping of arm to `at_risk` and `events`
        (and `time`, which changes nothing: the statistic knows only the order).  A column's events
        are those after the column before, up to and at its own time.
    printed : float, optional
        The statistic of the publication, to stand beside the range.
    at_risk_means : {"after", "before"}
        `after`: patients still followed, and free of the event, beyond the time.  `before`: up to the
        time, so that those with the event at that very time are counted.  All placements of `after` are
        placements of `before`.
    ties : {"any", "none", "column"}
        Which events of an interval may fall on one instant: any of them; none; or all of them do, in both
        arms, as at a visit (`after` only).
    repair : {"events", "at_risk"}, optional
        What to believe less where a column has more events than patients who left (`after` only).
    draws, seed : int
        Random placements, for what is usual.

    Returns
    -------
    LogRankRange

    Raises
    ------
    EvidenceError
        The table contradicts itself and no repair was chosen; it rises; it has no events.

    Notes
    -----
    Happenings after the last column are not in the table, and not in the statistic.  At one instant
    events come before censorings, and the variance is hypergeometric, as in `stats.survival.logrank`.
    """
    table = read_event_table(risk_table)
    told = tuple(table.say(a, k) for a, k in table.contradictions())
    _check_choices(at_risk_means, ties, printed)
    require_whole("draws", draws, 0, 10_000_000)
    require_whole("seed", seed, 0, 2**63)
    changes: tuple[str, ...] = ()
    if at_risk_means == "after":
        table, changes = mend(table, repair)
    elif repair is not None:
        raise EvidenceError(
            "nothing to repair",
            where="repair",
            found=f"{repair!r} with at_risk_means='before'",
            expected="repair with at_risk_means='after' alone",
        )
    placements = Placements(table, is_before=at_risk_means == "before", ties=TIES[ties])
    hull = Hull(placements)
    high, high_bound = hull.greatest()
    low, low_bound = hull.least()
    sample = _sample(placements, table, draws, seed, ties)
    return LogRankRange(
        low.statistic,
        high.statistic,
        low_bound,
        high_bound,
        sample,
        printed,
        table.labels,
        (int(table.events[0].sum()), int(table.events[1].sum())),
        at_risk_means,
        ties,
        repair,
        told,
        changes,
        (low, high),
    )


def _check_choices(at_risk_means: str, ties: str, printed: float | None) -> None:
    for name, value, known in (
        ("at_risk_means", at_risk_means, ("after", "before")),
        ("ties", ties, tuple(TIES)),
    ):
        if value not in known:
            raise EvidenceError("no such choice", where=name, found=repr(value), expected=", ".join(known))
    if ties == "column" and at_risk_means == "before":
        raise EvidenceError(
            "two instants for the events of a column",
            where="ties",
            found="'column' with at_risk_means='before'",
            expected="'column' with at_risk_means='after'",
        )
    if printed is not None and not 0 <= as_number(printed) < np.inf:
        raise EvidenceError(
            "not a chi-square statistic", where="printed", found=repr(printed), expected="zero or more"
        )


def _sample(placements: Placements, table: EventTable, draws: int, seed: int, ties: str) -> Floats:
    """Statistics of placements at random: every time uniform within its interval.

    With `before`, as few events as possible are put on a column's own time: only those that the numbers
    leave no other place for.  With ties of a column, all its events share one uniform time.
    """
    if draws == 0:
        return np.empty(0)
    from flarefree.stats.survival import batch_trials

    rng = np.random.default_rng(seed)
    common = rng.random((draws, table.time.size + 1))
    times, events, groups = [], [], []
    for a in range(2):
        begin, event, at_end = _happenings(table, placements.fewest_at_end(a), a)
        share = rng.random((draws, begin.size))
        if ties == "column":
            share = np.where(event, common[:, begin], share)
        times.append(begin + np.where(at_end, 1.0, share))
        events.append(np.broadcast_to(event, share.shape))
        groups.append(np.full(begin.size, a))
    trials = batch_trials(np.hstack(times), np.hstack(events), np.concatenate(groups))
    z = trials.logrank().z
    return np.square(z[np.isfinite(z)])  # an order without variance has no statistic


def _happenings(table: EventTable, at_end: Ints, arm: int) -> tuple[Ints, Bools, Bools]:
    """For each patient of an arm: the column before, whether an event, whether at the column's own time."""
    rows: list[tuple[int, bool, bool]] = []
    for k in range(1, table.time.size):
        inside = int(table.events[arm, k] - at_end[k])
        censored = int(table.leaving[arm, k - 1] - at_end[k - 1] - inside)
        rows += [(k - 1, True, False)] * inside + [(k - 1, True, True)] * int(at_end[k])
        rows += [(k - 1, False, False)] * censored
    rows += [(table.time.size, False, True)] * int(table.at_risk[arm, -1] - at_end[-1])
    begin, event, ends = (np.array(column) for column in zip(*rows))
    return begin.astype(np.int64), event.astype(bool), ends.astype(bool)
