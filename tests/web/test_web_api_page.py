"""The API's reference page says what its OpenAPI document says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("django", reason="the extra `web` is not installed")

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "api.md"


@pytest.fixture(scope="module")
def made() -> str:
    sys.path.insert(0, str(ROOT / "scripts"))
    from api_page import api_page
    from reference_pages import MADE

    return api_page(MADE)


def test_the_page_is_up_to_date(made):
    assert PAGE.read_text("utf-8") == made, "run scripts/reference_pages.py"


def test_every_operation_has_its_section(made):
    for address in ("POST /commands/randomize_subject", "GET /requests/{request_id}", "GET /things/{kind}"):
        assert f"\n### {address}\n" in made
    assert "invite_account" not in made
