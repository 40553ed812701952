"""An outcome's section: its rows, its direct comparisons, and all that is asked of its network."""

from __future__ import annotations

import math
from collections.abc import Iterator

from flarefree.errors import EvidenceError
from flarefree.evidence.networks.result import Network
from flarefree.evidence.questions.answering import Answer, OutcomeAnswer
from flarefree.evidence.questions.gathering import BaseRow
from flarefree.evidence.questions.summaries import direct_forest
from flarefree.reports.evidence.anchors import Places, outcome_anchor, row_anchor, source_anchor
from flarefree.reports.evidence.document import (
    Block,
    Paragraph,
    Part,
    Remarks,
    Run,
    Section,
    WordColumn,
    WordRow,
    words,
)
from flarefree.reports.evidence.numbering import Numbering, estimate_cell, text_cell
from flarefree.reports.evidence.outcome_tables import (
    consistency_table,
    contribution_table,
    direct_table,
    heterogeneity_table,
    league_table,
    ranking_table,
    sensitivity_table,
    sequential_table,
    split_table,
)
from flarefree.reports.text import slug
from flarefree.results import Cell, Column, Row, Sentence, Table

__all__ = ["outcome_section"]

FEWEST_DRAWN = 4  # treatments: a line or a triangle is seen in its league table
HOW = {
    "given": "printed",
    "derived": "from a percentage",
    "summed": "summed",
}
DOMAINS = {
    "within_study_bias": "Within-study bias",
    "reporting_bias": "Reporting bias",
    "indirectness": "Indirectness",
    "imprecision": "Imprecision",
    "heterogeneity": "Heterogeneity",
    "incoherence": "Incoherence",
}


def outcome_section(answer: Answer, outcome: OutcomeAnswer, places: Places, numbers: Numbering) -> Section:
    """Everything of one outcome."""
    parts = [part for part in _parts(answer, outcome, places, numbers) if part.blocks]
    return Section(outcome_anchor(outcome.outcome), outcome.label, tuple(parts))


def _parts(answer: Answer, outcome: OutcomeAnswer, places: Places, numbers: Numbering) -> Iterator[Part]:
    name = slug(outcome.outcome)
    asked = (Sentence(_asked(outcome), outcome.asked_at),)
    yield Part(f"{name}-reported", "What the Studies Report", tuple(_rows(answer, outcome, numbers)), asked)
    if not outcome.gathered.rows:
        return
    yield Part(f"{name}-direct", "Direct Comparisons", tuple(_direct(outcome, places, numbers)))
    if not outcome.pooled.networks:
        return
    yield Part(f"{name}-network", "Network", tuple(_network(outcome, places, numbers)))
    yield Part(f"{name}-rank", "Ranking", tuple(_ranking(outcome, numbers)))
    net = outcome.pooled.main
    if outcome.asked.show != "full" or net is None or net.rows is None:
        return
    yield Part(
        f"{name}-consistency",
        "Heterogeneity and Consistency",
        tuple(_consistency(outcome, net, places, numbers)),
    )
    yield Part(f"{name}-small-studies", "Small-Study Effects", tuple(_funnel(outcome, net, numbers)))
    yield Part(
        f"{name}-contributions", "Contributions", (numbers.table(contribution_table(outcome, net, places)),)
    )
    if outcome.sensitivity:
        table = numbers.table(sensitivity_table(outcome, places))
        yield Part(f"{name}-otherwise", "Sensitivity", (table, *_of_sensitivity(outcome)))
    if any(pair.sequential is not None for pair in outcome.pooled.pairs):
        yield Part(f"{name}-living", "Is It Enough Yet?", tuple(_sequential(outcome, numbers)))
    yield Part(f"{name}-worksheet", "Worksheet for Certainty", tuple(_worksheet(outcome, net, numbers)))
    if outcome.bayes is not None:
        yield Part(f"{name}-bayes", "The Network by Bayes", tuple(_bayes(outcome, places, numbers)))


def _asked(outcome: OutcomeAnswer) -> str:
    time = f", {outcome.asked.time}" if outcome.asked.time else ""
    return f"{outcome.label}{time}: {outcome.asked.role}, against {outcome.reference}"


# Rows ---------------------------------------------------------------------------------------------------


def _rows(answer: Answer, outcome: OutcomeAnswer, numbers: Numbering) -> Iterator[Block]:
    rows = outcome.gathered.rows
    if not rows:
        yield Paragraph(words("No study of the base has numbers of this outcome that can be pooled."))
        for each in outcome.gathered.left_out:
            yield Paragraph(words(f"{each.label}: {each.reason}", quiet=True))
        return
    made, seen = [], set()
    number = "Events/N" if rows[0].events is not None else "Mean ± SD (N)"
    for row in sorted(rows, key=lambda r: (r.year or 9999, r.label)):
        is_first = row.study not in seen
        seen.add(row.study)
        made.append(_word_row(outcome, row, is_first))
    yield numbers.words(
        f"rows-{outcome.outcome}",
        f"{outcome.label}: what each study reports, and where",
        (
            WordColumn("Study", 1.5), WordColumn("Treatment", 1),
            WordColumn(number, 0.75, is_narrow=True), WordColumn("%", 0.5, is_narrow=True),
            WordColumn("Time", 0.65), WordColumn("Count", 0.8), WordColumn("Source", 1.8),
            WordColumn("Row of the base", 1.35),
        ),
        made,
        list(_notes_of_rows(rows)),
    )  # fmt: skip
    definitions = {row.study: (row.label, row.definition) for row in rows if row.definition}
    if definitions:
        yield Paragraph(words("As defined by the studies, where their definition was read:"))
        yield Remarks(tuple(words(f"{label}: {text}") for label, text in definitions.values()))


def _word_row(outcome: OutcomeAnswer, row: BaseRow, is_first: bool) -> WordRow:
    percent = f"{100 * row.events / row.n:.1f}" if row.events is not None and row.n else ""
    how = HOW.get(row.status, row.status)
    size = "" if row.n_how in ("given", "") else f"N: {row.n_how.removesuffix(', given')}"
    second = " (second-hand)" if row.source.endswith("(second-hand)") else ""
    design = "" if row.randomized else " (not randomized)" if row.randomized is False else ""
    study = (Run(row.label, f"study-{slug(row.study)}"), Run(design, is_quiet=True)) if is_first else ()
    return WordRow(
        (
            study,
            words(row.treatment),
            words(row.number),
            words(percent),
            words(row.time),
            words("; ".join(filter(None, (how, size)))),
            (Run(row.document, source_anchor(row.document)), Run(f", {row.place}{second}")),
            words(row.base_place, quiet=True),
        ),
        anchor=row_anchor(outcome.outcome, row.study) if is_first else "",
    )


def _notes_of_rows(rows: tuple[BaseRow, ...]) -> Iterator[str]:
    told: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.note:
            told.setdefault((row.label, row.note), []).append(row.treatment)
    arms = {label: sum(1 for row in rows if row.label == label) for label, _ in told}
    for (label, note), treatments in told.items():
        who = label if len(treatments) == arms[label] else f"{label}, {', '.join(treatments)}"
        yield f"{who}: {note}."


# Comparisons and network --------------------------------------------------------------------------------


def _direct(outcome: OutcomeAnswer, places: Places, numbers: Numbering) -> Iterator[Block]:
    figure = direct_forest(outcome)
    if figure is None:
        return
    yield numbers.figure(figure, f"{outcome.outcome}-direct", figure.title)
    yield numbers.table(direct_table(outcome, places))


def _network(outcome: OutcomeAnswer, places: Places, numbers: Numbering) -> Iterator[Block]:
    several = len(outcome.pooled.networks) > 1
    if several:
        told = "; ".join(", ".join(net.treatments) for net in outcome.pooled.networks)
        yield Remarks(
            (), (words(f"The studies do not connect all treatments. Parts: {told}. Each is by itself."),)
        )
    for which, net in enumerate(outcome.pooled.networks, 1):
        part = f", part {which}" if several else ""
        if len(net.treatments) > 2:
            if outcome.asked.show == "full" or len(net.treatments) >= FEWEST_DRAWN:
                title = f"{outcome.label}: network{part}"
                yield numbers.figure(net.plot("network"), f"{outcome.outcome}-network-{which}", title)
            if which == 1 and outcome.asked.show == "full" and net.rows is not None:
                forest = net.plot("forest", split=True)
                title = (
                    f"{outcome.label}: each treatment against {net.reference}, direct and indirect evidence"
                )
                yield numbers.figure(forest, f"{outcome.outcome}-forest", title)
            yield league_table(outcome, net, places, which, numbers)
        else:
            first, second = net.treatments
            yield Paragraph(
                words(
                    f"Part {which} has two treatments, {first} and {second}: the direct comparison is all "
                    "of it."
                )
            )
        if net.notes:
            yield Remarks(
                tuple(
                    words(f"{note[0].upper()}{note[1:]}.")
                    for note in net.notes
                    if "only the part" not in note
                )
            )


def _ranking(outcome: OutcomeAnswer, numbers: Numbering) -> Iterator[Block]:
    for which, net in enumerate(outcome.pooled.networks, 1):
        if len(net.treatments) < 3:
            continue
        yield numbers.table(ranking_table(outcome, net, which))
        if outcome.asked.show == "full":
            part = f", part {which}" if len(outcome.pooled.networks) > 1 else ""
            title = f"{outcome.label}: probability of each rank{part}"
            yield numbers.figure(net.plot("rankogram"), f"{outcome.outcome}-rankogram-{which}", title)


def _consistency(outcome: OutcomeAnswer, net: Network, places: Places, numbers: Numbering) -> Iterator[Block]:
    yield numbers.table(heterogeneity_table(outcome, net))
    yield numbers.table(consistency_table(outcome, net))
    yield numbers.table(split_table(outcome, net, places))
    try:
        heat = net.plot("net_heat")
    except EvidenceError as error:
        yield Paragraph(words(f"Net heat: {error.what}; it needs {error.expected}."))
        return
    yield numbers.figure(heat, f"{outcome.outcome}-net-heat", f"{outcome.label}: net heat")


def _funnel(outcome: OutcomeAnswer, net: Network, numbers: Numbering) -> Iterator[Block]:
    order = [name for name in outcome.order if name in net.treatments]
    order += [name for name in net.treatments if name not in order]
    figure = net.plot("funnel", order=order)
    yield numbers.figure(figure, f"{outcome.outcome}-funnel", f"{outcome.label}: comparison-adjusted funnel")
    found = net.funnel(order)
    alone = sum(1 for pair in outcome.pooled.pairs if pair.random.k == 1)
    if alone:
        yield Remarks(
            (
                words(
                    f"{alone} of {len(outcome.pooled.pairs)} comparisons have one study, which lies on "
                    "the line by "
                    "construction."
                ),
            )
        )
    if math.isnan(found.p_value):
        yield Paragraph(words("There are too few studies for Egger's test."))


def _of_sensitivity(outcome: OutcomeAnswer) -> Iterator[Block]:
    told = [
        words(f"{each.asked.title}: {note[0].lower()}{note[1:]}")
        for each in outcome.sensitivity
        for note in each.pooled.notes
    ]
    if told:
        yield Remarks(tuple(told))


def _sequential(outcome: OutcomeAnswer, numbers: Numbering) -> Iterator[Block]:
    yield numbers.table(sequential_table(outcome))
    for pair in outcome.pooled.pairs:
        if pair.sequential is not None and pair.random.k > 1:
            title = f"{outcome.label}: {pair.treatment} v {pair.against}, study after study"
            name = f"{outcome.outcome}-sequential-{pair.treatment}-{pair.against}"
            yield numbers.figure(pair.sequential.plot(), name, title)


def _worksheet(outcome: OutcomeAnswer, net: Network, numbers: Numbering) -> Iterator[Block]:
    """Six domains a comparison; those against the reference, the others in worksheet.csv."""
    frame = outcome.worksheet
    if frame is None:
        return
    rows = []
    for row in frame.iter_rows(named=True):
        if net.reference not in (row["treatment_1"], row["treatment_2"]):
            continue
        head = f"{row['treatment_1']} v {row['treatment_2']}"
        studies = (
            "no study"
            if not row["n_studies"]
            else "1 study"
            if row["n_studies"] == 1
            else f"{row['n_studies']} studies"
        )
        rows.append(
            WordRow((words(f"{head} ({row['evidence']} evidence, {studies} direct)"),), is_heading=True)
        )
        for key, label in DOMAINS.items():
            verdict = row[key] or "to be judged"
            rule = row[f"{key}_rule"].removeprefix("to be judged: ").removeprefix("to be judged; ")
            rows.append(WordRow((words(label), words(verdict), words(_plain_rule(rule)))))
        rows.append(WordRow((words("Certainty"), words("to be judged"), ())))
    equal = outcome.asked.equivalence
    range_ = f" Effects between {1 / equal:.2f} and {equal:.2f} count as none." if equal else ""
    yield numbers.words(
        f"{outcome.outcome}-worksheet",
        f"{outcome.label}: domains of GRADE and CINeMA, the computed parts filled in",
        (WordColumn("Domain", 1), WordColumn("Concern", 0.9), WordColumn("By which rule", 3)),
        rows,
        [
            f"Nothing here is a rating: what needs judgment is left open.{range_} Other pairs are in "
            "worksheet.csv."
        ],
    )


def _plain_rule(rule: str) -> str:
    """The rule for a reader of the report, who gives no arguments."""
    return {
        "give risk_of_bias= by study": "not every study was judged (Risk of Bias)",
        "give indirectness= by study": "populations, doses, definitions: see What the Numbers Cannot Say",
        "give equivalence=": "the question says no range of equivalence",
    }.get(rule, rule)


def _bayes(outcome: OutcomeAnswer, places: Places, numbers: Numbering) -> Iterator[Block]:
    """The posterior against the reference, and what it says of itself: priors, fit, convergence."""
    found = outcome.bayes
    rows = [
        Row(
            f"{row['treatment_1']} v {row['treatment_2']}",
            {
                "posterior": estimate_cell(
                    row["median"],
                    row["cred_low"],
                    row["cred_high"],
                    places.of_pair(outcome.outcome, row["treatment_1"], row["treatment_2"]),
                ),
                "prediction": text_cell(_interval(row["predict_low"], row["predict_high"])),
                "better": Cell("number", {"value": row["p_better"]}, digits=2),
                "r_hat": Cell("number", {"value": row["r_hat"]}, digits=3),
            },
            term=row["treatment_1"],
        )
        for row in found.tidy(exponentiate=True).iter_rows(named=True)
        if row["treatment_2"] == found.reference
    ]
    percent = f"{100 * found.level:g}%"
    table = Table(
        id=f"{outcome.outcome}-bayes-table",
        title=f"{outcome.label}: the network by Bayesian methods (odds ratio)",
        columns=(
            Column("posterior", f"Posterior median ({percent} CrI)"),
            Column("prediction", "Prediction"),
            Column("better", "P(better)"),
            Column("r_hat", "R-hat"),
        ),
        rows=tuple(rows),
        stub="Comparison",
    )
    yield numbers.table(table)
    told = [words(_sentence(line)) for line in str(found).split("\n\n")[-1].splitlines()]
    warning = "The chains did not converge: these numbers are no result."
    yield Remarks(tuple(told), () if found.converged else (words(warning),))


def _sentence(line: str) -> str:
    return f"{line[0].upper()}{line[1:]}."


def _interval(low: float | None, high: float | None) -> str:
    return "—" if low is None or high is None else f"{low:.2f} to {high:.2f}"
