"""Other people's tables: their names of columns, their wide shapes, their files.

Gives rows of cells under our names, with the row of the input that each came from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from flarefree.errors import EvidenceError
from flarefree.evidence.auditing.printed import is_blank
from flarefree.evidence.delimited import read_delimited

__all__ = ["long_rows"]

Cells = Mapping[str, Any]

ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "study": ("study", "trial", "study_id", "studlab", "author", "paper", "id"),
        "source": ("source", "document", "file", "reference"),
        "table": ("table", "place", "location", "panel"),
        "outcome": (
            "outcome",
            "endpoint",
            "event",
            "variable",
            "characteristic",
            "adverse_event",
            "item",
            "term",
        ),
        "arm": ("arm", "treatment", "group", "trt", "intervention"),
        "versus": ("versus", "comparator", "reference_arm", "vs"),
        "n": ("n", "total", "denominator", "sample_size", "ni", "n_analyzed", "n_analysed"),
        "events": ("events", "count", "x", "r", "xi", "responders", "n_events", "cases", "no"),
        "randomized": ("randomized", "randomised", "n_randomized", "n_randomised"),
        "percent": ("percent", "pct", "percentage", "%", "crude_rate"),
        "mean": ("mean", "mi", "m"),
        "sd": ("sd", "sdi", "std", "stddev", "standard_deviation"),
        "estimate": ("estimate", "est", "effect", "point_estimate"),
        "measure": ("measure", "effect_measure", "sm"),
        "lower": ("lower", "low", "lo", "lcl", "ci_low", "ci_lower", "conf_low", "lower_ci", "lower_95"),
        "upper": ("upper", "high", "hi", "ucl", "ci_high", "ci_upper", "conf_high", "upper_ci", "upper_95"),
        "p": ("p", "p_value", "pvalue", "pval", "p_val"),
        "person_time": ("person_time", "person_years", "patient_years", "py", "exposure"),
        "rate": ("rate", "incidence_rate", "event_rate"),
        "follow_up": ("follow_up", "followup", "mean_follow_up", "mean_followup"),
        "at_risk": ("at_risk", "n_risk", "number_at_risk", "n_at_risk"),
        "time": ("time", "time_point", "timepoint", "month"),
        "minimum": ("minimum", "min", "scale_min"),
        "maximum": ("maximum", "max", "scale_max"),
        "whole": ("whole", "integer", "integers"),
        "part_of": ("part_of", "parent"),
        "kind": ("kind", "percent_kind"),
    }
)
PLAIN = (
    *("outcome_id", "patients", "cohort", "period", "population", "test"),
    *("parts", "unit", "rate_per", "level", "recorded", "n_elsewhere"),
)
RATIO_COLUMNS = MappingProxyType({"hr": "HR", "rr": "RR", "or": "OR", "rd": "RD", "md": "MD"})
PER_ARM = ("n", "events", "percent", "mean", "sd", "person_time", "rate", "arm")
# Columns of meta-analysis data sets: group 1 and group 2 of one row.
PAIRED = MappingProxyType(
    {
        "ai": ("events", 1), "ci": ("events", 2), "n1i": ("n", 1), "n2i": ("n", 2),
        "m1i": ("mean", 1), "m2i": ("mean", 2), "sd1i": ("sd", 1), "sd2i": ("sd", 2),
        "e1": ("events", 1), "e2": ("events", 2), "x1": ("events", 1), "x2": ("events", 2),
        "r1": ("events", 1), "r2": ("events", 2), "event_e": ("events", 1), "event_c": ("events", 2),
        "n_e": ("n", 1), "n_c": ("n", 2), "mean_e": ("mean", 1), "mean_c": ("mean", 2),
        "sd_e": ("sd", 1), "sd_c": ("sd", 2), "y1": ("mean", 1), "y2": ("mean", 2), "y3": ("mean", 3),
        "p1": ("percent", 1), "p2": ("percent", 2),
    }
)  # fmt: skip
_RATE_PER = re.compile(r"^(?:incidence_|event_)?rate_per_(\d+)_?(?:(?:patient|person)_?years?|py|pyr?s?)$")
_NUMBERED = re.compile(r"^(.*?)_?([1-9])$")


Row = tuple[int, dict[str, Any]]


def long_rows(data: Any, where: str) -> tuple[list[Row], str, tuple[str, ...]]:
    """Rows of cells under our names, each with the number of its row in the input.

    Beside them what to call the data, and the columns that are none of ours.
    """
    rows, where = _rows_of(data, where)
    if not rows:
        raise EvidenceError("the table is empty", where=where, expected="one row a study, outcome and arm")
    names = list(dict.fromkeys(name for row in rows for name in row))
    single, paired = _meanings(names, where)
    if not (paired or single.keys() - {"study", "outcome", "arm"}):
        raise EvidenceError(
            "the columns of this table are not known",
            where=where,
            found=", ".join(map(str, names)),
            expected="any of n, events, percent, mean, sd, estimate, lower, upper, p, beside study, outcome",
            try_="rename the columns; docs/how-to/audit-a-table.md lists them with their other names",
        )
    found = [cells for i, row in enumerate(rows, 1) for cells in _arms_of(i, row, single, paired)]
    read = {*single.values(), *paired}
    return found, where, tuple(str(name) for name in names if str(name) not in read)


def _rows_of(data: Any, where: str) -> tuple[list[dict[str, Any]], str]:
    if isinstance(data, (str, Path)):
        return _file_rows(Path(data)), str(data)
    if isinstance(data, Mapping):
        return _column_rows(data, where), where
    if isinstance(data, Sequence):
        return _listed_rows(data, where), where
    try:
        import narwhals as nw

        frame = nw.from_native(data, eager_only=True)
    except TypeError:
        raise EvidenceError(
            "this is no table",
            where=where,
            found=type(data).__name__,
            expected="a polars or pandas frame, rows, columns, or the path of a CSV, TSV, JSON or Parquet",
        ) from None
    return [dict(row) for row in frame.iter_rows(named=True)], where


def _listed_rows(data: Sequence[Any], where: str) -> list[dict[str, Any]]:
    for i, row in enumerate(data, 1):
        if not isinstance(row, Mapping):
            raise EvidenceError(
                "a row is no mapping of columns to cells",
                where=f"{where}: row {i}",
                found=repr(row)[:80],
                expected='{"study": ..., "outcome": ..., ...}',
            )
    return [dict(row) for row in data]


def _column_rows(data: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    for name, values in data.items():
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise EvidenceError(
                "a column is no column",
                where=f"{where}: {name}",
                found=repr(values)[:80],
                expected="a list or an array of cells",
            )
    columns = {str(name): list(values) for name, values in data.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise EvidenceError(
            "columns differ in length", where=where, found=str(lengths), expected="one length"
        )
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _file_rows(path: Path) -> list[dict[str, Any]]:
    import polars as pl

    suffix = path.suffix.lower()
    try:
        if suffix == ".json":
            return _listed_rows(json.loads(path.read_text(encoding="utf-8")), str(path))
        if suffix == ".parquet":
            return pl.read_parquet(path).to_dicts()
    except EvidenceError:
        raise
    except FileNotFoundError:
        raise EvidenceError(
            "there is no such file", where=str(path), expected="a table of printed cells"
        ) from None
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise EvidenceError(
            "this file cannot be read as a table", where=str(path), found=str(error)[:200]
        ) from None
    # As text: a number read as a number has lost the decimals it was printed with.
    read = read_delimited(path)
    return [dict(zip(read.header, cells, strict=True)) for cells in read.rows]


def _meanings(names: Sequence[Any], where: str) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """Our name -> theirs; and, in wide tables, their name -> our name and the arm that it is of."""
    folded = {_folded(name): str(name) for name in names}
    if len(folded) < len(names):
        raise EvidenceError("two columns have one name", where=where, found=", ".join(map(str, names)))
    numbered = {folded[f]: meaning for f in folded if (meaning := _paired(f)) is not None}
    paired = _of_two_arms(numbered) or _of_two_arms(_named_arms(folded))
    single: dict[str, str] = {}
    for ours, aliases in [*ALIASES.items(), *((name, (name,)) for name in PLAIN)]:
        columns = [folded[a] for a in aliases if a in folded and folded[a] not in paired]
        if columns:
            single[ours] = columns[0]
    for short in RATIO_COLUMNS:
        if short in folded and "estimate" not in single:
            single["estimate"] = folded[short]
            single["measure"] = single.get("measure", f"={RATIO_COLUMNS[short]}")
    for name, theirs in folded.items():
        if "rate" not in single and (per := _RATE_PER.match(name)):
            single["rate"] = theirs
            single["rate_per"] = single.get("rate_per", f"={per[1]}")
    return single, paired


def _of_two_arms(paired: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """The columns of a wide table; none where they are not of two arms at least, each with the same kinds."""
    arms: dict[str, set[str]] = {}
    for ours, arm in paired.values():
        arms.setdefault(arm, set()).add(ours)
    shared = set.intersection(*arms.values()) if len(arms) > 1 else set()
    return paired if shared & {"n", "events", "percent", "mean"} else {}


def _named_arms(folded: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Columns that name the arm: `mmf_events` and `aza_events`, or `n_mmf` and `n_aza`."""
    known = {alias: ours for ours, aliases in ALIASES.items() for alias in aliases}
    taken = {*known, *PLAIN, *RATIO_COLUMNS}
    found: dict[str, tuple[str, str]] = {}
    for name, theirs in folded.items():
        words = name.split("_")
        for kind, arm in ((words[-1], words[:-1]), (words[0], words[1:])):
            if name not in taken and arm and known.get(kind) in PER_ARM:
                found[theirs] = (known[kind], " ".join(arm))
                break
    return found


def _folded(name: Any) -> str:
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(name).lstrip("\ufeff").strip())
    return re.sub(r"[\s.\-/]+", "_", text).lower().strip("_")


def _paired(folded: str) -> tuple[str, str] | None:
    """What a numbered column holds and of which arm: `events_1`, `n2i`."""
    if folded in PAIRED:
        ours, arm = PAIRED[folded]
        return ours, f"arm {arm}"
    found = _NUMBERED.match(folded)
    if found is None:
        return None
    stem, number = found.groups()
    known = {alias: ours for ours, aliases in ALIASES.items() for alias in aliases}
    ours = known.get(stem, "")
    return (ours, f"arm {number}") if ours in PER_ARM else None


def _arms_of(
    number: int, row: Cells, single: Mapping[str, str], paired: Mapping[str, tuple[str, str]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The long rows of one row: itself, or one an arm of a wide table (its P value with the first)."""
    shared = {ours: _cell(row, theirs) for ours, theirs in single.items()}
    # A column HR says what its own cells are, and nothing of the rows where it is empty.
    for of, ours in (("estimate", "measure"), ("rate", "rate_per")):
        if single.get(ours, "").startswith("=") and is_blank(shared.get(of)):
            del shared[ours]
    if not paired:
        yield number, shared
        return
    once = ("p", "estimate", "lower", "upper")
    first = True
    for arm in dict.fromkeys(arm for _, arm in paired.values()):
        own = {ours: row.get(name) for name, (ours, of) in paired.items() if of == arm}
        if all(is_blank(value) for value in own.values()):
            continue
        kept = {ours: value for ours, value in shared.items() if first or ours not in once}
        yield number, kept | {"arm": arm} | {k: v for k, v in own.items() if not is_blank(v)}
        first = False


def _cell(row: Cells, theirs: str) -> Any:
    return theirs[1:] if theirs.startswith("=") else row.get(theirs)
