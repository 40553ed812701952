"""Checks of roles: A6 and M1 to M4, as far as rules without a web application can show them.

What the matrix should say is read from `roles.yaml` a second, naive way; what the code decides is asked cell
by cell.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from pathlib import Path
from typing import Any

from flarefree.conduct import visibility
from flarefree.conduct.checks.asking import is_refused, refusal
from flarefree.conduct.checks.matrix_edits import edited, refusal_of, values_of_built_in
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.roles.matrix import PHASES, Matrix, load_matrix
from flarefree.conduct.roles.persons import Grant, Grants, require_other_person
from flarefree.conduct.visibility import Actor, Target, decide, visible_fields, visible_rows

__all__ = ["CHECKS", "table_of_cells"]

CHANNELS = "every channel of the web application, from its router"
HERE = Target("017", frozenset({"somebody"}))
ELSEWHERE = Target("018", frozenset({"somebody"}))
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def _actor(matrix: Matrix, role: str) -> Actor:
    """Somebody to whom `HERE` belongs: at the site, or assigned to the case from another one."""
    is_reader = matrix.roles[role].scope == "assigned_cases"
    return Actor("somebody", role, frozenset({"099"} if is_reader else {"017"}))


def _actor_of_any(role: str) -> Actor:
    return Actor("somebody", role, frozenset({"017"}))


def _cases_of_others(matrix: Matrix, field: str, role: str) -> bool:
    return matrix.fields[field].about == "case" and matrix.roles[role].scope != "assigned_cases"


# M1 ----------------------------------------------------------------------------------------------


def naive_cells() -> set[tuple[str, str, str, str]]:
    """What `roles.yaml` lists, read without the code that is checked."""
    told = values_of_built_in()
    cells = set()
    for role, item in told["roles"].items():
        for grant in item["may"]:
            names = [f for name in grant["fields"] for f in told["groups"].get(name, [name])]
            cells |= {(role, *cell) for cell in product(grant["verbs"], names, grant.get("phases", PHASES))}
    return cells


def table_of_cells(matrix: Matrix) -> str:
    """Every cell and its verdict as CSV: the table that is kept with a validation."""
    lines = ["role,verb,field,phase,allowed"]
    for cell in matrix.every_cell():
        verdict = "yes" if cell in matrix.listed else "no"
        lines.append(f"{cell.role},{cell.verb},{cell.field},{cell.phase},{verdict}")
    return "\n".join(lines) + "\n"


def m1_every_cell(quick: bool) -> Iterator[Evidence]:
    """Every cell is asked; what is not listed is denied."""
    matrix, listed = load_matrix(), naive_cells()
    for role in matrix.roles:
        actor = _actor(matrix, role)
        # A case is never its reader's own site's: for the others it lies elsewhere.
        tried = wrong = 0
        for verb, field, phase in product(matrix.verbs, matrix.fields, PHASES):
            target = ELSEWHERE if _cases_of_others(matrix, field, role) else HERE
            allowed = decide(matrix, actor, verb, field, phase, target).is_allowed
            in_scope = matrix.roles[role].scope != "own_site" or target is HERE
            tried += 1
            wrong += allowed != ((role, verb, field, phase) in listed and in_scope)
        allowed_cells = sum(cell[0] == role for cell in listed)
        yield Evidence(
            f"{role}: wrong verdicts in {tried} cells, {allowed_cells} allowed", 0, wrong, not wrong
        )
    yield from _unlisted(matrix)
    yield from _whole_rows(matrix, listed)
    rows = table_of_cells(matrix).count("\n") - 1
    size = len(matrix.roles) * len(matrix.verbs) * len(matrix.fields) * len(PHASES)
    yield Evidence("rows of the table that is kept", size, rows, rows == size)


def _unlisted(matrix: Matrix) -> Iterator[Evidence]:
    """Names that nobody has listed, and listed ones written otherwise."""
    odd = ["", "*", "all", "root", "superuser", "None", "..", "open"]
    tried = passed = 0
    for cell in sorted(matrix.listed)[::7]:
        for place, name in enumerate((cell.role, cell.verb, cell.field, cell.phase)):
            for other in [*odd, name.upper(), f" {name}", f"{name} ", f"{name}\x00", name.replace("_", "-")]:
                if other == name:
                    continue
                asked = [cell.role, cell.verb, cell.field, cell.phase]
                asked[place] = other
                role, verb, field, phase = asked
                tried += 1
                passed += decide(matrix, _actor_of_any(role), verb, field, phase, HERE).is_allowed
    yield Evidence(
        f"{tried} names that are not in the matrix: let through", 0, passed, not passed and tried > 0
    )


def _whole_rows(matrix: Matrix, listed: set[tuple[str, str, str, str]]) -> Iterator[Evidence]:
    """A row with every field, shown to every role in every phase; hidden fields have no key."""
    row = {name: f"value of {name}" for name in reversed(list(matrix.fields))}
    wrong = 0
    for role, phase in product(matrix.roles, PHASES):
        shown = visible_fields(matrix, _actor(matrix, role), phase, row, HERE)
        expected = [
            f
            for f in matrix.fields
            if (role, "see", f, phase) in listed and not _hidden_case(matrix, role, f)
        ]
        wrong += list(shown) != expected
    count = len(matrix.roles) * len(PHASES)
    yield Evidence(f"whole rows shown to {count} roles and phases: wrong", 0, wrong, not wrong)


def _hidden_case(matrix: Matrix, role: str, field: str) -> bool:
    return _cases_of_others(matrix, field, role)  # `HERE` is their own site


# M2 ----------------------------------------------------------------------------------------------


def m2_forbidden_pairs(quick: bool) -> Iterator[Evidence]:
    """No role has a forbidden pair, no edit gives it one, no person collects one."""
    matrix = load_matrix()
    yield from _pairs_of_roles(matrix)
    yield from _planted_pairs(matrix, quick)
    yield from _pairs_of_persons(matrix)
    yield from _no_bypass(matrix)
    said = refusal(require_other_person, "u-1", "u-1", "scheme")
    yield Evidence("approving one's own change", "refused", said, bool(said))


def _pairs_of_roles(matrix: Matrix) -> Iterator[Evidence]:
    """Read naively: each side's cells, role by role."""
    for pair in matrix.forbidden:
        holders = [
            role
            for role in matrix.roles
            if all(
                any(
                    c.role == role and c.phase in pair.phases and matrix.matches(side, c)
                    for c in matrix.listed
                )
                for side in (pair.one, pair.other)
            )
        ]
        yield Evidence(f"roles that {pair.name}", 0, len(holders), not holders)


def _planted_pairs(matrix: Matrix, quick: bool) -> Iterator[Evidence]:
    """Each pair given to each role by an edit of the file, clearance included: refused at loading."""
    tried = refused = 0
    for pair in matrix.forbidden:
        grants = [_example(matrix, side) for side in (pair.one, pair.other)]
        for role in list(matrix.roles)[:: 5 if quick else 1]:
            tried += 1
            refused += bool(refusal_of(edited(_with_grants(role, grants, pair.phases))))
    yield Evidence("forbidden pairs planted in a role and refused", tried, refused, refused == tried)


def _example(matrix: Matrix, side: Any) -> tuple[str, str]:
    return next(
        (verb, field)
        for verb, field in product(matrix.verbs, matrix.fields)
        if matrix.matches(side, _cell(verb, field))
    )


def _cell(verb: str, field: str) -> Any:
    from flarefree.conduct.roles.matrix import Cell

    return Cell("", verb, field, "live")


def _with_grants(role: str, grants: list[tuple[str, str]], phases: tuple[str, ...]) -> Any:
    def edit(values: dict[str, Any]) -> None:
        item = values["roles"][role]
        item["clearance"] = item["clearance_when_unblinded"] = list(values["labels"])
        item["may"] = [{"verbs": [v], "fields": [f], "phases": list(phases)} for v, f in grants]
        values["messages"] = {}

    return edit


def _pairs_of_persons(matrix: Matrix) -> Iterator[Evidence]:
    """Two roles for one person, in both orders, together and one after the other."""
    wrong = tried = 0
    for one, other in combinations(matrix.roles, 2):
        apart, for_ever = _must_stay_apart(matrix, one, other)
        blinded = [role in matrix.blinded_roles for role in (one, other)]
        for first, second, stays in (
            (one, other, True),
            (other, one, True),
            (one, other, False),
            (other, one, False),
        ):
            was_refused = is_refused(_two_roles, matrix, first, second, stays)
            mixed = blinded[0] != blinded[1]
            comes_back = mixed and second in matrix.blinded_roles
            expected = (apart or mixed) if stays else (for_ever or comes_back)
            tried += 1
            wrong += was_refused != expected
    yield Evidence(f"{tried} ways to give one person two roles: wrong verdicts", 0, wrong, not wrong)


def _must_stay_apart(matrix: Matrix, one: str, other: str) -> tuple[bool, bool]:
    found = [False, False]
    for pair in matrix.forbidden:
        held = [c for c in matrix.listed if c.role in (one, other) and c.phase in pair.phases]
        if all(any(matrix.matches(side, c) for c in held) for side in (pair.one, pair.other)):
            found[0] = True
            found[1] |= pair.for_ever
    return found[0], found[1]


def _two_roles(matrix: Matrix, first: str, second: str, stays: bool) -> None:
    sites = frozenset({"017"})
    grants = Grants().with_grant(matrix, Grant("p", first, BEGIN, "admin", "needed", sites))
    if not stays:
        grants = grants.with_revocation("p", first, at=BEGIN + timedelta(days=1), by="admin")
    grants.with_grant(matrix, Grant("p", second, BEGIN + timedelta(days=2), "admin", "needed", sites))


def _no_bypass(matrix: Matrix) -> Iterator[Evidence]:
    """The administrator touches no patient, and no decision asks for a role by name."""
    touched = [
        c for c in matrix.listed if c.role == "administrator" and matrix.fields[c.field].about != "trial"
    ]
    yield Evidence("administrator's cells about sites, subjects or cases", 0, len(touched), not touched)
    source = Path(visibility.__file__).read_text("utf-8")
    words = {
        n.value
        for n in ast.walk(ast.parse(source))
        if isinstance(n, ast.Constant) and isinstance(n.value, str)
    }
    named = sorted(words & {*matrix.roles, "admin", "root", "superuser", "staff"})
    yield Evidence("roles that the code of decisions knows by name", 0, len(named), not named)


# M3 ----------------------------------------------------------------------------------------------


def m3_sites_apart(quick: bool) -> Iterator[Evidence]:
    """Another site's rows are not there; a committee member's own site's cases neither."""
    matrix = load_matrix()
    yield from _other_sites(matrix)
    yield from _own_cases(matrix)
    yield from _same_words(matrix)


def _other_sites(matrix: Matrix) -> Iterator[Evidence]:
    rows = [
        (Target(f"{17 + i % 3:03d}"), {"subject.number": f"{i}", "site.dashboard": f"{i}"}) for i in range(30)
    ]
    for role in (name for name, r in matrix.roles.items() if r.scope == "own_site"):
        actor = _actor(matrix, role)
        leaks = sum(
            decide(matrix, actor, cell.verb, cell.field, cell.phase, ELSEWHERE).is_allowed
            for cell in matrix.listed
            if cell.role == role and matrix.fields[cell.field].about != "trial"
        )
        nowhere = sum(
            decide(matrix, actor, cell.verb, cell.field, cell.phase, target).is_allowed
            for cell in matrix.listed
            for target in (None, Target(""))
            if cell.role == role and matrix.fields[cell.field].about != "trial"
        )
        shown = visible_rows(matrix, actor, "live", rows)
        yield Evidence(
            f"{role}: cells open at another site, or at none", 0, leaks + nowhere, not leaks + nowhere
        )
        yield Evidence(f"{role}: rows of 30, of three sites", 10, len(shown), len(shown) == 10)


def _own_cases(matrix: Matrix) -> Iterator[Evidence]:
    case_cells = [c for c in matrix.listed if matrix.fields[c.field].about == "case"]
    own = sum(
        decide(
            matrix, Actor("somebody", c.role, frozenset({"017"})), c.verb, c.field, c.phase, HERE
        ).is_allowed
        for c in case_cells
    )
    yield Evidence(f"{len(case_cells)} cells of cases: open to the case's own site", 0, own, not own)
    readers = [c for c in case_cells if matrix.roles[c.role].scope == "assigned_cases"]
    unassigned = sum(
        decide(matrix, Actor("another", c.role), c.verb, c.field, c.phase, HERE).is_allowed for c in readers
    )
    assigned = sum(
        decide(matrix, Actor("somebody", c.role), c.verb, c.field, c.phase, HERE).is_allowed for c in readers
    )
    yield Evidence(f"{len(readers)} cells of readers: open without assignment", 0, unassigned, not unassigned)
    yield Evidence("the same, assigned", len(readers), assigned, assigned == len(readers) > 0)


def _same_words(matrix: Matrix) -> Iterator[Evidence]:
    """A denial does not tell whether the row exists."""
    actor = _actor(matrix, "investigator")
    texts = {
        decide(matrix, actor, verb, field, phase, target).text
        for verb, field, phase, target in (
            ("see", "labs.efficacy", "live", ELSEWHERE),
            ("see", "labs.efficacy", "live", None),
            ("see", "labs.efficacy", "live", Target("no such site")),
            ("see", "allocation.arm", "live", HERE),
            ("see", "no.such.field", "live", HERE),
            ("randomize", "allocation.request", "locked", HERE),
        )
    }
    yield Evidence("texts of six different denials", 1, len(texts), len(texts) == 1 and "" not in texts)


# M4 ----------------------------------------------------------------------------------------------


def m4_revocation(quick: bool) -> Iterator[Evidence]:
    """A revocation is in force at its own moment; the history of grants is whole."""
    matrix, rng = load_matrix(), random.Random(4)
    rounds = 30 if quick else 500
    wrong = lost = 0
    for _ in range(rounds):
        grants, made, spans = Grants(), 0, dict[tuple[str, str], list[list[datetime | None]]]()
        at = BEGIN
        for _ in range(20):
            at += timedelta(seconds=rng.randrange(1, 9))
            person, role = f"p{rng.randrange(3)}", rng.choice(["site_staff", "pharmacist", "investigator"])
            held = spans.setdefault((person, role), [])
            if held and held[-1][1] is None:
                grants = grants.with_revocation(person, role, at=at, by="admin")
                held[-1][1] = at
            else:
                grants = grants.with_grant(
                    matrix, Grant(person, role, at, "admin", "needed", frozenset({"017"}))
                )
                held.append([at, None])
                made += 1
        lost += made != len(grants.history)
        wrong += sum(_differs(grants, key, held) for key, held in spans.items())
    yield Evidence(
        f"{rounds} histories: moments at which a role was wrongly held or not", 0, wrong, not wrong
    )
    yield Evidence("histories that lost a grant", 0, lost, not lost)
    one = Grants().with_grant(matrix, Grant("p", "support", BEGIN, "admin", "needed"))
    past = refusal(one.with_revocation, "p", "support", at=BEGIN - timedelta(seconds=1), by="admin")
    yield Evidence("a revocation for the past", "refused", past, bool(past))
    own = refusal(Grants().with_grant, matrix, Grant("p", "support", BEGIN, "p", "needed"))
    yield Evidence("a role given to oneself", "refused", own, bool(own))


def _differs(grants: Grants, key: tuple[str, str], held: list[list[datetime | None]]) -> int:
    """At, just before and just after every change."""
    wrong = 0
    for moment in (m for span in held for m in span if m is not None):
        for at in (moment - timedelta(microseconds=1), moment, moment + timedelta(microseconds=1)):
            expected = any(b is not None and b <= at and (e is None or at < e) for b, e in held)
            wrong += is_refused(grants.actor_at, *key, at) == expected
    return wrong


# A6 ----------------------------------------------------------------------------------------------


def a6_reads_are_logged(quick: bool) -> Iterator[Evidence]:
    """Reading what unblinds is an entry of the log, and so is every act but reading."""
    matrix = load_matrix()
    told = values_of_built_in()
    secret = {"arm", "arm_revealing", "identity"}
    reads = acts = unlogged = idle = 0
    for cell in sorted(matrix.listed):
        target = ELSEWHERE if _cases_of_others(matrix, cell.field, cell.role) else HERE
        decision = decide(matrix, _actor(matrix, cell.role), cell.verb, cell.field, cell.phase, target)
        if not decision.is_allowed:
            continue
        must = cell.verb != "see" or bool(_naive_labels(told, cell.field) & secret)
        reads += must and cell.verb == "see"
        acts += cell.verb != "see"
        unlogged += must and not decision.is_logged
        idle += not must and decision.is_logged
    yield Evidence(
        f"{reads} reads of arms, telling values and names, {acts} acts: not logged", 0, unlogged, not unlogged
    )
    yield Evidence("other reads that would fill the log", 0, idle, not idle)
    yield Evidence("such reads in the matrix", "some", reads, reads > 0)


def _naive_labels(told: dict[str, Any], name: str) -> set[str]:
    item = told["fields"][name]
    if "label" in item:
        return {item["label"]}
    labels = set().union(*(_naive_labels(told, source) for source in item["from"]))
    removed = told["declassifiers"][item["through"]]["removes"] if "through" in item else ()
    return labels - set(removed)


CHECKS = (
    Check(
        "A6",
        "Reads of unblinding data are logged, and everything that is done",
        a6_reads_are_logged,
        CHANNELS,
    ),
    Check("M1", "Every cell of the role matrix is tried; unlisted is denied", m1_every_cell, CHANNELS),
    Check("M2", "No role and no person has what must stay apart", m2_forbidden_pairs),
    Check("M3", "Sites do not see each other; nobody judges their own site's case", m3_sites_apart, CHANNELS),
    Check(
        "M4",
        "A revoked role ends at once; the history of grants is whole",
        m4_revocation,
        "sessions and tokens",
    ),
)
