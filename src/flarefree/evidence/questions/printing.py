"""An answer in words: its `repr`, and what the command prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flarefree.stats.estimates import text_table
from flarefree.stats.frames import significant

if TYPE_CHECKING:
    from flarefree.evidence.questions.answering import Answer, OutcomeAnswer

__all__ = ["describe_answer"]


def describe_answer(answer: Answer) -> str:
    """Several lines: the question, each outcome's network against its reference, what stands beside it."""
    spec = answer.spec
    lines = [f"{spec.title}", f"  {spec.ask}"]
    for outcome in answer.outcomes.values():
        lines += ["", *_outcome_lines(outcome)]
    if answer.published:
        lines += ["", "Published results beside ours", *_published_lines(answer)]
    lines += ["", f"Audit: {len(answer.findings)} findings in the studies used."]
    return "\n".join(lines)


def _outcome_lines(outcome: OutcomeAnswer) -> list[str]:
    good = "more is better" if outcome.good == "more" else "fewer is better"
    head = f"{outcome.label} ({outcome.asked.role}; {good}): {_size(outcome)}"
    body = []
    for net in outcome.pooled.networks:
        for one in outcome.numbers:
            if one.kind == "network" and one.against == net.reference and one.treatment in net.treatments:
                limits = f"{significant(one.conf_low)} to {significant(one.conf_high)}"
                row = (f"{one.treatment} v {one.against}", one.measure, significant(one.estimate), limits)
                body.append(row)
    table = text_table(("network", "", "estimate", "95% limits"), body) if body else ["  no network"]
    return [head, *table, *(f"  note: {note}" for note in outcome.pooled.notes)]


def _size(outcome: OutcomeAnswer) -> str:
    n = len(outcome.gathered.studies)
    return f"{n} {'study' if n == 1 else 'studies'}, {outcome.gathered.patients:,} patients"


def _published_lines(answer: Answer) -> list[str]:
    body = []
    for beside in answer.published:
        ours = beside.nearest
        shown = "--" if ours is None else f"{ours.estimate:.2f} ({ours.conf_low:.2f} to {ours.conf_high:.2f})"
        what = f"{beside.treatment} v {beside.against}, {beside.outcome_label}"
        body.append((beside.label, what, f"{beside.measure} {beside.printed}", shown))
    return text_table(("", "", "published", "ours"), body)
