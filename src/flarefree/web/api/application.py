"""The API put together: who asks, one operation for each command, the readings, one way to fail."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError
from ninja.errors import ValidationError as InputError
from ninja.security import HttpBearer
from pydantic import ValidationError

from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError, FlarefreeError
from flarefree.web.api.commanding import add_commands
from flarefree.web.api.describing import DESCRIPTION, describe
from flarefree.web.api.problems import NOTHING_HERE, Refusal, problem, problem_of, problem_of_input
from flarefree.web.api.reading import add_readings
from flarefree.web.api.views import add_views

__all__ = ["Bearer", "api", "openapi_document"]

_log = logging.getLogger(__name__)


class Bearer(HttpBearer):
    """A token of a person in one of their roles (`flarefree.web.people.acting`)."""

    def authenticate(self, request: HttpRequest, token: str) -> Actor | None:
        """Who asks; None if the token is not good now: unknown, ended, revoked, or its role was taken."""
        from flarefree.web.people.acting import actor_of_program

        try:
            return actor_of_program(request)
        except ConductError:
            return None


class _Api(NinjaAPI):
    def get_openapi_schema(self, **told: Any) -> Any:
        return describe(super().get_openapi_schema(**told))


@lru_cache(maxsize=1)
def api() -> NinjaAPI:
    """The API of this installation, made on first use: it imports every command."""
    made = _Api(
        title="flarefree",
        version="1",
        description=DESCRIPTION,
        auth=Bearer(),
        docs_url=None,
        openapi_url="/openapi.json",
        urls_namespace="api",
    )
    add_commands(made)
    add_readings(made)
    add_views(made)
    _fail_in_words(made)
    return made


def openapi_document() -> dict[str, Any]:
    """The OpenAPI document, as `GET /api/v1/openapi.json` gives it."""
    return dict(api().get_openapi_schema(path_prefix="/api/v1/"))


def _fail_in_words(made: NinjaAPI) -> None:
    handlers: tuple[tuple[type[Exception], Callable[[HttpRequest, Any], HttpResponse]], ...] = (
        (FlarefreeError, lambda request, error: problem_of(error)),
        (Refusal, lambda request, error: problem(error.status, error.what, error.parts)),
        (ValidationError, lambda request, error: problem_of_input(error.errors())),
        (InputError, lambda request, error: problem_of_input(error.errors)),
        (HttpError, lambda request, error: _http(error)),
        (Http404, lambda request, error: problem(404, NOTHING_HERE)),
        (Exception, _failed),
    )
    for kind, handler in handlers:
        made.add_exception_handler(kind, handler)


def _http(error: HttpError) -> HttpResponse:
    if error.status_code == 401:
        response = problem(401, "no valid token", {"expected": "Authorization: Bearer ..."})
        response["WWW-Authenticate"] = "Bearer"
        return response
    return problem(400 if error.status_code not in {404, 405} else error.status_code, str(error))


def _failed(request: HttpRequest, error: Exception) -> HttpResponse:
    """A defect of ours.  The log has its kind and place, not its words: they may hold a patient's value."""
    from traceback import extract_tb

    place = extract_tb(error.__traceback__)[-1]
    _log.error("API: %s at %s:%s", type(error).__name__, place.filename.rpartition("/")[2], place.lineno)
    return problem(
        500,
        "something failed on our side",
        {"try": "ask what became of the request: GET /api/v1/requests/{request_id}"},
    )
