"""ADaM-shaped datasets of the small trial: their names, rows and lineage."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from analysis_handmade import make_derivation, times, values
from flarefree.analysis import build_datasets
from flarefree.analysis.adam import short_names

EVENT = {
    "subject": "Ada",
    "endpoint": "flare",
    "episode": 1,
    "day": 100,
    "origin": "derived",
    "is_used": True,
    "visit": "Month 3",
    "rows": [{"table": "observations", "index": 0}, {"table": "observations", "index": 1}],
}

OBSERVATIONS = [
    {"subject": "Ada", "measure": "proteinuria", "domain": "LB", "value": 2.5, "day": 100, "sequence": 7,
     "lower_limit": 0.0, "upper_limit": 0.2, "source": 1, "row": 1203},
    {"subject": "Ada", "measure": "proteinuria", "domain": "LB", "value": 0.5, "day": 1, "sequence": 1,
     "source": 1, "row": 4},
]  # fmt: skip


def derivation(**more: Any) -> Any:
    rows = times("flare", {"Ada": (100, True), "Ben": (366, False)})
    rows[0]["event_index"] = 0
    frames: dict[str, Any] = {
        "events": [EVENT],
        "time_to_event": rows,
        "tables": {"observations": OBSERVATIONS},
    }
    return make_derivation(**(frames | more))


def test_names_and_labels_fit_into_sas_transport_files() -> None:
    for name, dataset in build_datasets(derivation()).items():
        assert len(name) <= 8
        assert len(dataset.label) <= 40
        assert dataset.frame.columns == list(dataset.labels)
        for column, label in dataset.labels.items():
            assert len(column) <= 8
            assert column == column.upper()
            assert 0 < len(label) <= 40


def test_adsl_has_a_row_a_patient_and_no_screen_failures() -> None:
    adsl = build_datasets(derivation())["ADSL"].frame
    assert adsl.get_column("USUBJID").to_list() == ["Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana"]
    dan = adsl.row(by_predicate=pl.col("USUBJID") == "Dan", named=True)
    assert (dan["TRT01P"], dan["TRT01PN"], dan["ITTFL"], dan["EOSSTT"]) == (
        "Mycophenolate",
        1,
        "Y",
        "DISCONTINUED",
    )
    assert (dan["DCSREAS"], dan["TRTDURD"]) == ("Adverse event", 183)


def test_an_event_has_cnsr_0_and_its_source() -> None:
    adtte = build_datasets(derivation())["ADTTE"].frame
    ada, ben = adtte.iter_rows(named=True)
    assert (ada["PARAMCD"], ada["AVAL"], ada["CNSR"], ada["EVNTDESC"]) == ("FLARE", 100, 0, "Renal flare")
    assert (ada["SRCDOM"], ada["SRCSEQ"], ada["SRCVAR"]) == ("LB", 7, "LBDTC")
    assert str(ada["ADT"]) == "2020-04-09"
    assert (ben["CNSR"], ben["EVNTDESC"], ben["CNSDTDSC"], ben["SRCDOM"]) == (
        1,
        "end of follow-up",
        "end of follow-up",
        None,
    )


def test_every_candidate_event_leads_to_its_rows() -> None:
    unused = EVENT | {"episode": 2, "day": 200, "is_used": False, "reason": "earlier event", "rows": []}
    adevent = build_datasets(derivation(events=[EVENT, unused]))["ADEVENT"].frame
    first, second = adevent.iter_rows(named=True)
    assert first["SRCROWS"] == "lb.csv row 1203; lb.csv row 4"
    assert (second["USEDFL"], second["REASON"], second["SRCROWS"]) == ("N", "earlier event", None)


def test_long_lineages_go_on_in_the_next_column() -> None:
    rows = [OBSERVATIONS[0] | {"row": i} for i in range(30)]
    many = EVENT | {"rows": [{"table": "observations", "index": i} for i in range(30)]}
    adevent = build_datasets(derivation(events=[many], tables={"observations": rows}))["ADEVENT"]
    pieces = [c for c in adevent.frame.columns if c.startswith("SRCROW")]
    assert pieces == ["SRCROWS", "SRCROW2", "SRCROW3"]
    texts = [adevent.frame.item(0, c) for c in pieces]
    assert all(len(text) <= 200 for text in texts)
    assert "; ".join(texts) == "; ".join(f"lb.csv row {i}" for i in range(30))


def test_values_carried_forward_keep_their_source_and_say_so() -> None:
    found = values("proteinuria", {"Ada": {1: 0.5, 190: 1.0}, "Ben": {1: 2.0}})
    found[1]["observation"] = 0
    adlb = build_datasets(derivation(values=found))["ADLB"].frame
    ada = adlb.filter(USUBJID="Ada")
    assert ada.get_column("AVISIT").to_list() == ["Month 0", "Month 6", "Month 12"]
    assert ada.get_column("DTYPE").to_list() == [None, None, "LOCF"]
    assert ada.get_column("CHG").to_list() == [None, 0.5, 0.5]
    assert ada.get_column("PCHG").to_list() == [None, 100.0, 100.0]
    assert ada.get_column("ABLFL").to_list() == ["Y", None, None]
    assert ada.get_column("SRCROW").to_list() == [None, "lb.csv row 1203", "lb.csv row 1203"]
    assert ada.get_column("ANRIND").to_list() == [None, "HIGH", "HIGH"]
    # Ben has a baseline only: nothing is carried forward from it.
    assert adlb.filter(USUBJID="Ben").get_column("AVISIT").to_list() == ["Month 0"]


def test_occurrence_flags_are_on_the_first_emergent_event() -> None:
    events = [
        {
            "subject": "Ada",
            "term": "Zoster",
            "body_system": "Infections",
            "start_day": day,
            "sequence": i,
            "source": 2,
            "row": i,
        }
        for i, day in enumerate((-5, 10, 20), 1)
    ]
    adae = build_datasets(derivation(tables={"adverse_events": events}))["ADAE"].frame
    assert adae.get_column("TRTEMFL").to_list() == [None, "Y", "Y"]
    for flag in ("AOCCFL", "AOCCSFL", "AOCCPFL"):
        assert adae.get_column(flag).to_list() == [None, "Y", None]


def test_masked_datasets_do_not_tell_the_arm() -> None:
    for name, dataset in build_datasets(derivation(), masked=True).items():
        for column in ("TRT01P", "TRT01A", "TRTP", "TRTA", "ARM", "TRTPN"):
            if column in dataset.frame.columns:
                assert dataset.frame.get_column(column).null_count() == dataset.frame.height, (name, column)


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["flare"], ["FLARE"]),
        (["induction_drug"], ["INDUDRUG"]),
        (["proteinuric_flare", "proteinuric_flares"], ["PROTFLAR", "PROTFLA2"]),
    ],
)
def test_names_are_cut_to_eight_letters_and_stay_apart(names: list[str], short: list[str]) -> None:
    assert list(short_names(names).values()) == short


def test_the_same_derivation_gives_the_same_rows() -> None:
    first, second = build_datasets(derivation()), build_datasets(derivation())
    assert all(first[name].frame.equals(second[name].frame) for name in first)
