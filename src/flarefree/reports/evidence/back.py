"""The last sections: what each number rests on, the sources, methods, and the files of the run."""

from __future__ import annotations

import math
from collections.abc import Iterator

from flarefree.evidence.questions.answering import Answer, OutcomeAnswer
from flarefree.evidence.questions.recording import base_digest, digest_of
from flarefree.evidence.questions.summaries import shares_of
from flarefree.evidence.schema import Document
from flarefree.reports.evidence.anchors import Places, source_anchor
from flarefree.reports.evidence.document import (
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
from flarefree.reports.evidence.numbering import Numbering

__all__ = ["methods_section", "rests_section", "sources_section"]


def rests_section(answer: Answer, places: Places, numbers: Numbering) -> Section:
    """Of every comparison with a number, the studies it rests on, each leading to its rows."""
    parts = [
        Part(f"rests-{name}", outcome.label, (_rests_table(outcome, places, numbers),))
        for name, outcome in answer.outcomes.items()
        if outcome.numbers
    ]
    return Section("rests", "What Each Number Rests On", tuple(parts))


def _rests_table(outcome: OutcomeAnswer, places: Places, numbers: Numbering) -> WordTable:
    shares: dict[frozenset[str], tuple[tuple[str, float], ...]] = {}
    for net in outcome.pooled.networks:
        shares |= shares_of(net)
    direct = {frozenset((p.treatment, p.against)): p for p in outcome.pooled.pairs}
    rows = []
    done: set[frozenset[str]] = set()
    for number in outcome.numbers:
        pair = frozenset((number.treatment, number.against))
        if pair in done:
            continue
        done.add(pair)
        label = f"{number.treatment} v {number.against}"
        own = (
            [Run(study, places.labels.get((outcome.outcome, study), "")) for study in direct[pair].studies]
            if pair in direct
            else []
        )
        rows.append(
            WordRow(
                (
                    words(label),
                    joined(own, ", ") or words("none"),
                    tuple(_share_runs(outcome, shares.get(pair, ()), places)),
                ),
                anchor=places.of_pair(outcome.outcome, number.treatment, number.against),
            )
        )
    return numbers.words(
        f"rests-on-{outcome.outcome}",
        f"{outcome.label}: studies behind each number",
        (
            WordColumn("Comparison", 1),
            WordColumn("Direct", 1.6),
            WordColumn("Network, with each study's share", 3),
        ),
        rows,
        [
            "Shares below half a percent are not named. A study's name leads to its rows, and those to "
            "their source."
        ],
    )


def _share_runs(
    outcome: OutcomeAnswer, shares: tuple[tuple[str, float], ...], places: Places
) -> Iterator[Run]:
    if not shares:
        yield Run("no network")
        return
    for i, (study, share) in enumerate(shares):
        if i:
            yield Run(", ")
        yield Run(study, places.labels.get((outcome.outcome, study), ""))
        if not math.isnan(share):
            yield Run(f" {100 * share:.0f}%")


# Sources ------------------------------------------------------------------------------------------------


def sources_section(answer: Answer, numbers: Numbering) -> Section:
    """Every document of the base, those that this report's numbers are from first."""
    used = dict.fromkeys(
        row.document for outcome in answer.outcomes.values() for row in outcome.gathered.rows
    )
    used |= dict.fromkeys(beside.document for beside in answer.published)
    used |= dict.fromkeys(c.document for carried in answer.carried for c in carried.strata)
    documents = answer.evidence.content.documents
    others = [key for key in documents if key not in used]
    rows = [WordRow((words("Numbers of this report are from"),), is_heading=True)]
    rows += [_source_row(key, documents[key]) for key in used]
    if others:
        rows.append(WordRow((words("Other documents of the base"),), is_heading=True))
        rows += [_source_row(key, documents[key]) for key in others]
    table = numbers.words(
        "sources",
        "Sources",
        (
            WordColumn("Short name", 1), WordColumn("Citation", 3), WordColumn("Kind", 0.8),
            WordColumn("How much was read", 1.4),
        ),
        rows,
    )  # fmt: skip
    return Section("sources", "Sources", (Part("sources-all", "Documents", (table,)),))


def _source_row(key: str, document: Document) -> WordRow:
    citation = [Run(document.citation)]
    address = f"https://doi.org/{document.doi}" if document.doi else document.address
    if address.startswith("https://"):
        citation += [Run(" "), Run(document.doi or "address", address, is_outside=True)]
    return WordRow(
        (words(key), tuple(citation), words(document.kind), words(document.read)),
        anchor=source_anchor(key),
    )


# Methods and run ----------------------------------------------------------------------------------------


def methods_section(answer: Answer, numbers: Numbering) -> Section:
    """How it was done, and the digests of what it was done with."""
    record = answer.record()
    methods = [words(text) for text in _methods(answer)]
    digests = [
        ("Question", answer.question.source.name, answer.question.digest),
        ("Evidence base", f"{len(answer.evidence.content.studies)} studies", base_digest(answer.evidence)),
        (
            "Rows that were pooled",
            f"{sum(len(o.gathered.rows) for o in answer.outcomes.values())} rows",
            record["digests"]["inputs"],
        ),
        ("Pooled numbers", f"{len(record['numbers'])} numbers", digest_of(record["numbers"])),
    ]
    table = numbers.words(
        "run",
        "This run",
        (WordColumn("", 1), WordColumn("What", 1.2), WordColumn("SHA-256", 3)),
        [WordRow((words(name), words(what), words(digest, quiet=True))) for name, what, digest in digests],
        ["run.json holds the rows and the numbers; a later run with --since compares itself with it."],
    )
    parts = (
        Part("methods-all", "How It Was Done", (Remarks(tuple(methods)),)),
        Part("run", "Digests", (table,)),
    )
    return Section("methods", "Methods and Run", parts)


def _methods(answer: Answer) -> Iterator[str]:
    methods = sorted({o.asked.method for o in answer.outcomes.values() if not o.asked.rare})
    yield (
        "Of each study one report of an outcome takes part: the one that the base marks as main, or the "
        "only one, at "
        "a time that the question allows. Studies of the same patients never stand in one analysis."
    )
    yield (
        f"Direct comparisons: inverse variance, random effects ({', '.join(methods)}) with normal limits, "
        "and common "
        "effects; half an event is added to every cell of a study with an empty one."
    )
    yield (
        "Networks: generalized least squares on contrasts, studies of several arms with their "
        "covariance; the same "
        "estimator of τ², one for all comparisons. Parts that share no study are analyzed apart."
    )
    if any(o.asked.rare for o in answer.outcomes.values()):
        yield "Rare outcomes: Peto's odds ratio directly, Mantel-Haenszel in networks, without added events."
    yield (
        "Rankings: P-scores from the estimates; SUCRA and ranks from 20,000 draws of their joint "
        "distribution, "
        "seed 1. Contributions: streams of evidence by the random walk."
    )
    yield (
        "Inconsistency: Q between designs (design-by-treatment), each design detached in turn, direct "
        "against "
        "indirect evidence for each pair, net heat. Small-study effects: comparison-adjusted funnel with the "
        "treatments in the question's order, newer ones first, and Egger's test."
    )
    names = "; ".join(each.title for each in answer.spec.sensitivity)
    if names:
        yield f"Sensitivity analyses, named in the question's file: {names}."
    if answer.carried:
        yield (
            "To other patients: the printed strata are the study's patients as far as those "
            "characteristics go; "
            "weights match the target's means, and where no weights exist an outcome model is averaged "
            "over the "
            "target and called extrapolated. Limits to quote include a factor between populations."
        )
    yield (
        "A study's share in a network estimate is the part of the evidence that flows through it; above "
        "the limits "
        "no multiplicity is allowed for."
    )
