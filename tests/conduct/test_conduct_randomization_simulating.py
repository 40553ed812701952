"""Schemes by simulation: the reference table, theory, the t test by brute force, the report, the command."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from flarefree.conduct.randomization import (
    BigStick,
    BoundedBiasedCoin,
    BrickTunnel,
    Complete,
    Efron,
    MaximalProcedure,
    PermutedBlocks,
    PocockSimon,
    RandomizationPlan,
    new_signing_key,
    plan_of,
    public_key_of,
    require_signed_report,
    sign_report,
    simulate_schemes,
)
from flarefree.conduct.randomization.candidates import candidate_schemes, mix_of, mix_of_shares
from flarefree.conduct.randomization.criteria import (
    CRITERIA,
    compute_desirability,
    compute_rejection,
    detectable_difference,
)
from flarefree.conduct.randomization.reporting import compare_schemes
from flarefree.conduct.randomization.simulating import Setting
from flarefree.errors import ConductError, DesignError
from flarefree.protocol import load_protocol
from flarefree.reports.figures import Palette, describe_figure, render_figure

INVENTED = mix_of_shares(
    {"a": {"1": 0.5, "2": 0.5}, "b": {"1": 0.45, "2": 0.35, "3": 0.2}, "c": {"1": 0.55, "2": 0.3, "3": 0.15}},
    "invented",
)
# Acceptance note, section 1.4: right guesses %, overall imbalance mean and 95th percentile, largest in a
# stratum, largest in a margin; 4,000 trials of 227 patients in 18 strata (2,000 for the last), as printed.
TABLE = [
    (Complete(), 50.0, 12.0, 29, 8.2, 15.6),
    (PermutedBlocks(sizes=(2,)), 74.0, 2.4, 5, 1.0, 3.1),
    (PermutedBlocks(sizes=(4,)), 69.4, 3.1, 7, 1.8, 3.9),
    (PermutedBlocks(sizes=(6,)), 66.4, 3.7, 9, 2.2, 4.7),
    (PermutedBlocks(sizes=(2, 4, 6)), 68.8, 3.3, 9, 2.0, 4.3),
    (PermutedBlocks(sizes=(4, 6)), 67.6, 3.5, 9, 2.1, 4.5),
    (Efron(), 61.3, 6.2, 15, 4.2, 7.7),
    (BigStick(limit=2), 61.0, 4.2, 9, 2.0, 5.3),
    (BigStick(limit=3), 56.3, 5.9, 15, 2.9, 7.6),
    (BoundedBiasedCoin(limit=3), 62.8, 4.7, 11, 2.7, 6.0),
    (PocockSimon((2, 3, 3), p=1.0), 88.2, 1.0, 1, None, 1.7),
    (PocockSimon((2, 3, 3), p=0.9), 81.0, 1.2, 3, None, 2.2),
    (PocockSimon((2, 3, 3), p=0.8), 73.8, 1.6, 3, None, 3.1),
    (PocockSimon((2, 3, 3), p=0.7), 66.5, 2.2, 5, None, 4.7),
]


@pytest.fixture(scope="module")
def table():
    return simulate_schemes([row[0] for row in TABLE], Setting(INVENTED, 227))


@pytest.mark.parametrize("k", range(len(TABLE)), ids=lambda k: TABLE[k][0].name)
def test_the_reference_table_comes_out_again(table, k):
    """Within four Monte Carlo errors of both sides (theirs as large as ours, or more) and their rounding."""
    scheme, guess, overall, p95, stratum, margin = TABLE[k]
    figures, errors = table[k]
    for name, printed, scale, more in (
        ("guess_rate", guess, 100, 1), ("overall_mean", overall, 1, 1), ("stratum_mean", stratum, 1, 1),
        ("margin_mean", margin, 1, math.sqrt(2)),
    ):  # fmt: skip
        if printed is not None:
            room = 4 * scale * math.hypot(errors[name], more * errors[name]) + 0.051
            assert abs(scale * figures[name] - printed) <= room, (name, scale * figures[name], printed)
    # 227 is odd, so an imbalance is: a percentile may be one step of two away where 95% falls on the step.
    assert abs(figures["overall_p95"] - p95) <= 2, scheme.name


def test_big_stick_2_is_less_predictable_than_random_blocks(table):
    of = {row[0]: found[0] for row, found in zip(TABLE, table, strict=True)}
    stick, blocks = of[BigStick(limit=2)], of[PermutedBlocks(sizes=(4, 6))]
    assert blocks["guess_rate"] - stick["guess_rate"] == pytest.approx(0.066, abs=0.01)
    assert stick["selection_error"] < blocks["selection_error"]


def test_one_stratum_gives_the_guess_rates_of_theory():
    """Blackwell and Hodges for blocks of 4 (70.8%), 1/2 + 1/(4b) for big sticks, as for one long list."""
    schemes = [PermutedBlocks(sizes=(4,)), BigStick(limit=2), BigStick(limit=3), Efron(p=2 / 3)]
    found = simulate_schemes(schemes, Setting(mix_of_shares({}), 400, 2000))
    rates = [figures["guess_rate"] for figures, _ in found]
    assert rates == pytest.approx([0.70833, 0.625, 0.58333, 0.625], abs=0.004)
    assert found[1][0]["determined"] == pytest.approx(0.25, abs=0.003)
    assert found[0][0]["best_guess_rate"] >= rates[0] - 1e-12


def test_the_same_seed_gives_the_same_numbers_whatever_stands_beside():
    setting = Setting(INVENTED, 60, 300)
    alone = simulate_schemes([BigStick(limit=2)], setting)[0]
    beside = simulate_schemes([Complete(), PocockSimon((2, 3, 3)), BigStick(limit=2)], setting)[2]
    assert alone == beside
    assert simulate_schemes([BigStick(limit=2)], Setting(INVENTED, 60, 300, seed=2))[0] != alone


def test_who_knows_one_site_guesses_worse():
    few, many = (
        simulate_schemes([PermutedBlocks(sizes=(4,))], Setting(INVENTED, 227, 300, sites=sites))[0][0]
        for sites in (1, 40)
    )
    assert few["site_guess_rate"] == pytest.approx(few["guess_rate"], abs=1e-12)
    assert 0.5 < many["site_guess_rate"] < 0.53 < few["guess_rate"]


def test_lists_that_end_refuse_patients_and_are_counted():
    setting = Setting(INVENTED, 227, 500, list_length=30)
    figures, _ = simulate_schemes([MaximalProcedure(limit=2, length=30)], setting)[0]
    assert 0 < figures["exhausted"] < 1 and figures["refused"] > 0
    assert figures["fullest_p95"] > 30
    free, _ = simulate_schemes([Complete()], Setting(INVENTED, 227, 500))[0]
    assert free["exhausted"] == 0 and free["refused"] == 0


def test_unequal_ratios_and_three_arms():
    mix = mix_of_shares({"a": {"x": 1, "y": 2}})
    ratio = (2, 1)
    schemes = candidate_schemes(ratio, mix.factors, 90)
    assert any(isinstance(scheme, BrickTunnel) for scheme in schemes)
    for figures, _ in simulate_schemes(schemes, Setting(mix, 90, 200)):
        assert figures["overall_mean"] < 10 and figures["power"] is not None
    three = candidate_schemes((1, 1, 1), mix.factors, 90)
    for figures, _ in simulate_schemes(three, Setting(mix, 90, 200)):
        assert figures["power"] is None and figures["selection_error"] is None
        assert 0.32 < figures["guess_rate"] < 0.9


# Type I error ------------------------------------------------------------------------------------


def brute_force(arms: np.ndarray, shift: np.ndarray, difference: float, trials: int = 200_000) -> float:
    """Two-sided t test at 5% of simulated responses, by the textbook."""
    from scipy.special import stdtrit

    rng = np.random.default_rng(7)
    y = rng.standard_normal((trials, arms.size)) + shift + difference * (arms == 0)
    a, b = y[:, arms == 0], y[:, arms == 1]
    n1, n2 = a.shape[1], b.shape[1]
    pooled = (a.var(axis=1, ddof=1) * (n1 - 1) + b.var(axis=1, ddof=1) * (n2 - 1)) / (n1 + n2 - 2)
    t = (a.mean(axis=1) - b.mean(axis=1)) / np.sqrt(pooled * (1 / n1 + 1 / n2))
    return float((np.abs(t) > stdtrit(n1 + n2 - 2, 0.975)).mean())


@pytest.mark.parametrize(
    ("n", "bias", "difference"),
    [(40, 0.0, 0.0), (40, 0.5, 0.0), (60, 1.0, 0.0), (12, 0.7, 0.0), (40, 0.3, 0.8), (12, 2.0, 1.0)],
)
def test_the_chance_of_rejecting_is_that_of_simulated_t_tests(n, bias, difference):
    rng = np.random.default_rng(n)
    arms = rng.permutation(np.arange(n) % 2)
    shift = bias * (np.linspace(-1, 1, n) + 0.3 * (arms == 0))
    found = compute_rejection(arms[None], shift[None], difference=difference)[0]
    assert found == pytest.approx(brute_force(arms, shift, difference), abs=0.004)


def test_without_bias_the_error_is_five_percent_and_the_power_as_planned():
    arms = (np.arange(228) % 2)[None]
    assert compute_rejection(arms, np.zeros(228))[0] == pytest.approx(0.05, abs=2e-4)
    d = detectable_difference(228)
    assert compute_rejection(arms, np.zeros(228), difference=d)[0] == pytest.approx(0.8, abs=0.006)
    assert np.isnan(compute_rejection(np.zeros((1, 5), dtype=int), np.zeros(5)))[0]


def test_the_mean_error_under_a_trend_is_that_of_permutation(table):
    """Complete randomization is fair whatever the trend: its mean type I error stays near 5%."""
    figures, errors = table[0]
    assert figures["trend_error"] == pytest.approx(0.05, abs=4 * errors["trend_error"] + 5e-4)
    assert figures["selection_error"] == pytest.approx(0.05, abs=1e-3)


# Desirability ------------------------------------------------------------------------------------


def test_desirability_by_hand():
    best = {c.key: c.target for c in CRITERIA}
    assert compute_desirability(best) == 1.0
    assert compute_desirability(best | {"guess_rate": 0.75}) == 0.0
    half = compute_desirability(best | {"guess_rate": 0.625})
    assert half == pytest.approx(0.5 ** (2 / 8))  # weight 2 of 8
    assert compute_desirability({"guess_rate": 0.625}) == pytest.approx(0.5)
    assert math.isnan(compute_desirability({}))


# Mixes, reports ----------------------------------------------------------------------------------


def test_prevalences_are_those_of_the_published_table():
    """Table 1 of the ALMS maintenance paper, both arms: 99 White, 23 Black, 76 Asian, 29 Other of 227."""
    mix = mix_of(load_protocol("alms-maintenance"))
    assert mix.shares[1] == pytest.approx([99 / 227, 23 / 227, 76 / 227, 29 / 227])
    assert mix.shares[2] == pytest.approx([29 / 227, 163 / 227, 35 / 227])
    assert mix.shares[0] == (0.5, 0.5) and mix.sources[0].startswith("not published")
    other = mix_of(load_protocol("alms-maintenance"), {"race": {"White": 1, "Black": 3}})
    assert other.shares[1] == (0.25, 0.75, 0.0, 0.0) and other.sources[1] == "given"
    for wrong in ({"sex": {"F": 1}}, {"race": {"Blue": 1}}, {"race": {"White": 0}}, {"race": {"White": -1}}):
        with pytest.raises(DesignError):
            mix_of(load_protocol("alms-maintenance"), wrong)


@pytest.fixture(scope="module")
def report():
    protocol = load_protocol("alms-maintenance")
    setting = Setting(mix_of(protocol), 228, 1000, sites=20)
    return compare_schemes(plan_of(protocol), setting, protocol_digest=protocol.digest)


def test_the_protocol_s_scheme_is_marked_and_bound_by_its_hash(report):
    plan = plan_of(load_protocol("alms-maintenance"))
    own = [one for one in report.schemes if one.is_own]
    assert [one.name for one in own] == ["Big stick, limit 2"] and report.of(plan.scheme_hash) is own[0]
    assert len({one.scheme_hash for one in report.schemes}) == len(report.schemes) == 16
    key = new_signing_key()
    signed = sign_report(report, key, signed_by="A statistician", time="2026-11-20T12:00Z").to_bytes()
    found = require_signed_report(
        plan.scheme_hash, signed, public_key=public_key_of(key), trial=plan.trial,
        protocol_digest=load_protocol("alms-maintenance").digest,
    )  # fmt: skip
    assert found["figures"]["guess_rate"] == own[0].figures["guess_rate"]
    with pytest.raises(ConductError, match="needs a name"):
        sign_report(report, key, signed_by=" ", time="")


def test_table_figure_and_text_say_the_same(report):
    table, figure = report.table(), report.figure()
    assert len(table.rows) == 16 and "Big stick, limit 2 (protocol)" in [row.label for row in table.rows]
    shown = {row["label"]: row["value"] for row in figure.data["main"].iter_rows(named=True)
             if row["panel"].startswith("Right")}  # fmt: skip
    for one, row in zip(report.schemes, table.rows, strict=True):
        assert row.cells["guess_rate"].stats["value"] == shown[one.name]
        assert f"{shown[one.name]:.1f}" in str(report)
    drawn = render_figure(figure, Palette())
    assert drawn.count("<circle") == 16 * 5 + 1 and "in the protocol" in drawn
    assert "Big stick, limit 2: Right guesses" in describe_figure(figure)


def test_a_report_of_other_strata_is_refused():
    plan = plan_of(load_protocol("alms-maintenance"))
    with pytest.raises(ConductError, match="strata"):
        compare_schemes(plan, Setting(INVENTED, 100, 100))


def test_a_trial_without_strata():
    plan = RandomizationPlan("Plain", ("A", "B"), (), PermutedBlocks(), 40)
    made = compare_schemes(plan, Setting(mix_of_shares({}), 40, 100))
    assert not any("Minimization" in one.name for one in made.schemes)
    assert "no strata" in str(made)


@pytest.mark.parametrize(
    "change",
    [
        {"patients": 3},
        {"replicates": 1},
        {"seed": -1},
        {"sites": 0},
        {"trend": float("nan")},
        {"selection": math.inf},
    ],
)
def test_a_setting_that_cannot_be_is_refused(change):
    with pytest.raises(DesignError):
        Setting(**({"mix": INVENTED, "patients": 100} | change))


# The command -------------------------------------------------------------------------------------


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flarefree", "randomization", "simulate", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_writes_report_table_picture_and_signature(tmp_path):
    key = new_signing_key()
    (tmp_path / "key").write_text(key.hex(), "ascii")
    out = tmp_path / "out"
    done = run("alms-maintenance", "--replicates", "1000", "--patients", "100", "--out", str(out),
               "--sign", str(tmp_path / "key"), "--signed-by", "A. Statistician", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads((out / "report.json").read_text("utf-8"))
    assert told["setting"]["patients"] == 100 and len(told["schemes"]) == 16
    assert (out / "schemes.svg").read_text("utf-8").startswith("<")
    frame = pl.read_csv(out / "schemes.csv")
    assert frame["scheme"].n_unique() == 16
    plan = plan_of(load_protocol("alms-maintenance"))
    body = require_signed_report(
        plan.scheme_hash, (out / "report.signed").read_bytes(), public_key=public_key_of(key),
        trial=plan.trial, protocol_digest=told["protocol_digest"],
    )  # fmt: skip
    assert body["is_own"] is True


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("multitarget-maintenance",), "does not randomize"),
        (("alms-maintenance", "--share", "race"), "not shares"),
        (("alms-maintenance", "--share", "race:White=x"), "not shares"),
        (("alms-maintenance", "--share", "sex:F=1"), "no such factor"),
        (("alms-maintenance", "--patients", "2"), "patients"),
        (("alms-maintenance", "--sign", "no-such-file", "--out", "OUT"), "not a signing key"),
        (("alms-maintenance", "--sign", "no-such-file"), "needs a folder"),
    ],
)  # fmt: skip
def test_bad_words_are_refused_without_a_traceback(words, said, tmp_path):
    done = run(*(str(tmp_path / "out") if word == "OUT" else word for word in words))
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_a_protocol_without_a_scheme_has_its_candidates_compared():
    done = run("cdisc-pilot", "--replicates", "20", "--patients", "60")
    assert done.returncode == 0, done.stderr
    assert "* " not in done.stdout.split("\n")[1] and "Permuted blocks of 6" in done.stdout
