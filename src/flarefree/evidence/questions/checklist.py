"""The items that a report of a network meta-analysis should have, and where ours answers each.

Items and numbers are those of PRISMA-NMA [hutton2015], in our words.  What is not done says so: a checklist
on which everything is ticked tells nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from flarefree.evidence.questions.answering import Answer

__all__ = ["Item", "prisma_items"]

Done = Literal["yes", "in part", "no"]


@dataclass(frozen=True, slots=True)
class Item:
    """One item: its number, what it asks for, whether it is answered, in which part of the report, how.

    `section` is `primary` for that of the primary outcome, and empty where no part answers.
    """

    number: str
    topic: str
    done: Done
    section: str
    how: str = ""


def prisma_items(answer: Answer) -> tuple[Item, ...]:
    """All 32 items."""
    judged = sum(study.is_judged for study in answer.studies)
    bias = f"judged for {judged} of {len(answer.studies)} studies"
    some: Done = "in part" if judged else "no"
    parts = len(answer.primary.pooled.networks)
    geometry = "" if parts == 1 else f"the network has {parts} parts, each analyzed by itself"
    loops = answer.primary.has_loops
    no_loop = "" if loops else "no closed loop of independent studies, so there is nothing to test"
    again = "sensitivity analyses; the result carried to other patients" if answer.carried else ""
    return (
        Item("1", "Title", "yes", "top"),
        Item("2", "Structured summary", "in part", "summary", "the main numbers; no abstract"),
        Item("3", "Rationale", "no", "", "left to those who ask"),
        Item("4", "Objectives", "yes", "question"),
        Item("5", "Protocol and registration", "no", "question", "the question's file, with its digest"),
        Item("6", "Eligibility criteria", "yes", "question"),
        Item("7", "Information sources", "in part", "sources", "the documents; no database was searched"),
        Item("8", "Search", "no", "", "no systematic search was made"),
        Item("9", "Study selection", "in part", "left-out", "by rule, from the base; not by two readers"),
        Item("10", "Data collection", "in part", "rows", "places of all numbers; not who extracted them"),
        Item("11", "Data items", "yes", "rows"),
        Item("S1", "Geometry of the network", "yes", "primary"),
        Item("12", "Risk of bias in studies: how", some, "bias", bias),
        Item("13", "Summary measures", "yes", "primary"),
        Item("14", "Planned methods of analysis", "yes", "methods"),
        Item("S2", "Assessment of inconsistency", "yes", "methods"),
        Item("15", "Risk of bias across studies: how", "yes", "methods"),
        Item("16", "Additional analyses: which", "yes", "methods"),
        Item("17", "Studies selected", "yes", "left-out", "with the reason for each one left out"),
        Item("S3", "Presentation of the network", "yes", "primary"),
        Item("S4", "Summary of the network's geometry", "yes", "primary", geometry),
        Item("18", "Characteristics of studies", "in part", "studies", "few characteristics of patients"),
        Item("19", "Risk of bias in studies: found", some, "bias", bias),
        Item("20", "Results of single studies", "yes", "rows"),
        Item("21", "Synthesis of results", "yes", "primary"),
        Item("S5", "Exploration of inconsistency", "yes" if loops else "in part", "primary", no_loop),
        Item("22", "Risk of bias across studies: found", "yes", "audit", "the funnel is with its outcome"),
        Item("23", "Results of additional analyses", "yes", "primary", again),
        Item("24", "Summary of evidence", "in part", "summary", "certainty is left to be judged"),
        Item("25", "Limitations", "yes", "limits"),
        Item("26", "Conclusions", "no", "", "none are drawn: they are the reader's"),
        Item("27", "Funding", "no", "", "not recorded, of the studies or of this report"),
    )
