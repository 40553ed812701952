"""Check B8: labels travel with what is made of them, and a leak is found when the matrix is loaded."""

from __future__ import annotations

import ast
import copy
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flarefree.conduct
from flarefree.conduct.checks.asking import is_refused, refusal
from flarefree.conduct.checks.matrix_edits import SECRET, Edit, Values, edited, refusal_of, show
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.roles.matrix import PHASES, Matrix, load_matrix
from flarefree.conduct.taint import Labeled, combine, find_rule_leaks, message_fields, render_message
from flarefree.errors import ConductError

__all__ = ["CHECKS"]

CANARY = "CANARY-5b1f-mycophenolate"


# B8 ----------------------------------------------------------------------------------------------


def b8_taint(quick: bool) -> Iterator[Evidence]:
    """What is derived from a tainted field is tainted; a matrix or a rule that shows it is refused."""
    matrix = load_matrix()
    said = refusal_of(edited(lambda _: None))
    yield Evidence("the matrix as it is", "no leak", said or "no leak", not said)
    planted = list(_planted_leaks(matrix, quick))
    for kind in dict.fromkeys(kind for kind, _ in planted):
        edits = [edit for k, edit in planted if k == kind]
        refused = sum(_names_a_leak(refusal_of(edited(edit))) for edit in edits)
        yield Evidence(f"planted: {kind}; refused", len(edits), refused, refused == len(edits))
    yield from _rule_leaks(matrix)
    yield from _labeled_values(matrix)
    yield from _messages(matrix)
    yield from _out_of_reach()


def _names_a_leak(said: str) -> bool:
    return "shows somebody what they must not see" in said


def _planted_leaks(matrix: Matrix, quick: bool) -> Iterator[tuple[str, Edit]]:
    """Each way a label could travel, for every tainted field and every role that is not cleared for it."""
    tainted = [name for name, taint in matrix.taints.items() if taint & SECRET]
    pairs = [
        (role, field) for role in matrix.blinded_roles for field in tainted
    ]  # fmt: skip
    for role, field in pairs[:: 17 if quick else 1]:
        yield "a tainted field shown", show(role, field)
        yield "a field derived from it shown", _derived(role, field, 1)
        yield "a field three steps derived from it shown", _derived(role, field, 3)
        yield "a message that names it", _message(role, field)
        yield "a message that names what is derived from it", _message(role, field, derived=True)
        yield "a tainted field in an export", show(role, field, "export")
    for name, declassified in matrix.fields.items():
        if declassified.through:
            yield "a declassifier left out", _without_declassifier(name)
    for name in matrix.declassifiers:
        yield "a declassifier that removes nothing", _toothless(name)


def _derived(role: str, field: str, steps: int) -> Edit:
    def edit(values: Values) -> None:
        source = field
        for i in range(steps):
            values["fields"][f"new.{i}"] = {"about": "subject", "from": ["subject.number", source]}
            source = f"new.{i}"
        show(role, source)(values)

    return edit


def _message(role: str, field: str, derived: bool = False) -> Edit:
    def edit(values: Values) -> None:
        named = field
        if derived:
            values["fields"]["new"] = {"about": "subject", "from": [field]}
            named = "new"
        values["messages"]["new"] = {"to": [role], "text": "Subject: {" + named + "}"}

    return edit


def _says(text: str) -> Edit:
    return lambda values: values["messages"].update(new={"to": ["monitor"], "text": text})


def _without_declassifier(name: str) -> Edit:
    def edit(values: Values) -> None:
        del values["fields"][name]["through"]

    return edit


def _toothless(name: str) -> Edit:
    def edit(values: Values) -> None:
        values["declassifiers"][name]["removes"] = []

    return edit


def _rule_leaks(matrix: Matrix) -> Iterator[Evidence]:
    """Endpoints of the protocols that come with flarefree, and the same with a tainted rule planted."""
    from flarefree.protocol.loading import builtin_protocols, load_protocol, parse_protocol

    for name in builtin_protocols():
        leaks = find_rule_leaks(matrix, load_protocol(name))
        yield Evidence(
            f"{name}: adjudicated endpoints that rest on tainted measures or records",
            0,
            len(leaks),
            not leaks,
        )
    text = _multitarget_text()
    for what, old, new, label in _tainted_rules():
        changed = text.replace(old, new, 1)
        leaks = find_rule_leaks(matrix, parse_protocol(changed, "changed.yaml"))
        found = [leak for leak in leaks if label in leak.labels]
        yield Evidence(f"planted: {what}", "found", f"{len(found)} leaks", changed != text and bool(found))


def _multitarget_text() -> str:
    from importlib import resources

    file = resources.files("flarefree.protocol").joinpath("library", "multitarget-maintenance.yaml")
    return file.read_text("utf-8")


def _tainted_rules() -> Iterator[tuple[str, str, str, str]]:
    """What is planted, the text replaced, by what, and the label that must be found."""
    relapse = "    first_of: [relapse_of_proteinuria, relapse_of_creatinine]\n"
    endpoint = "  relapse_of_level:\n    label: Relapse by level\n    when: {}\n"
    component = "    first_of: [relapse_of_level, relapse_of_proteinuria, relapse_of_creatinine]\n"
    here = "  renal_relapse:\n    label: Renal relapse\n"
    for what, sentence in (
        ("an endpoint on the trough", "tacrolimus_trough < 4 ng/mL"),
        (
            "an endpoint on an earlier trough",
            "proteinuria >= 1 g/day and previous(tacrolimus_trough) < 4 ng/mL",
        ),
    ):
        yield what, here + relapse, endpoint.format(sentence) + here + component, "arm_revealing"
    state = "  level_is_low:\n    label: Low level\n    state: tacrolimus_trough < 4 ng/mL\n"
    holds = state + endpoint.format("proteinuria >= 1 g/day and level_is_low")
    yield "an endpoint on a state on the trough", here + relapse, holds + here + component, "arm_revealing"
    events = endpoint.format('adverse_event where term contains "tremor"')
    yield "an endpoint on adverse events", here + relapse, events + here + component, "safety"


def _labeled_values(matrix: Matrix) -> Iterator[Evidence]:
    """A value that carries labels comes out for who is cleared, and no other way."""
    arm = Labeled.of_field(matrix, "allocation.arm", CANARY)
    derived = combine(lambda a, b: f"{a} {b}", Labeled.of_field(matrix, "subject.number", "017-004"), arm)
    ways: dict[str, Callable[[Any], Any]] = {
        "str": str,
        "format": lambda v: f"{v}",
        "percent": lambda v: "%s" % v,  # noqa: UP031 - the old way is one of the ways
        "json": json.dumps,
        "pickle": pickle.dumps,
        "copy": copy.copy,
        "equality": lambda v: v == CANARY,
        "hash": hash,
        "truth": bool,
        "order": lambda v: sorted([v, v]),
        "length": len,
        "items": list,
    }
    escaped = [name for name, way in ways.items() if _comes_out(way, derived)]
    yield Evidence(f"ways out of a labeled value, of {len(ways)}", 0, len(escaped), not escaped)
    shown = repr(derived) + refusal(derived.for_reader, matrix, "monitor", "live")
    yield Evidence("its value in repr and in the refusal", 0, shown.count(CANARY), CANARY not in shown)
    blinded = [r for r in matrix.blinded_roles if not is_refused(derived.for_reader, matrix, r, "live")]
    yield Evidence("blinded roles that read it", 0, len(blinded), not blinded)
    read = derived.for_reader(matrix, "unblinded_statistician", "live")
    yield Evidence("read by who is cleared", f"017-004 {CANARY}", read, read == f"017-004 {CANARY}")
    masked = derived.declassified(matrix, "masked", lambda _: "group A")
    yield Evidence("after a declassifier", "group A", masked.for_reader(matrix, "monitor", "live"), True)


def _comes_out(way: Callable[[Any], Any], value: Labeled[str]) -> bool:
    try:
        way(value)
    except (ConductError, TypeError):  # what cannot be used so at all says TypeError
        return False
    return True


def _messages(matrix: Matrix) -> Iterator[Evidence]:
    """Every message to every role in every phase: rendered exactly where its fields are seen."""
    wrong = tried = 0
    for message in matrix.messages.values():
        fields = message_fields(matrix, message)
        for role in matrix.roles:
            for phase in PHASES:
                expected = role in message.to and all(matrix.allows(role, "see", f, phase) for f in fields)
                values: dict[str, str | Labeled[str]] = dict.fromkeys(fields, "x")
                sent = not is_refused(render_message, matrix, message.name, role, phase, values)
                tried += 1
                wrong += sent != expected
    yield Evidence(f"{tried} messages by role and phase: wrongly sent or held back", 0, wrong, not wrong)
    tricks = (
        "{allocation.arm}",
        "{subject.number.__class__}",
        "{subject.number!r}",
        "{subject.number:>9}",
        "{0}",
        "{}",
    )
    for trick in tricks:
        said = refusal_of(edited(_says(trick)))
        yield Evidence(
            f"a message that says {trick}", "refused", said.split("\n")[0].split(": ")[-1], bool(said)
        )


def _out_of_reach() -> Iterator[Evidence]:
    """Arms are named in `randomization` alone: no other rule of a running trial imports it."""
    folder = Path(flarefree.conduct.__file__).parent
    importers, files = [], 0
    for path in sorted(folder.rglob("*.py")):
        part = path.relative_to(folder).parts[0]
        if part in {"randomization", "checks"}:
            continue
        files += 1
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            importers += [
                f"{path.name}" for name in names if name.startswith("flarefree.conduct.randomization")
            ]
    found = ", ".join(importers) or "none"
    yield Evidence(
        f"of {files} files of other rules: those that import allocations", "none", found, not importers
    )


CHECKS = (
    Check(
        "B8",
        "A tainted field reaches no blinded view, message or rule",
        b8_taint,
        "uploaded files: with the dossier's checks",
    ),
)
