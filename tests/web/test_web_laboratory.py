"""Laboratory files: CSV and messages, judged all together, taken whole or by explicit choice in part."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flarefree.errors import ConductError, ReadError


@pytest.fixture
def clinic(record: None):
    import web_clinic

    web_clinic.open_clinic()
    return web_clinic


HEAD = "SUBJECT,VISIT,TEST,VALUE,UNIT,LOW,HIGH,COLLECTED,RESULTED,ACCESSION"


def table(*rows: str) -> str:
    return "\n".join((HEAD, *rows)) + "\n"


def take(clinic, text: str, *, actor=None, days: float = 60, **more):
    from flarefree.web.commands.laboratory import ImportLaboratory

    command = ImportLaboratory(file_name="lab.csv", text=text, **more)
    return clinic.ask(actor or clinic.LABORATORY, command, days=days)


def labs(subject: str):
    from flarefree.web.record.reading import read_things

    found = [item for item in read_things("lab", subject=subject) if item["source"]]
    return [(item["measure"], item["value"], item["unit"], item["date"]) for item in found]


def test_a_table_is_taken_with_units_limits_and_visits(clinic):
    from flarefree.web.record.reading import read_things

    subject = clinic.randomized()
    text = table(
        f"{subject},Month 1,CREAT,106,µmol/L,44,97,2026-02-04T08:30,2026-02-04T15:00,A1",
        f"{subject},Month 1,WBC,4200,/mm3,,,2026-02-04T08:30,2026-02-04T15:00,A1",
        f"{subject},Month 1,UPCR,<0.05,mg/mg,,,2026-02-04T08:30,2026-02-04T15:00,A1",
    )
    done = take(clinic, text).result
    assert (done["taken"], done["left"], done["findings"]) == (3, 0, [])
    assert labs(subject)[0] == ("creatinine", "106", "umol/L", "2026-02-04")
    row = read_things("lab", subject=subject)[-3]
    assert (row["low"], row["high"], row["visit"], row["source"]) == ("44", "97", "Month 1", "lab.csv")
    again = take(clinic, text).result
    assert again["taken"] == 0 and {f["code"] for f in again["findings"]} == {"known"}


def test_every_bad_row_is_told_at_once_and_nothing_is_taken(clinic):
    subject = clinic.randomized()
    text = table(
        f"{subject},,CREAT,1.1,mg/dL,,,2026-02-04,,A1",
        "017-999,,CREAT,1.1,mg/dL,,,2026-02-04,,A2",
        f"{subject},,CREAT,1.1,furlong,,,2026-02-05,,A3",
        f"{subject},,NOVEL,1.1,mg/dL,,,2026-02-04,,A4",
        f"{subject},,CREAT,lots,mg/dL,,,2026-02-06,,A5",
        f"{subject},,CREAT,1.1,mg/dL,,,2026-13-04,,A6",
        f"{subject},,CREAT,1.1,mg/dL,,,2027-02-04,,A7",
        f"{subject},,BLGMUCO,A,,,,2026-02-04,,A8",
        f"{subject},,CREAT,1.1",
    )
    with pytest.raises(ConductError, match="nothing was taken") as error:
        take(clinic, text)
    for words in ("no such patient", "unit is not known", "no such test", "no number", "cannot be read",
                  "in the future", "examiner", "number of fields"):  # fmt: skip
        assert words in error.value.found
    assert labs(subject) == []
    done = take(clinic, text, only_good_rows=True).result
    assert (done["rows"], done["taken"], done["left"]) == (9, 1, 8)
    codes = [finding["code"] for finding in done["findings"]]
    assert codes == ["unknown-subject", "unknown-unit", "unknown-test", "unreadable-result",
                     "unreadable-date", "future-date", "not-laboratory", "ragged-row"]  # fmt: skip
    assert [finding["row"] for finding in done["findings"]] == [3, 4, 5, 6, 7, 8, 9, 10]


def test_a_later_result_time_corrects_and_an_earlier_one_is_left_aside(clinic):
    from flarefree.web.record.reading import history_of, read_things

    subject = clinic.randomized()
    row = f"{subject},,CREAT,{{}},mg/dL,,,2026-02-04T08:30,{{}},A1"
    take(clinic, table(row.format("11", "2026-02-04T15:00")))
    done = take(clinic, table(row.format("1.1", "2026-02-05T09:00"))).result
    assert done["corrected"] == 1
    assert labs(subject) == [("creatinine", "1.1", "mg/dL", "2026-02-04")]
    key = read_things("lab", subject=subject)[-1].key
    assert [fact.value for fact in history_of("lab", key, "value")] == ["11", "1.1"]
    # The jump of the first result is no longer asked about.
    assert {q["status"] for q in read_things("query", subject=subject)} == {"closed"}
    older = take(clinic, table(row.format("1.2", "2026-02-04T16:00"))).result
    assert older["taken"] == 0 and older["findings"][0]["code"] == "older-result"
    with pytest.raises(ConductError, match="nothing was taken"):
        take(clinic, table(row.format("1.3", "")))


def test_repeats_within_a_file(clinic):
    subject = clinic.randomized()
    row = f"{subject},,CREAT,{{}},mg/dL,,,2026-02-04T08:30,{{}},A1"
    text = table(row.format("1.1", "2026-02-04T15:00"), row.format("1.1", "2026-02-04T15:00"),
                 row.format("1.4", "2026-02-04T17:00"))  # fmt: skip
    done = take(clinic, text).result
    assert [f["code"] for f in done["findings"]] == ["duplicate-row", "corrected-in-file"]
    assert [value for _, value, _, _ in labs(subject)] == ["1.4"]
    with pytest.raises(ConductError, match="contradicts"):
        take(clinic, table(row.replace("A1", "A2").format("1", ""), row.replace("A1", "A2").format("2", "")))


MESSAGE = r"""MSH|^~\&|LAB|CENTRAL|FLAREFREE|TRIAL|20260204||ORU^R01|1|P|2.5
PID|1||{subject}^^^TRIAL
OBR|1||A77^LAB|PANEL|||20260204083000+0100|||||||||||||||20260204150000+0100
OBX|1|NM|CREAT^Creatinine^L||118|umol/L|44-97|H|||F
OBX|2|SN|PROTCRT^Protein:creatinine||<^0.05|mg/mg|<0.2||||F
OBX|3|NM|C3||90|mg/dL|||||P
NTE|1||a note
OBR|2||A78|PANEL|||20260204233000-0800
OBX|1|ST|OCCBLD||2+||||||C
"""


def test_messages_are_read_with_zones_and_statuses(clinic):
    """23:30 eight hours west of Greenwich is the next morning in Berlin."""
    subject = clinic.randomized()
    done = take(clinic, MESSAGE.format(subject=subject)).result
    assert done["taken"] == 3 and [f["code"] for f in done["findings"]] == ["preliminary"]
    assert labs(subject) == [
        ("creatinine", "118", "umol/L", "2026-02-04"),
        ("upcr", "<0.05", "mg/mg", "2026-02-04"),
        ("dipstick_blood", "2+", None, "2026-02-05"),
    ]


def test_a_jump_in_a_file_is_asked_about(clinic):
    subject = clinic.randomized()
    done = take(clinic, table(f"{subject},,CREAT,9.9,mg/dL,,,2026-02-04,,A1"))
    assert (
        "twelve" not in done.result["questions"][0] and "times the last value" in done.result["questions"][0]
    )


def test_results_after_consent_was_withdrawn_are_not_taken(clinic):
    from flarefree.web.commands.consents import WithdrawConsent

    subject = clinic.randomized()
    clinic.ask(clinic.NURSE, WithdrawConsent(subject=subject, withdrawn_on="2026-02-03"), days=30)
    with pytest.raises(ConductError, match="consent was withdrawn"):
        take(clinic, table(f"{subject},,CREAT,1.1,mg/dL,,,2026-02-03,,A1"))
    assert take(clinic, table(f"{subject},,CREAT,1.1,mg/dL,,,2026-02-02,,A1")).result["taken"] == 1


def test_who_may_not_import_learns_nothing_of_the_patients(clinic):
    subject = clinic.randomized()
    for actor in (clinic.NURSE, clinic.MONITOR, clinic.SPONSOR):
        with pytest.raises(ConductError) as error:
            take(clinic, table(f"{subject},,CREAT,x,mg/dL,,,2026-02-04,,A1"), actor=actor)
        assert str(error.value) == "there is nothing here for you"


def test_what_tells_the_arm_never_stands_in_the_record(template, tmp_path):
    """Metabolites and red-cell volume go to the vault; a data manager may not bring them."""
    import web_clinic as clinic

    from flarefree.web.checks.live_trial import live_trial
    from flarefree.web.record.models import LogRow, Value
    from flarefree.web.vault import service
    from flarefree.web.vault.models import Kept

    with live_trial(tmp_path, subjects=1) as trial:
        (subject,) = trial.subjects
        text = table(
            f"{subject},,6-TGN,235.7,pmol,,,2026-02-04,,A1",
            f"{subject},,MCV,103.9,fL,,,2026-02-04,,A1",
            f"{subject},,CREAT,1.1,mg/dL,,,2026-02-04,,A1",
        )
        with pytest.raises(ConductError, match="nothing here"):
            take(clinic, text, actor=clinic.MANAGER)
        assert Kept.objects.count() == 0
        done = take(clinic, text).result
        assert (done["taken"], done["to_vault"], len(labs(subject))) == (1, 2, 1)
        at = clinic.START + timedelta(days=61)
        kept = service.kept_values(
            "arm_typical", who="ulla", role="unblinded_statistician", request="k", at=at
        )
        assert [(who, told["test"], told["value"]) for who, told in kept] == [
            (subject, "6-TGN", "235.7"), (subject, "MCV", "103.9"),
        ]  # fmt: skip
        assert take(clinic, text, days=62).result["to_vault"] == 2 and Kept.objects.count() == 2
        assert b"235.7" not in b"".join(bytes(row.sealed) for row in Kept.objects.all())
        everything = str(list(Value.objects.values())) + str(list(LogRow.objects.values()))
        assert "235.7" not in everything and "103.9" not in everything and "MCV" not in everything


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "empty"), ("a,b\n1,2\n", "lacks a column"), ("\ufeff\n \n", "empty")],
)
def test_a_file_that_is_none(text, words):
    from flarefree.web.forms.laboratory import read_laboratory_file

    with pytest.raises(ReadError, match=words):
        read_laboratory_file(text)


def test_separators_quotes_and_endings():
    from flarefree.web.forms.laboratory import read_laboratory_file

    text = '\ufeffPatient;Test Code;Result;Units;Date\r\n017-001;CREAT;"1.1";mg/dL;2026-02-04\r\n\r\n'
    (row,), unread = read_laboratory_file(text)
    assert (row.subject, row.test, row.value, row.date, row.row) == (
        "017-001",
        "CREAT",
        "1.1",
        "2026-02-04",
        2,
    )
    assert unread == ()
