"""The base out as CSV, RevMan-like tables and YAML, and back; and the commands of `flarefree evidence`."""

from __future__ import annotations

import csv
import io
import json
import math

import polars as pl
import pytest

from flarefree.cli.app import run
from flarefree.errors import EvidenceError, OutputError
from flarefree.evidence import load_evidence
from flarefree.evidence.exchange import csv_texts, read_csv, revman_text, write_files
from flarefree.evidence.writing import plan_addition, yaml_text


@pytest.fixture(scope="module")
def evidence():
    return load_evidence()


def test_csv_tables_bring_every_number_back_with_its_digits(evidence, tmp_path) -> None:
    texts = csv_texts(evidence)
    write_files(texts, tmp_path)
    back = read_csv(tmp_path)
    for name in (
        "studies",
        "arms",
        "effects",
        "baseline",
        "pooled",
        "risk_of_bias",
        "conflicts",
        "documents",
    ):
        assert getattr(back, name)().equals(getattr(evidence, name)()), name
    assert back.outcomes().drop("definition").equals(evidence.outcomes().drop("definition"))
    assert csv_texts(back) == texts, "a second export is the first one, byte by byte"
    assert "25.0" in texts["outcomes.csv"] and not list(tmp_path.glob(".*"))
    assert dict(back.cohort) == dict(evidence.cohort)
    assert csv_texts(load_evidence(tmp_path)) == texts


def test_the_table_of_outcomes_alone_is_a_base(evidence, tmp_path) -> None:
    write_files({"outcomes.csv": csv_texts(evidence)["outcomes.csv"]}, tmp_path)
    back = load_evidence(tmp_path / "outcomes.csv")
    numbers = ["study", "outcome", "treatment", "events", "n", "mean", "sd", "percent", "rate"]
    kept = evidence.outcomes().select(numbers)
    assert back.outcomes().select(numbers).drop("n").equals(kept.drop("n"))


def comparisons(text: str) -> list[tuple[str, ...]]:
    """The rows of a RevMan-like table but for the number of the analysis, in an order of their own."""
    rows = csv.DictReader(io.StringIO(text))
    return sorted(tuple(v for k, v in row.items() if k != "Analysis number") for row in rows)


def test_revman_rows_come_back_as_they_went(evidence, tmp_path) -> None:
    text = revman_text(evidence)
    file = tmp_path / "revman.csv"
    file.write_text(text, "utf-8")
    back = read_csv(file)
    assert comparisons(revman_text(back)) == comparisons(text) and len(comparisons(text)) > 150
    asked = {"phase": "maintenance", "time": "36 mo", "treatments": ["MMF", "AZA"]}
    mine = back.rows("renal_flare", **asked).select("study", "treatment", "events", "n")
    assert mine.rows() == [
        ("Dooley 2011 (ALMS maintenance)", "MMF", 15, 116),
        ("Dooley 2011 (ALMS maintenance)", "AZA", 26, 111),
    ]


def test_a_study_of_three_arms_goes_out_as_two_comparisons_and_comes_back_as_one_study(
    evidence, tmp_path
) -> None:
    rows = [r for r in csv.DictReader(io.StringIO(revman_text(evidence))) if r["Study"] == "Li 2012"]
    sides = [(r["Experimental"], r["Experimental cases"], r["Control"], r["Control cases"]) for r in rows]
    assert sides == [("IV CYC", "12", "TAC", "15"), ("MMF", "15", "TAC", "15")]
    file = tmp_path / "li.csv"
    file.write_text(revman_text(evidence), "utf-8")
    assert len(read_csv(file).study("li_2012").arms) == 3


def test_revman_has_the_logarithm_of_a_hazard_ratio(evidence) -> None:
    rows = csv.DictReader(io.StringIO(revman_text(evidence)))
    row = next(r for r in rows if r["Effect measure"] == "HR")
    assert float(row["GIV Mean"]) == pytest.approx(math.log(0.44), abs=1e-9)
    assert float(row["GIV SE"]) == pytest.approx(math.log(0.77 / 0.25) / 3.919927969, abs=1e-8)


def test_yaml_of_the_base_is_the_base(evidence, tmp_path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(yaml_text(evidence.content), "utf-8")
    back = load_evidence(file)
    for part in (
        "studies",
        "meta_analyses",
        "documents",
        "conflicts",
        "review_tables",
        "treatments",
        "outcomes",
    ):
        assert dict(getattr(back.content, part)) == dict(getattr(evidence.content, part)), part


# A stranger's table --------------------------------------------------------------------------------

TABLE = """\
study,treatment,outcome,n,events
Chan 2005,MMF,renal flare,33,11
Chan 2005,AZA,renal flare,31,9
Ginzler 2010,Mycophenolate,renal flare,40,6
Ginzler 2010,Imuran,renal flare,41,10
"""


def table(folder, text: str):
    file = folder / "mine.csv"
    file.write_text(text, "utf-8")
    return file


def test_a_plain_table_is_enough(tmp_path) -> None:
    base = load_evidence(table(tmp_path, TABLE))
    rows = base.rows("renal_flare")
    assert rows.select("study", "treatment", "events", "n").rows() == [
        ("Chan 2005", "MMF", 11, 33), ("Chan 2005", "AZA", 9, 31),
        ("Ginzler 2010", "MMF", 6, 40), ("Ginzler 2010", "AZA", 10, 41),
    ]  # fmt: skip
    assert base.study("chan_2005").design.kind == "not stated", "nothing is made up"


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("Chan 2005,AZA,renal flare,31,9\n", "", 2, ["chan_2005", "one arm compares nothing"]),
        ("31,9", "31,39", 3, ["chan_2005", "renal_flare, arm AZA", "39/31"]),
        ("31,9", "31,9.5", 3, ["whole number", "9.5"]),
        ("31,9", "31,-9", 3, ["whole number"]),
        ("Chan 2005,AZA", "Chan 2005,MMF", 3, ["arm MMF is given twice", "lines 2 and 3"]),
        ("Chan 2005,AZA", "Chan 2005,Azathioprin", 3, ["no treatment Azathioprin",
            "did you mean Azathioprine?"]),
        ("Chan 2005,AZA", "Chan 2005,", 3, ["names no treatment"]),
        ("Chan 2005,AZA,renal flare,31,9", "Chan 2005,AZA,renal flare,31", 3, ["4 cells", "5"]),
        ("n,events", "n,n", 1, ["a column stands twice"]),
        ("study,treatment", "trial,treatment", 1, ["no column study"]),
        ("n,events", "n,event", 1, ["no column event", "did you mean events?"]),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_is_refused_at_its_line(tmp_path, old, new, line, words) -> None:
    assert old in TABLE
    with pytest.raises(EvidenceError) as error:
        load_evidence(table(tmp_path, TABLE.replace(old, new)))
    assert error.value.where.startswith(f"mine.csv:{line}"), error.value
    for word in words:
        assert word in str(error.value), error.value


def test_revman_rows_that_contradict_each_other_are_refused(tmp_path) -> None:
    head = "Analysis name,Study,Study year,Experimental,Experimental cases,Experimental N,"
    head += "Control,Control cases,Control N\n"
    rows = "renal_flare,Li 2012,2012,MMF,5,20,TAC,4,20\nrenal_flare,Li 2012,2012,AZA,6,20,TAC,5,20\n"
    with pytest.raises(EvidenceError, match="TAC has other numbers than in line 2") as error:
        read_csv(table(tmp_path, head + rows))
    assert error.value.where == "mine.csv:3"


def test_revman_rows_without_treatments_are_asked_for_them(tmp_path) -> None:
    with pytest.raises(EvidenceError, match="does not say what the arms were given"):
        read_csv(table(tmp_path, "Study,Experimental cases,Experimental N\nLi 2012,5,20\n"))


# Adding --------------------------------------------------------------------------------------------


def test_what_is_added_is_written_whole_or_not_at_all(tmp_path) -> None:
    folder, file = tmp_path / "base", table(tmp_path, TABLE)
    planned = plan_addition(file, folder)
    assert not folder.exists() and planned.added["studies"] == ("chan_2005", "ginzler_2010")
    assert planned.write() == folder / "mine.yaml"
    assert load_evidence(folder).rows("renal_flare").height == 4
    with pytest.raises(OutputError, match="a file already"):
        plan_addition(file, folder)
    again = tmp_path / "again.csv"
    again.write_text(TABLE, "utf-8")
    with pytest.raises(EvidenceError, match=r"given twice"):
        plan_addition(again, folder)
    bad = tmp_path / "bad.csv"
    bad.write_text(TABLE.replace("33,11", "33,34").replace("Chan", "Tang"), "utf-8")
    with pytest.raises(EvidenceError, match="more events than patients"):
        plan_addition(bad, folder)
    assert [each.name for each in folder.iterdir()] == ["mine.yaml"]


def test_a_study_that_our_base_has_is_told_when_only_checked(tmp_path) -> None:
    text = "studies:\n  dooley2011:\n    label: Mine\n    year: 2011\n    phase: maintenance\n"
    text += "    design: {kind: single arm, randomized: false}\n    arms: {MMF: {treatment: MMF}}\n"
    file = tmp_path / "mine.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(EvidenceError, match="dooley2011 is given twice") as error:
        plan_addition(file, None)
    assert "alms.yaml" in error.value.found


# Commands ------------------------------------------------------------------------------------------


def flarefree(capsys, *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        run(["evidence", *words])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ((), "dooley2011"),
        (("studies", "--phase", "maintenance"), "Zhang 2017"),
        (("show", "dooley2011"), "0.44 (0.25 to 0.77)"),
        (("show", "palmer2017"), "2.69 (1.74 to 4.16)"),
        (("show", "liu2015_n"), "368 were randomized"),
        (("show", "renal_flare"), "Renal flare or relapse"),
        (("rows", "renal_flare", "--phase", "maintenance"), "a percentage only"),
        (("rows", "urinary_nag"), "5.91 ± 6.62 (n = 38)"),
        (("conflicts",), "palmer2017_cni"),
        (("table", "1"), "Follow-Up Duration"),
        (("table", "2"), "14/81"),
        (("export", "--format", "revman"), "Experimental cases"),
        (("export", "--format", "csv"), "percent_kind"),
    ],
)
def test_what_people_read(capsys, words, shown) -> None:
    code, out, err = flarefree(capsys, *words)
    assert (code, err) == (0, "") and shown in out


@pytest.mark.parametrize(
    "words",
    [("studies",), ("show", "zhang2017"), ("show", "hannah2016"), ("rows", "death", "--phase", "induction"),
     ("conflicts",), ("table", "1")],
)  # fmt: skip
def test_what_programs_read(capsys, words) -> None:
    code, out, _ = flarefree(capsys, *words, "--json")
    assert code == 0 and json.loads(out)


def test_every_study_and_conflict_can_be_shown(capsys, evidence) -> None:
    for name in (*evidence.content.studies, *evidence.content.meta_analyses, *evidence.content.conflicts):
        code, out, _ = flarefree(capsys, "show", name)
        assert code == 0 and len(out.splitlines()) > 2, name


def test_export_and_import_by_command(capsys, tmp_path) -> None:
    code, out, _ = flarefree(capsys, "export", "--format", "csv", "--out", str(tmp_path / "csv"))
    assert code == 0 and out.count("Written:") == 10
    code, out, _ = flarefree(
        capsys, "import", str(tmp_path / "csv"), "--out", str(tmp_path / "base" / "all.yaml")
    )
    assert code == 0 and "32 studies" in out
    code, out, _ = flarefree(capsys, "studies", "--base", str(tmp_path / "base"), "--json")
    assert len(json.loads(out)) == 32
    code, _, err = flarefree(
        capsys, "import", str(tmp_path / "csv"), "--out", str(tmp_path / "base" / "all.yaml")
    )
    assert code == 2 and "there is a file already" in err


def test_add_by_command_with_a_dry_run_first(capsys, tmp_path) -> None:
    file, folder = table(tmp_path, TABLE), tmp_path / "mine"
    code, out, _ = flarefree(capsys, "add", str(file))
    assert code == 0 and "Nothing was written" in out
    code, out, _ = flarefree(capsys, "add", str(file), "--to", str(folder), "--dry-run", "--json")
    assert code == 0 and json.loads(out)["written"] is None and not folder.exists()
    code, out, _ = flarefree(capsys, "add", str(file), "--to", str(folder))
    assert code == 0 and "It adds chan_2005, ginzler_2010." in out and (folder / "mine.yaml").is_file()
    code, out, _ = flarefree(capsys, "rows", "renal_flare", "--base", str(folder), "--json")
    assert pl.DataFrame(json.loads(out)["rows"])["events"].sum() == 36


def test_what_is_wrong_ends_with_2_and_no_trace(capsys, tmp_path) -> None:
    for words, told in (
        (("show", "dooley2012"), "did you mean dooley2011?"),
        (("show", "ALMS"), "appel2009 (Appel 2009 (ALMS induction)) or dooley2011 (Dooley 2011 (ALMS"),
        (("show", "euro-lupus"), "houssiau2002 (Houssiau 2002 (Euro-Lupus))"),
        (("table", "3"), "no table 3"),
        (("rows", "leukopenia"), "same patients"),
        (("studies", "--phase", "later"), "no phase later"),
        (("studies", "--base", str(tmp_path / "none")), "no such file"),
    ):
        code, out, err = flarefree(capsys, *words)
        assert code == 2 and told in err and "Traceback" not in err and not out


def test_each_command_has_help_with_an_example(capsys) -> None:
    for name in ("studies", "show", "rows", "conflicts", "table", "import", "export", "add"):
        code, out, _ = flarefree(capsys, name, "--help")
        assert code == 0 and f"Example: flarefree evidence {name}" in out


@pytest.mark.parametrize(
    ("table", "line", "told"),
    [
        ("studies", "study\nother2030", "there is no study"),
        ("arms", "study,arm,treatment\nnobody2030,MMF,MMF", "arms.csv:2: there is no study nobody2030"),
        ("arms", "study,arm\ndooley2011,MMF", "arms.csv:1: there is no column treatment"),
        ("curves", "study,outcome,arm,column\nnobody2030,death,MMF,0", "curves.csv:2: there is no study"),
        ("baseline", "study,arm,characteristic\n,MMF,age", "baseline.csv:2: a row has no study"),
        ("risk_of_bias", "domain,judgement\nx,low", "risk_of_bias.csv:1: there is no column study"),
        ("pooled", "label,estimate\nA,1.2", "pooled.csv:1: there is no column meta_analysis"),
        ("conflicts", "about,kind\nn,count", "conflicts.csv:1: there is no column conflict"),
    ],
)
def test_a_damaged_table_of_a_folder_is_told_with_file_and_line(tmp_path, table, line, told) -> None:
    write_files(csv_texts(load_evidence()), tmp_path)
    (tmp_path / f"{table}.csv").write_text(line + "\n", "utf-8")
    with pytest.raises(EvidenceError) as error:
        read_csv(tmp_path)
    assert told in str(error.value)
