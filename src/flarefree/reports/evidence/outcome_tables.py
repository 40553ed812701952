"""The tables of one outcome: comparisons, league, ranking, consistency, contributions, sensitivity."""

from __future__ import annotations

import math
from collections.abc import Iterator

from flarefree.evidence.networks.result import Network
from flarefree.evidence.networks.tables import Triple, best_first, league_numbers
from flarefree.evidence.questions.answering import OutcomeAnswer
from flarefree.evidence.questions.summaries import split_rows
from flarefree.reports.evidence.anchors import Places, rows_anchor
from flarefree.reports.evidence.document import Run, WordColumn, WordRow, WordTable, words
from flarefree.reports.evidence.numbering import Numbering, estimate_cell, text_cell
from flarefree.reports.formatting import NO_BREAK, NumberStyle, format_cell
from flarefree.results import Cell, Column, Row, Table

__all__ = [
    "MEASURES",
    "consistency_table", "contribution_table", "direct_table", "heterogeneity_table", "league_table",
    "ranking_table", "sensitivity_table", "sequential_table", "split_table",
]  # fmt: skip

MEASURES = {
    "OR": "Odds ratio",
    "RR": "Risk ratio",
    "RD": "Risk difference",
    "MD": "Mean difference",
    "SMD": "Standardized mean difference",
}
HALVES = {
    "direct": "direct comparisons alone, the row's treatment against the column's",
    "common": "common effects, the row's treatment against the column's",
    "random": "random effects, the column's treatment against the row's",
}


def direct_table(outcome: OutcomeAnswer, places: Places) -> Table:
    """Every direct comparison: random and common effects, heterogeneity, prediction."""
    rows = []
    for pair in outcome.pooled.pairs:
        link = places.of_pair(outcome.outcome, pair.treatment, pair.against)
        random, common = pair.random, pair.common
        several = random.k > 1 and not outcome.asked.rare
        cells = {
            "k": Cell("count", {"n": random.k}, link=link),
            "random": estimate_cell(random.estimate, random.conf_low, random.conf_high, link),
            "common": estimate_cell(common.estimate, common.conf_low, common.conf_high, link),
            "i2": text_cell(f"{random.i2:.0f}%" if several else "—"),
            "p": Cell("p_value", {"p_value": random.p_value}, link=link),
        }
        if several and not math.isnan(random.prediction_low):
            limits = f"{random.prediction_low:.2f} to {random.prediction_high:.2f}"
            cells["prediction"] = text_cell(limits)
        rows.append(
            Row(f"{pair.treatment} v {pair.against}", cells, term=f"{pair.treatment} v {pair.against}")
        )
    has_prediction = any("prediction" in row.cells for row in rows)
    columns = [
        Column("k", "Studies"),
        Column("random", "Random effects (95% CI)" if not outcome.asked.rare else "Peto (95% CI)"),
        *([] if outcome.asked.rare else [Column("common", "Common effects (95% CI)")]),
        *([Column("prediction", "Prediction interval")] if has_prediction else []),
        *([] if outcome.asked.rare else [Column("i2", "I²")]),
        Column("p", "P value"),
    ]
    return Table(
        id=f"{outcome.outcome}-direct-table",
        title=f"{outcome.label}: direct comparisons ({MEASURES[outcome.asked.measure].lower()})",
        columns=tuple(columns),
        rows=tuple(rows),
        stub="Comparison",
    )


def league_table(
    outcome: OutcomeAnswer, net: Network, places: Places, which: int, numbers: Numbering
) -> WordTable:
    """Random effects below the diagonal; above it common effects, or direct evidence where the two agree."""
    order = best_first(net)
    upper = "" if net.rows is None else "common" if net.tau2 > 0 else "direct"
    below, above = league_numbers(net, net.model), league_numbers(net, upper) if upper else None
    names = [net.treatments[i] for i in order]
    rows = []
    for r, i in enumerate(order):
        cells = [words(names[r])]
        for c, j in enumerate(order):
            link = places.of_pair(outcome.outcome, names[r], names[c])
            if r > c:
                cells.append(_league_cell(below, j, i, link))
            elif r < c and above is not None:
                cells.append(_league_cell(above, i, j, link))
            else:
                cells.append(())
        rows.append(WordRow(tuple(cells)))
    counts = "common effects (Mantel-Haenszel), the column's treatment against the row's"
    notes = [f"Below the diagonal: {HALVES[net.model] if net.rows is not None else counts}."]
    if upper == "direct":
        notes.append(
            f"Above: {HALVES['direct']}; τ² is 0, so that common effects are the same as random ones."
        )
    elif upper:
        notes.append(f"Above: {HALVES[upper]}.")
    part = f", part {which}" if len(outcome.pooled.networks) > 1 else ""
    return numbers.words(
        f"{outcome.outcome}-league-{which}",
        f"{outcome.label}: league table{part}, best first ({MEASURES[net.measure].lower()}, 95% CI)",
        [WordColumn("", 1.05), *(WordColumn(name, 1) for name in names)],
        rows,
        [" ".join(notes)],
    )


def _league_cell(numbers: Triple, i: int, j: int, link: str) -> tuple[Run, ...]:
    """`0.64 (0.39 to 1.04)`, which breaks before its limits only; nothing where there is no estimate."""
    estimate, low, high = (float(matrix[i, j]) for matrix in numbers)
    if math.isnan(estimate):
        return ()
    text = format_cell(estimate_cell(estimate, low, high), NumberStyle())
    before, _, after = text.partition(f"{NO_BREAK}(")
    return words(f"{before} ({after}" if after else before, link)


def ranking_table(outcome: OutcomeAnswer, net: Network, which: int) -> Table:
    """P-scores, SUCRA with its limits, ranks."""
    link = rows_anchor(outcome.outcome)
    rows = [
        Row(
            row["treatment"],
            {
                "p_score": Cell("number", {"value": row["p_score"]}, digits=2, link=link),
                "sucra": estimate_cell(row["sucra"], row["sucra_low"], row["sucra_high"], link),
                "rank": Cell(
                    "estimate_ci",
                    {
                        "estimate": row["median_rank"],
                        "conf_low": row["rank_low"],
                        "conf_high": row["rank_high"],
                    },
                    digits=0,
                    link=link,
                ),
                "best": Cell("percent_ci", {"percent": 100 * row["best"]}, digits=0, link=link),
            },
            term=row["treatment"],
        )
        for row in net.ranking().iter_rows(named=True)
    ]
    part = f", part {which}" if len(outcome.pooled.networks) > 1 else ""
    return Table(
        id=f"{outcome.outcome}-ranking-{which}",
        title=f"{outcome.label}: ranking{part}, best first",
        columns=(
            Column("p_score", "P-score"),
            Column("sucra", "SUCRA (limits)"),
            Column("rank", "Median rank (95% limits)"),
            Column("best", "Best, % of draws"),
        ),
        rows=tuple(rows),
        stub="Treatment",
        footnotes=(
            "Limits of SUCRA are the shares of other treatments beaten at the limits of the rank. "
            "A rank says nothing of how large a difference is, or of how sure.",
        ),
    )


def heterogeneity_table(outcome: OutcomeAnswer, net: Network) -> Table:
    """Q in all, within and between designs; tau2 with limits; I2."""
    found, parts = net.heterogeneity, net.consistency
    assert found is not None
    link = rows_anchor(outcome.outcome)

    def q_row(label: str, q: float, df: int, p: float, term: str) -> Row:
        cells = {
            "q": Cell("number", {"value": q}, digits=2, link=link),
            "df": Cell("count", {"n": df}, link=link),
            "p": Cell("p_value", {"p_value": p}, link=link) if df else text_cell("—"),
        }
        return Row(label, cells, indent=0, term=term)

    rows = [
        q_row("All studies", parts.q_total, parts.df_total, parts.p_total, "total"),
        q_row("Within designs (heterogeneity)", parts.q_within, parts.df_within, parts.p_within, "within"),
        q_row(
            "Between designs (inconsistency)", parts.q_between, parts.df_between, parts.p_between, "between"
        ),
    ]
    tau = f"τ² {found.tau2:.3f}" if found.df else "τ² cannot be estimated"
    limits = f" (95% limits {found.tau2_low:.3f} to {found.tau2_high:.3f})" if found.df else ""
    i2 = f"; I² {100 * found.i2:.0f}%" if found.df else ""
    return Table(
        id=f"{outcome.outcome}-q",
        title=f"{outcome.label}: heterogeneity and inconsistency",
        columns=(Column("q", "Q"), Column("df", "df"), Column("p", "P value")),
        rows=tuple(rows),
        stub="Cochran's Q, common effects",
        footnotes=(f"Random effects: {tau}{limits}{i2} ({net.method}).", *_random_test(net)),
    )


def _random_test(net: Network) -> tuple[str, ...]:
    parts = net.consistency
    if math.isnan(parts.p_between_random) or not parts.df_between:
        return ()
    return (
        f"Design-by-treatment interaction with random effects: Q {parts.q_between_random:.2f} on "
        f"{parts.df_between} df, P {parts.p_between_random:.2f} (τ² within designs "
        f"{parts.tau2_within:.3f}).",
    )


def consistency_table(outcome: OutcomeAnswer, net: Network) -> Table:
    """Each design: its heterogeneity, its part in the inconsistency, what is left without it."""
    link = rows_anchor(outcome.outcome)
    rows = []
    for design in net.consistency.designs:
        detached = not math.isnan(design.q_detached) and design.df_detached > 0
        cells = {
            "k": Cell("count", {"n": design.n_studies}, link=link),
            "q": Cell("number", {"value": design.q}, digits=2, link=link) if design.df else text_cell("—"),
            "between": Cell("number", {"value": design.q_between}, digits=2, link=link),
            "left": Cell("number", {"value": design.q_detached}, digits=2) if detached else text_cell("—"),
            "p": Cell("p_value", {"p_value": design.p_detached}) if detached else text_cell("—"),
        }
        rows.append(Row(", ".join(design.treatments), cells, term=", ".join(design.treatments)))
    return Table(
        id=f"{outcome.outcome}-designs",
        title=f"{outcome.label}: designs, and their part in the inconsistency",
        columns=(
            Column("k", "Studies"),
            Column("q", "Q within"),
            Column("between", "Part of Q between"),
            Column("left", "Q between, design detached"),
            Column("p", "P value"),
        ),
        rows=tuple(rows),
        stub="Design",
    )


def split_table(outcome: OutcomeAnswer, net: Network, places: Places) -> Table:
    """Node splits: direct, indirect and network estimates of every pair."""
    rows = []
    for split in split_rows(outcome, net):
        link = places.of_pair(outcome.outcome, split.treatment, split.against)
        cells = {
            "k": Cell("count", {"n": split.n_studies}, link=link),
            "share": Cell("percent_ci", {"percent": 100 * split.direct_share}, digits=0, link=link),
            "direct": estimate_cell(*split.direct, link) if split.direct else text_cell("—"),
            "indirect": estimate_cell(*split.indirect, link) if split.indirect else text_cell("—"),
            "network": estimate_cell(*split.network, link),
            "p": Cell("p_value", {"p_value": split.p_value})
            if split.p_value == split.p_value
            else text_cell("—"),
        }
        rows.append(
            Row(f"{split.treatment} v {split.against}", cells, term=f"{split.treatment} v {split.against}")
        )
    return Table(
        id=f"{outcome.outcome}-splits",
        title=f"{outcome.label}: direct and indirect evidence ({net.model} effects)",
        columns=(
            Column("k", "Studies"),
            Column("share", "Direct, %"),
            Column("direct", "Direct (95% CI)"),
            Column("indirect", "Indirect (95% CI)"),
            Column("network", "Network (95% CI)"),
            Column("p", "P of difference"),
        ),
        rows=tuple(rows),
        stub="Comparison",
    )


def contribution_table(outcome: OutcomeAnswer, net: Network, places: Places) -> Table:
    """Percent that each direct comparison contributes to each network estimate."""
    found = net.contributions()
    names = [f"{a} v {b}" for a, b in found.columns]
    oriented = {frozenset(pair): f"{pair[0]} v {pair[1]}" for pair in _oriented(outcome)}
    names = [oriented.get(frozenset(pair), name) for pair, name in zip(found.columns, names)]
    rows = []
    for r, pair in enumerate(found.rows):
        label = oriented.get(frozenset(pair), f"{pair[0]} v {pair[1]}")
        link = places.of_pair(outcome.outcome, *pair)
        cells = {
            name: Cell("percent_ci", {"percent": 100 * float(found.share[r, c])}, digits=0, link=link)
            if found.share[r, c] >= 0.005
            else Cell("blank")
            for c, name in enumerate(names)
        }
        rows.append(Row(label, cells, term=label))
    rows.sort(
        key=lambda row: list(oriented.values()).index(row.label) if row.label in oriented.values() else 0
    )
    return Table(
        id=f"{outcome.outcome}-contributions",
        title=f"{outcome.label}: what direct comparisons contribute to each estimate (percent)",
        columns=tuple(Column(name, name) for name in names),
        rows=tuple(rows),
        stub="Network estimate",
    )


def _oriented(outcome: OutcomeAnswer) -> Iterator[tuple[str, str]]:
    for number in outcome.numbers:
        if number.kind == "network":
            yield number.treatment, number.against


def sequential_table(outcome: OutcomeAnswer) -> Table:
    """Each direct comparison: the share of the required information, z and its boundary."""
    rows = []
    for pair in outcome.pooled.pairs:
        looks = pair.sequential
        if looks is None:
            continue
        link = rows_anchor(outcome.outcome)
        boundary = float(looks.boundary[-1])
        cells = {
            "fraction": Cell("percent_ci", {"percent": 100 * float(looks.fraction[-1])}, digits=0, link=link),
            "patients": Cell("count", {"n": looks.required_patients}),
            "z": Cell("number", {"value": float(looks.z[-1])}, digits=2, link=link),
            "boundary": text_cell("beyond 8")
            if boundary > 8
            else Cell("number", {"value": boundary}, digits=2),
            "status": text_cell(
                "crossed" if looks.crossed.any() else "reached" if looks.is_conclusive else "open"
            ),
        }
        rows.append(
            Row(f"{pair.treatment} v {pair.against}", cells, term=f"{pair.treatment} v {pair.against}")
        )
    effect, measure = outcome.asked.smallest_effect, MEASURES[outcome.asked.measure].lower()
    return Table(
        id=f"{outcome.outcome}-sequential",
        title=f"{outcome.label}: trial-sequential status of the direct comparisons",
        columns=(
            Column("fraction", "Information, %"),
            Column("patients", "Patients required"),
            Column("z", "z"),
            Column("boundary", "Boundary"),
            Column("status", "Status"),
        ),
        rows=tuple(rows),
        stub="Comparison",
        footnotes=(
            f"Required to find {'an' if measure[0] in 'aeiou' else 'a'} {measure} of {effect:g} with "
            "two-sided alpha "
            "0.05 and power 0.8; O'Brien-Fleming-type alpha spending after each study in the order of years.",
        ),
    )


def sensitivity_table(outcome: OutcomeAnswer, places: Places) -> Table:
    """Every treatment against the reference, as asked and otherwise."""
    net = outcome.pooled.main
    assert net is not None
    columns = [Column("main", "As asked")]
    columns += [Column(each.asked.name, each.asked.title) for each in outcome.sensitivity]
    counts = {"main": Cell("count", {"n": net.n_studies})}
    rows = []
    for each in outcome.sensitivity:
        main = each.pooled.main
        has = main is not None and outcome.reference in main.treatments
        counts[each.asked.name] = Cell("count", {"n": main.n_studies if has and main is not None else 0})
    rows.append(Row("Studies in the network", counts, term="studies"))
    others = [name for name in outcome.order if name in net.treatments and name != net.reference]
    seen = {t for each in outcome.sensitivity if each.pooled.main for t in each.pooled.main.treatments}
    others += sorted(seen - set(net.treatments) - {outcome.reference})
    for name in others:
        link = places.of_pair(outcome.outcome, name, net.reference)
        cells = {"main": _against(net, name, net.reference, link)}
        for each in outcome.sensitivity:
            cells[each.asked.name] = _against(each.pooled.main, name, outcome.reference)
        rows.append(Row(f"{name} v {outcome.reference}", cells, term=name))
    return Table(
        id=f"{outcome.outcome}-sensitivity",
        title=f"{outcome.label}: the network otherwise ({MEASURES[net.measure].lower()}, 95% CI)",
        columns=tuple(columns),
        rows=tuple(rows),
        stub="Comparison",
        footnotes=("A dash: the studies of that analysis do not connect the two.",),
    )


def _against(net: Network | None, treatment: str, reference: str, link: str = "") -> Cell:
    if net is None or treatment not in net.treatments or reference not in net.treatments:
        return text_cell("—")
    i, j = net.treatments.index(treatment), net.treatments.index(reference)
    effects = net.effects_under()
    change = math.exp if net.is_ratio else float
    estimate, low, high = (
        change(float(matrix[i, j])) for matrix in (effects.estimate, effects.conf_low, effects.conf_high)
    )
    return estimate_cell(estimate, low, high, link)
