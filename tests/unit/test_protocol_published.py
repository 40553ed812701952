"""Published results beside their protocols: what they hold, and that they are the papers' numbers."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from flarefree.errors import ProtocolError
from flarefree.protocol import load_protocol, load_published, parse_protocol
from flarefree.protocol.loading import builtin_path
from flarefree.protocol.published import Published


@pytest.fixture(scope="module")
def alms() -> Published:
    return published("alms-maintenance")


@pytest.fixture(scope="module")
def multitarget() -> Published:
    return published("multitarget-maintenance")


def published(name: str) -> Published:
    found = load_published(load_protocol(name))
    assert found is not None
    return found


def test_the_primary_result_stands_where_ours_does(alms: Published) -> None:
    ratio = alms.cell("primary", "MMF_vs_AZA", term="Unadjusted")
    assert ratio is not None
    assert ratio.printed == {"estimate": "0.44", "conf_low": "0.25", "conf_high": "0.77"}
    assert ratio.text("estimate_ci") == "0.44 (0.25 to 0.77)"
    assert ratio.number("estimate") == 0.44


def test_numbers_keep_the_digits_of_the_paper(alms: Published) -> None:
    cell = alms.cell("components", "MMF_vs_AZA", term="time_to_event", endpoint="renal_flare")
    assert cell is not None
    assert cell.text("estimate_ci") == "0.50 (0.26 to 0.93)"


def test_columns_of_ours_find_their_arm_or_comparison(alms: Published, multitarget: Published) -> None:
    flare = {"term": "time_to_event", "endpoint": "renal_flare"}
    p_value = alms.cell("components", "MMF_vs_AZA_p", **flare)
    assert p_value is not None
    assert p_value.text("p_value") == "0.03"
    rate = multitarget.cell("adverse_events", "AZA_rate", term="Leukopenia")
    assert rate is not None
    assert (rate.text("rate"), rate.text("n_percent")) == ("20.45", "23 (25.6)")


def test_a_bound_is_no_number(multitarget: Published) -> None:
    cell = multitarget.cell("adverse_events", "MT_vs_AZA", term="Leukopenia")
    assert cell is not None
    assert cell.text("p_value") == "<0.01"
    assert cell.number("p_value") is None


def test_what_was_not_published_is_none(alms: Published) -> None:
    assert alms.cell("primary", "MMF", term="median") is None
    cell = alms.cell("primary", "MMF", term="events")
    assert cell is not None
    assert cell.text("estimate_ci") == ""


@pytest.mark.parametrize("name", ["alms-maintenance", "multitarget-maintenance"])
def test_percentages_follow_from_their_counts(name: str) -> None:
    """As printed, to one decimal: 19 of 116 is 16.4."""
    checked = 0
    sizes = {"MMF": 116, "AZA": 111} if name.startswith("alms") else {"MT": 116, "AZA": 90}
    for key, cell in published(name).cells.items():
        if key.analysis in ("subgroups", "remission_by_visit") or not {"n", "percent"} <= set(cell.printed):
            continue
        total = int(cell.printed.get("total", sizes[key.group]))
        if key.analysis == "exposure":  # of the safety population
            total = {"MMF": 115, "AZA": 111}[key.group]
        digits = len(cell.printed["percent"].partition(".")[2])
        share = 100 * int(cell.printed["n"]) / total
        assert abs(share - float(cell.printed["percent"])) <= 0.5 * 10**-digits + 1e-9, (key, share)
        checked += 1
    assert checked > 50


def test_limits_stand_around_their_estimates() -> None:
    for name in ("alms-maintenance", "multitarget-maintenance"):
        for cell in published(name).cells.values():
            low, middle, high = (cell.number(s) for s in ("conf_low", "estimate", "conf_high"))
            if low is not None and middle is not None and high is not None:
                assert low < middle < high


def test_crude_rates_follow_from_one_sum_of_years(multitarget: Published) -> None:
    """Events per 100 patient-years: 163.9 years in the multitarget arm and 112.5 with azathioprine."""
    years: dict[str, list[tuple[float, float]]] = {"MT": [], "AZA": []}
    for key, cell in multitarget.cells.items():
        rate, n = cell.number("rate"), cell.number("n")
        if rate and n:
            years[key.group].append((100 * n / (rate + 0.005), 100 * n / (rate - 0.005)))
    for group, expected in (("MT", 163.9), ("AZA", 112.5)):
        low, high = max(low for low, _ in years[group]), min(high for _, high in years[group])
        assert low <= high  # one sum of years gives every rate of the arm, as rounded
        assert (low + high) / 2 == pytest.approx(expected, abs=0.1)


@pytest.mark.shared
def test_everything_of_the_alms_paper_is_there(alms: Published, shared: Path) -> None:
    _require_all_numbers(
        json.loads((shared / "published" / "alms_maintenance.json").read_text()), alms, _NOT_OURS
    )


@pytest.mark.shared
def test_everything_of_the_multitarget_paper_is_there(multitarget: Published, shared: Path) -> None:
    whole = json.loads((shared / "published" / "multitarget_maintenance.json").read_text())
    _require_all_numbers(whole, multitarget, _NOT_OURS)


_NOT_OURS = {
    # Said by the protocol itself, or no result.
    "planning", "reference_ranges", "trial", "citation", "source_file", "centres", "follow_up_months",
    "visits_months", "therapeutic_window_ng_ml", "first", "last", "columns", "note", "test", "total",
    "n_itt", "n_safety", "n", "log_rank", "p",
}  # fmt: skip


def _require_all_numbers(whole: Any, found: Published, skipped: set[str]) -> None:
    kept = {text for cell in found.cells.values() for text in cell.printed.values()}
    kept |= {text for table in found.tables.values() for row in table.rows for text in row}
    numbers = {float(text.lstrip("<")) for text in kept if _is_number(text.lstrip("<"))}
    missing = [number for number in _numbers_in(whole, skipped) if number not in numbers]
    assert missing == []


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers_in(value: Any, skipped: set[str]) -> list[float]:
    if isinstance(value, dict):
        return [n for key, inner in value.items() if key not in skipped for n in _numbers_in(inner, skipped)]
    if isinstance(value, list):
        return [n for inner in value for n in _numbers_in(inner, skipped)]
    return [float(value)] if isinstance(value, int | float) else []


def test_analyses_follow_the_order_of_the_paper(alms: Published) -> None:
    analyses = alms.analyses()
    assert analyses[0] == "populations"
    assert all(before != after for before, after in pairwise(analyses))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    text = builtin_path("alms-maintenance").read_text("utf-8").replace("name: alms-maintenance", "name: mine")
    protocol = parse_protocol(text, "mine.yaml")
    with pytest.raises(ProtocolError, match="the file of published results is not there"):
        load_published(protocol)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("[{term: events, groups: {MMX: {n: 1}}}]", "the protocol has no group MMX"),
        ("[{trm: events, groups: {MMF: {n: 1}}}]", "trm is not a key here"),
        ("[{term: e, groups: {MMF: {n: 1}}}, {term: e, groups: {MMF: {n: 2}}}]", "n of MMF is given twice"),
    ],
)
def test_a_file_that_is_wrong(tmp_path: Path, rows: str, said: str) -> None:
    text = builtin_path("alms-maintenance").read_text("utf-8").replace("name: alms-maintenance", "name: mine")
    mine = tmp_path / "mine.yaml"
    mine.write_text(text.replace("published/alms-maintenance.yaml", "mine-published.yaml"), "utf-8")
    protocol = load_protocol(mine)
    (tmp_path / "mine-published.yaml").write_text(
        f"source: a\ncitation: b\nresults:\n  - {{analysis: primary, rows: {rows}}}\n", "utf-8"
    )
    with pytest.raises(ProtocolError, match=said):
        load_published(protocol)


def test_a_protocol_without_published_results() -> None:
    assert load_published(load_protocol("cdisc-pilot")) is None
