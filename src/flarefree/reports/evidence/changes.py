"""What changed since an earlier run, as the first section of the report."""

from __future__ import annotations

from collections.abc import Iterator

from flarefree.evidence.questions.answering import Answer
from flarefree.evidence.questions.changing import Changes, Moved, Share
from flarefree.reports.evidence.anchors import Places
from flarefree.reports.evidence.document import Block, Paragraph, Part, Section, WordColumn, WordRow, words
from flarefree.reports.evidence.numbering import Numbering

__all__ = ["changes_section"]

MOST_MOVED = 40


def changes_section(answer: Answer, changes: Changes, places: Places, numbers: Numbering) -> Section:
    """Inputs, numbers, statuses."""
    parts = [
        Part("changed-inputs", "Studies and Outcomes", tuple(_inputs(answer, changes, places, numbers))),
        Part(
            "changed-numbers",
            "Numbers That Moved, and Why",
            tuple(_numbers(answer, changes, places, numbers)),
        ),
        Part("changed-statuses", "Is It Enough Yet?", tuple(_statuses(answer, changes, numbers))),
    ]
    return Section("changes", "What Changed Since the Last Run", tuple(parts))


def _inputs(answer: Answer, changes: Changes, places: Places, numbers: Numbering) -> Iterator[Block]:
    yield Paragraph(words(_digest_words(changes)))
    if changes.inputs:
        yield numbers.words(
            "changed-inputs",
            "Studies that came, went or changed",
            (
                WordColumn("Study", 1.4),
                WordColumn("Outcome", 1.3),
                WordColumn("What", 0.7),
                WordColumn("Rows", 2.4),
            ),
            [
                WordRow(
                    (
                        words(each.label, places.labels.get((each.outcome, each.label), "")),
                        words(_outcome_label(answer, each.outcome)),
                        words(each.what),
                        words(each.told),
                    )
                )
                for each in changes.inputs
            ],
        )
    if changes.settings:
        yield numbers.words(
            "changed-settings",
            "What the question asks otherwise",
            (
                WordColumn("Outcome", 1.4),
                WordColumn("Setting", 1),
                WordColumn("Then", 1),
                WordColumn("Now", 1),
            ),
            [
                WordRow((words(_outcome_label(answer, outcome)), words(name), words(before), words(after)))
                for outcome, name, before, after in changes.settings
            ],
        )


def _digest_words(changes: Changes) -> str:
    parts = [
        "The rows that are pooled are the same as then."
        if changes.from_digest == changes.to_digest
        else "The rows that are pooled are others than then "
        f"(digests {changes.from_digest[:12]} and {changes.to_digest[:12]})."
    ]
    parts.append("The evidence base changed." if changes.base_changed else "The evidence base is the same.")
    parts.append(
        "The question's file changed." if changes.question_changed else "The question's file is the same."
    )
    if changes.program[0] != changes.program[1]:
        parts.append(f"The program then: {changes.program[0]}; now: {changes.program[1]}.")
    return " ".join(parts)


def _outcome_label(answer: Answer, outcome: str) -> str:
    return answer.outcomes[outcome].label if outcome in answer.outcomes else outcome


def _numbers(answer: Answer, changes: Changes, places: Places, numbers: Numbering) -> Iterator[Block]:
    if not changes.moved:
        yield Paragraph(words(f"No pooled number moved; {changes.unmoved} are the same."))
        return
    shown = _shown(answer, changes)
    yield Paragraph(
        words(
            f"{len(changes.moved)} pooled numbers moved and {changes.unmoved} are the same. Of each one "
            "below stands "
            "what every single change does by itself to the earlier number; together they need not add up."
        )
    )
    rows = []
    for moved in shown[:MOST_MOVED]:
        link = (
            places.of_pair(moved.outcome, moved.treatment, moved.against)
            if moved.outcome in answer.outcomes
            else ""
        )
        kind = "direct" if moved.kind == "pairwise" else "network"
        rows.append(
            WordRow(
                (
                    words(
                        f"{_outcome_label(answer, moved.outcome)}: {moved.treatment} v {moved.against}, "
                        f"{kind}",
                        link,
                    ),
                    words(_triple(moved.before)),
                    words(_triple(moved.after)),
                    words("; ".join(_share(moved, share) for share in moved.shares)),
                )
            )
        )
    left = len(changes.moved) - len(rows)
    yield numbers.words(
        "moved",
        "Numbers that moved, against the reference or direct",
        (
            WordColumn("Number", 1.6),
            WordColumn("Then", 1),
            WordColumn("Now", 1),
            WordColumn("With one change alone", 2),
        ),
        rows,
        [f"{left} more (other pairs of the network) are in changes.json."] if left else [],
    )


def _shown(answer: Answer, changes: Changes) -> list[Moved]:
    """Direct comparisons, and the network against its reference."""
    return [
        moved
        for moved in changes.moved
        if moved.kind == "pairwise"
        or moved.outcome not in answer.outcomes
        or moved.against == answer.outcomes[moved.outcome].reference
    ]


def _triple(numbers: tuple[float, float, float] | None) -> str:
    return "none" if numbers is None else f"{numbers[0]:.2f} ({numbers[1]:.2f} to {numbers[2]:.2f})"


def _share(moved: Moved, share: Share) -> str:
    if share.estimate is None:
        return f"{share.cause}: no number"
    if moved.before is not None and abs(share.estimate - moved.before[0]) < 0.005:
        return f"{share.cause}: {share.estimate:.2f} (stays)"
    return f"{share.cause}: {share.estimate:.2f}"


def _statuses(answer: Answer, changes: Changes, numbers: Numbering) -> Iterator[Block]:
    other = [each for each in changes.statuses if each.is_other]
    if not other:
        same = len(changes.statuses)
        yield Paragraph(
            words(f"The trial-sequential status of all {same} direct comparisons is the same as then.")
        )
        return
    yield numbers.words(
        "statuses",
        "Trial-sequential status, then and now",
        (WordColumn("Comparison", 1.4), WordColumn("Then", 2), WordColumn("Now", 2)),
        [
            WordRow((words(_key_words(answer, each.key)), words(each.before), words(each.after)))
            for each in other
        ],
    )


def _key_words(answer: Answer, key: str) -> str:
    outcome, _, treatment, against = key.split("/")
    return f"{_outcome_label(answer, outcome)}: {treatment} v {against}"
