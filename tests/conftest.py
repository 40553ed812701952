"""What all tests share: where the real trial data are, and how to do without them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real trial data, which stands beside the checkout and is never committed."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "data").is_dir():
        if os.environ.get("FLAREFREE_REQUIRE_SHARED"):
            pytest.fail(f"the real trial data are missing: expected {folder}")
        pytest.skip("the real trial data (../shared) are not beside this checkout")
    return folder
