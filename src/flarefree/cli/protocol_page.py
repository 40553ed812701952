"""A protocol as a page in a terminal: what a trialist would want to read before using it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from flarefree.protocol.language.printing import layout, print_node
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.schema import Analysis, Arm, EndpointSpec, MeasureSpec, Protocol, Regimen, Visit

__all__ = ["print_list", "print_page"]

_WIDTH = 100


def print_list(protocols: Iterable[LoadedProtocol], console: Console | None = None) -> None:
    """The built-in protocols, one a line."""
    console = console or _console()
    table = _table("Name", "Title", "Arms", "Endpoints", "Analyses")
    for protocol in protocols:
        spec = protocol.spec
        counts = (str(len(spec.arms)), str(len(spec.endpoints)), str(len(spec.analyses)))
        table.add_row(Text(spec.name, style="bold"), spec.title, *counts)
    console.print(table)
    console.print("Show one with: flarefree protocols show NAME", style="dim", markup=False)


def print_page(protocol: LoadedProtocol, console: Console | None = None) -> None:
    """The whole protocol, part by part, each with its notes."""
    page = _Page(console or _console())
    spec = protocol.spec
    page.title(spec.title)
    page.fields(_identity(protocol))
    _print_design(page, spec)
    _print_arms(page, spec)
    _print_schedule(page, spec)
    _print_measures(page, spec)
    _print_endpoints(page, protocol)
    _print_populations(page, protocol)
    _print_analyses(page, protocol)
    _print_choices(page, spec)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


class _Page:
    """Prints headings, fields, tables and notes alike throughout."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def title(self, text: str) -> None:
        self.console.print(Text(text, style="bold"))

    def heading(self, text: str) -> None:
        self.console.print()
        self.console.print(Text(text, style="bold underline"))

    def fields(self, fields: Iterable[tuple[str, str]]) -> None:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for name, text in fields:
            if text:
                table.add_row(Text(name), Text(text))
        self.console.print(table)

    def text(self, text: str, indent: int = 0, style: str = "") -> None:
        self.console.print(Padding(Text(text, style=style), (0, 0, 0, indent)))

    def note(self, text: str, indent: int = 0) -> None:
        if text:
            self.text(f"Note: {text}", indent, "italic dim")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        table = _table(*columns)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.console.print(table)


def _identity(protocol: LoadedProtocol) -> Iterator[tuple[str, str]]:
    spec = protocol.spec
    yield "Name", spec.name
    yield "Registration", spec.registration
    yield "Condition", spec.condition
    for citation in spec.citations:
        yield f"[{citation.key}]", citation.text
    yield "File", f"{protocol.path}, SHA-256 {protocol.digest[:12]}"


def _print_design(page: _Page, spec: Protocol) -> None:
    page.heading("Design")
    page.text(spec.design.summary)
    randomization = spec.randomization
    strata = ", ".join(spec.covariates[name].label for name in randomization.strata) if randomization else ""
    ratio = ":".join(str(share) for share in randomization.ratio.values()) if randomization else ""
    page.fields(
        [
            ("Allocation", spec.design.allocation),
            ("Randomization", "; ".join(filter(None, (ratio, strata and f"strata {strata}")))),
            ("", randomization.method if randomization else ""),
            ("Masking", spec.design.masking),
            ("Blinded", ", ".join(spec.masking.blinded)),
            ("Method", spec.masking.method),
            ("Committee", "does not see " + ", ".join(spec.masking.committee_does_not_see))
            if spec.masking.committee_does_not_see
            else ("", ""),
            ("Follow-up", f"{spec.design.follow_up} days"),
            ("Size", _size(spec)),
            *(("Eligible" if i == 0 else "", rule) for i, rule in enumerate(spec.design.eligibility)),
        ]
    )
    for part in (spec.design, randomization, spec.masking, spec.sample_size):
        page.note(part.note if part is not None else "")


def _size(spec: Protocol) -> str:
    size = spec.sample_size
    if size is None:
        return str(spec.design.planned_size or "")
    assumed = ", ".join(f"{name} {value:g}" for name, value in size.assumed.items())
    parts = (
        f"{size.per_arm} an arm" if size.per_arm else "",
        f"power {size.power:.0%}" if size.power else "",
        f"alpha {size.alpha:g}",
        f"assumed {assumed}" if assumed else "",
        f"hazard ratio {size.hazard_ratio:g}" if size.hazard_ratio else "",
        size.test,
    )
    return "; ".join(part for part in parts if part)


def _print_arms(page: _Page, spec: Protocol) -> None:
    page.heading("Arms and doses")
    page.table(
        ("Arm", "Drug", "Target", "Minimum", "Days"),
        [row for key, arm in spec.arms.items() for row in _arm_rows(key, arm, spec)],
    )
    rules = spec.dosing
    page.fields(
        [
            ("Dose changes", rules.changes),
            ("Low weight", f"under {rules.low_weight_kg:g} kg" if rules.low_weight_kg else ""),
            (
                "Interruption",
                f"at most {rules.longest_interruption} days" if rules.longest_interruption else "",
            ),
            ("Prednisone", f"at most {rules.prednisone_ceiling}" if rules.prednisone_ceiling else ""),
            ("Not allowed", ", ".join(rules.prohibited)),
            ("Avoided", ", ".join(rules.interacting)),
            ("Needs approval", ", ".join(rules.needs_approval)),
            ("Trough", rules.trough_window),
        ]
    )
    page.note(rules.note)


def _arm_rows(key: str, arm: Arm, spec: Protocol) -> Iterator[tuple[str, ...]]:
    name = f"{arm.label} ({key}{', reference' if key == spec.reference_arm else ''})"
    for i, regimen in enumerate(arm.regimens):
        yield (name if i == 0 else "", _drug(regimen), regimen.target, regimen.minimum, _days_of(regimen))
    if not arm.regimens:
        yield name, "", "", "", ""


def _drug(regimen: Regimen) -> str:
    return regimen.drug + (" (placebo)" if regimen.is_placebo and "placebo" not in regimen.drug else "")


def _days_of(regimen: Regimen) -> str:
    if regimen.until is None:
        return f"from {regimen.from_day}" if regimen.from_day != 1 else "throughout"
    return f"{regimen.from_day} to {regimen.until}"


def _print_schedule(page: _Page, spec: Protocol) -> None:
    page.heading("Schedule")
    page.table(("Visit", "Day", "Window"), [_visit_row(visit) for visit in spec.schedule.visits])
    page.fields(
        [
            *((visit.name, visit.when) for visit in spec.schedule.at_events),
            *((contact.name, contact.purpose) for contact in spec.schedule.contacts),
            *((f"Epoch {name}", _epoch(spec, name)) for name in spec.epochs),
        ]
    )
    page.note(spec.schedule.note)
    page.note(spec.baseline.note)
    page.note(spec.follow_up.note)


def _visit_row(visit: Visit) -> tuple[str, str, str]:
    window = f"{_open(visit.first_day)} to {_open(visit.last_day)}"
    has_window = visit.first_day is not None or visit.last_day is not None
    return visit.name, str(visit.day), window if has_window else ""


def _open(day: int | None) -> str:
    return "…" if day is None else str(day)


def _epoch(spec: Protocol, name: str) -> str:
    epoch = spec.epochs[name]
    return f"{epoch.label}, days {_open(epoch.first_day)} to {_open(epoch.last_day)}"


def _print_measures(page: _Page, spec: Protocol) -> None:
    page.heading("Measures")
    page.table(("Name", "Label", "Unit", "From"), [_measure_row(n, m) for n, m in spec.measures.items()])
    for name, measure in spec.measures.items():
        if measure.note:
            page.note(f"{name}: {measure.note}")


def _measure_row(name: str, measure: MeasureSpec) -> tuple[str, ...]:
    kind = {"yes_no": "yes or no", "grade": "grade"}.get(measure.type, measure.unit)
    return name, measure.label, kind, measure.equation or measure.score or ", ".join(measure.tests)


def _print_endpoints(page: _Page, protocol: LoadedProtocol) -> None:
    page.heading("Endpoints")
    for name, endpoint in protocol.spec.endpoints.items():
        label = Text(endpoint.label, style="bold")
        label.append(f"  {name}, {_kind(endpoint)}", style="dim")
        page.console.print(label)
        page.text(_sentence(protocol, name, endpoint), 2)
        page.note(endpoint.note, 2)


def _kind(endpoint: EndpointSpec) -> str:
    parts: list[str] = [endpoint.kind]
    if endpoint.adjudicated:
        parts.append("adjudicated")
    if endpoint.censor_at:
        parts.append("censored at " + ", ".join(endpoint.censor_at))
    if endpoint.original_primary:
        parts.append("original primary end point")
    return ", ".join(parts)


def _sentence(protocol: LoadedProtocol, name: str, endpoint: EndpointSpec) -> str:
    if endpoint.first_of:
        return "first of " + ", ".join(endpoint.first_of)
    part = {"event": "when", "state": "state", "value": "value"}[endpoint.kind]
    return layout(protocol.sentences[f"endpoints.{name}.{part}"])


def _print_populations(page: _Page, protocol: LoadedProtocol) -> None:
    page.heading("Populations")
    for name, population in protocol.spec.populations.items():
        page.text(f"{population.label}: {print_node(protocol.sentences[f'populations.{name}.when'])}")
        page.note(population.note, 2)
    rules = protocol.spec.adverse_events
    page.heading("Treatment-emergent adverse events")
    page.fields(
        [
            ("Begin", rules.starts.replace("_", " ")),
            ("Nonserious until", _until(rules.nonserious_until, rules.nonserious_days_after)),
            ("Serious until", _until(rules.serious_until, rules.serious_days_after)),
        ]
    )
    page.note(rules.note)


def _until(end: str, days: int) -> str:
    return end.replace("_", " ") + (f" + {days} days" if days else "")


def _print_analyses(page: _Page, protocol: LoadedProtocol) -> None:
    page.heading("Analyses")
    spec = protocol.spec
    sections = list(dict.fromkeys([*spec.report.sections, *(a.section for a in spec.analyses.values())]))
    for section in sections:
        mine = [(name, a) for name, a in spec.analyses.items() if a.section == section]
        if not mine:
            continue
        page.text(section, style="bold")
        for name, analysis in mine:
            page.text(f"{analysis.title}  [{_asks(name, analysis, spec)}]", 2)
            page.note(analysis.note, 4)


def _asks(name: str, analysis: Analysis, spec: Protocol) -> str:
    population = spec.populations[analysis.population].label.lower()
    purpose = f", {analysis.purpose}" if analysis.purpose in ("primary", "secondary", "sensitivity") else ""
    return f"{name}: {analysis.kind.replace('_', ' ')}, {population}{purpose}"


def _print_choices(page: _Page, spec: Protocol) -> None:
    if not spec.choices:
        return
    page.heading("What the source leaves open")
    for choice in spec.choices:
        page.text(choice.topic, style="bold")
        page.text(choice.choice, 2)
