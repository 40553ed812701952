"""A real server with a small trial, and a real browser in front of it.

The databases are those of `tests/web` (SQLite, or PostgreSQL where asked for); the server is the one that
`flarefree serve` runs, in a thread.  Its clock stands in the trial's June and ticks.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from web_browsing import Desk, Trial

pytest.importorskip("django", reason="the extra `web` is not installed")
pytest.importorskip("playwright", reason="the development requirements are not installed")

_WEB = Path(__file__).resolve().parents[1] / "web"


def _fixtures_of_web() -> Any:
    """The fixtures of `tests/web`, whose conftest pytest does not know here."""
    spec = importlib.util.spec_from_file_location("web_fixtures", _WEB / "conftest.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["web_fixtures"] = module
    spec.loader.exec_module(module)
    return module


_web = _fixtures_of_web()
template = _web.template


@pytest.fixture(scope="module")
def trial(
    request: pytest.FixtureRequest, template: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Trial]:
    """A small trial under way, served; a module's own `begin_trial` makes another one."""
    import web_scene
    from django.core.wsgi import get_wsgi_application
    from waitress.server import create_server
    from web_browsing import Trial, apart

    from flarefree.web.clock import clock_set_to
    from flarefree.web.trial import running_trial

    folder = tmp_path_factory.mktemp("served")
    apart(_back_to, {alias: _web._copy(template[alias], alias, folder) for alias in _web._ALIASES})
    running_trial.cache_clear()
    patients = apart(getattr(request.module, "begin_trial", _begin))
    began = time.monotonic()
    with clock_set_to(lambda: web_scene.NOW + timedelta(seconds=time.monotonic() - began)):
        server = create_server(get_wsgi_application(), host="127.0.0.1", port=0, threads=4)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        yield Trial(f"http://127.0.0.1:{server.effective_port}", patients)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            server.close()
            thread.join(timeout=5)
    apart(_back_to, template)
    running_trial.cache_clear()


def _back_to(names: dict[str, str]) -> bool:
    """Connect Django to these databases, in every thread."""
    from django.db import connections

    connections.close_all()
    for alias, name in names.items():
        connections[alias].settings_dict["NAME"] = name
    return True


def _begin() -> dict[str, str]:
    import web_scene

    from flarefree.web.record.keeping import begin_record

    begin_record("browser")
    web_scene.make_trial()
    return web_scene.make_patients()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright
    from web_browsing import CHROMIUM, FLAGS

    if CHROMIUM is None:
        pytest.fail("Chromium is not installed (Debian: apt install chromium); .ci/run installs it")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def desk(browser: Browser, trial: Trial) -> Iterator[Desk]:
    from web_browsing import Desk

    opened = Desk(browser, trial)
    yield opened
    opened.close()
    assert opened.complaints == []
