"""The appendix of events: what every number of a table counts, patient by patient, with the rows behind it.

A list holds the patients whose time to the endpoint ended in an event, so that it has as many lines as a
table counts; who of them is outside a table's population is said.  The event that each rests on has its
rows, or leads to the component's list that shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from flarefree.lineage import event_anchor, events_anchor
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.reports.content import ReportContent
from flarefree.reports.document import EventGroup, EventLine, EventList
from flarefree.reports.formatting import format_count
from flarefree.results import Sentence

__all__ = ["endpoint_sentence", "event_lists"]

MOST_EVENTS = 1_000
"""Events of one arm that are listed; `adam/ADEVENT` has them all."""

MOST_UNUSED = 200

Row = Mapping[str, Any]


def event_lists(content: ReportContent) -> tuple[EventList, ...]:
    """A list an endpoint, in the protocol's order."""
    return _Lists(content).made()


@dataclass(slots=True)
class _Lists:
    """Makes the lists; knows which event is shown where."""

    content: ReportContent
    counted: dict[str, tuple[str, ...]] = field(init=False)
    shown: dict[tuple[str, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.counted = _populations_by_anchor(self.content)

    def made(self) -> tuple[EventList, ...]:
        events = self.content.events.with_row_index("event_index")
        seen = self.content.times.filter("is_event").join(
            events.select(
                "event_index", pl.col("endpoint").alias("of"), "episode", "confirmed_day", "visit", "places"
            ),
            on="event_index",
            how="left",
            maintain_order="left",
        )
        times = {str(key[0]): part for key, part in seen.partition_by("endpoint", as_dict=True).items()}
        candidates = {
            str(key[0]): part for key, part in events.partition_by("endpoint", as_dict=True).items()
        }
        timed = set(self.content.times.get_column("endpoint").to_list())
        for endpoint in candidates.keys() - timed:  # no time to it was derived: its used events are the list
            times[endpoint] = _as_times(candidates[endpoint].filter("is_used"))
        names = dict.fromkeys([*self.content.protocol.spec.endpoints, *sorted({*times, *candidates})])
        listed = [name for name in names if name in times or name in candidates]
        for name in listed:
            self._note_own(name, times.get(name))
        return tuple(self._list(name, times.get(name), candidates.get(name)) for name in listed)

    def _note_own(self, endpoint: str, times: pl.DataFrame | None) -> None:
        """Remember which events an endpoint's own list shows, so that composites can lead there."""
        if times is None:
            return
        for arm in times.partition_by("arm"):
            for row in arm.sort("stop_day", "subject").head(MOST_EVENTS).iter_rows(named=True):
                if row["of"] == endpoint and row["event_index"] is not None:
                    self.shown[endpoint, row["event_index"]] = _anchor_of(endpoint, row)

    def _list(self, endpoint: str, times: pl.DataFrame | None, candidates: pl.DataFrame | None) -> EventList:
        spec = self.content.protocol.spec.endpoints.get(endpoint)
        ordered = None if times is None else times.sort("stop_day", "subject", maintain_order=True)
        linked = set() if ordered is None else set(ordered.get_column("event_index").drop_nulls().to_list())
        listed = set() if ordered is None else set(ordered.get_column("subject").to_list())
        unused = [] if candidates is None else _unlinked(candidates, linked)
        return EventList(
            anchor=events_anchor(endpoint),
            title=_label(self.content.protocol, endpoint),
            sentence=endpoint_sentence(self.content.protocol, endpoint),
            is_composite=bool(spec and spec.first_of),
            groups=() if ordered is None else self._groups(endpoint, ordered),
            unused=tuple(_unused_line(row) for row in unused[:MOST_UNUSED]),
            unused_left_out=max(len(unused) - MOST_UNUSED, 0),
            without=tuple(
                (subject, text)
                for (subject, of), text in self.content.explanations.items()
                if of == endpoint and subject not in listed
            ),
        )

    def _groups(self, endpoint: str, times: pl.DataFrame) -> tuple[EventGroup, ...]:
        """Lines by arm, in the protocol's order; one group of all where arms are masked."""
        by_arm = {key[0]: part for key, part in times.partition_by("arm", as_dict=True).items()}
        labels: dict[Any, str] = {key: arm.label for key, arm in self.content.protocol.spec.arms.items()}
        order = [*(arm for arm in labels if arm in by_arm), *(arm for arm in by_arm if arm not in labels)]
        return tuple(
            self._group(endpoint, arm or "all", labels.get(arm, arm or "All patients"), by_arm[arm])
            for arm in order
        )

    def _group(self, endpoint: str, arm: str, label: str, times: pl.DataFrame) -> EventGroup:
        anchor = events_anchor(endpoint, arm)
        populations = [
            (self._name(key), self.content.populations[key])
            for key in dict.fromkeys(
                [*self.counted.get(anchor, ()), *self.counted.get(events_anchor(endpoint), ())]
            )
            if key in self.content.populations
        ]
        subjects = times.get_column("subject").to_list()
        counted = [
            f"{format_count(inside)} of them in the {name}"
            for name, members in populations
            if (inside := sum(subject in members for subject in subjects)) != len(subjects)
        ]
        return EventGroup(
            anchor=anchor,
            label=label,
            lines=tuple(
                self._line(
                    endpoint, row, [name for name, members in populations if row["subject"] not in members]
                )
                for row in times.head(MOST_EVENTS).iter_rows(named=True)
            ),
            left_out=max(times.height - MOST_EVENTS, 0),
            counted=", ".join(counted),
        )

    def _line(self, endpoint: str, row: Row, outside: list[str]) -> EventLine:
        component = row["component"] if row["component"] != endpoint else None
        href = "" if row["of"] == endpoint else self.shown.get((row["of"], row["event_index"]), "")
        return EventLine(
            anchor=_anchor_of(endpoint, row),
            subject=row["subject"],
            day=_text(row["stop_day"]),
            confirmed=_text(row["confirmed_day"]),
            visit=_text(row["visit"]),
            origin=_text(row["origin"]),
            component=_label(self.content.protocol, component) if component else "",
            component_href=href,
            component_list=_label(self.content.protocol, row["of"]) if href else "",
            places=() if href else tuple(row["places"] or ()),
            explanation=self._explanation(row, endpoint if href else row["of"])
            or self._explanation(row, endpoint),
            outside=", ".join(outside),
        )

    def _explanation(self, row: Row, endpoint: str | None) -> str:
        return self.content.explanations.get((row["subject"], endpoint or ""), "")

    def _name(self, population: str) -> str:
        known = self.content.protocol.spec.populations.get(population)
        label = known.label if known else population
        name = label[:1].lower() + label[1:]
        return name if "population" in name else f"{name} population"


def _anchor_of(endpoint: str, row: Row) -> str:
    """Of a line: its own event's, or the patient's first where it rests on a component's."""
    own = row["of"] == endpoint and row["episode"] is not None
    return event_anchor(endpoint, row["subject"], row["episode"] if own else 1)


def _as_times(events: pl.DataFrame) -> pl.DataFrame:
    """Used events of an endpoint without times to it, in the columns of times."""
    return events.with_columns(
        of="endpoint", stop_day="day", component=pl.lit(None, pl.String), is_event=pl.lit(True)
    )


def _unlinked(candidates: pl.DataFrame, linked: set[int]) -> list[Row]:
    ordered = candidates.sort("day", "subject", maintain_order=True)
    return [row for row in ordered.iter_rows(named=True) if row["event_index"] not in linked]


def _unused_line(row: Row) -> EventLine:
    anchor = event_anchor(row["endpoint"], row["subject"], row["episode"])
    return EventLine(
        anchor=f"{anchor}-candidate-{row['event_index']}",
        subject=row["subject"],
        day=_text(row["day"]),
        confirmed=_text(row["confirmed_day"]),
        visit=_text(row["visit"]),
        origin=_text(row["origin"]),
        places=tuple(row["places"] or ()),
        reason=_text(row["reason"])
        or ("Counts only where it is part of a composite" if row["is_used"] else ""),
    )


def _populations_by_anchor(content: ReportContent) -> dict[str, tuple[str, ...]]:
    """The populations of the tables that lead to each list."""
    found: dict[str, dict[str, None]] = {}
    for result in content.results:
        for table in result.tables:
            for cell in (cell for row in table.rows for cell in row.cells.values()):
                if cell.link:
                    found.setdefault(cell.link, {})[table.population or result.population] = None
    return {anchor: tuple(populations) for anchor, populations in found.items()}


def endpoint_sentence(protocol: LoadedProtocol, endpoint: str) -> Sentence | None:
    """What the protocol says the endpoint is, as it prints it."""
    spec = protocol.spec.endpoints.get(endpoint)
    if spec is None:
        return None
    if spec.first_of:
        text = "first of " + ", ".join(spec.first_of)
        if spec.censor_at:
            text += "; censored at " + ", ".join(spec.censor_at)
        return Sentence(text, protocol.place(f"endpoints.{endpoint}"))
    kind = "when" if spec.when else "state" if spec.state else "value"
    path = f"endpoints.{endpoint}.{kind}"
    if path in protocol.sentences:
        return protocol.sentence(path)
    return Sentence(" ".join(str(getattr(spec, kind)).split()), protocol.place(path))


def _label(protocol: LoadedProtocol, endpoint: str) -> str:
    spec = protocol.spec.endpoints.get(endpoint)
    return spec.label if spec else endpoint


def _text(value: object) -> str:
    return "" if value is None else str(value).replace("-", "−") if isinstance(value, int) else str(value)
