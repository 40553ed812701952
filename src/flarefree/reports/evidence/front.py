"""The first sections: what came out, what was asked, what changed, which studies answer and which do not."""

from __future__ import annotations

from collections.abc import Iterator

from flarefree.evidence.questions.answering import Answer, OutcomeAnswer
from flarefree.evidence.questions.comparing import Number
from flarefree.evidence.questions.studies import StudyUsed, reasons_by_study
from flarefree.evidence.questions.summaries import Absolute, absolute_effects, summary_pairs
from flarefree.reports.evidence.anchors import (
    Places,
    outcome_anchor,
    rows_anchor,
    source_anchor,
    study_anchor,
)
from flarefree.reports.evidence.document import (
    Block,
    Paragraph,
    Part,
    Remarks,
    Run,
    Section,
    WordColumn,
    WordRow,
    WordTable,
    words,
)
from flarefree.reports.evidence.numbering import Numbering, estimate_cell, text_cell
from flarefree.reports.evidence.outcome_tables import MEASURES
from flarefree.reports.formatting import format_count
from flarefree.results import Cell, Column, Row, Sentence, Table

__all__ = ["question_section", "studies_section", "summary_section"]

ROLES = {"primary": "Primary", "secondary": "Secondary", "safety": "Safety"}
BIAS_DOMAINS = ("randomization", "deviations", "missing outcomes", "measurement", "selective reporting")


# In short -----------------------------------------------------------------------------------------------


def summary_section(answer: Answer, places: Places, numbers: Numbering) -> Section:
    """The main numbers: each treatment against its comparator, relative and absolute."""
    table = Table(
        id="summary",
        title="Treatments against their comparator, by the network",
        columns=(
            Column("k", "Direct studies"),
            Column("relative", "Ratio (95% CI)"),
            Column("base", "Per 100, comparator"),
            Column("risk", "Per 100, treatment (95% CI)"),
        ),
        rows=tuple(row for outcome in answer.outcomes.values() for row in _summary_rows(outcome, places)),
        stub="Outcome and comparison",
        footnotes=(
            "Ratios are odds ratios unless marked otherwise.",
            "Per 100 with the comparator: all events over all patients of its arms; with the treatment: "
            "that and "
            "the ratio, whose limits are the only ones allowed for.",
        ),
    )
    remarks = [words(text) for outcome in answer.outcomes.values() for text in _told(outcome)]
    blocks: list[Block] = [numbers.table(table)]
    if remarks:
        blocks.append(Remarks(tuple(remarks)))
    asked = (Sentence(answer.spec.ask, answer.question.place("ask")),)
    return Section("summary", "In Short", (Part("summary-numbers", "Main Numbers", tuple(blocks), asked),))


def _summary_rows(outcome: OutcomeAnswer, places: Places) -> Iterator[Row]:
    good = {"more": "more is better", "fewer": "fewer is better"}.get(outcome.good, "")
    label = f"{outcome.label} ({outcome.asked.role}{f'; {good}' if good else ''})"
    yield Row(label, is_header=True, term=outcome.outcome)
    absolute = absolute_effects(outcome)
    found = summary_pairs(outcome)
    if not found:
        yield Row("No two treatments can be compared", {"relative": text_cell("—")}, indent=1)
    for number in found:
        at = absolute.get((number.treatment, number.against))
        yield _summary_row(outcome, number, at, places)


def _summary_row(outcome: OutcomeAnswer, number: Number, at: Absolute | None, places: Places) -> Row:
    link = places.of_pair(outcome.outcome, number.treatment, number.against)
    direct = outcome.number("pairwise", number.treatment, number.against)
    relative = estimate_cell(number.estimate, number.conf_low, number.conf_high, link)
    if number.measure != "OR":
        relative = Cell(relative.display, relative.stats, link=link, note=f"{MEASURES[number.measure]}.")
    elif number.kind == "pairwise":
        relative = Cell(relative.display, relative.stats, link=link, note="Direct comparison; no network.")
    cells = {
        "k": Cell("count", {"n": direct.k if direct else 0}, link=link if direct else ""),
        "relative": relative,
    }
    if at is not None:
        link = rows_anchor(outcome.outcome)
        cells["base"] = Cell("percent_ci", {"percent": at.base}, link=link)
        limits = {"percent": at.risk, "conf_low": at.conf_low, "conf_high": at.conf_high}
        cells["risk"] = Cell("percent_ci", limits, link=link)
    return Row(f"{number.treatment} v {number.against}", cells, indent=1, term=number.key)


def _told(outcome: OutcomeAnswer) -> Iterator[str]:
    """Notes of the pooling, each with its outcome."""
    for note in outcome.pooled.notes:
        yield f"{outcome.label}: {note[0].lower() if note[:3] == 'The' else note[0]}{note[1:]}"


# The question -------------------------------------------------------------------------------------------


def question_section(answer: Answer, numbers: Numbering) -> Section:
    """Population, treatments, outcomes, times, designs."""
    spec = answer.spec
    rows = [
        ("Population", spec.population, "population"),
        ("Interventions", _treatments(spec.interventions), "interventions"),
        ("Comparators", f"{_treatments(spec.comparators)}; reference: {spec.reference}", "comparators"),
        ("Phase", spec.phase or "any", "phase"),
        ("Designs", f"{', '.join(spec.designs.kinds)}. {spec.designs.why}", "designs"),
    ]
    asked = numbers.words(
        "question",
        "What was asked",
        (WordColumn("", 0.6), WordColumn("Asked", 3), WordColumn("In the question's file", 1.2)),
        [
            WordRow((words(name), words(text), words(answer.question.place(path), quiet=True)))
            for name, text, path in rows
        ],
    )
    outcomes = numbers.words(
        "outcomes",
        "Outcomes, and how each is pooled",
        (
            WordColumn("Outcome", 1.7), WordColumn("Role", 0.7), WordColumn("Time", 0.9),
            WordColumn("Pooled as", 2), WordColumn("Studies", 0.6), WordColumn("Patients", 0.6),
        ),
        [_outcome_row(outcome) for outcome in answer.outcomes.values()],
        [f"{o.label}: {o.asked.note}" for o in answer.outcomes.values() if o.asked.note],
    )  # fmt: skip
    used = dict.fromkeys(row.treatment for o in answer.outcomes.values() for row in o.gathered.rows)
    known = answer.evidence.content.treatments
    in_order = [name for name in answer.spec.order if name in used]
    in_order += [name for name in used if name not in in_order]
    treatments = numbers.words(
        "treatments",
        "Treatments and their short names",
        (WordColumn("Short name", 1), WordColumn("Treatment", 3)),
        [WordRow((words(name), words(_capital(known[name].label)))) for name in in_order],
    )
    parts = (
        Part(
            "question-asked",
            "Population, Treatments, Designs",
            (asked,),
            (Sentence(spec.ask, answer.question.place("ask")),),
        ),
        Part("question-outcomes", "Outcomes", (outcomes,)),
        Part("question-treatments", "Treatments", (treatments,)),
    )
    return Section("question", "The Question", parts)


def _capital(label: str) -> str:
    return label[:1].upper() + label[1:]


def _treatments(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "all that the base has numbers of"


def _outcome_row(outcome: OutcomeAnswer) -> WordRow:
    asked = outcome.asked
    how = "counts pooled by Peto and Mantel-Haenszel" if asked.rare else f"random effects ({asked.method})"
    knapp = ", Hartung-Knapp" if asked.hartung_knapp else ""
    measure = MEASURES[asked.measure].lower()
    return WordRow(
        (
            words(outcome.label, outcome_anchor(outcome.outcome)),
            words(ROLES[asked.role]),
            words(str(asked.time) if asked.time else "any"),
            words(f"{measure}, {how}{knapp}"),
            words(str(len(outcome.gathered.studies))),
            words(format_count(outcome.gathered.patients)),
        )
    )


# Studies ------------------------------------------------------------------------------------------------


def studies_section(answer: Answer, numbers: Numbering) -> Section:
    """Who takes part, whose patients are whose, risk of bias, and who is left out."""
    parts = [
        Part("studies-used", "Studies That Take Part", (_studies_table(answer, numbers),)),
        Part("overlap", "Patients Counted Once", tuple(_overlap(answer, numbers))),
        Part("bias", "Risk of Bias", tuple(_bias(answer, numbers))),
        Part("left-out", "Left Out, and Why", tuple(_left_out(answer, numbers))),
    ]
    return Section("studies", "Studies", tuple(parts))


def _studies_table(answer: Answer, numbers: Numbering) -> WordTable:
    return numbers.words(
        "studies",
        "Studies that take part",
        (
            WordColumn("Study", 1.5), WordColumn("Design", 1.5), WordColumn("Patients", 0.9),
            WordColumn("Treatments", 1.2), WordColumn("Follow-up", 0.8), WordColumn("Outcomes", 1.5),
            WordColumn("Numbers from", 1.1),
        ),
        [_study_row(answer, study) for study in answer.studies],
        ["Numbers from any document but the trial's own report are second-hand; each row says so."],
    )  # fmt: skip


def _study_row(answer: Answer, study: StudyUsed) -> WordRow:
    masking = "" if study.masking == "not stated" else f", {study.masking}"
    drawn = "" if study.randomized else "; not randomized for this" if study.randomized is False else ""
    outcomes = [Run(_short(answer, o), rows_anchor(o)) for o in study.outcomes]
    return WordRow(
        (
            words(study.label),
            words(f"{study.design}{masking}{drawn}"),
            words(study.n_words),
            words(", ".join(study.treatments)),
            words(study.follow_up),
            joined(outcomes, "; "),
            joined([Run(document, source_anchor(document)) for document in study.documents], ", "),
        ),
        anchor=study_anchor(study.study),
    )


def _short(answer: Answer, outcome: str) -> str:
    """An outcome by its key, as words: shorter than its label, in a narrow column."""
    return answer.outcomes[outcome].outcome.replace("_", " ")


def joined(runs: list[Run], separator: str) -> tuple[Run, ...]:
    """Runs with a separator between them."""
    found: list[Run] = []
    for run in runs:
        found += [Run(separator), run] if found else [run]
    return tuple(found)


def _overlap(answer: Answer, numbers: Numbering) -> Iterator[Block]:
    shared = [study for study in answer.studies if study.same_patients]
    if not shared:
        yield Paragraph(words("No study of the base shares patients with a study that takes part."))
        return
    yield Paragraph(
        words(
            "Reports of the same patients are known to the base; of each cohort one report of an outcome "
            "takes "
            "part, never two."
        )
    )
    yield numbers.words(
        "overlap",
        "Studies whose patients other reports tell of too",
        (WordColumn("Study", 1), WordColumn("Shares patients with", 1.4), WordColumn("How", 1.6)),
        [
            WordRow(
                (
                    words(study.label, study_anchor(study.study)),
                    words("; ".join(study.same_patients)),
                    words(study.how_same),
                )
            )
            for study in shared
        ],
    )


def _bias(answer: Answer, numbers: Numbering) -> Iterator[Block]:
    judged = [study for study in answer.studies if study.is_judged]
    yield Paragraph(
        words(
            f"Judged for {len(judged)} of {len(answer.studies)} studies, whose own reports were read; of "
            "the others "
            "too little was read to judge. The worksheets below leave within-study bias open where a "
            "study was not "
            "judged."
        )
    )
    if not judged:
        return
    rows = []
    for study in judged:
        head = (Run(study.label, study_anchor(study.study)), Run(f": {study.overall_bias} overall"))
        rows.append(WordRow((head,), is_heading=True))
        rows += [
            WordRow(
                (
                    words(each.domain.replace("_", " ")),
                    words(each.judgement),
                    words(each.because),
                    words(each.by, quiet=True),
                )
            )
            for each in study.bias
        ]
    yield numbers.words(
        "bias",
        "Risk of bias of the studies judged",
        (
            WordColumn("Domain", 0.9),
            WordColumn("Risk", 0.7),
            WordColumn("Because", 2.6),
            WordColumn("Judged by", 0.9),
        ),
        rows,
    )


def _left_out(answer: Answer, numbers: Numbering) -> Iterator[Block]:
    used, base = len(answer.studies), len(answer.evidence.content.studies)
    yield Paragraph(
        words(f"The base has {base} studies; {used} take part. Each of the others is named with the reason.")
    )
    gathered = {name: outcome.gathered for name, outcome in answer.outcomes.items()}
    reasons = reasons_by_study(answer.evidence, answer.spec, gathered, answer.studies)
    if reasons:
        by_reason: dict[str, list[str]] = {}
        for _, label, why in reasons:
            by_reason.setdefault(why, []).append(label)
        yield numbers.words(
            "left-out",
            "Studies that take no part",
            (WordColumn("Why", 1), WordColumn("Studies", 2)),
            [WordRow((words(why), words("; ".join(labels)))) for why, labels in by_reason.items()],
        )
    part = [each for each in answer.left_out if each.study in {s.study for s in answer.studies}]
    if part:
        yield numbers.words(
            "reports-left-out",
            "Reports and arms left out of studies that take part",
            (
                WordColumn("Study", 1.2),
                WordColumn("Arm", 0.5),
                WordColumn("Source", 1.8),
                WordColumn("Why", 2),
            ),
            [
                WordRow(
                    (
                        words(each.label, study_anchor(each.study)),
                        words(each.arm),
                        words(each.source, source_anchor(each.source.partition(",")[0])),
                        words(each.reason),
                    )
                )
                for each in part
            ],
        )
