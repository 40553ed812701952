"""From rows to trials: which treatment is compared with which, two arms side by side, one effect a trial.

Decides the direction of the comparison (and says so), refuses what is a network, applies the correction of
empty cells and leaves out what gives no effect, each with its note.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.inputs import ArmRows, ContrastRows, group_codes, name_text
from flarefree.evidence.pooling.measures import (
    Measure,
    Tables,
    ZeroCells,
    compute_effects,
    correct_zeros,
)

__all__ = ["Trials", "gather_trials"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

CONTROL_WORDS = frozenset(
    {
        *("control", "placebo", "sham", "none", "observation", "untreated", "unvaccinated"),
        *("no-treatment", "no-intervention", "no-contact", "usual-care", "standard-care", "standard-of-care"),
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """One effect a trial, and the tables that it came from.

    Attributes
    ----------
    names : tuple of str
    treatment, reference : str
        Effects are of `treatment` relative to `reference`.
    y, v : (k,) float
        Effects (log scale for ratios) and sampling variances, of the trials that enter.
    tables : Tables or None
        As given, uncorrected; None for contrast rows.
    corrected : (k,) bool
        Whether a continuity correction made the effect.
    extra : mapping of str to sequence
        Columns of trials: moderators, subgroups, years.
    left_out : tuple of (str, str)
        Trials that give no effect, and why.
    notes : tuple of str
        What was decided on the way.
    all_tables, all_names
        With the trials left out of `y` too; methods on counts judge these for themselves.
    """

    names: tuple[str, ...]
    treatment: str
    reference: str
    y: Floats
    v: Floats
    tables: Tables | None
    corrected: Flags
    extra: Mapping[str, Any]
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    all_tables: Tables | None = None
    all_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.y)

    def take(self, keep: Flags) -> Trials:
        """Some of the trials that enter; what is left out of them is left out of the tables too."""
        keep = np.asarray(keep, bool)
        gone = {name for name, kept in zip(self.names, keep) if not kept}
        everywhere = np.array([name not in gone for name in self.all_names], bool)
        return replace(
            self,
            names=tuple(name for name in self.names if name not in gone),
            y=self.y[keep],
            v=self.v[keep],
            tables=None if self.tables is None else self.tables.take(keep),
            corrected=self.corrected[keep],
            extra=_Some(self.extra, np.flatnonzero(keep)),
            all_tables=None if self.all_tables is None else self.all_tables.take(everywhere),
            all_names=tuple(name for name in self.all_names if name not in gone),
        )


def gather_trials(
    rows: ArmRows | ContrastRows,
    measure: Measure,
    *,
    reference: str | None,
    zero_cells: ZeroCells,
    correction: float,
    both_zero: str,
    is_pooled_from_counts: bool = False,
) -> Trials:
    """One effect a trial from checked rows."""
    if isinstance(rows, ContrastRows):
        return _from_contrasts(rows, reference)
    trials = _from_arms(rows, measure, reference, zero_cells, correction, both_zero)
    if is_pooled_from_counts and trials.corrected.any():
        told = "corrections are for trials' own effects; the pooled estimate takes the counts as they are"
        return replace(trials, notes=(*trials.notes, told))
    return trials


# Direction ----------------------------------------------------------------------------------------------


def _direction(names: list[str], reference: str | None, where: str) -> tuple[str, str, tuple[str, ...]]:
    """Treatment, reference, and a note where the reference was our choice."""
    if len(names) != 2:
        raise EvidenceError(
            f"pairwise compares two treatments; these rows have {len(names)}",
            where=where,
            found=", ".join(names),
            expected="two",
            try_="flarefree.evidence.network(data) for all of them, or the rows of two of them",
        )
    if reference is None:
        second = next((name for name in names if _is_control(name)), names[1])
        first = names[0] if second == names[1] else names[1]
        return first, second, (f"{second} is the reference (no `reference` was given)",)
    reference = name_text(reference)
    if reference not in names:
        near = difflib.get_close_matches(reference, names, 1, 0.5)
        raise EvidenceError(
            "no arm has this treatment",
            where="reference",
            found=repr(reference),
            expected=" or ".join(map(repr, names)),
            try_=f"reference={(near or names[-1:])[0]!r}",
        )
    return (names[1] if names[0] == reference else names[0]), reference, ()


def _is_control(name: str) -> bool:
    words = name.casefold().replace("_", " ").replace("/", " ").split()
    return bool(CONTROL_WORDS & {*words, "-".join(words)})


# Contrast rows ------------------------------------------------------------------------------------------


def _from_contrasts(rows: ContrastRows, reference: str | None) -> Trials:
    names = list(dict.fromkeys([*rows.treatment_1.tolist(), *rows.treatment_2.tolist()]))
    treatment, second, notes = _direction(names, reference, rows.where)
    sign = np.where(rows.treatment_1 == treatment, 1.0, -1.0)
    return Trials(
        names=tuple(rows.study.tolist()),
        treatment=treatment,
        reference=second,
        y=rows.estimate * sign,
        v=rows.std_error**2,
        tables=None,
        corrected=np.zeros(len(rows), bool),
        extra=rows.extra,
        left_out=(),
        notes=notes,
        all_names=tuple(rows.study.tolist()),
    )


# Arm rows -----------------------------------------------------------------------------------------------


def _from_arms(
    rows: ArmRows,
    measure: Measure,
    reference: str | None,
    zero_cells: ZeroCells,
    correction: float,
    both_zero: str,
) -> Trials:
    _require_outcome(rows, measure)
    names, _ = group_codes(rows.treatment.tolist())
    treatment, second, notes = _direction(names, reference, rows.where)
    studies, places = _two_arms(rows, treatment)
    tables = Tables(**{name: getattr(rows, name)[places] for name in Tables.__slots__})
    used, touched = (tables, np.zeros(len(studies), bool))
    if measure.key in ("RR", "OR", "RD", "IRR", "IRD"):
        _require_someone(tables, measure, rows.where)
        used, touched = correct_zeros(tables, measure.key, zero_cells, correction)
        notes += _correction_notes(tables, touched, measure, correction, zero_cells, both_zero)
    y, v = compute_effects(measure.key, used)
    reasons = _reasons_to_leave_out(tables, y, v, measure, both_zero)
    keep = np.array([not reason for reason in reasons], bool)
    left_out = tuple((study, reason) for study, reason in zip(studies, reasons) if reason)
    if not keep.any():
        raise EvidenceError(
            "no trial gives an effect",
            where=rows.where,
            found="; ".join(f"{study}: {reason}" for study, reason in left_out[:5]),
            try_='zero_cells="only0", measure="RD", or a method on counts ("MH", "EXACT")'
            if "events" in measure.needs
            else "",
        )
    return Trials(
        names=tuple(np.array(studies, dtype=object)[keep].tolist()),
        treatment=treatment,
        reference=second,
        y=y[keep],
        v=v[keep],
        tables=tables.take(keep),
        corrected=touched[keep],
        extra=_OfTrials(rows, places[keep]),
        left_out=left_out,
        notes=notes,
        all_tables=tables,
        all_names=tuple(studies),
    )


def _require_outcome(rows: ArmRows, measure: Measure) -> None:
    if not measure.needs:
        raise EvidenceError(
            f"a {measure.label} is not computed from arms' numbers",
            where=rows.where,
            found="arm rows",
            expected="contrast rows: study, treatment_1, treatment_2, estimate, std_error (logs of ratios)",
        )
    for column in measure.needs:
        absent = np.isnan(getattr(rows, column))
        if absent.any():
            i = int(np.flatnonzero(absent)[0])
            raise EvidenceError(
                f"a {measure.label} needs {', '.join(measure.needs)}",
                where=rows.place(i, column),
                found="nothing",
                expected=f"{column} in every arm",
                try_=_other_measure(rows),
            )


def _other_measure(rows: ArmRows) -> str:
    """A measure that these rows could give."""
    for key, columns in (
        ("RR", ("events", "n")),
        ("IRR", ("events", "person_time")),
        ("MD", ("mean", "sd", "n")),
    ):
        if not any(np.isnan(getattr(rows, column)).any() for column in columns):
            return f'measure="{key}"'
    return ""


def _two_arms(rows: ArmRows, treatment: str) -> tuple[list[str], NDArray[np.int64]]:
    """The studies in their order, and the rows of each one's two arms: (k, 2), the treatment first."""
    studies, codes = group_codes(rows.study.tolist())
    places = np.empty((len(studies), 2), np.int64)
    column = np.where(rows.treatment == treatment, 0, 1)
    places[codes, column] = np.arange(len(rows))
    return studies, places


def _require_someone(tables: Tables, measure: Measure, where: str) -> None:
    if measure.is_ratio and not tables.events.any():
        raise EvidenceError(
            f"nobody had the event in any arm: there is no {measure.label}",
            where=where,
            found=f"0 events in {len(tables.events)} trials",
            expected="events in one trial at least",
            try_=f'measure="{"IRD" if measure.key == "IRR" else "RD"}"',
        )


def _correction_notes(
    tables: Tables, touched: Flags, measure: Measure, correction: float, zero_cells: str, both_zero: str
) -> tuple[str, ...]:
    notes: list[str] = []
    empty = tables.without_events if measure.is_ratio else np.zeros_like(touched)
    kept = both_zero == "keep" and zero_cells != "none"
    shown = touched & (~empty | kept)
    if shown.any():
        how = (
            f"{2 * correction:g} shared between the arms by their sizes"
            if zero_cells == "treatment_arm"
            else f"{correction:g} added to each cell"
        )
        notes.append(
            f"{_trials(int(shown.sum()))} with empty cells corrected: {how} (zero_cells={zero_cells!r})"
        )
    if empty.any():
        what = f"kept as corrected (both_zero={both_zero!r})" if kept else "left out"
        notes.append(f"{_trials(int(empty.sum()))} without events in either arm {what}")
    return tuple(notes)


def _trials(count: int) -> str:
    return f"{count} trial{'' if count == 1 else 's'}"


def _reasons_to_leave_out(
    tables: Tables, y: Floats, v: Floats, measure: Measure, both_zero: str
) -> list[str]:
    """Why each trial gives no effect; empty where it gives one."""
    usable = np.isfinite(y) & np.isfinite(v) & (v > 0)
    reasons = ["" if ok else "no effect with a variance can be computed" for ok in usable]
    if "events" not in measure.needs:
        return reasons
    if both_zero == "exclude":
        for i in np.flatnonzero(tables.without_events):
            reasons[i] = "no events in either arm"
        for i in np.flatnonzero(tables.all_events if "n" in measure.needs else []):
            reasons[i] = "everybody had the event in both arms"
    for i in np.flatnonzero(~usable):
        if tables.without_events[i]:
            reasons[i] = "no events in either arm"
        elif (tables.events[i] == 0).any():
            reasons[i] = "no events in one arm, and no correction asked for"
        elif "n" in measure.needs and (tables.events[i] == tables.n[i]).any():
            reasons[i] = "everybody had the event in an arm, and no correction asked for"
    return reasons


class _Some(Mapping[str, Any]):
    """Columns of some of the trials."""

    def __init__(self, columns: Mapping[str, Any], places: NDArray[np.intp]) -> None:
        self._columns, self._places = columns, places

    def __iter__(self) -> Any:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __getitem__(self, name: str) -> Any:
        values = self._columns[name]
        return [values[int(i)] for i in self._places]


class _OfTrials(Mapping[str, Any]):
    """Extra columns of arm rows by trial, looked up when asked for: most calls ask for none."""

    def __init__(self, rows: ArmRows, places: NDArray[np.int64]) -> None:
        self._rows, self._places = rows, places

    def __iter__(self) -> Any:
        return iter(self._rows.extra)

    def __len__(self) -> int:
        return len(self._rows.extra)

    def __getitem__(self, name: str) -> Any:
        values = self._rows.extra[name]
        pairs = [(values[int(i)], values[int(j)]) for i, j in self._places]
        for (one, two), (i, _) in zip(pairs, self._places):
            if not (one == two or (one != one and two != two)):
                raise EvidenceError(
                    f"the arms of a trial differ in {name}",
                    where=f"{self._rows.where}: study {self._rows.study[int(i)]}, column {name}",
                    found=f"{one!r} and {two!r}",
                    expected="one value a trial",
                )
        return [one for one, _ in pairs]
