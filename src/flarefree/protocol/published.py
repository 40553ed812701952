"""What a paper printed, keyed as our results are, so that the two can stand side by side.

A file of published results lies beside its protocol (`published:` names it).  Each number is kept as
printed, under the analysis, the row (`term`, `level`, `endpoint`), the group (an arm, or
`ARM_vs_REFERENCE`) and the statistic that our tidy results would give it.

```yaml
source: dooley2011
results:
  - analysis: primary
    place: Results, Study end points
    rows:
      - {term: events, groups: {MMF: {n: 19, percent: 16.4}, AZA: {n: 36, percent: 32.4}}}
      - {term: Unadjusted, groups: {MMF_vs_AZA: {estimate: 0.44, conf_low: 0.25, conf_high: 0.77}}}
tables:            # printed results that no analysis of the protocol gives
  enrollment: {title: ..., place: ..., columns: [Region, Patients], rows: [[Asia, 72], ...]}
```
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from flarefree.errors import ProtocolError
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.yaml_source import YamlSource, read_yaml

__all__ = ["Published", "PublishedCell", "PublishedKey", "PublishedTable", "load_published"]


class PublishedKey(NamedTuple):
    """Which of our results a published one belongs to."""

    analysis: str
    term: str
    level: str
    endpoint: str
    group: str


@dataclass(frozen=True, slots=True)
class PublishedCell:
    """What a paper printed in one place.

    Attributes
    ----------
    printed : mapping of str to str
        By the statistic's name, exactly as printed: `{"estimate": "0.44", "p_value": "<0.01"}`.
    place : str
        Where in the paper.
    unit, note : str
        Where they are not those of our row.
    """

    printed: Mapping[str, str]
    place: str = ""
    unit: str = ""
    note: str = ""

    def number(self, stat: str) -> float | None:
        """A statistic as a number; None if it is not there, or was printed as a bound (`<0.01`)."""
        try:
            return float(self.printed[stat])
        except (KeyError, ValueError):
            return None

    def text(self, display: str) -> str:
        """The cell as it would stand in our table, for one of `flarefree.results.Display`.

        Empty where the paper does not have what that display shows.
        """
        shown = self.printed
        for needed, pattern in _PATTERNS.get(display, ()):
            if all(stat in shown for stat in needed):
                return pattern.format(**shown)
        return ""


_PATTERNS: dict[str, tuple[tuple[tuple[str, ...], str], ...]] = {
    # display: (statistics needed, how they are printed), the fullest first
    "count": ((("n",), "{n}"),),
    "n_percent": ((("n", "percent"), "{n} ({percent})"), (("n",), "{n}"), (("percent",), "({percent})")),
    "n_percent_events": ((("n", "percent"), "{n} ({percent})"), (("n",), "{n}")),
    "n_of_total": ((("n", "total"), "{n}/{total}"), (("n",), "{n}")),
    "number": ((("value",), "{value}"), (("mean",), "{mean}")),
    "mean_sd": ((("mean", "sd"), "{mean} ± {sd}"), (("mean",), "{mean}")),
    "mean_se": ((("mean", "std_error"), "{mean} ± {std_error}"), (("mean",), "{mean}")),
    "geometric_mean_sd": ((("geometric_mean", "sd"), "{geometric_mean} ± {sd}"),),
    "median_iqr": ((("median", "q1", "q3"), "{median} ({q1}–{q3})"), (("median",), "{median}")),
    "median_range": ((("median", "min", "max"), "{median} ({min}–{max})"), (("median",), "{median}")),
    "estimate_ci": (
        (("estimate", "conf_low", "conf_high"), "{estimate} ({conf_low} to {conf_high})"),
        (("estimate",), "{estimate}"),
    ),
    "percent_ci": (
        (("percent", "conf_low", "conf_high"), "{percent} ({conf_low} to {conf_high})"),
        (("percent",), "{percent}"),
    ),
    "rate": ((("rate",), "{rate}"),),
    "p_value": ((("p_value",), "{p_value}"),),
}


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """A printed table that no analysis of the protocol gives; texts as printed."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    place: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """A paper's results.

    Attributes
    ----------
    source : str
        Key of the protocol's citation.
    citation : str
    cells : mapping of PublishedKey to PublishedCell
    tables : mapping of str to PublishedTable
    """

    source: str
    citation: str
    cells: Mapping[PublishedKey, PublishedCell]
    tables: Mapping[str, PublishedTable] = field(default_factory=dict)

    def cell(
        self, analysis: str, group: str, *, term: str = "", level: str = "", endpoint: str = ""
    ) -> PublishedCell | None:
        """What was printed where our cell stands, or None.

        `group` may be the key of one of our columns: what follows the arm or the comparison
        (`MMF_vs_AZA_p`, `MT_rate`) is looked through.  A published row without an endpoint serves our
        row of any endpoint.
        """
        for name in (group, *(group.removesuffix(end) for end in _COLUMN_ENDS if group.endswith(end))):
            for of in dict.fromkeys((endpoint, "")):
                found = self.cells.get(PublishedKey(analysis, term, level, of, name))
                if found is not None:
                    return found
        return None

    def analyses(self) -> tuple[str, ...]:
        """Analyses of which anything was published."""
        return tuple(dict.fromkeys(key.analysis for key in self.cells))


_COLUMN_ENDS = ("_p", "_rate", "_cumulative")


def load_published(protocol: LoadedProtocol) -> Published | None:
    """The published results that stand beside a protocol, or None if it names none.

    Raises
    ------
    ProtocolError
        The file is not there, or is not as it should be.
    """
    if not protocol.spec.published:
        return None
    path = Path(protocol.folder) / protocol.spec.published
    try:
        text = path.read_text("utf-8")
    except OSError:
        place = protocol.place("published")
        raise ProtocolError(
            "the file of published results is not there",
            where=place,
            found=protocol.spec.published,
            expected="a file beside the protocol",
            try_=f"remove the line published: {protocol.spec.published}, or put the file there "
            "(flarefree protocols copy NAME FILE copies both)",
        ) from None
    published = _read(text, path.name)
    _require_known_analyses(published, protocol, path.name)
    return published


@lru_cache(maxsize=8)
def _read(text: str, name: str) -> Published:
    source = read_yaml(text, name, as_text=True)
    values = source.values
    return Published(
        source=_text(values, "source", source, ""),
        citation=_text(values, "citation", source, ""),
        cells=MappingProxyType(dict(_cells(source))),
        tables=MappingProxyType({key: _table(key, source) for key in values.get("tables", {})}),
    )


def _cells(source: YamlSource) -> Iterator[tuple[PublishedKey, PublishedCell]]:
    seen: set[tuple[PublishedKey, str]] = set()
    for i, result in enumerate(source.values.get("results", [])):
        path = f"results.{i}"
        analysis, place = _text(result, "analysis", source, path), result.get("place", "")
        gathered: dict[PublishedKey, PublishedCell] = {}
        for j, row in enumerate(result.get("rows", [])):
            where = f"{path}.rows.{j}"
            _require_keys(row, {"term", "level", "endpoint", "unit", "note", "groups"}, source, where)
            for group, stats in row.get("groups", {}).items():
                key = PublishedKey(
                    analysis, row.get("term", ""), row.get("level", ""), row.get("endpoint", ""), group
                )
                for stat in stats:
                    if (key, stat) in seen:
                        raise ProtocolError(f"{stat} of {group} is given twice", where=source.place(where))
                    seen.add((key, stat))
                before = gathered[key].printed if key in gathered else {}
                gathered[key] = PublishedCell(
                    MappingProxyType({**before, **stats}), place, row.get("unit", ""), row.get("note", "")
                )
        yield from gathered.items()


def _table(key: str, source: YamlSource) -> PublishedTable:
    table = source.values["tables"][key]
    path = f"tables.{key}"
    _require_keys(table, {"title", "place", "columns", "rows", "note"}, source, path)
    columns = tuple(table["columns"])
    for i, row in enumerate(table["rows"]):
        if len(row) != len(columns):
            found = f"{len(row)} cells"
            raise ProtocolError(
                "a row does not fit its table",
                where=source.place(f"{path}.rows.{i}"),
                found=found,
                expected=f"{len(columns)}",
            )
    rows = tuple(tuple(row) for row in table["rows"])
    return PublishedTable(table["title"], columns, rows, table.get("place", ""), table.get("note", ""))


def _text(values: Any, key: str, source: YamlSource, path: str) -> str:
    if not isinstance(values, dict) or not isinstance(values.get(key), str):
        raise ProtocolError(f"{key} is missing", where=source.place(path), expected=f"the key {key}")
    return str(values[key])


def _require_keys(values: Any, known: set[str], source: YamlSource, path: str) -> None:
    unknown = sorted(set(values) - known)
    if unknown:
        raise ProtocolError(
            f"{unknown[0]} is not a key here",
            where=source.place(f"{path}.{unknown[0]}"),
            expected="one of " + ", ".join(sorted(known)),
        )


def _require_known_analyses(published: Published, protocol: LoadedProtocol, name: str) -> None:
    spec = protocol.spec
    comparisons = {f"{arm}_vs_{reference}" for arm, reference in protocol.comparisons}
    groups = {*spec.arms, *comparisons, "overall", "total"}
    for key in published.cells:
        if key.analysis not in spec.analyses:
            raise ProtocolError(
                f"the protocol has no analysis {key.analysis}", where=name, found=key.analysis
            )
        if key.group not in groups:
            raise ProtocolError(f"the protocol has no group {key.group}", where=name, found=str(key))
