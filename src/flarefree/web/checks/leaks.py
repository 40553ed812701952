"""Twenty-five leaks to plant (B2): places of the real application, changed so that the arm shows through.

Each changes one thing that some developer might write one day.  `arm_of` knows what no place of the
application knows: the check gives it the lists that it put into the vault.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from types import MappingProxyType
from typing import Any

__all__ = ["LEAKS", "Arms", "Leak"]

Arms = Callable[[str], int]
"""A patient's arm, 0 or 1; of anybody else 0."""


@dataclass(frozen=True)
class Leak:
    """One leak.

    Attributes
    ----------
    name : str
    place : str
        Module and attribute that is changed.
    change : function of the original and the arms
        Gives what stands there instead.
    is_acted : bool
        Whether it is planted while the trial is acted; else while it is read.
    """

    name: str
    place: str
    change: Callable[[Any, Arms], Any]
    is_acted: bool = False

    @contextmanager
    def planted(self, arm_of: Arms) -> Iterator[None]:
        """In its place within the block."""
        module, _, names = self.place.partition(":")
        owner: Any = import_module(f"flarefree.web.{module}")
        *between, last = names.split(".")
        for name in between:
            owner = getattr(owner, name)
        before = getattr(owner, last)
        setattr(owner, last, self.change(before, arm_of))
        try:
            yield
        finally:
            setattr(owner, last, before)


# What is read -------------------------------------------------------------------------------------


def _seen(change: Callable[[list[Any], Arms], list[Any]]) -> Callable[[Any, Arms], Any]:
    """Things on their way to whoever reads them."""

    def planted(see: Any, arm_of: Arms) -> Any:
        def leaking(actor: Any, items: Any, **told: Any) -> Any:
            return tuple(change(list(see(actor, items, **told)), arm_of))

        return leaking

    return planted


def _column(items: list[Any], arm_of: Arms) -> list[Any]:
    return [
        _with(item, "group", f"{arm_of(item.subject)}") if item.kind == "subject" else item for item in items
    ]


def _with(item: Any, name: str, value: str) -> Any:
    fact = next(iter(item.facts.values()))
    return replace(item, facts=MappingProxyType({**item.facts, name: replace(fact, value=value)}))


def _sorted(items: list[Any], arm_of: Arms) -> list[Any]:
    return sorted(items, key=lambda item: arm_of(item.subject))


def _one_less(items: list[Any], arm_of: Arms) -> list[Any]:
    return [item for item in items if not (item.kind == "lab" and arm_of(item.subject) and item.since % 2)]


def _space(items: list[Any], arm_of: Arms) -> list[Any]:
    def spaced(item: Any) -> Any:
        is_told = item.kind == "subject" and arm_of(item.subject) and item["status"]
        return _with(item, "status", f"{item['status']} ") if is_told else item

    return [spaced(item) for item in items]


def _logged(items: list[Any], arm_of: Arms) -> list[Any]:
    for item in items:
        if item.kind == "subject" and arm_of(item.subject):
            logging.getLogger("flarefree.web.queries").info("read %s", item.subject)
    return items


# What is answered ---------------------------------------------------------------------------------


def _answered(change: Callable[[Any, int], Any]) -> Callable[[Any, Arms], Any]:
    """Answers on their way out, of addresses that name a patient."""

    def planted(call: Any, arm_of: Arms) -> Any:
        def leaking(self: Any, request: Any) -> Any:
            response = call(self, request)
            named = [part for part in request.path.split("/") if arm_of(part) or "-0" in part]
            return change(response, arm_of(named[0]) if named else 0)

        return leaking

    return planted


def _body(change: Callable[[bytes], bytes]) -> Callable[[Any, int], Any]:
    def changed(response: Any, arm: int) -> Any:
        if arm and not response.streaming:
            response.content = change(response.content)
        return response

    return changed


def _header(name: str, of: Callable[[int], str]) -> Callable[[Any, int], Any]:
    def changed(response: Any, arm: int) -> Any:
        response[name] = of(arm)
        return response

    return changed


def _cookie(response: Any, arm: int) -> Any:
    response.set_cookie("shown", "1" if arm else "2")
    return response


def _status(response: Any, arm: int) -> Any:
    if response.status_code == 404 and arm:
        response.status_code = 403
    return response


def _order(response: Any, arm: int) -> Any:
    if arm:
        told = response["Content-Type"]
        del response["Content-Type"]
        response["Content-Type"] = told
    return response


def _charset(response: Any, arm: int) -> Any:
    if arm:
        response["Content-Type"] = response["Content-Type"].replace("utf-8", "UTF-8") + ";"
    return response


# What is exported ---------------------------------------------------------------------------------


def _file_name(write: Any, arm_of: Arms) -> Any:
    def leaking(part: Any, files: Any, patients: Any, trial: Any) -> Any:
        (part / f"readme{_some(part, arm_of)}.txt").write_text("Read study.yaml first.\n")
        return write(part, files, patients, trial)

    return leaking


def _metadata(write: Any, arm_of: Arms) -> Any:
    def leaking(part: Any, files: Any, patients: Any, trial: Any) -> Any:
        digest = write(part, files, patients, trial)
        manifest = part / "manifest.json"
        told = json.loads(manifest.read_text())
        manifest.write_text(json.dumps(told | {"generator": f"1.{_some(part, arm_of)}"}))
        return digest

    return leaking


def _some(part: Any, arm_of: Arms) -> int:
    """Of the first patient in the export."""
    lines = (part / "dm.csv").read_text().splitlines()[1:]
    return next((arm_of(word) for line in lines for word in line.split(",") if "-0" in word), 0)


def _rows_by_arm(rows_of: Any, arm_of: Arms) -> Any:
    def leaking(*told: Any) -> Any:
        found = rows_of(*told)
        return tuple(_turned(one, arm_of) for one in found)

    return leaking


def _turned(rows: Any, arm_of: Arms) -> Any:
    order = sorted(range(len(rows.rows)), key=lambda n: arm_of(str(rows.rows[n].get("USUBJID"))))
    pick = [tuple(values[n] for n in order) for values in (rows.rows, rows.entries, rows.keys)]
    return replace(rows, rows=pick[0], entries=pick[1], keys=pick[2])


# What is refused or written -----------------------------------------------------------------------


def _refused(plan: Any, arm_of: Arms) -> Any:
    def leaking(self: Any, asked: Any) -> Any:
        from flarefree.errors import ConductError

        try:
            return plan(self, asked)
        except ConductError as error:
            if arm_of(self.subject):
                raise ConductError(f"{error.what}!", where=error.where) from error
            raise

    return leaking


def _planned(change: Callable[[Any, int, str], Any]) -> Callable[[Any, Arms], Any]:
    """A command's plan, on its way into the log."""

    def planted(plan: Any, arm_of: Arms) -> Any:
        def leaking(self: Any, asked: Any) -> Any:
            return change(plan(self, asked), arm_of(self.subject), self.subject)

        return leaking

    return planted


def _message(plan: Any, arm: int, subject: str) -> Any:
    return replace(plan, result={**plan.result, "message": "Randomized." if arm else "Randomized"})


def _reason(plan: Any, arm: int, subject: str) -> Any:
    return replace(plan, reason="randomised" if arm else plan.reason)


def _time(plan: Any, arm: int, subject: str) -> Any:
    def later(write: Any) -> Any:
        is_time = write.attribute == "randomized_at" and arm
        return replace(write, value=str(write.value).replace("Z", "1Z", 1)) if is_time else write

    return replace(plan, writes=tuple(later(write) for write in plan.writes))


def _resupply(plan: Any, arm: int, subject: str) -> Any:
    write = next((w for w in plan.writes if w.kind == "dispensing"), None)
    if write is None:
        return plan
    more = replace(write, attribute="resupply_after_days", value=84 + 7 * arm, is_consequence=True)
    return replace(plan, writes=(*plan.writes, more))


def _kept(plan: Any, arm: int, subject: str) -> Any:
    write = next((w for w in plan.writes if w.kind == "subject"), None)
    if write is None:
        return plan
    more = replace(write, attribute="cohort", value="A" if arm else "B", is_consequence=True)
    return replace(plan, writes=(*plan.writes, more))


def _parity(new_key: Any, arm_of: Arms) -> Any:
    def leaking(request: str, ordinal: int = 0) -> str:
        key = str(new_key(request, ordinal))
        subject = next((s for s in (request.rpartition("-")[0], request[:9]) if arm_of(s)), "")
        return f"{key[:-1]}{'z' if subject else '0'}"

    return leaking


_SEE, _CALL = "queries.seeing:see", "people.headers:StrictHeaders.__call__"
_RANDOMIZE, _DISPENSE = "commands.randomizing:RandomizeSubject.plan", "commands.doses:DispenseKit.plan"

LEAKS = (
    Leak("an extra column", _SEE, _seen(_column)),
    Leak("rows sorted by arm", _SEE, _seen(_sorted)),
    Leak("a row less in one arm", _SEE, _seen(_one_less)),
    Leak("a space at the end of a value", _SEE, _seen(_space)),
    Leak("a line of the log", _SEE, _seen(_logged)),
    Leak("length of a page", _CALL, _answered(_body(lambda body: body + b" "))),
    Leak("autocomplete of a form", _CALL,
         _answered(_body(lambda body: body.replace(b"<form", b'<form autocomplete="off"')))),
    Leak("metadata of a page", _CALL,
         _answered(_body(lambda body: body.replace(b"</head>", b'<meta name="by" content="a"></head>')))),
    Leak("class of an element", _CALL,
         _answered(_body(lambda body: body.replace(b"<main", b'<main class="b"')))),
    Leak("a header", _CALL, _answered(_header("X-Served-By", lambda arm: f"node-{arm}"))),
    Leak("the key of a cache", _CALL, _answered(_header("ETag", lambda arm: f'"{7 + arm}"'))),
    Leak("a cookie", _CALL, _answered(_cookie)),
    Leak("403 in the place of 404", _CALL, _answered(_status)),
    Leak("order of headers", _CALL, _answered(_order)),
    Leak("spelling of the character set", _CALL, _answered(_charset)),
    Leak("text of a refusal", _DISPENSE, _refused),
    Leak("name of an exported file", "exporting:_write_manifest", _file_name),
    Leak("metadata of an export", "exporting:_write_manifest", _metadata),
    Leak("order of exported rows", "exporting:rows_of", _rows_by_arm),
    Leak("message to who randomizes", _RANDOMIZE, _planned(_message), is_acted=True),
    Leak("reason in the log", _RANDOMIZE, _planned(_reason), is_acted=True),
    Leak("a fraction of the time of randomization", _RANDOMIZE, _planned(_time), is_acted=True),
    Leak("a value that only the database has", _RANDOMIZE, _planned(_kept), is_acted=True),
    Leak("date of the next supply", _DISPENSE, _planned(_resupply), is_acted=True),
    Leak("parity of identifiers", "commands.results:new_key", _parity, is_acted=True),
)  # fmt: skip
"""Twenty-five."""
