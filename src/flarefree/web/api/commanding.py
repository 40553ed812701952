"""One operation for each command that a person may ask for: `POST /commands/<name>`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI

from flarefree.web.api.answers import Done, answer
from flarefree.web.api.content import model_of, read_body
from flarefree.web.clock import now
from flarefree.web.commands.base import Asked, Command, Outcome
from flarefree.web.commands.executing import execute
from flarefree.web.commands.registry import all_commands
from flarefree.web.people.tokens import revoke_token
from flarefree.web.queries.identities import identity_of
from flarefree.web.queries.outages import EmergencySheet, emergency_sheet

__all__ = ["ON_PAGES_ONLY", "add_commands", "commands_of_people"]

ON_PAGES_ONLY = frozenset({"invite_account"})
"""A link that lets somebody in is shown to a person, once; a program is not given one."""


def commands_of_people() -> dict[str, type[Command]]:
    """Those that a person may ask for; the application's own are not offered."""
    found = all_commands().items()
    return {name: c for name, c in found if not c.is_machine and name not in ON_PAGES_ONLY}


def add_commands(api: NinjaAPI) -> None:
    """All of them, whoever wrote them."""
    for name, command in commands_of_people().items():
        api.post(
            f"/commands/{name}",
            response={200: Done},
            operation_id=name,
            summary=_first_line(command),
            description=_rest(command),
            tags=["commands"],
        )(_operation(command))


def _operation(command: type[Command]) -> Callable[..., HttpResponse]:
    model = model_of(command)

    def asked_for(request: HttpRequest) -> HttpResponse:
        told: Any = read_body(request, model)
        asked = Asked(actor_in(request), told.request_id, now(), "api")
        outcome = _do(told.command, asked)
        return answer(
            {
                "request_id": outcome.request,
                "receipt": outcome.receipt,
                "is_repeated": outcome.is_repeated,
                "result": dict(outcome.result),
            }
        )

    asked_for.__name__ = command.name
    return asked_for


def _do(command: Any, asked: Asked) -> Outcome:
    """As any command; some have a part that is not in the record."""
    match command.name:
        case "revoke_token":
            return revoke_token(asked, command.token, command.reason)
        case "read_identity":
            return _with_identity(command, asked)
        case "print_emergency_list":
            sheet = emergency_sheet(asked)
            return replace(execute(command, asked), result=plain_sheet(sheet))
    return execute(command, asked)


def plain_sheet(sheet: EmergencySheet) -> dict[str, Any]:
    """The list for its keeper, in JSON's terms."""
    strata = [{"levels": dict(one.levels), "codes": list(one.codes)} for one in sheet.strata]
    told = {"trial": sheet.trial, "protocol_digest": sheet.protocol_digest, "printed_at": sheet.printed_at}
    return {**told, "strata": strata}


def _with_identity(command: Any, asked: Asked) -> Outcome:
    """The look is logged; what was seen is told and kept nowhere."""
    assert asked.actor is not None
    seen = identity_of(asked.actor, command.subject, asked.request, asked.channel)
    outcome = execute(command, asked)
    return replace(outcome, result={**outcome.result, "name": seen.name, "contact": seen.contact})


def actor_in(request: HttpRequest) -> Any:
    """Who asks, as the token was found to say."""
    return request.auth  # type: ignore[attr-defined]


def _first_line(command: type[Command]) -> str:
    return (command.__doc__ or command.name).strip().partition("\n")[0].rstrip(".")


def _rest(command: type[Command]) -> str:
    return "\n".join(line.strip() for line in (command.__doc__ or "").strip().splitlines()[1:]).strip()
