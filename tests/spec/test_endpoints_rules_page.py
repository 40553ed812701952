"""The reference page of the rules says what the spec tests hold."""

from __future__ import annotations

import rules_page


def test_rules_page_is_up_to_date() -> None:
    """If this fails, run `python tests/spec/rules_page.py` and read what changed."""
    assert rules_page.PAGE.read_text(encoding="utf-8") == rules_page.render()
