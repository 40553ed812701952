"""Schemathesis on the OpenAPI document: every check, examples that fit it and examples that do not.

Bounded here; `FLAREFREE_FUZZ_EXAMPLES=200 pytest -m slow tests/web/test_web_api_schemathesis.py` looks
longer, in every role.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest

pytest.importorskip("django", reason="the extra `web` is not installed")
pytest.importorskip("schemathesis", reason="schemathesis is not installed")
sys.path.insert(0, str(Path(__file__).parent))

from web_calling import give_role, make_clock

EXAMPLES = int(os.environ.get("FLAREFREE_FUZZ_EXAMPLES", "2"))


@pytest.fixture
def clock(databases: None, tmp_path):
    from flarefree.web.checks.live_trial import BEGIN, live_trial
    from flarefree.web.clock import clock_set_to

    with live_trial(tmp_path / "trial", subjects=6, list_length=4):
        ticking = make_clock(BEGIN + timedelta(hours=1))
        with clock_set_to(ticking):
            yield ticking


@pytest.fixture
def address(clock):
    """The application as a server on a port of its own."""
    from django.db import connections
    from waitress.server import create_server

    from flarefree.web.wsgi import application

    def app(environ, start_response):
        try:
            return application(environ, start_response)
        finally:
            connections.close_all()  # of this thread

    server = create_server(app, host="127.0.0.1", port=0, threads=2)
    thread = Thread(target=server.run)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.close()
    thread.join(timeout=20)


def failures(address: str, secret: str, examples: int, *, coverage: bool) -> Iterator[str]:
    """What schemathesis finds, each once."""
    import schemathesis
    from schemathesis.config import SchemathesisConfig
    from schemathesis.engine import events, from_schema

    config = SchemathesisConfig.from_dict({
        "headers": {"Authorization": f"Bearer {secret}"},
        "generation": {"deterministic": True, "max-examples": examples, "database": "none"},
        "phases": {"stateful": {"enabled": False}, "coverage": {"enabled": coverage}},
        "workers": 1,
    })  # fmt: skip
    schema = schemathesis.openapi.from_url(f"{address}/api/v1/openapi.json", config=config)
    seen = set()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            yield f"{type(event).__name__}: {getattr(event, 'info', getattr(event, 'exception', ''))}"
        if not isinstance(event, events.ScenarioFinished):
            continue
        for case, checks in event.recorder.checks.items():
            for check in checks:
                if check.failure_info is not None:
                    found = check.failure_info.failure
                    told = f"{event.recorder.label} {check.name}: {found.title} {found.message}"
                    if told not in seen:
                        seen.add(told)
                        yield f"{told}\n{check.failure_info.code_sample}\n{case}"


ROLES = ("investigator", "site_staff", "data_manager", "administrator", "medical_monitor", "sponsor")


def token_of(role: str, clock) -> str:
    from flarefree.conduct.visibility import Actor
    from flarefree.web.people.tokens import make_token

    sites = ("001",) if role in {"investigator", "site_staff"} else ()
    give_role("ada", role, *sites, at=clock.at)
    return make_token(Actor("ada", role, frozenset(sites)), label="fuzz").secret


def test_schemathesis_finds_nothing(clock, address):
    """Random content that fits the document, and content that does not, for every operation."""
    found = list(failures(address, token_of("investigator", clock), EXAMPLES, coverage=False))
    assert found == [], "\n\n".join(found[:20])


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_schemathesis_finds_nothing_in_any_role(clock, address, role):
    """The same, and every boundary of every field."""
    found = list(failures(address, token_of(role, clock), max(EXAMPLES, 20), coverage=True))
    assert found == [], "\n\n".join(found[:20])
