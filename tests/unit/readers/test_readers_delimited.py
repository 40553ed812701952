"""Delimited text: encodings, delimiters, ragged rows, and everything that is no table at all."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from flarefree.errors import ReadError
from flarefree.readers import read_delimited


def write(folder: Path, content: bytes | str, name: str = "labs.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_all_columns_are_text_as_written(tmp_path: Path) -> None:
    """007 stays 007, and 1.50 stays 1.50: what was written is kept."""
    table = read_delimited(write(tmp_path, "id,value\n007,1.50\n008,\n"))
    assert table.frame.rows() == [("007", "1.50"), ("008", None)]
    assert table.name == "labs"
    assert table.source.rows == 2
    assert table.source.place(2) == "labs.csv row 2 (line 3)"


@pytest.mark.parametrize(
    ("content", "noted"),
    [
        ("id,name\n1,Müller’s\n".encode("utf-8-sig"), False),
        ("id,name\n1,Müller’s\n".encode(), False),
        ("id,name\n1,Müller’s\n".encode("utf-16"), False),
        ("id,name\n1,Müller’s\n".encode("windows-1252"), True),
    ],
    ids=["utf-8 with mark", "utf-8", "utf-16 with mark", "windows-1252"],
)
def test_encodings_are_found_out(tmp_path: Path, content: bytes, noted: bool) -> None:
    table = read_delimited(write(tmp_path, content))
    assert table.frame.columns == ["id", "name"]
    assert table.frame["name"].to_list() == ["Müller’s"]
    assert [f.code for f in table.findings] == (["encoding"] if noted else [])


def test_encoding_can_be_told(tmp_path: Path) -> None:
    path = write(tmp_path, "id,name\n1,Łukasz\n".encode("iso-8859-2"))
    assert read_delimited(path, encoding="iso-8859-2").frame["name"].to_list() == ["Łukasz"]
    with pytest.raises(ReadError, match="not written in utf-8"):
        read_delimited(path, encoding="utf-8")
    with pytest.raises(ReadError, match="no such encoding"):
        read_delimited(path, encoding="utf-9")


def test_gzip_reads_as_plain(tmp_path: Path) -> None:
    plain = read_delimited(write(tmp_path, "a,b\n1,2\n"))
    packed = read_delimited(write(tmp_path, gzip.compress(b"a,b\n1,2\n"), "labs.csv.gz"))
    assert packed.equals(plain)
    assert packed.source.digest != plain.source.digest


def test_gzip_cut_short(tmp_path: Path) -> None:
    packed = gzip.compress(os.urandom(3000).hex().encode())
    with pytest.raises(ReadError, match="damaged or was cut short"):
        read_delimited(write(tmp_path, packed[:-700], "labs.csv.gz"))


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_a_wrong_delimiter_is_named(tmp_path: Path, separator: str) -> None:
    path = write(tmp_path, "id,value,unit\n1,2,mg\n".replace(",", separator))
    with pytest.raises(ReadError) as caught:
        read_delimited(path)
    assert "not separated by a comma" in str(caught.value)
    assert f"delimiter: {separator!r}" in caught.value.try_
    assert read_delimited(path, delimiter=separator).frame.columns == ["id", "value", "unit"]


def test_one_column_is_no_wrong_delimiter(tmp_path: Path) -> None:
    assert read_delimited(write(tmp_path, "id\n1\n2\n")).frame.height == 2


def test_tsv_is_separated_by_tabs(tmp_path: Path) -> None:
    assert read_delimited(write(tmp_path, "a\tb\n1,5\t2\n", "labs.tsv")).frame.rows() == [("1,5", "2")]


def test_a_few_ragged_rows_are_findings_and_rows_keep_their_lines(tmp_path: Path) -> None:
    """Row 3 has a field too many: left out, and row 4 still is line 5."""
    lines = ["id,value", *(f"{i},{i * 10}" for i in range(1, 21))]
    lines[3] = "3,30,oops"
    table = read_delimited(write(tmp_path, "\n".join(lines)))
    assert table.frame.height == 19
    assert table.row_numbers().to_list() == [1, 2, *range(4, 21)]
    (finding,) = table.findings
    assert (finding.code, finding.row, finding.found, finding.expected) == (
        "ragged-row",
        3,
        "3 fields",
        "2 fields",
    )
    assert table.source.rows == 20


def test_many_ragged_rows_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="do not have as many fields") as caught:
        read_delimited(write(tmp_path, "id,value\n1,1,5\n2,2,5\n3,7\n"))
    assert caught.value.where == "labs.csv line 2"


def test_blank_lines_are_passed_over_and_counted(tmp_path: Path) -> None:
    table = read_delimited(write(tmp_path, "id,value\n1,10\n\n2,20\r\n\r\n"))
    assert table.frame.rows() == [("1", "10"), ("2", "20")]
    assert table.row_numbers().to_list() == [1, 3]


def test_quoted_delimiters_newlines_and_quotes(tmp_path: Path) -> None:
    table = read_delimited(write(tmp_path, 'id,term\n1,"rash, mild"\n2,"two\nlines"\n3,"5"" long"\n'))
    assert table.frame["term"].to_list() == ["rash, mild", "two\nlines", '5" long']
    assert table.source.place(3) == "labs.csv row 3"  # no line: rows and lines have parted


def test_a_quotation_mark_that_never_closes(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="never closed") as caught:
        read_delimited(write(tmp_path, 'id,term\n1,rash\n2,"itch\n3,cough\n'))
    assert caught.value.where == "labs.csv line 3"


def test_windows_line_ends(tmp_path: Path) -> None:
    assert read_delimited(write(tmp_path, "a,b\r\n1,2\r\n3,4")).frame.rows() == [("1", "2"), ("3", "4")]


def test_columns_of_the_same_name(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="same name"):
        read_delimited(write(tmp_path, "a,a\n1,2\n"))


def test_a_column_without_name_gets_its_place(tmp_path: Path) -> None:
    """R's write.csv leaves the name of row names empty."""
    assert read_delimited(write(tmp_path, '"","age"\n"1",40\n')).frame.columns == ["column_1", "age"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\n \n", "no text"),
        (bytes(range(256)), "no text file"),
        (b"a,b\n1,2\x00\n", "no text file"),
    ],
    ids=["empty", "blank", "garbage", "nul"],
)
def test_what_is_no_table(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        read_delimited(write(tmp_path, content))


def test_missing_and_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReadError, match="no such file"):
        read_delimited(tmp_path / "none.csv")
    with pytest.raises(ReadError, match="folder"):
        read_delimited(tmp_path)

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)  # whoever runs the tests may be allowed everything
    with pytest.raises(ReadError, match="may not be read"):
        read_delimited(write(tmp_path, "a\n1\n"))


def test_a_header_without_rows_is_an_empty_table(tmp_path: Path) -> None:
    table = read_delimited(write(tmp_path, "a,b\n"))
    assert table.frame.columns == ["a", "b"] and table.frame.is_empty()


def test_a_column_named_twice(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="two columns have the same name") as caught:
        read_delimited(write(tmp_path, "id,value,value\n1,2,3\n"))
    assert caught.value.found == "value"


@pytest.mark.parametrize(
    "content", ["id,value\r1,10\r2,20\r", "id,value\r\n1,10\r2,20\n", "id,value\n1,10\r2,20"]
)
def test_carriage_returns_alone_end_lines(tmp_path: Path, content: str) -> None:
    """Old spreadsheets on a Mac wrote them so; the whole file would else be one header."""
    table = read_delimited(write(tmp_path, content))
    assert table.frame.columns == ["id", "value"]
    assert table.frame.rows() == [("1", "10"), ("2", "20")]


def test_a_carriage_return_within_quotes_is_text(tmp_path: Path) -> None:
    assert read_delimited(write(tmp_path, 'id,term\n1,"two\rlines"\n')).frame["term"].to_list() == [
        "two\rlines"
    ]


def test_utf_32_is_not_taken_for_utf_16(tmp_path: Path) -> None:
    assert read_delimited(write(tmp_path, "id,name\n1,Müller\n".encode("utf-32"))).frame.rows() == [
        ("1", "Müller")
    ]


def test_zero_bytes_far_into_a_file_are_found(tmp_path: Path) -> None:
    """Beyond the first 64 KiB as well, where a value would else keep one unseen."""
    content = b"id,value\n" + b"1,2\n" * 20_000 + b"2,3\x004\n"
    with pytest.raises(ReadError, match="zero byte") as caught:
        read_delimited(write(tmp_path, content))
    assert caught.value.where == "labs.csv line 20002"


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ('1,5" nail,p\n2,x,q\n3,6" nail,r\n', 2),  # the row between would vanish within one long text
        ('1,x,5"\n2,y,q\n3,6",r\n', 2),
        ('1,x,p\n2,"y" z,q\n', 3),
        ('1,x,p\n2, "y, z",q\n', 3),
    ],
)
def test_stray_quotation_marks_are_an_error_and_swallow_no_row(tmp_path: Path, rows: str, line: int) -> None:
    with pytest.raises(ReadError, match="a quotation mark stands within a text") as caught:
        read_delimited(write(tmp_path, "id,term,other\n" + rows))
    assert caught.value.where == f"labs.csv line {line}"


def test_rows_of_delimiters_alone_are_left_out_with_a_note(tmp_path: Path) -> None:
    table = read_delimited(write(tmp_path, "id,value\n1,10\n,\n2,20\n , \n,\n"))
    assert table.frame.rows() == [("1", "10"), ("2", "20")]
    assert table.row_numbers().to_list() == [1, 3]
    (note,) = table.findings
    assert (note.code, note.severity, note.row, note.count) == ("blank-row", "note", 2, 3)


@pytest.mark.parametrize("separator", ["^", "~", " "])
def test_rare_delimiters_are_suspected_too(tmp_path: Path, separator: str) -> None:
    content = "id,test,value\n1,CREAT,10\n2,CREAT,20\n".replace(",", separator)
    with pytest.raises(ReadError, match="not separated by a comma") as caught:
        read_delimited(write(tmp_path, content))
    assert caught.value.try_ == f"delimiter: {separator!r} in study.yaml"
    assert read_delimited(write(tmp_path, content), delimiter=separator).frame.width == 3


def test_one_column_of_words_is_no_wrong_delimiter(tmp_path: Path) -> None:
    assert read_delimited(write(tmp_path, "patient name\nAna\nBea Cruz\n")).frame.width == 1


def test_an_unclosed_quotation_mark_is_told_where_it_opens(tmp_path: Path) -> None:
    """Of three quoted texts the second never closes: every later mark seems to change its part."""
    content = 'id,term\n1,"rash"\n2,"fever\n3,"cough"\n4,none\n'
    with pytest.raises(ReadError, match="never closed") as caught:
        read_delimited(write(tmp_path, content))
    assert caught.value.where == "labs.csv line 3"
    assert caught.value.found == '"fever'
