"""The test of interaction where a level of the subgroup lacks an arm: which arm makes no difference."""

from __future__ import annotations

import numpy as np
import pytest

from flarefree.analysis.hazards import _beyond

ARM = np.array([0, 1, 0, 1, 0, 1, 1, 1], float)
LEVELS = np.array([0, 0, 1, 1, 1, 1, 2, 2])  # the last level has patients of one arm only


def kept(arm: np.ndarray, first: int) -> int:
    others = [level for level in (0, 1, 2) if level != first]
    group = np.column_stack([(level == LEVELS).astype(float) for level in others])
    return _beyond(np.column_stack([arm, group]), arm[:, None] * group).shape[1]


@pytest.mark.parametrize("first", [0, 1, 2])
@pytest.mark.parametrize("arm", [ARM, 1 - ARM], ids=["arms", "arms swapped"])
def test_as_many_products_whatever_stands_first(arm: np.ndarray, first: int) -> None:
    """Two levels have both arms: one degree of freedom, whichever arm and level are the reference."""
    assert kept(arm, first) == 1


def test_no_product_where_one_level_alone_has_both_arms() -> None:
    group = (LEVELS[2:] == 2).astype(float)[:, None]
    arm = ARM[2:]
    assert _beyond(np.column_stack([arm, group]), arm[:, None] * group).shape[1] == 0
