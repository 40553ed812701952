"""The same table in four formats reads equal; writers give the same bytes and read back equal."""

from __future__ import annotations

import contextlib
import json
import zlib
from datetime import date, datetime, time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flarefree.errors import OutputError, ReadError
from flarefree.readers import (
    read_dataset_json,
    read_parquet,
    read_table,
    read_xport,
    write_dataset_json,
    write_xport,
)

LABELS = {"USUBJID": "Unique Subject Identifier", "AVAL": "Analysis Value", "ADT": "Analysis Date"}


def table() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "USUBJID": ["017-004", "017-005", "018-001"],
            "AVAL": [1.17, None, -0.1],
            "ADT": [date(2009, 3, 2), date(1959, 12, 31), None],
            "ADTM": [datetime(2009, 3, 2, 13, 45, 10), None, datetime(1960, 1, 1)],
            "ATM": [time(13, 45, 10), None, time(0)],
            "TEXT": ["Müller’s", None, ""],
        }
    )


# The pilot's tables in four formats ------------------------------------------------------------------

# The files themselves differ in these labels (JSON, XPT); nothing of it is the readers' doing.
LABELS_THAT_DIFFER = {
    "adsl": set(),
    "adtte": {"STARTDT", "SRCDOM"},
    "adae": {"ADURN", "ADURU", "AOCCFL"},
}


@pytest.mark.shared
@pytest.mark.parametrize(("name", "records"), [("adsl", 254), ("adtte", 254), ("adae", 1191)])
def test_the_same_table_in_four_formats_reads_equal(shared: Path, name: str, records: int) -> None:
    folder = shared / "data" / "dataset_json" / "adam"
    whole, lined, packed, xpt = (
        read_table(folder / f"{name}.{suffix}") for suffix in ("json", "ndjson", "dsjc", "xpt")
    )
    assert whole.frame.height == records
    assert lined.equals(whole)
    assert packed.equals(whole)
    assert xpt.frame.schema == whole.frame.schema
    assert xpt.frame.equals(whole.frame)
    assert {c for c in whole.labels if whole.labels[c] != xpt.labels.get(c)} == LABELS_THAT_DIFFER[name]


@pytest.mark.shared
@pytest.mark.parametrize("name", ["ae", "dm", "ds", "ex", "fa"])
def test_sdtm_in_three_formats_reads_equal(shared: Path, name: str) -> None:
    folder = shared / "data" / "dataset_json" / "sdtm"
    whole, lined, xpt = (read_table(folder / f"{name}.{suffix}") for suffix in ("json", "ndjson", "xpt"))
    assert lined.equals(whole)
    assert xpt.frame.equals(whole.frame)


@pytest.mark.shared
def test_a_transport_file_with_a_curly_apostrophe_is_read(shared: Path) -> None:
    """TS of the pilot holds byte 0x92, which is no UTF-8."""
    table = read_xport(shared / "data" / "cdiscpilot" / "sdtm_xpt" / "ts.xpt")
    assert table.frame.height == 48
    assert [f.code for f in table.findings] == ["encoding"]
    assert table.frame["TSVAL"].str.contains("’").any()


@pytest.mark.shared
def test_every_transport_file_survives_writing(shared: Path, tmp_path: Path) -> None:
    for path in sorted((shared / "data" / "cdiscpilot").rglob("*.xpt")):
        original = read_xport(path)
        copy = tmp_path / path.name
        write_xport(original.frame, copy, name=original.name, label=original.label, labels=original.labels)
        assert read_xport(copy).equals(original), path.name


# Transport files -------------------------------------------------------------------------------------


def test_xport_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "adlb.xpt"
    write_xport(table(), path, name="adlb", label="Laboratory", labels=LABELS)
    back = read_xport(path)
    assert (back.name, back.label, dict(back.labels)) == ("ADLB", "Laboratory", LABELS)
    expected = table().with_columns(pl.col("TEXT").replace("", None))
    assert back.frame.equals(expected)
    assert back.frame.schema == expected.schema


def test_xport_gives_the_same_bytes_and_states_the_time_given(tmp_path: Path) -> None:
    for name in ("a.xpt", "b.xpt"):
        write_xport(table(), tmp_path / name, name="ADLB", created=datetime(2024, 5, 6, 7, 8, 9))
    content = (tmp_path / "a.xpt").read_bytes()
    assert content == (tmp_path / "b.xpt").read_bytes()
    assert b"06MAY24:07:08:09" in content
    assert len(content) % 80 == 0


def test_xport_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.xpt"
    write_xport(table().clear(), path, name="X")
    assert read_xport(path).frame.schema == table().schema


@given(st.lists(st.floats(min_value=-7e75, max_value=7e75) | st.just(float("nan")), max_size=50))
def test_numbers_are_exact_in_transport_files(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float]
) -> None:
    """Every double down to the smallest that the format holds, 16**-65; less than that is missing."""
    values = np.array(numbers, dtype=float)
    path = tmp_path_factory.mktemp("xpt") / "x.xpt"
    write_xport(pl.DataFrame({"X": values}), path, name="X")
    back = read_xport(path).frame["X"].fill_null(np.nan).to_numpy()
    expected = np.where((np.abs(values) < 16.0**-65) & (values != 0), np.nan, values)
    np.testing.assert_array_equal(back, expected)


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (pl.DataFrame({"LONGNAME1": [1]}), {}, "name has no place"),
        (pl.DataFrame({"1A": [1]}), {}, "name has no place"),
        (pl.DataFrame({"A": [1], "a": [2]}), {}, "same name"),
        (pl.DataFrame({"A": ["x" * 201]}), {}, "too long"),
        (pl.DataFrame({"A": [[1]]}), {}, "type has no place"),
        (pl.DataFrame({"A": [1]}), {"labels": {"A": "é" * 21}}, "label is too long"),
        (pl.DataFrame({"A": [1]}), {"name": "TOOLONGNAME"}, "name has no place"),
    ],
)
def test_what_has_no_place_in_a_transport_file(
    tmp_path: Path, frame: pl.DataFrame, options: dict[str, object], message: str
) -> None:
    with pytest.raises(OutputError, match=message):
        write_xport(frame, tmp_path / "x.xpt", **{"name": "X", **options})  # type: ignore[arg-type]
    assert not (tmp_path / "x.xpt").exists()


def test_numbers_beyond_a_transport_file_are_missing_in_it_with_a_note(tmp_path: Path) -> None:
    frame = pl.DataFrame({"A": [1.0, 8e75, -float("inf"), None], "B": [0.0, 1e-300, 5.5e-79, -1e-80]})
    notes = write_xport(frame, tmp_path / "x.xpt", name="X")
    assert [(n.code, n.severity, n.file, n.column, n.row, n.count) for n in notes] == [
        ("beyond-transport", "note", "x.xpt", "A", 2, 2),
        ("beyond-transport", "note", "x.xpt", "B", 2, 2),
    ]
    back = read_xport(tmp_path / "x.xpt").frame
    assert back["A"].to_list() == [1.0, None, None, None]
    assert back["B"].to_list() == [0.0, None, 5.5e-79, None]
    assert write_xport(frame[:1], tmp_path / "y.xpt", name="Y") == ()


@pytest.mark.parametrize("kept", [0.999, 0.9, 0.5, 0.1, 0.02])
def test_a_transport_file_that_was_cut_short(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "lb.xpt"
    frame = pl.DataFrame({"USUBJID": [f"017-{i:03d}" for i in range(200)], "LBORRES": ["12.345"] * 200})
    write_xport(frame, path, name="LB")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ReadError, match="cut short"):
        read_xport(path)


def test_a_transport_file_cut_at_a_record_is_noticed_within_a_row(tmp_path: Path) -> None:
    """Its length is a multiple of 80 bytes, and yet its last row is not whole."""
    path = tmp_path / "lb.xpt"
    write_xport(pl.DataFrame({"A": ["x" * 50] * 40}), path, name="LB")
    content = path.read_bytes()
    path.write_bytes(content[:-160])
    with pytest.raises(ReadError, match="within row"):
        read_xport(path)


def test_two_datasets_in_one_transport_file(tmp_path: Path) -> None:
    one, two = tmp_path / "one.xpt", tmp_path / "two.xpt"
    write_xport(pl.DataFrame({"A": [1.0]}), one, name="ONE")
    write_xport(pl.DataFrame({"B": [2.0]}), two, name="TWO")
    one.write_bytes(one.read_bytes() + two.read_bytes()[240:])
    with pytest.raises(ReadError, match="several datasets"):
        read_xport(one)


@pytest.mark.parametrize("version", [5, 8])
def test_transport_files_of_another_writer(tmp_path: Path, version: int) -> None:
    """pyreadstat writes both versions; a name of more than 8 letters is possible in version 8."""
    import pandas as pd
    import pyreadstat

    name = "ANALYSISVALUE" if version == 8 else "AVAL"
    frame = pd.DataFrame({"USUBJID": ["Ana", "Bea"], name: [1.5, None]})
    path = tmp_path / "x.xpt"
    pyreadstat.write_xport(frame, str(path), table_name="ADLB", column_labels=["Subject", "Value"],
                           file_format_version=version)  # fmt: skip
    back = read_xport(path)
    assert back.frame.rows() == [("Ana", 1.5), ("Bea", None)]
    assert (back.name, back.labels[name]) == ("ADLB", "Value")


@pytest.mark.parametrize("content", [b"", b"garbage" * 200, bytes(range(256)) * 20])
@pytest.mark.parametrize(
    "name", ["x.xpt", "x.sas7bdat", "x.parquet", "x.json", "x.ndjson", "x.dsjc", "x.csv"]
)
def test_garbage_of_every_suffix_is_a_clear_error(tmp_path: Path, name: str, content: bytes) -> None:
    if name == "x.csv" and content.startswith(b"garbage"):
        pytest.skip("a single word is a table of one column")
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ReadError) as caught:
        read_table(path)
    assert caught.value.where.startswith(name)


# Parquet ---------------------------------------------------------------------------------------------


def test_parquet_keeps_types_and_reads_only_what_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "labs.parquet"
    pl.DataFrame({"id": ["a"], "test": pl.Series(["x"], dtype=pl.Categorical), "n": [1]}).write_parquet(path)
    back = read_parquet(path, keep=lambda name: name != "n")
    assert back.frame.schema == {"id": pl.String, "test": pl.String}
    assert back.source.rows == 1


def test_parquet_that_was_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "labs.parquet"
    pl.DataFrame({"id": range(1000)}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ReadError, match="cut short"):
        read_parquet(path)


# Dataset-JSON ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["json", "ndjson", "dsjc"])
def test_dataset_json_round_trip(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"adlb.{suffix}"
    for _ in range(2):
        write_dataset_json(
            table(), path, name="ADLB", label="Laboratory", labels=LABELS, keys=("USUBJID", "ADT")
        )
    back = read_dataset_json(path)
    expected = table().with_columns(pl.col("TEXT").replace("", None))
    assert back.frame.equals(expected)
    assert back.labels["AVAL"] == "Analysis Value"
    assert (back.name, back.label) == ("ADLB", "Laboratory")


def test_dataset_json_gives_the_same_bytes_with_the_time_given(tmp_path: Path) -> None:
    for suffix in ("json", "ndjson", "dsjc"):
        one, two = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
        for path in (one, two):
            write_dataset_json(table(), path, name="ADLB", created=datetime(2024, 5, 6))
        assert one.read_bytes() == two.read_bytes()
    meta = json.loads((tmp_path / "one.json").read_text())
    assert meta["datasetJSONCreationDateTime"] == "2024-05-06T00:00:00"
    assert meta["records"] == 3
    assert zlib.decompress((tmp_path / "one.dsjc").read_bytes()) == (tmp_path / "one.ndjson").read_bytes()


def _broken(tmp_path: Path, change: dict[str, object], drop: str = "") -> Path:
    path = tmp_path / "x.json"
    write_dataset_json(pl.DataFrame({"A": ["x", "y"], "N": [1.5, 2.0]}), path, name="X")
    meta = json.loads(path.read_text()) | change
    meta.pop(drop, None)
    path.write_text(json.dumps(meta))
    return path


@pytest.mark.parametrize(
    ("change", "drop", "message"),
    [
        ({"records": 3}, "", "not the number of rows"),
        ({}, "rows", "not the number of rows"),
        ({}, "itemGroupOID", "required attribute is missing"),
        ({}, "datasetJSONVersion", "no Dataset-JSON"),
        ({"datasetJSONVersion": "1.0.0"}, "", "another version"),
        ({"columns": []}, "", "lists no columns"),
        ({"columns": [{"itemOID": "A", "name": "A", "label": "A"}]}, "", "attribute of a column"),
        (
            {"columns": [{"itemOID": "A", "name": "A", "label": "A", "dataType": "text"}]},
            "",
            "no such data type",
        ),
        ({"rows": [["x", 1.5], ["y"]]}, "", "another number of values"),
    ],
)
def test_dataset_json_that_breaks_the_standard(
    tmp_path: Path, change: dict[str, object], drop: str, message: str
) -> None:
    with pytest.raises(ReadError, match=message):
        read_dataset_json(_broken(tmp_path, change, drop))


def test_dataset_json_that_was_cut_short(tmp_path: Path) -> None:
    for suffix in ("json", "ndjson", "dsjc"):
        path = tmp_path / f"x.{suffix}"
        write_dataset_json(table(), path, name="X")
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(ReadError, match=r"cut short|number of rows"):
            read_dataset_json(path)


def test_a_value_of_another_type_is_a_finding(tmp_path: Path) -> None:
    path = _broken(tmp_path, {"rows": [["x", "n.d."], ["y", 2]]})
    back = read_dataset_json(path)
    assert back.frame["N"].to_list() == [None, 2.0]
    (finding,) = back.findings
    assert (finding.code, finding.row, finding.column, finding.found) == ("wrong-type", 1, "N", "n.d.")


def test_dates_without_target_type_stay_text(tmp_path: Path) -> None:
    """SDTM's --DTC may be partial: it is text in every format."""
    path = _broken(
        tmp_path,
        {
            "columns": [
                {"itemOID": "A", "name": "A", "label": "A", "dataType": "date"},
                {"itemOID": "N", "name": "N", "label": "N", "dataType": "date", "targetDataType": "integer"},
            ],
            "rows": [["2014-03", "2014-03-02"], ["", None]],
        },
    )
    assert read_dataset_json(path).frame.rows() == [("2014-03", date(2014, 3, 2)), (None, None)]


@pytest.mark.parametrize(
    "content",
    [b"PAR1" + b"x" * 40, b"x" * 40 + b"PAR1", b"PAR1" + b"x" * 40 + b"\xff\xff\xff\x7fPAR1", b"PAR1PAR1"],
    ids=["no mark at the end", "none at the beginning", "a footer longer than the file", "marks alone"],
)
def test_parquet_that_is_damaged_at_its_ends(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "labs.parquet").write_bytes(content)
    with pytest.raises(ReadError, match="no Parquet file"):
        read_parquet(tmp_path / "labs.parquet")


def test_a_damaged_footer_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Polars panics over some of these, and Rust would print a backtrace."""
    path = tmp_path / "labs.parquet"
    pl.DataFrame({"id": ["a", "b"], "n": [1.0, 2.0]}).write_parquet(path)
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    for place in range(len(content) - 8 - length, len(content) - 8, 7):
        path.write_bytes(content[:place] + b"\xff\xff" + content[place + 2 :])
        with contextlib.suppress(ReadError):
            read_parquet(path)
    assert capfd.readouterr().err == ""
