"""Check B10: no setting, variable, flag or edit of roles widens what blinded people see in a trial."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import flarefree.conduct
from flarefree.conduct.checks.asking import is_refused, refusal
from flarefree.conduct.checks.matrix_edits import SECRET, Edit, Values, edited, show, unjudged
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.roles.matrix import Matrix, load_matrix
from flarefree.conduct.visibility import find_widenings, require_matrix_of_trial, require_no_widening

__all__ = ["CHECKS"]


# B10 ---------------------------------------------------------------------------------------------


def b10_no_switch(quick: bool) -> Iterator[Evidence]:
    """No setting, variable, flag or edit widens what blinded people see while the trial is live."""
    matrix = load_matrix()
    yield from _surroundings(matrix, quick)
    yield from _source_asks_nothing()
    yield from _edits_while_live(matrix, quick)
    yield from _objects_are_frozen(matrix)


_PROGRAM = (
    "import hashlib; from flarefree.conduct.roles import load_matrix; "
    "from flarefree.conduct.visibility import Actor, Target, decide; m = load_matrix(); "
    "t = Target('017', frozenset({'p'})); "
    "text = ''.join('01'[decide(m, Actor('p', c.role, frozenset({'017'})), c.verb, c.field, c.phase, t)"
    ".is_allowed] for c in m.every_cell()); print(m.digest, hashlib.sha256(text.encode()).hexdigest())"
)


def _surroundings(matrix: Matrix, quick: bool) -> Iterator[Evidence]:
    """The same decisions under every flag of the interpreter and every variable one might try."""
    names = ("DEBUG", "DJANGO_DEBUG", "FLAREFREE_DEBUG", "FLAREFREE_UNBLIND", "UNBLINDED", "TESTING", "CI")
    variables = dict.fromkeys(names, "1") | {"PYTHONHASHSEED": "7", "LANG": "C", "TZ": "Asia/Tokyo"}
    ways: dict[str, tuple[list[str], dict[str, str]]] = {
        "as it is": ([], {}),
        "variables": ([], variables),
        "python -OO": (["-OO"], {}),
        "python -X dev": (["-X", "dev"], variables),
    }
    found = {}
    for name, (flags, env) in list(ways.items())[: 3 if quick else None]:
        command = [sys.executable, *flags, "-c", _PROGRAM]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        found[name] = done.stdout.strip() or done.stderr[-200:]
    same = set(found.values())
    yield Evidence(f"sets of decisions under {', '.join(found)}", 1, len(same), len(same) == 1)
    digest = found["as it is"].split(" ")[0]
    yield Evidence("the matrix in them", matrix.digest, digest, digest == matrix.digest)


_ASKS = {"environ", "getenv", "argv", "settings", "gettrace", "__debug__", "DEBUG", "flags"}
_COMMANDS = {"verify_audit.py"}  # reads its own command line, and is not part of the application


def _source_asks_nothing() -> Iterator[Evidence]:
    """No rule looks at its surroundings, and none is an `assert`, which `python -O` takes away."""
    folder = Path(flarefree.conduct.__file__).parent
    asks, asserts, files = [], [], 0
    for path in sorted(folder.rglob("*.py")):
        if path.name in _COMMANDS or "checks" in path.relative_to(folder).parts:
            continue
        files += 1
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = getattr(node, "attr", None) or getattr(node, "id", None)
            if name in _ASKS and not isinstance(getattr(node, "ctx", None), ast.Store):
                asks.append(f"{path.name}:{getattr(node, 'lineno', 0)} {name}")
            if isinstance(node, ast.Assert) and not _narrows(node.test):
                asserts.append(f"{path.name}:{node.lineno}")
    yield Evidence(
        f"{files} files of rules: places that ask the surroundings",
        "none",
        ", ".join(asks) or "none",
        not asks,
    )
    yield Evidence("rules kept by assert", "none", ", ".join(asserts) or "none", not asserts)


def _narrows(test: ast.expr) -> bool:
    """Whether an assert only tells the type checker what is so: `x is not None`, `isinstance(x, Y)`."""
    if isinstance(test, ast.Call):
        return isinstance(test.func, ast.Name) and test.func.id == "isinstance"
    return isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.IsNot)


def _edits_while_live(matrix: Matrix, quick: bool) -> Iterator[Evidence]:
    """Every edit that would show an arm: refused while live and while locked, whatever the loader says."""
    for kind, edits in _widening_edits(matrix, quick).items():
        refused = sum(_is_refused_in_trial(matrix, edit) for edit in edits)
        yield Evidence(f"{kind}: refused while live and locked", len(edits), refused, refused == len(edits))
    narrower = edited(lambda v: v["roles"].pop("safety_board"))
    said = refusal(require_no_widening, matrix, unjudged(narrower), "live")
    yield Evidence("a role less: refused", "", said, not said)
    said = refusal(require_matrix_of_trial, unjudged(narrower), matrix.digest)
    yield Evidence("a matrix that is not the trial's", "refused", said, bool(said))
    harmless = find_widenings(matrix, unjudged(edited(lambda v: v["labels"].update(open="Says nothing"))))
    yield Evidence("a comment changed: widenings", 0, len(harmless), not harmless)


def _is_refused_in_trial(matrix: Matrix, edit: Edit) -> bool:
    new = unjudged(edited(edit))
    return all(is_refused(require_no_widening, matrix, new, phase) for phase in ("live", "locked"))


def _widening_edits(matrix: Matrix, quick: bool) -> dict[str, list[Edit]]:
    secret = [name for name, taint in matrix.taints.items() if taint & SECRET]
    step = 5 if quick else 1
    clearances = [
        (r, label, late) for r in matrix.blinded_roles for label in sorted(SECRET) for late in (False, True)
    ]
    return {
        "a field shown to a blinded role": [show(r, f) for r in matrix.blinded_roles for f in secret][::step],
        "a blinded role cleared": [
            _cleared(*c)
            for c in clearances
            if c[1] not in matrix.roles[c[0]].clearance_in("unblinded" if c[2] else "live")
        ],
        "a field called open": [_relabeled(name) for name in secret if matrix.fields[name].label],
        "a derived field cut from its sources": [
            _relabeled(name) for name in secret if matrix.fields[name].sources
        ],
        "a declassifier that removes more": [
            _removes_all(n) for n, d in matrix.declassifiers.items() if not d.removes >= SECRET
        ],
        "a new declassifier": [_trusting],
        "an arm passed through a declassifier that is there": [
            _passed(n) for n, d in matrix.declassifiers.items() if "arm" in d.removes
        ],
        "a forbidden pair dropped": [_dropped(i) for i in range(len(matrix.forbidden))],
        "reading that does not count as reading": [
            _not_reading(v.name) for v in matrix.verbs.values() if v.reads
        ],
        "reads of arms no longer logged": [lambda v: v["logged_reads"].remove("arm")],
    }


def _dropped(i: int) -> Edit:
    return lambda values: values["forbidden"].pop(i)


def _cleared(role: str, label: str, late: bool) -> Edit:
    def edit(values: Values) -> None:
        item = values["roles"][role]
        later = list(item.get("clearance_when_unblinded", item["clearance"]))
        if late:
            item["clearance_when_unblinded"] = [*later, label]
        else:
            item["clearance"] = [*item["clearance"], label]
            item["clearance_when_unblinded"] = later

    return edit


def _relabeled(name: str) -> Edit:
    def edit(values: Values) -> None:
        values["fields"][name] = {"about": values["fields"][name]["about"], "label": "open"}

    return edit


def _trusting(values: Values) -> None:
    values["declassifiers"]["trust"] = {"removes": ["arm"], "check": "B1", "why": "We are careful"}


def _removes_all(name: str) -> Edit:
    def edit(values: Values) -> None:
        values["declassifiers"][name]["removes"] = list(values["labels"])

    return edit


def _passed(name: str) -> Edit:
    def edit(values: Values) -> None:
        values["fields"]["new"] = {"about": "subject", "from": ["allocation.arm"], "through": name}
        show("monitor", "new")(values)

    return edit


def _not_reading(name: str) -> Edit:
    def edit(values: Values) -> None:
        values["verbs"][name]["reads"] = False

    return edit


def _objects_are_frozen(matrix: Matrix) -> Iterator[Evidence]:
    role: Any = matrix.roles["monitor"]
    taints: Any = matrix.taints
    roles: Any = matrix.roles
    listed: Any = matrix.listed
    ways: dict[str, Callable[[], Any]] = {
        "listed": lambda: setattr(matrix, "listed", frozenset()),
        "taints": lambda: taints.update({"allocation.arm": frozenset()}),
        "roles": lambda: roles.update({"monitor": role}),
        "clearance": lambda: setattr(role, "clearance", SECRET),
        "a clearance's labels": lambda: role.clearance.add("arm"),
        "a field's label": lambda: setattr(matrix.fields["allocation.arm"], "label", "open"),
        "cells": lambda: listed.add(None),
    }
    changed = []
    for name, way in ways.items():
        try:
            way()
            changed.append(name)
        except (FrozenInstanceError, AttributeError, TypeError):
            pass
    yield Evidence(f"{len(ways)} ways to change a matrix in memory: taken", 0, len(changed), not changed)


CHECKS = (Check("B10", "Blinding cannot be switched off", b10_no_switch, "settings of the web application"),)
