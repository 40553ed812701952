"""What a refusal looks like: problem JSON (RFC 9457) with the four parts of our errors.

Forbidden and missing are one answer, 404 with one text: the difference would tell what exists.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpResponse

from flarefree.errors import FlarefreeError

__all__ = ["NOTHING_HERE", "PROBLEM_TYPE", "Refusal", "problem", "problem_of", "problem_of_input"]

PROBLEM_TYPE = "application/problem+json"
NOTHING_HERE = "there is nothing here for you"
"""The one text of every denial (`flarefree.conduct.visibility`)."""
_TITLES = {
    400: "not understood",
    401: "no valid token",
    404: "not found",
    405: "not a method of this address",
    409: "refused",
    415: "not JSON",
    422: "not as expected",
    500: "failed",
}
_PARTS = ("where", "found", "expected", "try")
_LONGEST = 300


class Refusal(Exception):  # noqa: N818  a refusal is an answer, not a fault
    """An answer other than the one asked for."""

    def __init__(self, status: int, what: str, **parts: str) -> None:
        super().__init__(what)
        self.status, self.what, self.parts = status, what, parts


def problem(status: int, what: str, parts: Mapping[str, str] | None = None) -> HttpResponse:
    """A problem as a response.

    Parameters
    ----------
    status : int
    what : str
        In a sentence.
    parts : mapping of str to str
        `where`, `found`, `expected`, `try`; empty ones are left out.
    """
    told: dict[str, Any] = {"title": _TITLES[status], "status": status, "detail": what}
    told |= {name: parts[name][:_LONGEST] for name in _PARTS if parts and parts.get(name)}
    response = HttpResponse(json.dumps(told), status=status, content_type=PROBLEM_TYPE)
    response["Cache-Control"] = "no-store"
    return response


def problem_of(error: FlarefreeError) -> HttpResponse:
    """An error of a rule: 404 for every denial, 409 for what the rules refuse."""
    if error.what == NOTHING_HERE:
        return problem(404, NOTHING_HERE)
    parts = {"where": error.where, "found": error.found, "expected": error.expected, "try": error.try_}
    return problem(409, error.what, parts)


def problem_of_input(errors: Iterable[Mapping[str, Any]]) -> HttpResponse:
    """What is wrong with a request's content, the first of it: where it stands and what is expected there."""
    first = next(iter(errors))
    is_of_rule = first["type"] in {"value_error", "assertion_error"}
    parts = {"where": ".".join(str(part) for part in first["loc"]), "expected": str(first["msg"])}
    what = "a rule refuses this" if is_of_rule else "the request is not as expected"
    return problem(409 if is_of_rule else 422, what, parts)
