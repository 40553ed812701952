"""One operation for each command that a person may ask for: `POST /commands/<name>`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI

from flarefree.web.api.answers import Done, answer
from flarefree.web.api.content import model_of, read_body
from flarefree.web.clock import now
from flarefree.web.commands.base import Asked, Command
from flarefree.web.commands.executing import execute
from flarefree.web.commands.registry import all_commands

__all__ = ["add_commands", "commands_of_people"]


def commands_of_people() -> dict[str, type[Command]]:
    """Those that a person may ask for; the application's own are not offered."""
    return {name: command for name, command in all_commands().items() if not command.is_machine}


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
        outcome = execute(told.command, asked)
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


def actor_in(request: HttpRequest) -> Any:
    """Who asks, as the token was found to say."""
    return request.auth  # type: ignore[attr-defined]


def _first_line(command: type[Command]) -> str:
    return (command.__doc__ or command.name).strip().partition("\n")[0].rstrip(".")


def _rest(command: type[Command]) -> str:
    return "\n".join(line.strip() for line in (command.__doc__ or "").strip().splitlines()[1:]).strip()
