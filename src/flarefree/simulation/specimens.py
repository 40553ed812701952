"""One row of every kind of happening that virtual patients can have, to ask a protocol what it makes of them.

A sentence about records (`medication where indication contains "nephritis" ...`) is read by the real
`RecordReader`, once, on a study of specimens; it then holds for all virtual happenings of that kind.  A
study folder writes the same rows, so file and engine cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from flarefree.errors import DesignError
from flarefree.protocol.language.nodes import Node, Records, RecordTable
from flarefree.protocol.language.walking import walk
from flarefree.simulation.cohort import REASONS

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol

__all__ = ["SPECIMENS", "WITHDRAWAL_REASONS", "kinds_meant"]

WITHDRAWAL_REASONS = (*REASONS, "LACK OF EFFICACY", "DEATH")
"""As a disposition says them; the first are those of `Cohort.dropout_reason`, in its order."""

SPECIMENS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "death": ("subjects", {}),
        "rescue": (
            "medications",
            {
                "drug": "Methylprednisolone",
                "drug_class": "Glucocorticoids",
                "indication": "Rescue for worsening lupus nephritis",
                "dose": 500.0,
                "unit": "mg",
                "route": "INTRAVENOUS",
                "days": 3,
            },
        ),
        "suspected renal flare": (
            "clinical_events",
            {"name": "Suspected renal flare", "category": "SUSPECTED RENAL FLARE", "days": 1},
        ),
        "suspected extrarenal flare": (
            "clinical_events",
            {"name": "Suspected extrarenal flare", "category": "SUSPECTED EXTRARENAL FLARE", "days": 1},
        ),
        "dialysis": ("procedures", {"name": "Dialysis", "category": "RENAL REPLACEMENT", "days": 90}),
        "completed": ("dispositions", {"category": "DISPOSITION EVENT", "status": "COMPLETED"}),
        **{
            f"withdrawal: {reason}": ("dispositions", {"category": "DISPOSITION EVENT", "status": reason})
            for reason in WITHDRAWAL_REASONS
        },
    }
)
"""Kind of happening -> its table and fields; `days` is how long it lasts."""

_DAY = 200
_TABLES = {
    RecordTable.ADVERSE_EVENT: "adverse events",
    RecordTable.MEDICAL_HISTORY: "medical history",
}


def kinds_meant(protocol: LoadedProtocol, nodes: tuple[Node, ...]) -> dict[Records, tuple[str, ...]]:
    """Which kinds of happening each record sentence within some nodes means, in the order of `SPECIMENS`.

    Raises
    ------
    DesignError
        A sentence asks for records that no virtual patient of the engine has.
    """
    reader = _reader(protocol)
    meant: dict[Records, tuple[str, ...]] = {}
    for node in nodes:
        for part in walk(node):
            if isinstance(part, Records) and part not in meant:
                if part.table in _TABLES:
                    raise DesignError(
                        f"a sentence asks for {_TABLES[part.table]}, which simulated trials do not have",
                        where=str(part.table),
                        try_="write one virtual trial with --study DIR, and analyze it",
                    )
                found = set(reader.find(part).get_column("subject").to_list())
                meant[part] = tuple(kind for kind in SPECIMENS if kind in found)
    return meant


@lru_cache(maxsize=8)
def _reader_of(digest: str, rules: Any) -> Any:
    import polars as pl

    from flarefree.endpoints.record_sentences import RecordReader
    from flarefree.records.study import Study
    from flarefree.records.tables import TABLES, whole_table

    rows: dict[str, list[dict[str, Any]]] = {}
    for kind, (table, fields) in SPECIMENS.items():
        if table == "subjects":
            continue
        own = {name: value for name, value in fields.items() if name != "days"}
        if table == "dispositions":
            own["day"] = _DAY
        else:
            days = fields["days"]
            own |= {"start_day": _DAY, "end_day": _DAY + days - 1}
        rows.setdefault(table, []).append({"subject": kind, **own})
    rows["subjects"] = [
        {"subject": kind, "death_day": _DAY if kind == "death" else None} for kind in SPECIMENS
    ]
    tables = {
        table: whole_table(
            table, pl.DataFrame(own, schema_overrides={k: v for k, v in TABLES[table].items() if k in own[0]})
        )
        for table, own in rows.items()
    }
    study = Study("specimens", tables=tables, is_virtual=True)
    follow_up = study["subjects"].select(
        "subject",
        first_dose_day=pl.lit(1, dtype=pl.Int32),
        last_dose_day=pl.lit(1000, dtype=pl.Int32),
        last_visit_day=pl.lit(1000, dtype=pl.Int32),
        follow_up_end_day=pl.lit(1000, dtype=pl.Int32),
    )
    return RecordReader(study, follow_up, rules)


def _reader(protocol: LoadedProtocol) -> Any:
    return _reader_of(protocol.digest, protocol.spec.adverse_events)
