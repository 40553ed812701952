"""Records and patients by the protocol's sentences, as `flarefree.endpoints` reads them."""

from __future__ import annotations

import polars as pl

from flarefree.analysis.trial import Trial
from flarefree.endpoints.facts import PatientSentences
from flarefree.endpoints.record_sentences import TABLE_NAME
from flarefree.protocol.language.nodes import FieldTest, FieldTestOperator, Node, Records, RecordTable

__all__ = ["emergent_events", "patients_where", "records_where"]

_EMERGENT = FieldTest("emergent", FieldTestOperator.IS_TRUE)


def records_where(trial: Trial, table: str, path: str) -> pl.DataFrame:
    """Records of a study's table for which the sentence at `path` is true, with `index` (the table's row).

    All of them where the protocol has no sentence there.
    """
    kind = next(kind for kind, name in TABLE_NAME.items() if name == table)
    return _find(trial, kind, trial.protocol.sentences.get(path))


def emergent_events(trial: Trial) -> pl.DataFrame:
    """The treatment-emergent adverse events."""
    return _find(trial, RecordTable.ADVERSE_EVENT, _EMERGENT)


def _find(trial: Trial, kind: RecordTable, where: Node | None) -> pl.DataFrame:
    node = where if isinstance(where, Records) else Records(kind, where)
    return trial.records.find(node)


def patients_where(trial: Trial, path: str) -> pl.Series:
    """Subjects for whom the sentence about patients at `path` is true."""
    derivation = trial.derivation
    order = pl.DataFrame({"subject": derivation.panel.subjects.tolist()}, schema={"subject": pl.String})
    follow_up = order.join(derivation.subjects, on="subject", how="left", maintain_order="left")
    read = PatientSentences(derivation.study, derivation.panel, follow_up, trial.spec.schedule)
    return order.filter(pl.Series(read.holds(trial.protocol.sentences[path]))).get_column("subject")
