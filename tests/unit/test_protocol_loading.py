"""Protocols by name and by path; where their parts stand; files that are none."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from flarefree.errors import ProtocolError
from flarefree.protocol import LoadedProtocol, builtin_protocols, load_protocol, parse_protocol
from flarefree.protocol.language.nodes import Node, Quantity
from flarefree.protocol.language.printing import print_node
from flarefree.protocol.language.walking import walk
from flarefree.protocol.loading import builtin_path

BUILTIN = ("alms-maintenance", "cdisc-pilot", "multitarget-maintenance")

SMALL = """\
name: small
title: Small
design: {summary: Two arms, follow_up: 12 months}
arms: {new: {label: New}, old: {label: Old}}
reference_arm: old
schedule: {visits: [{name: Month 0, number: 0, day: 1}]}
measures: {upcr: {label: Ratio, unit: mg/mg, tests: [UPCR]}}
endpoints:
  failure: {label: Failure, first_of: [flare, death]}
  death: {label: Death, when: death}
  flare:
    label: Flare
    when: |
      upcr >= 2
        * baseline(upcr)

      and upcr >= 500 mg/g
populations: {itt: {label: All, when: randomized}}
flarefree: 1
"""


@pytest.fixture(scope="module", params=BUILTIN)
def builtin(request: pytest.FixtureRequest) -> LoadedProtocol:
    return load_protocol(request.param)


def test_these_come_with_flarefree() -> None:
    assert builtin_protocols() == BUILTIN


def test_each_loads_under_its_name(builtin: LoadedProtocol) -> None:
    assert builtin.path == f"{builtin.spec.name}.yaml"
    text = builtin_path(builtin.spec.name).read_text("utf-8")
    assert builtin.digest == hashlib.sha256(text.encode()).hexdigest()


def test_each_endpoint_comes_after_those_it_names(builtin: LoadedProtocol) -> None:
    place = {name: i for i, name in enumerate(builtin.order)}
    assert sorted(place) == sorted(builtin.spec.endpoints)
    for name, endpoint in builtin.spec.endpoints.items():
        for other in (*endpoint.first_of, *endpoint.censor_at):
            assert place[other] < place[name]


def test_every_sentence_prints_and_stands_on_a_line_of_the_file(builtin: LoadedProtocol) -> None:
    lines = builtin_path(builtin.spec.name).read_text("utf-8").splitlines()
    for path in builtin.sentences:
        sentence = builtin.sentence(path)
        assert sentence.text
        if path not in builtin.lines:  # `where` of an adverse-event table, which has a default
            assert sentence.place == f"{builtin.path} {path}"
            continue
        assert sentence.place == f"{builtin.path}:{builtin.lines[path]} {path}"
        key = path.rpartition(".")[2]
        assert f"{key}:" in lines[builtin.lines[path] - 1]


def test_sentences_print_as_the_file_has_them(builtin: LoadedProtocol) -> None:
    for name, endpoint in builtin.spec.endpoints.items():
        for part in ("when", "state"):
            if text := getattr(endpoint, part):
                printed = print_node(builtin.sentences[f"endpoints.{name}.{part}"])
                assert "".join(printed.split()).replace("(", "").replace(")", "") == "".join(
                    text.split()
                ).replace("(", "").replace(")", "")


def test_quantities_are_in_the_units_of_their_measures() -> None:
    white_cells = load_protocol("multitarget-maintenance").sentences["endpoints.leukopenia.when"]
    found = [part for part in walk(white_cells) if isinstance(part, Quantity)]
    assert [(q.value, q.unit, q.written) for q in found] == [(4.0, "10^9/L", "4000 /uL")]


def test_a_file_is_read_from_its_path(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(SMALL, "utf-8")
    loaded = load_protocol(file)
    assert loaded.path == "small.yaml"
    assert loaded.order == ("flare", "death", "failure")
    assert loaded.comparisons == (("new", "old"),)
    assert load_protocol(str(file)) is loaded  # read once


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert load_protocol(file).spec == parse_protocol(SMALL, "small.yaml").spec


@pytest.mark.parametrize(
    ("found", "line"),
    [("upcr >= 2", 14), ("* baseline(upcr)", 15), ("and upcr", 17)],
)
def test_an_error_names_the_line_within_a_folded_sentence(found: str, line: int) -> None:
    broken = SMALL.replace(found, found.replace("upcr", "upcx"))
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(broken, "small.yaml")
    assert caught.value.where.startswith(f"small.yaml:{line} endpoints.flare.when")


def test_a_protocol_can_be_json(tmp_path: Path) -> None:
    file = tmp_path / "small.json"
    file.write_text(parse_protocol(SMALL).spec.model_dump_json(exclude_defaults=True), "utf-8")
    assert load_protocol(file).spec == parse_protocol(SMALL).spec


def complaint(path: Path | str) -> str:
    with pytest.raises(ProtocolError) as caught:
        load_protocol(path)
    return str(caught.value)


def test_a_name_that_is_none() -> None:
    assert complaint("alms") == (
        "there is no protocol called alms\n"
        "  found     alms\n"
        "  expected  a built-in protocol (alms-maintenance, cdisc-pilot, multitarget-maintenance) "
        "or a YAML file\n"
        "  try       did you mean alms-maintenance?"
    )


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none.yaml") == (
        f"{tmp_path / 'none.yaml'}: the file cannot be read\n  found     no such file or directory"
    )


def test_a_folder(tmp_path: Path) -> None:
    assert "this is a folder" in complaint(tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x01binary", b"name: x\x00y", bytes(range(128, 256))])
def test_a_binary_file(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "trial.yaml"
    file.write_bytes(content)
    assert "the file is not text" in complaint(file)


def test_a_file_too_large_to_be_a_protocol(tmp_path: Path) -> None:
    file = tmp_path / "trial.yaml"
    file.write_bytes(b"# " + b"x" * 4_000_001)
    assert "too large" in complaint(file)


def replaced(old: str, new: str) -> str:
    assert old in SMALL
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(SMALL.replace(old, new, 1), "small.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("old: {label: Old}", "old: {label: New}", "two arms have this name"),
        ("[{name: Month 0, number: 0, day: 1}]", "[]", "the schedule has no visits"),
        ("day: 1}]", "day: 1}, {name: Month 0, number: 1, day: 31}]", "two visits have this name"),
        ("tests: [UPCR]", "tests: [UPCR], equation: mdrd-186", "a measure comes from one source"),
        ("tests: [UPCR]", "type: grade, tests: [UPCR]", "a grade needs its grades"),
        (", tests: [UPCR]", ", equation: mdrd-186", "the equation needs creatinine"),
        ("tests: [UPCR]", "tests: [UPCR], normal: [2, 1]", "the lower limit is above the upper"),
        (
            "death: {label: Death, when: death}",
            "death: {label: Death, when: upcr > 1 mg/mg}",
            "death is a word",
        ),
        ("first_of: [flare, death]", "first_of: [flare, deaths]", "there is no endpoint called deaths"),
        ("first_of: [flare, death]", "first_of: [flare], unit: g/day", "only a value has a unit"),
        ("label: Flare\n", "label: Flare\n    adjudicatd: true\n", "adjudicatd is not a key here"),
        ("when: randomized", "when: death", "this is about assessments"),
        ("when: randomized", "when: ''", "the sentence is empty"),
        (
            "populations:",
            "covariates: {age: {label: Age, cut: [40], cut_labels: [young]}}\npopulations:",
            "cut what?",
        ),
        (
            "populations:",
            "randomization: {ratio: {new: 1}, strata: [site]}\npopulations:",
            "no covariate called site",
        ),
        ("populations:", 'report: {colors: {mmf: "#0b5394"}}\npopulations:', "there is no arm called mmf"),
        ("populations:", "sources: [{table: labs}]\npopulations:", "there is no table called labs"),
        ("populations:", "baseline: {visits: [Week 1]}\npopulations:", "there is no visit called Week 1"),
        (
            "populations:",
            "epochs: {e: {label: E, first_day: 9, last_day: 3}}\npopulations:",
            "ends before it begins",
        ),
        (
            "day: 1}]",
            "day: 1, last_day: 20}, {name: Month 1, number: 1, day: 31, first_day: 20}]",
            "the windows of two visits overlap",
        ),
        ("tests: [UPCR]", "tests: [UPCR], digits: -2", "digits goes beyond its limits"),
        ("tests: [UPCR]", "tests: [UPCR], digits: 1000000000", "digits goes beyond its limits"),
        (
            "upcr >= 2\n",
            "sustained(upcr >= 2 mg/mg, for 99999999999 days) and upcr >= 2\n",
            "this is no duration",
        ),
        ("tests: [UPCR]", "tests: [UPCR, upcr]", "upcr is read from this test already"),
        (
            "tests: [UPCR]}",
            "tests: [UPCR]}, again: {label: Again, unit: mg/mg, tests: [UPCR]}",
            "upcr is read from this test already",
        ),
    ],
)
def test_parts_that_do_not_fit_together(old: str, new: str, said: str) -> None:
    assert said in replaced(old, new)


def test_windows_that_meet_and_tests_of_two_categories_fit() -> None:
    windows = "day: 1, last_day: 20}, {name: Month 1, number: 1, day: 31, first_day: 21}]"
    morning = "tests: [UPCR]}, morning: {label: Morning, unit: mg/mg, tests: [UPCR], category: AM}"
    text = SMALL.replace("day: 1}]", windows).replace("tests: [UPCR]}", morning)
    spec = parse_protocol(text).spec
    assert [visit.name for visit in spec.schedule.visits] == ["Month 0", "Month 1"]
    assert spec.measures["morning"].tests == spec.measures["upcr"].tests


ANALYSIS = "\nanalyses:\n  a: {{title: A, population: itt, kind: {}}}\n"


@pytest.mark.parametrize(
    ("analysis", "said"),
    [
        ("populations, of: [safety]", "there is no population called safety"),
        ("baseline_table, variables: [{variable: age}]", "there is no covariate called age"),
        ("exposure, among_events_of: flares", "there is no endpoint called flares"),
        ("time_to_event, endpoint: flare, strata: [site]", "there is no covariate called site"),
        (
            "time_to_event, endpoint: flare, models: [{label: M, type: frailty}]",
            "a frailty is shared within what?",
        ),
        ("time_to_event, endpoint: flare, models: [{label: M, type: cox_stratified}]", "needs its strata"),
        ("subgroups, endpoint: flare, by: [race]", "there is no covariate called race"),
        ("withdrawals, test_reasons: [Boredom]", "there is no reason called Boredom"),
        ("course, measures: [c3]", "there is no measure called c3"),
        ("course, measures: [upcr], visits: [Month 1]", "there is no visit called Month 1"),
        ("response_by_visit, endpoint: flare", "flare is an event, not a state"),
        ("change_from_baseline, measure: upcr, visit: Month 0", "there is no visit called Baseline"),
        (
            "change_from_baseline, measure: upcr, visit: Month 0, baseline_visit: Month 0, dose: {new: 1}",
            "the dose of each arm is needed",
        ),
        ("dose_by_visit, drug: MMF", "there is no drug called MMF"),
        ("agreement, endpoints: [flares]", "there is no endpoint called flares"),
        ("mixed_model, measures: [upcr], formula: change ~ arm*vist", "there is no column called vist"),
        ("mixed_model, measures: [upcr], formula: arm*visit", "this is no formula"),
        ("adverse_events, where: emergent and seriuos", "adverse_event records have no seriuos"),
    ],
)
def test_analyses_that_ask_for_what_there_is_not(analysis: str, said: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(SMALL + ANALYSIS.format(analysis), "small.yaml")
    assert said in str(caught.value)
    assert str(caught.value).startswith("small.yaml:")


def test_value_endpoints_may_be_named_by_sentences() -> None:
    fold = "  fold: {label: Fold, value: upcr / baseline(upcr)}\n"
    high = "  high: {label: High, when: fold >= 2}\n"
    text = SMALL.replace("  death:", f"{high}{fold}  death:")
    assert parse_protocol(text).order.index("fold") < parse_protocol(text).order.index("high")


def test_nodes_are_values(builtin: LoadedProtocol) -> None:
    assert all(isinstance(node, Node) for node in builtin.sentences.values())
    assert len({hash(node) for node in builtin.sentences.values()}) > len(builtin.sentences) // 2
