"""Covariates: characteristics of patients from the subjects' table, from baseline values, or by a sentence.

`subject_covariates` gives what the table itself holds, which sentences and equations may use;
`derive_covariates` adds those that rest on the panel: a measure's baseline, a cut of another covariate, a
sentence read at baseline.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.endpoints.context import Context
from flarefree.endpoints.evaluate import Evaluator
from flarefree.endpoints.kernels import TRUE, UNKNOWN
from flarefree.endpoints.panel import Panel, PanelColumn
from flarefree.protocol.schema import Covariate, Protocol
from flarefree.records.findings import Finding, Severity

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol

__all__ = [
    "baseline_panel",
    "by_word",
    "default_findings",
    "derive_covariates",
    "is_black",
    "subject_covariates",
]

Array = npt.NDArray[np.float64] | npt.NDArray[np.object_]

_ALWAYS = ("age_years", "sex", "race", "ethnicity", "region", "country", "site")
"""Columns of every subjects' table, which sentences may name without declaring them."""


def subject_covariates(subjects: pl.DataFrame, spec: Protocol) -> dict[str, Array]:
    """What the subjects' table says of each patient: (n_subjects,) float64, or object of text and None."""
    found: dict[str, Array] = {name: _array(subjects.get_column(name)) for name in _ALWAYS}
    for name, covariate in _read_from_subjects(spec).items():
        column = _column(subjects, name, covariate)
        if _takes_default(subjects, name, covariate):
            found[name] = _leveled(pl.Series([covariate.default] * subjects.height), covariate)
        elif column is None:
            found[name] = _nothing(subjects.height, covariate)
        else:
            found[name] = _leveled(subjects.get_column(column), covariate)
    return found


def default_findings(subjects: pl.DataFrame, spec: Protocol) -> tuple[Finding, ...]:
    """A note for each covariate that the data tell of no patient, so that the default is taken."""
    return tuple(
        Finding(
            "default-taken",
            Severity.NOTE,
            f"no patient has a {name}; every patient takes the protocol's default",
            column=covariate.column or name,
            found="",
            expected=covariate.default,
            count=subjects.height,
        )
        for name, covariate in _read_from_subjects(spec).items()
        if _takes_default(subjects, name, covariate)
    )


def _read_from_subjects(spec: Protocol) -> dict[str, Covariate]:
    return {n: c for n, c in spec.covariates.items() if not (c.from_measure or c.of or c.when)}


def _column(subjects: pl.DataFrame, name: str, covariate: Covariate) -> str | None:
    return next((c for c in (name, covariate.column) if c and c in subjects.columns), None)


def _takes_default(subjects: pl.DataFrame, name: str, covariate: Covariate) -> bool:
    """One patient with a value is enough for the others to stay unknown: then the data do tell it."""
    column = _column(subjects, name, covariate)
    return bool(covariate.default) and (
        column is None or subjects.get_column(column).null_count() == subjects.height
    )


def is_black(race: npt.NDArray[np.object_]) -> npt.NDArray[np.float64]:
    """Whether a patient is black, as the equations ask: 1, 0, or NaN where race is not known."""
    return by_word(race, _says_black, np.nan).astype(np.float64)


def by_word(
    texts: npt.NDArray[np.object_], meaning: Callable[[str], Any], nothing: Any
) -> npt.NDArray[np.object_]:
    """What each text means, asked once of each different text; `nothing` for None."""
    meanings: dict[str | None, Any] = {None: nothing}
    for text in set(texts.tolist()) - {None}:
        meanings[text] = meaning(text)
    found = np.empty(texts.size, dtype=object)
    found[:] = [meanings[text] for text in texts.tolist()]
    return found


def _says_black(race: str) -> float:
    if not race.strip() or race.strip().upper() in ("UNKNOWN", "NOT REPORTED"):
        return np.nan
    text = race.upper()
    return 1.0 if "BLACK" in text or "AFRICAN AMERICAN" in text else 0.0


def _array(column: pl.Series) -> Array:
    if column.dtype.is_numeric():
        return column.cast(pl.Float64).fill_null(np.nan).to_numpy(writable=True)
    return np.array(column.cast(pl.String).to_list(), dtype=object)


def _nothing(n: int, covariate: Covariate) -> Array:
    is_number = covariate.type == "number" and not covariate.cut
    return np.full(n, np.nan) if is_number else np.full(n, None, dtype=object)


def _leveled(column: pl.Series, covariate: Covariate) -> Array:
    """A column in the covariate's levels; a text that is none of them stays as written."""
    if covariate.type == "number" or covariate.cut:
        values = column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy(writable=True)
        return _cut(values, covariate) if covariate.cut else values
    levels = {text.casefold(): level for level, texts in covariate.levels.items() for text in (level, *texts)}
    return by_word(_texts(column), lambda text: levels.get(text.strip().casefold(), text), None)


def _texts(column: pl.Series) -> npt.NDArray[np.object_]:
    """A column as text; whole numbers without their `.0`."""
    if column.dtype.is_float():
        whole = column.cast(pl.Int64, strict=False)
        is_whole = (whole.cast(pl.Float64) == column).fill_null(False)
        column = whole.cast(pl.String).zip_with(is_whole, column.cast(pl.String))
    return np.array(column.cast(pl.String).to_list(), dtype=object)


# Covariates that rest on the panel ----------------------------------------------------------------


def baseline_panel(evaluator: Evaluator) -> Panel:
    """One assessment a patient, at which every measure has its baseline value.

    Patients without any value have it too, with nothing known, on the baseline's last day.
    """
    panel = evaluator.panel
    n = panel.n_subjects
    last_day = evaluator.context.baseline.last_day
    columns = {}
    for name, column in panel.columns.items():
        source = evaluator.baseline_of(name)
        found = source >= 0
        columns[name] = PanelColumn(
            np.where(found, column.values[source], np.nan),
            np.where(found, column.days[source], 0).astype(np.int32),
            np.where(found, column.rows[source], -1),
            _taken(column.upper_limits, source, found),
            _taken(column.lower_limits, source, found),
            None if column.flagged is None else found & column.flagged[source],
            column.inputs,
            column.method,
            column.texts,
        )
    return Panel(
        panel.subjects,
        np.arange(n + 1, dtype=np.int64),
        np.full(n, last_day, dtype=np.int32),
        np.full(n, -1, dtype=np.int32),
        columns,
        panel.covariates,
    )


def _taken(
    limits: npt.NDArray[np.float64] | None, source: npt.NDArray[np.int64], found: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64] | None:
    return None if limits is None else np.where(found, limits[source], np.nan)


def derive_covariates(
    panel: Panel, protocol: LoadedProtocol, context: Context
) -> tuple[dict[str, Array], tuple[Finding, ...]]:
    """Every covariate of the protocol, (n_subjects,), and findings about levels that are not its own.

    Parameters
    ----------
    panel : Panel
        With the covariates of the subjects' table.
    protocol : LoadedProtocol
    context : Context

    Notes
    -----
    A covariate that cuts another one comes after it, in whatever order the protocol lists them.
    """
    evaluator = Evaluator(panel, context)
    at_baseline = baseline_panel(evaluator)
    found: dict[str, Array] = dict(panel.covariates)
    waiting = dict(protocol.spec.covariates)
    while waiting:
        ready = {name: c for name, c in waiting.items() if not c.of or c.of not in waiting}
        for name, covariate in ready.items() or waiting.items():
            found[name] = _derived(name, covariate, found, at_baseline, protocol, context)
        waiting = {name: c for name, c in waiting.items() if name not in (ready or waiting)}
    mine = {name: found[name] for name in protocol.spec.covariates}
    return mine, _odd_levels(mine, protocol.spec)


def _derived(
    name: str,
    covariate: Covariate,
    found: Mapping[str, Array],
    at_baseline: Panel,
    protocol: LoadedProtocol,
    context: Context,
) -> Array:
    if covariate.when:
        sentence = protocol.sentences[f"covariates.{name}.when"]
        verdicts = Evaluator(at_baseline.with_covariates(found), context).verdicts(sentence)
        words = [None if v == UNKNOWN else "yes" if v == TRUE else "no" for v in verdicts]
        return np.array(words, dtype=object)
    if covariate.from_measure:
        column = at_baseline.columns.get(covariate.from_measure)
        if column is None:
            values: Array = np.full(at_baseline.n_subjects, np.nan)
        elif column.texts:
            values = _leveled(
                pl.Series([None if np.isnan(v) else column.texts[int(v)] for v in column.values]), covariate
            )
        else:
            values = column.values
    elif covariate.of:
        values = found.get(covariate.of, np.full(at_baseline.n_subjects, np.nan))
    else:
        return found[name]
    if covariate.cut and values.dtype != object:
        return _cut(values.astype(np.float64), covariate)
    if covariate.type == "category":
        return _leveled(pl.Series(values.tolist(), nan_to_null=True, strict=False), covariate)
    return values


def _cut(values: npt.NDArray[np.float64], covariate: Covariate) -> npt.NDArray[np.object_]:
    """Categories of a number: each holds its lower cut and not its upper one."""
    labels = covariate.cut_labels or _cut_labels(covariate.cut)
    place = np.searchsorted(np.asarray(covariate.cut), values, side="right")
    return np.array(
        [None if np.isnan(v) else labels[i] for v, i in zip(values, place, strict=True)], dtype=object
    )


def _cut_labels(cut: tuple[float, ...]) -> tuple[str, ...]:
    inner = (f"{low:g} to <{high:g}" for low, high in pairwise(cut))
    return (f"<{cut[0]:g}", *inner, f">={cut[-1]:g}")


def _odd_levels(covariates: Mapping[str, Array], spec: Protocol) -> tuple[Finding, ...]:
    findings = []
    for name, values in covariates.items():
        levels = spec.covariates[name].levels
        if not levels or values.dtype != object:
            continue
        found = Counter(values.tolist())
        findings += [
            Finding(
                "unknown-level",
                Severity.WARNING,
                f"{found[text]} patients have a {name} that the protocol does not know",
                column=name,
                found=text,
                expected=", ".join(levels),
            )
            for text in sorted(text for text in found if text is not None and text not in levels)
        ]
    return tuple(findings)
