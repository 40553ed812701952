"""One virtual trial as the tables of a study, built row by row: the engine's second way."""

from __future__ import annotations

import polars as pl

from flarefree.endpoints.derive import derive_arrays
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.records.study import Study
from flarefree.records.tables import TABLES, whole_table
from flarefree.simulation.asking import Question
from flarefree.simulation.specimens import SPECIMENS, WITHDRAWAL_REASONS
from flarefree.simulation.tiles import Tile


def derived_times(protocol: LoadedProtocol, question: Question, tile: Tile, rows: range) -> dict:
    """Time, event and component of some patients by endpoint, as `derive` finds them in a study's rows."""
    study = study_of(protocol, question, tile, rows)
    found = derive_arrays(study, protocol).found
    return {
        name: (o.times.times.tolist(), o.times.is_event.tolist(), o.times.components.tolist())
        for name, o in found.outcomes.items()
    }


def study_of(protocol: LoadedProtocol, question: Question, tile: Tile, rows: range) -> Study:
    tables = {
        "subjects": _subjects(protocol, tile, rows),
        "observations": _observations(protocol, tile, rows),
        "decisions": _decisions(question, tile, rows),
        **_happenings(tile, rows),
    }
    return Study(
        "virtual", protocol.spec.name, {k: _whole(k, v) for k, v in tables.items() if v}, is_virtual=True
    )


def _whole(name: str, rows: list[dict]) -> pl.DataFrame:
    schema = {k: v for k, v in TABLES[name].items() if k in rows[0]}
    return whole_table(name, pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None))


def _name(i: int) -> str:
    return f"{i:06d}"


def _subjects(protocol: LoadedProtocol, tile: Tile, rows: range) -> list[dict]:
    cohort, done = tile.cohort, tile.outcomes[0].consequences
    arms = list(protocol.spec.arms)
    dies = WITHDRAWAL_REASONS.index("DEATH")
    extra = [name for name in ("remission_status",) if name in protocol.spec.covariates]
    levels = {
        code: level
        for name in extra
        for level, codes in protocol.spec.covariates[name].levels.items()
        for code in codes
    }
    return [
        {
            "subject": _name(i),
            "arm": arms[cohort.arm[i]],
            "sex": str(cohort.covariates["sex"][i]),
            "race": str(cohort.covariates["race"][i]),
            "age_years": float(cohort.covariates["age"][i]),
            "first_dose_day": 1,
            "end_day": int(done.end_days[i]),
            "death_day": int(cohort.death_day[i]) if done.reasons[i] == dies else None,
            **{name: levels[str(cohort.covariates[name][i])] for name in extra},
        }
        for i in rows
    ]


def _observations(protocol: LoadedProtocol, tile: Tile, rows: range) -> list[dict]:
    panel, done = tile.outcomes[0].panel, tile.outcomes[0].consequences
    visits = [visit.name for visit in protocol.spec.schedule.visits]
    measures = protocol.spec.measures
    found = []
    for i in rows:
        for j in range(int(panel.offsets[i]), int(panel.offsets[i + 1])):
            day = int(panel.days[j])
            if day > done.assessed_days[i]:
                continue
            visit = visits[panel.visits[j]] if panel.visits[j] >= 0 else "REASSESSMENT"
            for name, column in panel.columns.items():
                if measures[name].equation or (day > done.end_days[i] and name != "creatinine"):
                    continue
                found.append(
                    {
                        "subject": _name(i), "measure": name, "test": name, "value": float(column.values[j]),
                        "unit": measures[name].unit, "day": day, "visit": visit,
                    }
                )  # fmt: skip
    return found


def _decisions(question: Question, tile: Tile, rows: range) -> list[dict]:
    """The committee's word on every candidate that it sees, at the endpoint that is adjudicated.

    What began on one day is one event, and gets one decision.
    """
    done = tile.outcomes[0].consequences
    found = []
    for endpoint, plan in question.plans.items():
        if not plan.spec.adjudicated:
            continue
        for leaf in question.parts_of(endpoint):
            if leaf not in done.onsets:
                continue
            onsets, seen = done.onsets[leaf], done.is_seen[leaf]
            for k in range(onsets.days.size):
                if seen[k] and int(onsets.subjects[k]) in rows:
                    found.append(
                        {
                            "subject": _name(int(onsets.subjects[k])), "endpoint": endpoint,
                            "reader": "committee", "is_confirmed": bool(done.stands[leaf][k]),
                            "event_day": int(onsets.days[k]),
                        }
                    )  # fmt: skip
    return list({(d["subject"], d["endpoint"], d["event_day"]): d for d in found}.values())


def _happenings(tile: Tile, rows: range) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for kind, happened in tile.outcomes[0].consequences.happenings.items():
        table, fields = SPECIMENS[kind]
        if table == "subjects":
            continue
        for i, day in zip(happened.subjects.tolist(), happened.days.tolist(), strict=True):
            if i not in rows:
                continue
            own = {key: value for key, value in fields.items() if key != "days"}
            if table == "dispositions":
                own["day"] = day
            else:
                own |= {"start_day": day, "end_day": day + fields["days"] - 1}
            found.setdefault(table, []).append({"subject": _name(i), **own})
    return found
