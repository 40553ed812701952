"""The mapping table speaks only of columns that there are, and datasets are known by their names."""

from __future__ import annotations

import polars as pl
import pytest

from flarefree.lineage import Source
from flarefree.readers.maps import ColumnMap, type_of
from flarefree.readers.raw import RawTable
from flarefree.readers.recognizing import recognize
from flarefree.records.cdisc import ADAM, SDTM, DatasetMap, sdtm_domain
from flarefree.records.tables import TABLES

INSIDE = {
    "subjects": {
        "age_unit", "arm_code", "actual_arm_written", "actual_arm_code", "arm_absent_because",
        "reference_start_date", "reference_end_date", "participation_end_date", "study_end_date",
    },
    "observations": {
        "test_label", "standard_value", "standard_text", "standard_unit", "standard_lower", "standard_upper",
        "original_lower", "original_upper", "not_done",
    },
}  # fmt: skip
EVENTS = {"sequence", "start_imputed", "end_imputed"}


@pytest.mark.parametrize("dataset", [*SDTM.values(), *ADAM.values()], ids=lambda d: d.dataset)
def test_every_name_on_our_side_is_a_column_or_one_that_only_reading_uses(dataset: DatasetMap) -> None:
    known = set(TABLES[dataset.table]) | INSIDE.get(dataset.table, EVENTS)
    assert set(dataset.columns) <= known
    assert set(dataset.required) <= set(dataset.columns)
    assert all(type_of(dataset.table, ours) is not None for ours in dataset.columns)
    assert all(len(name) <= 8 and name.isupper() for name in dataset.variables())


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        *[("LB", "LB"), ("lb", "LB"), ("LBUR", "LB"), ("QSMM", "QS"), ("AE", "AE")],
        *[(name, None) for name in ("SUPPAE", "ADLB", "LABS", "VISITS", "AEX")],
    ],
)
def test_domains_by_name(name: str, domain: str | None) -> None:
    assert sdtm_domain(name) == domain


def raw(name: str, **columns: list[object]) -> RawTable:
    frame = pl.DataFrame(columns)
    return RawTable(name, frame, {}, Source(name, "memory", frame.height, ""))


@pytest.mark.parametrize(
    ("table", "dataset", "reads_into"),
    [
        (raw("x", DOMAIN=["LB"], USUBJID=["Ana"], LBTESTCD=["CREAT"]), "LB", "observations"),
        (raw("lbch", usubjid=["Ana"], lbtestcd=["CREAT"]), "LB", "observations"),
        (raw("ADQS", USUBJID=["Ana"], PARAMCD=["MMSE"], AVAL=[1.0]), "ADQS", "observations"),
        (raw("adsl", USUBJID=["Ana"]), "ADSL", "subjects"),
        (raw("ADTTE", USUBJID=["Ana"], PARAMCD=["TTE"], AVAL=[1.0], CNSR=[0]), "ADTTE", None),
        (raw("SUPPDM", RDOMAIN=["DM"], USUBJID=["Ana"], QNAM=["X"], QVAL=["1"]), "SUPPDM", None),
        (raw("TS", DOMAIN=["TS"], TSVAL=["x"]), "TS", None),
        (raw("labs", id=["Ana"], value=[1.0]), "", None),
    ],
)
def test_datasets_are_recognized(table: RawTable, dataset: str, reads_into: str | None) -> None:
    what = recognize(table)
    assert what.dataset == dataset
    assert (what.how.table if what.how else None) == reads_into


def test_a_map_of_a_dataset_says_which_standard_it_is_of() -> None:
    tabulation, analysis = ColumnMap.of_dataset(SDTM["LB"]), ColumnMap.of_dataset(ADAM["BDS"])
    assert tabulation.is_sdtm and not tabulation.is_adam
    assert analysis.is_adam and not analysis.is_sdtm
    assert tabulation.needs("lbstresn") and not tabulation.needs("LBMETHOD")
