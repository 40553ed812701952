"""What `flarefree evidence` prints for people: lists, a study as a page, the review's tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flarefree.errors import NotFoundError
from flarefree.evidence.cells import Cell
from flarefree.evidence.library import Evidence
from flarefree.evidence.problems import suggest
from flarefree.evidence.reported import Reported
from flarefree.evidence.review_tables import MadeTable
from flarefree.evidence.schema import Design, Study
from flarefree.evidence.writing import printed

__all__ = ["found_part", "print_part", "print_rows", "print_studies", "print_table"]

_WIDTH = 120
_PARTS = ("studies", "meta_analyses", "conflicts", "documents", "outcomes", "treatments")


def found_part(evidence: Evidence, name: str) -> str:
    """Which part of the base has this name.

    Raises
    ------
    NotFoundError
        None has; says which name is near.
    """
    for part in _PARTS:
        if name in getattr(evidence.content, part):
            return part
    known = [key for part in _PARTS for key in getattr(evidence.content, part)]
    raise NotFoundError(
        f"there is nothing called {name} in this base",
        found=name,
        expected="a study, as flarefree evidence studies lists them",
        try_=_labeled(evidence, name) or suggest(name, known),
    )


def _labeled(evidence: Evidence, name: str) -> str:
    """Studies and meta-analyses whose label has these words: `show ALMS` means one of two."""
    words = _words_of(name)
    if not words:
        return ""
    labels = {key: study.label for key, study in evidence.content.studies.items()}
    labels |= {key: analysis.label for key, analysis in evidence.content.meta_analyses.items()}
    found = [
        f"{key} ({label})" for key, label in labels.items() if words <= _words_of(label) | _words_of(key)
    ]
    return " or ".join([", ".join(found[:-1]), found[-1]]) if len(found) > 1 else "".join(found)


def _words_of(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text.casefold()))


def print_studies(evidence: Evidence, rows: Sequence[Mapping[str, Any]]) -> None:
    """A line a study."""
    console = _console()
    table = _table("Study", "What it is", "Phase", "Design", "N", "Follow-up", "Outcomes", "Same patients as")
    for row in rows:
        others = [
            key for key, cohort in evidence.cohort.items() if cohort == row["cohort"] and key != row["study"]
        ]
        design = _design(evidence.study(row["study"]).design)
        n = row["n_randomized"] or row["n_analyzed"] or ""
        cells = (
            row["label"],
            row["phase"],
            design,
            str(n),
            row["follow_up"],
            str(row["outcomes"]),
            ", ".join(others),
        )
        table.add_row(Text(row["study"], style="bold"), *map(Text, cells))
    console.print(table)
    told = f"{len(rows)} of {len(evidence.content.studies)} studies."
    console.print(Text(f"{told} Show one with: flarefree evidence show STUDY", style="dim"))


def _design(design: Design) -> str:
    if design.randomized:
        return design.kind
    return f"{design.kind}, {'not randomized' if design.randomized is False else 'randomization not known'}"


def print_rows(
    evidence: Evidence, outcome: str, rows: Sequence[Mapping[str, Any]], left_out: Sequence[Mapping[str, Any]]
) -> None:
    """Rows that can be pooled, then what cannot and why."""
    console = _console()
    console.print(Text(evidence.content.outcomes[outcome].label, style="bold"))
    table = _table("Of", "Treatment", "Number", "Time", "Count is", "Source", "Note")
    for row in rows:
        cells = (
            row["study"],
            row["treatment"],
            _number(row),
            row["time"],
            row["status"],
            row["source"],
            row["note"],
        )
        table.add_row(*map(Text, cells))
    console.print(table if rows else Text("No study has numbers that can be pooled."))
    if left_out:
        console.print()
        console.print(Text("Left out", style="bold"))
        table = _table("Of", "Arm", "Source", "Why")
        for row in left_out:
            table.add_row(*map(Text, (row["study"], row["arm"], row["source"], row["reason"])))
        console.print(table)


def _number(row: Mapping[str, Any]) -> str:
    if row["events"] is not None:
        return f"{row['events']}/{row['n']}"
    return f"{row['mean']:g} ± {row['sd']:g} (n = {row['n']})"


def print_table(made: MadeTable) -> None:
    """A review's table."""
    console = _console()
    console.print(Text(f"{made.title}. {made.source}", style="bold"))
    table = _table(*made.columns)
    for row in made.rows:
        table.add_row(*map(Text, row))
    console.print(table)
    console.print(Text(made.note, style="dim"))


def print_part(evidence: Evidence, part: str, name: str) -> None:
    """One study, meta-analysis, conflict, document, outcome or treatment."""
    console = _console()
    if part == "studies":
        _print_study(console, evidence, name)
    elif part == "meta_analyses":
        _print_meta_analysis(console, evidence, name)
    elif part == "conflicts":
        _print_conflict(console, evidence, name)
    else:
        value = getattr(evidence.content, part)[name]
        _fields(
            console, name, [(key.replace("_", " "), _words(each)) for key, each in value.model_dump().items()]
        )


def _print_study(console: Console, evidence: Evidence, name: str) -> None:
    study = evidence.study(name)
    overlaps = "; ".join(f"{o.how} {o.study}" + (f" ({o.note})" if o.note else "") for o in study.overlaps)
    sizes = [
        f"{n} {word}" for n, word in ((study.n_randomized, "randomized"), (study.n_analyzed, "analyzed")) if n
    ]
    fields = [
        ("registered", study.registration),
        ("phase", study.phase),
        ("design", f"{_design(study.design)}, {study.design.masking}"),
        ("", study.design.note),
        ("countries", ", ".join(study.design.countries)),
        ("size", ", ".join(sizes) + (f" ({study.n_place})" if study.n_place else "")),
        ("follow-up", study.follow_up),
        ("population", study.population),
        ("same patients", overlaps),
        *((key.replace("_", " "), text) for key, text in study.facts.items()),
        ("note", study.note),
    ]
    _fields(console, study.label, fields)
    _print_arms(console, study)
    _print_bias(console, study)
    _print_baseline(console, study)
    _print_outcomes(console, evidence, name)
    conflicts = [key for key, conflict in evidence.content.conflicts.items() if name in conflict.studies]
    for key in conflicts:
        console.print()
        _print_conflict(console, evidence, key)


def _print_arms(console: Console, study: Study) -> None:
    table = _heading(console, "Arms", "Arm", "Treatment", "Regimen", "N", "N is", "Place", "Note")
    for key, arm in study.arms.items():
        n = "" if arm.n is None else str(arm.n)
        how = arm.n_how if arm.n is not None else "not known"
        table.add_row(*map(Text, (key, arm.treatment, arm.regimen, n, how, arm.place, arm.note)))
    console.print(table)


def _print_bias(console: Console, study: Study) -> None:
    if not study.risk_of_bias:
        return
    table = _heading(console, "Risk of bias", "Domain", "Judgement", "By", "Because")
    for domain, judged in study.risk_of_bias.items():
        table.add_row(*map(Text, (domain.replace("_", " "), judged.judgement, judged.by, judged.because)))
    console.print(table)


def _print_baseline(console: Console, study: Study) -> None:
    for baseline in study.baseline:
        table = _heading(console, f"Population ({baseline.place})", "Characteristic", *baseline.arms)
        for name in dict.fromkeys(name for margins in baseline.arms.values() for name in margins):
            cells = [margins.get(name) for margins in baseline.arms.values()]
            table.add_row(*map(Text, (name, *("" if cell is None else _shown(cell) for cell in cells))))
        console.print(table)


def _print_outcomes(console: Console, evidence: Evidence, name: str) -> None:
    last = None
    for reported in (each for each in evidence.reported if each.study == name):
        head = f"{reported.source}; {reported.phase}, {reported.time or 'time not said'}"
        if head != last:
            table = _heading(console, head, "Outcome", "Numbers", "P", "Note")
        table.add_row(*map(Text, (reported.label, _numbers(reported), reported.p, _note(reported))))
        following = _next(evidence, reported)
        if (
            following is None
            or f"{following.source}; {following.phase}, {following.time or 'time not said'}" != head
        ):
            console.print(table)
        last = head


def _next(evidence: Evidence, reported: Reported) -> Reported | None:
    same = [each for each in evidence.reported if each.study == reported.study]
    return same[reported.index + 1] if reported.index + 1 < len(same) else None


def _numbers(reported: Reported) -> str:
    lines = [f"{arm}: {_shown(cell)}" for arm, cell in reported.cells.items()]
    for effect in reported.effects:
        kind = f"adjusted {effect.measure}" if effect.adjusted else effect.measure
        lines.append(f"{' v '.join(effect.arms)}: {kind} {effect.estimate}")
    if reported.curve is not None:
        for word, rows in (("at risk", reported.curve.at_risk), ("events", reported.curve.events)):
            lines += [f"{arm}, {word}: {' '.join(map(str, row))}" for arm, row in rows.items()]
    return "\n".join(lines)


def _note(reported: Reported) -> str:
    cells = [f"{arm}: {cell.note}" for arm, cell in reported.cells.items() if cell.note]
    use = "" if reported.use else "not pooled"
    conflicts = ", ".join(reported.conflicts)
    parts = (reported.subgroup, use, reported.note, *cells, f"see {conflicts}" if conflicts else "")
    return "; ".join(filter(None, parts))


def _shown(cell: Cell) -> str:
    """A cell in a line: as printed where it can be, and what is odd about it."""
    if text := printed(cell):
        return text
    parts = []
    if cell.events is not None:
        mark = "~" if cell.how == "derived" else ""
        of = f"/{cell.n}" if cell.n is not None else ""
        parts.append(f"{mark}{cell.events}{of}")
    if cell.n_printed is not None:
        parts.append(f"printed over {cell.n_printed}")
    if cell.percent is not None:
        kind = "" if cell.percent_kind == "crude" else f" ({cell.percent_kind.replace('_', '-')})"
        parts.append(f"{cell.percent}%{kind}")
    if cell.lower is not None and cell.upper is not None:
        parts.append(f"{cell.lower} to {cell.upper}")
    if cell.rate is not None:
        parts.append(f"{cell.rate} per {cell.rate_per}")
    if cell.mean is not None:
        parts.append(f"{cell.mean} ± {cell.sd}")
    if cell.geometric_mean is not None:
        parts.append(f"{cell.geometric_mean} ± {cell.sd} (geometric mean)")
    if cell.events is None and cell.n is not None:
        parts.append(f"n = {cell.n}")
    return ", ".join(parts)


def _print_meta_analysis(console: Console, evidence: Evidence, name: str) -> None:
    analysis = evidence.meta_analysis(name)
    fields = [
        ("kind", analysis.kind),
        ("studies", _words(analysis.studies)),
        ("participants", _words(analysis.participants)),
        ("source", f"{analysis.document}, {analysis.place}"),
        *((key.replace("_", " "), text) for key, text in analysis.facts.items()),
        ("note", analysis.note),
    ]
    _fields(console, analysis.label, fields)
    table = _heading(
        console, "Pooled results", "Treatment", "Against", "Outcome", "Estimate", "Source", "Note"
    )
    for result in analysis.results:
        word = result.label or evidence.content.outcomes[result.outcome].label
        source = f"{result.document or analysis.document}, {result.place or analysis.place}"
        note = "; ".join(filter(None, (result.note, *(f"see {c}" for c in result.conflicts))))
        cells = (result.treatment, result.against, word, f"{result.measure} {result.estimate}", source, note)
        table.add_row(*map(Text, cells))
    console.print(table)


def _print_conflict(console: Console, evidence: Evidence, name: str) -> None:
    conflict = evidence.conflict(name)
    sides = [(f"{value.document}, {value.place}", value.says) for value in conflict.values]
    _fields(
        console,
        f"{name}: {conflict.about}",
        [*sides, ("why not", conflict.why), ("handled", conflict.handling)],
    )


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _fields(console: Console, title: str, fields: Iterable[tuple[str, str]]) -> None:
    console.print(Text(title, style="bold"))
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, text in fields:
        if text:
            table.add_row(Text(name), Text(text))
    console.print(table)


def _heading(console: Console, title: str, *columns: str) -> Table:
    console.print()
    console.print(Text(title, style="bold underline"))
    return _table(*columns)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for i, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=i == 0 and column == "Study")
    return table


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)
