"""F-6 and F-8: the pack itself.  Everything on the list has something that runs it, on real databases; the
report is signed, and a changed one is found out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from flarefree.conduct.checks.result import Check, CheckResult, Evidence, all_checks
from flarefree.conduct.randomization.sealing import new_signing_key, public_key_of
from flarefree.errors import ConductError

__all__ = ["CHECKS"]


def _sponsor_runs_all(quick: bool) -> Iterator[Evidence]:
    from flarefree.web.checks.catalog import NUMBERS
    from flarefree.web.checks.circumstances import circumstances_of
    from flarefree.web.checks.report import Validation, open_validation, render_validation, sign_validation
    from flarefree.web.checks.running import checks_of, run_numbers

    covered = {number for number in NUMBERS if any(checks_of(number))}
    missing = [number for number in NUMBERS if number not in covered]
    yield Evidence(
        f"numbers of the list that something runs here; none runs {', '.join(missing) or 'no number'}",
        len(NUMBERS),
        len(covered),
        not missing,
    )
    begun = "2026-01-05T12:00:00+00:00"
    found = run_numbers(("A5", "V5"), quick=True)
    validation = Validation(circumstances_of(begun=begun, is_quick=True), found)
    key, other = new_signing_key(), new_signing_key()
    sealed = sign_validation(validation, key, signed_by="a sponsor")
    body = open_validation(sealed.to_bytes(), public_key_of(key))
    said = [(one["number"], one["verdict"]) for one in body["checks"]]
    meant = [(one.number, one.verdict) for one in found]
    yield Evidence("what a signed report says once it is opened", str(meant), str(said), said == meant)
    for name in ("program", "source_digest", "protocol_digest", "engine", "platform", "begun", "ended"):
        yield Evidence(
            f"the report names its {name.replace('_', ' ')}", "yes", str(body[name])[:80], bool(body[name])
        )
    told = json.loads(sealed.to_bytes())
    told["body"]["checks"][0]["verdict"] = "passed "
    attacks = {
        "a verdict that was changed": (_canonical(told), key),
        "a report cut short": (sealed.to_bytes()[:-40], key),
        "another's signature": (sealed.to_bytes(), other),
    }
    for what, (data, verifying) in attacks.items():
        refusal = _refusal(data, public_key_of(verifying))
        yield Evidence(what, "refused", f"refused: {refusal}" if refusal else "opened", bool(refusal))
    broken = CheckResult("V5", "x", (Evidence("x", 1, 2, False),), 0.0)
    failing = replace(validation, found=(replace(found[1], rules=(*found[1].rules, broken)),))
    yield Evidence(
        "a report with one row that does not hold", "FAILED", failing.found[0].verdict, not failing.passed
    )
    empty = replace(validation, found=())
    yield Evidence("a report of nothing passes", "no", "yes" if empty.passed else "no", not empty.passed)
    page = render_validation(validation, sealed)
    loads = page.count("<script") + page.count("src=") + page.count("http://") + page.count("https://")
    yield Evidence("scripts and addresses in the page", 0, loads, loads == 0)


def _canonical(told: object) -> bytes:
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _refusal(data: bytes, public_key: bytes) -> str:
    from flarefree.web.checks.report import open_validation

    try:
        open_validation(data, public_key)
    except ConductError as error:
        return error.what
    return ""


def _real_service(quick: bool) -> Iterator[Evidence]:
    from django.db import connections

    from flarefree.web.checks import all_web_checks
    from flarefree.web.checks.catalog import NEEDS_DATABASE, NUMBERS
    from flarefree.web.checks.circumstances import engine_of

    yield Evidence("database of these checks", "a database", engine_of(), True)
    run = {check.number for check in all_web_checks()}
    lacking = [number for number in NUMBERS if number in NEEDS_DATABASE and number not in run]
    yield Evidence(
        f"numbers whose point is the database, run on it; lacking: {', '.join(lacking) or 'none'}",
        len(NEEDS_DATABASE),
        len(NEEDS_DATABASE) - len(lacking),
        not lacking,
    )
    others = sorted(run - NEEDS_DATABASE, key=list(NUMBERS).index)
    yield Evidence(f"further numbers run on it: {', '.join(others)}", "any", len(others), True)
    rules = {check.number for check in all_checks()}
    yield Evidence("numbers whose rules are checked without a database too", "any", len(rules), True)
    for alias, what in (("default", "record"), ("vault", "vault")):
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT 1")
            yield Evidence(f"the {what}'s database answers", 1, int(cursor.fetchone()[0]), True)


CHECKS = (
    Check(
        "F-6",
        "The pack has the whole list; its report is signed, changes are found",
        _sponsor_runs_all,
    ),
    Check("F-8", "Checks run against real databases and processes", _real_service),
)
