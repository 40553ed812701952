"""The role matrix and the workflow in words: tables in Markdown, made from the data that decide.

`docs/reference/roles.md` is `roles_page()`; a test fails where it is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flarefree.conduct.roles.matrix import OPEN, PHASES, Matrix
from flarefree.conduct.taint import message_fields
from flarefree.conduct.workflow import MACHINES, Machine, Transition

__all__ = ["cells_by_role", "machine_table", "roles_page"]

_SCOPES = {
    "all": "all sites",
    "own_site": "own sites",
    "assigned_cases": "cases assigned to them, never their own site's",
}


def roles_page(matrix: Matrix) -> str:
    """The reference page of roles, fields and workflow."""
    parts = [
        "# Roles, fields and workflow",
        "<!-- Made by flarefree.conduct.roles.telling: change roles.yaml or workflow.py, make it again. -->",
        "Who may do what with which field, and what may become of a subject, a visit, a case.\n"
        "What is not listed is denied.\n"
        "Why it is so: [Blinding](../explanation/blinding.md).",
        "## Roles",
        _table(("role", "", "sees", "cleared for"), _role_rows(matrix)),
        "## Labels",
        _table(("label", "meaning"), ((f"`{name}`", text) for name, text in matrix.labels.items())),
        "## Fields",
        "A derived field has the labels of all its sources, less what it was passed through takes away.",
        _table(("field", "of a", "labels", "derived from", "through"), _field_rows(matrix)),
        "## Declassifiers",
        _table(("name", "takes away", "shown by check", "why"), _declassifier_rows(matrix)),
        "## What each role may do",
        *(f"### {role}\n\n{cells_by_role(matrix, role)}" for role in matrix.roles),
        "## What must stay apart",
        _table(
            ("nobody may", "also one after the other"),
            ((pair.name, "no" if pair.for_ever else "yes") for pair in matrix.forbidden),
        ),
        "## Messages",
        _table(("message", "to", "says"), _message_rows(matrix)),
        *(_machine_part(machine) for machine in MACHINES),
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _role_rows(matrix: Matrix) -> Iterable[Sequence[str]]:
    for name, role in matrix.roles.items():
        clearance = _codes(sorted(role.clearance))
        later = sorted(role.clearance_when_unblinded - role.clearance)
        if later:
            clearance += f"; once unblinded {_codes(later)}"
        yield f"`{name}`", role.title, _SCOPES[role.scope], clearance


def _field_rows(matrix: Matrix) -> Iterable[Sequence[str]]:
    for name, field in matrix.fields.items():
        labels = sorted(matrix.taints[name] - {OPEN}) or [OPEN]
        through = f"`{field.through}`" if field.through else ""
        yield f"`{name}`", field.about, _codes(labels), _codes(field.sources), through


def _declassifier_rows(matrix: Matrix) -> Iterable[Sequence[str]]:
    for name, found in matrix.declassifiers.items():
        yield f"`{name}`", _codes(sorted(found.removes)), found.check, found.why


def _message_rows(matrix: Matrix) -> Iterable[Sequence[str]]:
    for name, message in matrix.messages.items():
        yield f"`{name}`", _codes(message.to), _codes(message_fields(matrix, message))


def cells_by_role(matrix: Matrix, role: str) -> str:
    """What a role may do, as a table: verb, phases, fields."""
    grouped: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for verb in matrix.verbs:
        for field in matrix.fields:
            phases = tuple(phase for phase in PHASES if matrix.allows(role, verb, field, phase))
            if phases:
                grouped.setdefault((verb, phases), []).append(field)
    rows = ((verb, _phases(phases), _codes(fields)) for (verb, phases), fields in grouped.items())
    return _table(("may", "while", "fields"), rows)


def _phases(phases: tuple[str, ...]) -> str:
    return "always" if phases == PHASES else ", ".join(phase.replace("_", " ") for phase in phases)


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _machine_part(machine: Machine) -> str:
    return f"## Workflow: {machine.name}\n\nStates of {machine.about}.\n\n{machine_table(machine)}"


def machine_table(machine: Machine) -> str:
    """A machine's transitions as a table."""
    head = ("transition", "from", "to", "by whom may", "gates", "reason")
    return _table(head, (_transition_row(row) for row in machine.transitions))


def _transition_row(row: Transition) -> Sequence[str]:
    by = "the system" if row.is_by_system else f"{row.verb} `{row.field}`"
    reason = "asked for" if row.needs_reason else ""
    return f"`{row.name}`", _codes(row.sources), _codes(row.targets), by, _codes(row.gates), reason
