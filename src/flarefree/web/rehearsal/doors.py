"""How a rehearsal's people reach the application: over HTTP with tokens, or straight into its commands.

Both take a person, a command by its name and its content in JSON's terms, and give the command's result.
The first is the API as a program uses it; the second is for the demonstration and for checks, which need
the same record a hundred times sooner.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from flarefree.errors import ConductError
from flarefree.web.rehearsal.people import Person

__all__ = ["DirectDoor", "Door", "HttpDoor", "RefusalError"]

Content = Mapping[str, Any]


class RefusalError(ConductError):
    """What was asked was refused; `status` is HTTP's."""

    def __init__(self, what: str, *, status: int = 400, **parts: str) -> None:
        super().__init__(what, **parts)
        self.status = status


class Door(Protocol):
    """Where a person asks."""

    requests: int

    def ask(self, person: Person, command: str, content: Content, request: str) -> dict[str, Any]:
        """The result of a command."""

    def look(self, person: Person, path: str) -> Any:
        """What a person reads at an address below `/api/v1/`."""


class HttpDoor:
    """Over HTTP, with a token for each person, as any program would.

    Parameters
    ----------
    host, port
        Of the server.
    clock : function
        The rehearsal's time: tokens expire, and are made anew.
    """

    _GOOD_FOR = timedelta(days=360)

    def __init__(self, host: str, port: int, now: Any) -> None:
        self._address = (host, port)
        self._now = now
        self._connection: http.client.HTTPConnection | None = None
        self._tokens: dict[str, tuple[str, datetime]] = {}
        self.requests = 0

    def ask(self, person: Person, command: str, content: Content, request: str) -> dict[str, Any]:
        """The result of a command.

        Raises
        ------
        RefusalError
            The application refused it.
        """
        body = json.dumps({"request_id": request, "command": dict(content)}).encode()
        told = self._send("POST", f"/api/v1/commands/{command}", person, body)
        result: dict[str, Any] = told["result"]
        return result

    def look(self, person: Person, path: str) -> Any:
        """What a person reads."""
        return self._send("GET", f"/api/v1/{path}", person)

    def _send(self, method: str, path: str, person: Person, body: bytes | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self._token(person)}", "Content-Type": "application/json"}
        status, data = self._exchange(method, path, body, headers)
        self.requests += 1
        told = json.loads(data) if data else {}
        if status >= 400:
            parts = {name: str(told[key]) for name, key in _PARTS.items() if told.get(key)}
            raise RefusalError(str(told.get("title") or told.get("what") or told), status=status, **parts)
        return told

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        for attempt in (1, 2):
            if self._connection is None:
                self._connection = http.client.HTTPConnection(*self._address, timeout=120)
            try:
                self._connection.request(method, path, body, headers)
                response = self._connection.getresponse()
                return response.status, response.read()
            except (http.client.HTTPException, ConnectionError):
                # A kept connection that the server closed: asked again under the same request id, which
                # is what the id is for.
                self._connection.close()
                self._connection = None
                if attempt == 2:
                    raise
        raise AssertionError("the loop returns or raises")

    def _token(self, person: Person) -> str:
        secret, until = self._tokens.get(person.name, ("", None))
        if until is None or until <= self._now():
            from flarefree.conduct.visibility import Actor
            from flarefree.web.people.tokens import make_token

            actor = Actor(person.name, person.role, frozenset(person.sites))
            secret = make_token(actor, label="rehearsal", good_for=self._GOOD_FOR).secret
            self._tokens[person.name] = (secret, self._now() + self._GOOD_FOR - timedelta(days=1))
        return secret


_PARTS = {"where": "where", "found": "found", "expected": "expected", "try_": "try"}


class DirectDoor:
    """Straight into the commands, in this process; the same rules, without the wire."""

    def __init__(self, now: Any) -> None:
        self._now = now
        self.requests = 0

    def ask(self, person: Person, command: str, content: Content, request: str) -> dict[str, Any]:
        """The result of a command."""
        from flarefree.conduct.visibility import Actor
        from flarefree.web.commands.base import Asked
        from flarefree.web.commands.executing import execute
        from flarefree.web.commands.registry import all_commands

        made = all_commands()[command].model_validate(json.loads(json.dumps(dict(content))))
        actor = Actor(person.name, person.role, frozenset(person.sites))
        self.requests += 1
        return dict(execute(made, Asked(actor, request, self._now(), "api")).result)

    def look(self, person: Person, path: str) -> Any:
        """Things of a kind as a person sees them: `things/query?subject=...`; nothing else."""
        from urllib.parse import parse_qsl, urlsplit

        from flarefree.conduct.visibility import Actor
        from flarefree.web.queries.seeing import see_things

        parts = urlsplit(path)
        kind = parts.path.removeprefix("things/")
        which = dict(parse_qsl(parts.query))
        actor = Actor(person.name, person.role, frozenset(person.sites))
        self.requests += 1
        items = see_things(actor, kind, subject=which.get("subject", ""), site=which.get("site", ""))
        return {
            "items": [
                {
                    "kind": item.kind,
                    "key": item.key,
                    "subject": item.subject,
                    "site": item.site,
                    "facts": {name: {"value": fact.value} for name, fact in item.facts.items()},
                }
                for item in items
            ],
            "next": None,
        }
