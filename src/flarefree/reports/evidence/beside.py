"""What stands beside the network: published results, other patients, the audit, limits, the checklist."""

from __future__ import annotations

import math
from collections.abc import Iterator

from flarefree.evidence.questions.answering import Answer
from flarefree.evidence.questions.carrying import CarriedTo
from flarefree.evidence.questions.checklist import prisma_items
from flarefree.evidence.questions.published import Beside
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
from flarefree.reports.evidence.front import joined
from flarefree.reports.evidence.numbering import Numbering, estimate_cell, text_cell
from flarefree.results import Cell, Column, Row, Sentence, Table

__all__ = ["audit_section", "checklist_section", "limits_section", "published_section", "transport_section"]

MEASURES = {"RR": "Risk ratio", "OR": "Odds ratio", "RD": "Risk difference", "HR": "Hazard ratio"}
TERMS = {
    "source": "In the study, as it is",
    "target": "In the target",
    "target with population factor": "In the target, with the factor between populations",
}


# Published ----------------------------------------------------------------------------------------------


def published_section(answer: Answer, places: Places, numbers: Numbering) -> Section:
    """Each published pooled result, ours in several cuts, and why they differ."""
    parts = [
        Part("published-all", "Side by Side", (numbers.table(_published_table(answer)),)),
        *(
            _published_part(answer, beside, i, places, numbers)
            for i, beside in enumerate(answer.published, 1)
        ),
    ]
    return Section("published", "Published Results Beside Ours", tuple(parts))


def _title(beside: Beside) -> str:
    label = beside.outcome_label
    return f"{beside.label}: {beside.treatment} v {beside.against}, {label[0].lower()}{label[1:]}"


def _published_table(answer: Answer) -> Table:
    rows = []
    for beside in answer.published:
        cells = {
            "measure": text_cell(beside.measure),
            "theirs": estimate_cell(
                beside.estimate, beside.conf_low, beside.conf_high, source_anchor(beside.document)
            ),
        }
        for cut in beside.cuts:
            cells[cut.name] = estimate_cell(cut.estimate, cut.conf_low, cut.conf_high, _leads(beside, answer))
        rows.append(Row(_title(beside), cells, term=beside.label))
    cuts = {cut.name: cut for beside in answer.published for cut in beside.cuts}
    headings = {
        "then_direct": "Direct, studies of its time",
        "then_network": "Network, studies of its time",
        "all_direct": "Direct, all studies",
        "all_network": "Network, all studies",
    }
    return Table(
        id="published",
        title="Published pooled results, and ours of the same comparison (95% CI)",
        columns=(
            Column("measure", "Measure"),
            Column("theirs", "Published"),
            *(Column(name, headings[name]) for name in headings if name in cuts),
        ),
        rows=tuple(rows),
        stub="Published comparison",
        footnotes=("A dash: no study compares the two directly, or none connects them.",),
    )


def _leads(beside: Beside, answer: Answer) -> str:
    return rows_anchor(beside.outcome) if beside.outcome in answer.outcomes else ""


def _published_part(answer: Answer, beside: Beside, i: int, places: Places, numbers: Numbering) -> Part:
    where = (
        Run("Printed in "),
        Run(beside.document, source_anchor(beside.document)),
        Run(f", {beside.place}: {MEASURES[beside.measure].lower()} {beside.printed}."),
    )
    blocks: list[Block] = [Paragraph(where)]
    blocks.append(Remarks(tuple(words(text) for text in beside.computed)))
    blocks.append(Paragraph(words("Why ours is another number:")))
    blocks.append(Remarks(tuple(words(text) for text in beside.because)))
    who = _studies_of(answer, beside, places)
    if who:
        blocks.append(Paragraph((Run("Our network of this comparison: "), *joined(who, ", "), Run("."))))
    sentence = Sentence(_title(beside), beside.asked_at)
    return Part(f"published-{i}", _title(beside), tuple(blocks), (sentence,))


def _studies_of(answer: Answer, beside: Beside, places: Places) -> list[Run]:
    cut = next((c for c in reversed(beside.cuts) if c.exists), None)
    if cut is None:
        return []
    known = places.labels
    return [Run(label, known.get((beside.outcome, label), "")) for label in cut.studies]


# Transport ----------------------------------------------------------------------------------------------


def transport_section(answer: Answer, numbers: Numbering) -> Section:
    """Each study's result carried to each population."""
    done: list[Part] = []
    asked = None
    for i, carried in enumerate(answer.carried, 1):
        if carried.asked is not asked:
            asked = carried.asked
            done.append(_patients_part(answer, carried, numbers))
        done.append(_target_part(carried, i, numbers))
    if not done:
        nothing = "The question asks for no result to be carried to other patients."
        done = [Part("transport-none", "Not Done", (Paragraph(words(nothing)),))]
    return Section("transport", "To Other Patients", tuple(done))


def _patients_part(answer: Answer, carried: CarriedTo, numbers: Numbering) -> Part:
    rows = [
        WordRow(
            (
                words(counts.subgroup),
                words(counts.treatment),
                words(f"{counts.events}/{counts.n}"),
                (Run(counts.document, source_anchor(counts.document)), Run(f", {counts.place}")),
            )
        )
        for counts in carried.strata
    ]
    table = numbers.words(
        f"strata-{carried.asked.study}",
        f"{carried.study_label}: the patients, as far as they are printed",
        (
            WordColumn("Patients", 1.6), WordColumn("Treatment", 1),
            WordColumn("Events/N", 0.8, is_narrow=True), WordColumn("Source", 2),
        ),
        rows,
    )  # fmt: skip
    same = ", ".join(sorted({c.target.name for c in answer.carried if c.asked is carried.asked}))
    because = [Paragraph(words(carried.asked.because))] if carried.asked.because else []
    return Part(
        f"transport-{carried.asked.study}",
        carried.asked.title,
        (*because, table),
        meta=f"From {carried.study_label} to: {same}",
    )


def _target_part(carried: CarriedTo, i: int, numbers: Numbering) -> Part:
    result, target = carried.result, carried.target
    rows = []
    for row in result.tidy().iter_rows(named=True):
        cells = {
            "estimate": estimate_cell(
                row["estimate"], row["conf_low"], row["conf_high"], f"table-strata-{carried.asked.study}"
            ),
            "ess": Cell("number", {"value": row["ess"]}, digits=0)
            if row["ess"] is not None
            else text_cell("—"),
            "extrapolated": text_cell("extrapolated" if row["extrapolated"] else "—"),
        }
        rows.append(Row(TERMS[row["term"]], cells, term=row["term"]))
    table = Table(
        id=f"carried-{i}",
        title=f"{carried.asked.treatment} v {carried.asked.against}, carried to {target.name} patients",
        columns=(
            Column("estimate", f"{MEASURES[carried.asked.measure]} (95% CI)"),
            Column("ess", "Effective patients"),
            Column("extrapolated", "Beyond the study?"),
        ),
        rows=tuple(rows),
        stub="Population",
    )
    overlap = result.overlap
    by_arm = ", each arm weighted by itself" if carried.asked.by_arm and result.weights is not None else ""
    about = [
        f"{result.overlap.target}: {target.because}.",
        f"Overlap coefficient {overlap.coefficient:.2f}"
        + (
            f"; effective sample size {result.ess:.0f} of {overlap.n}{by_arm}."
            if math.isfinite(result.ess)
            else "."
        ),
        f"Factor between populations: SD {result.population_factor.sd:g} on the log scale, "
        f"{result.population_factor.reason.partition('; set ')[0]}.",
        *(f"{note[0].upper()}{note[1:]}." for note in (*result.notes, *result.assumptions)),
    ]
    warnings = [words(f"Extrapolated: {reason}.") for reason in overlap.reasons]
    figure = numbers.figure(
        result.plot("overlap"), f"overlap-{i}", f"{carried.study_label} and {target.name} patients"
    )
    where = (
        Run("Margins from "),
        Run(target.document, source_anchor(target.document)),
        Run(f", {target.place}."),
    )
    lead = (Paragraph(where),) if target.document else ()
    blocks = (
        *lead,
        numbers.table(table),
        Remarks(tuple(words(text) for text in about), tuple(warnings)),
        figure,
    )
    margins = ", ".join(
        f"{name.replace('_', ' ')} {100 * value:.1f}%" for name, value in target.margins.items()
    )
    sentence = Sentence(f"{target.name}: {margins}", carried.asked_at)
    title = f"{target.name[0].upper()}{target.name[1:]} Patients"
    return Part(f"carried-to-{i}", title, blocks, (sentence,))


# Audit --------------------------------------------------------------------------------------------------


def audit_section(answer: Answer, numbers: Numbering) -> Section:
    """What does not fit in the numbers of the studies used."""
    blocks: list[Block] = []
    found = answer.findings
    blocks.append(
        Paragraph(
            words(
                f"The arithmetic of {answer.audit.rows} printed rows of the base was recomputed. "
                f"{len(found)} of the {len(answer.audit.findings)} findings concern the studies and "
                "meta-analyses "
                "of this report; audit.csv has them with all that was examined."
            )
        )
    )
    if found:
        blocks.append(_findings_table(answer, numbers))
    conflicts = list(_conflicts(answer))
    if conflicts:
        blocks.append(
            numbers.words(
                "conflicts",
                "Conflicts between sources of the studies used, and what was done",
                (
                    WordColumn("About", 1.2),
                    WordColumn("What each source says", 2.6),
                    WordColumn("Handled", 1.2),
                ),
                conflicts,
            )
        )
    return Section(
        "audit", "Audit of the Printed Numbers", (Part("audit-findings", "Findings", tuple(blocks)),)
    )


def _findings_table(answer: Answer, numbers: Numbering) -> WordTable:
    keys = {study.label: study.study for study in answer.studies}
    rows: list[WordRow] = []
    for certainty in ("certain", "likely", "possible"):
        here = [finding for finding in answer.findings if finding.certainty == certainty]
        if here:
            rows.append(WordRow((words(f"{certainty.capitalize()} ({len(here)})"),), is_heading=True))
        for finding in here:
            anchor = study_anchor(keys[finding.study]) if finding.study in keys else ""
            document = finding.table.partition(",")[0]
            source = source_anchor(document) if document in answer.evidence.content.documents else ""
            rows.append(
                WordRow(
                    (
                        words(finding.study, anchor),
                        (
                            Run(finding.what),
                            Run(f" ({finding.outcome})" if finding.outcome else "", is_quiet=True),
                        ),
                        words(finding.why),
                        words(finding.table, source),
                    )
                )
            )
    return numbers.words(
        "findings",
        "What does not fit, by how sure that is",
        (WordColumn("Study", 1), WordColumn("What", 1.6), WordColumn("Why", 2.2), WordColumn("Source", 1)),
        rows,
    )


def _conflicts(answer: Answer) -> Iterator[WordRow]:
    used = {study.study for study in answer.studies}
    for conflict in answer.evidence.content.conflicts.values():
        if used & set(conflict.studies):
            says: list[Run] = []
            for value in conflict.values:
                says += [Run("; ")] if says else []
                says += [
                    Run(value.document, source_anchor(value.document)),
                    Run(f", {value.place}: {value.says}"),
                ]
            yield WordRow((words(conflict.about), tuple(says), words(conflict.handling)))


# Limits and checklist -----------------------------------------------------------------------------------


def limits_section(answer: Answer) -> Section:
    """What the numbers cannot say."""
    told = answer.spec.limits or ("The question's file names no limits.",)
    blocks = (Remarks(tuple(words(text) for text in told)),)
    place = answer.question.place("limits")
    sentence = (Sentence("limits", place),) if answer.spec.limits else ()
    return Section("limits", "What the Numbers Cannot Say", (Part("limits-all", "Limits", blocks, sentence),))


def checklist_section(answer: Answer, numbers: Numbering) -> Section:
    """PRISMA-NMA, item by item."""
    titles = {
        "top": "Title", "summary": "In Short", "question": "The Question", "sources": "Sources",
        "left-out": "Left Out, and Why", "bias": "Risk of Bias", "studies": "Studies", "methods": "Methods",
        "audit": "Audit", "limits": "What the Numbers Cannot Say",
        "rows": "What the Studies Report", "primary": answer.primary.label,
    }  # fmt: skip
    primary = outcome_anchor(answer.spec.primary)
    anchors = {"primary": primary, "rows": f"{answer.spec.primary}-reported"}
    rows = [
        WordRow(
            (
                words(item.number),
                words(item.topic),
                words({"yes": "yes", "in part": "in part", "no": "not done"}[item.done]),
                words(titles[item.section], anchors.get(item.section, item.section)) if item.section else (),
                words(item.how),
            )
        )
        for item in prisma_items(answer)
    ]
    table = numbers.words(
        "prisma",
        "Items of PRISMA-NMA, and where each is answered",
        (
            WordColumn("Item", 0.4, is_narrow=True), WordColumn("Topic", 1.8),
            WordColumn("Done", 0.6, is_narrow=True), WordColumn("Where", 1.4), WordColumn("Remark", 2),
        ),
        rows,
        ["Items as numbered by Hutton et al. (Ann Intern Med 2015;162:777-84), in our words."],
    )  # fmt: skip
    return Section("prisma", "Checklist", (Part("prisma-items", "PRISMA-NMA", (table,)),))
