"""SLEDAI-2K from its descriptors, and what a missing one does."""

from __future__ import annotations

import numpy as np
import pytest

from flarefree.endpoints.scores import (
    BILAG_GRADES,
    BILAG_NUMERIC,
    SLEDAI_2K,
    SLEDAI_2K_RENAL,
    Score,
    compute_score,
    descriptor_measures,
)


def descriptors(*present: str, missing: tuple[str, ...] = ()) -> dict[str, list[float]]:
    return {name: [np.nan if name in missing else float(name in present)] for name in SLEDAI_2K}


def test_weights_as_published() -> None:
    """24 items: 8 of weight 8, 6 of 4, 7 of 2, 3 of 1; at most 105."""
    weights = list(SLEDAI_2K.values())
    assert [weights.count(w) for w in (8, 4, 2, 1)] == [8, 6, 7, 3]
    assert sum(weights) == 105
    assert sum(SLEDAI_2K[name] for name in SLEDAI_2K_RENAL) == 16


def test_a_patient_with_arthritis_rash_and_hematuria() -> None:
    found = descriptors("arthritis", "rash", "hematuria")
    assert compute_score("sledai-2k", found).tolist() == [10.0]
    assert compute_score("sledai-2k-extrarenal", found).tolist() == [6.0]


def test_a_missing_descriptor_leaves_the_score_unknown() -> None:
    assert np.isnan(compute_score("sledai-2k", descriptors("seizure", missing=("fever",)))).all()


def test_a_missing_renal_descriptor_does_not_touch_the_extrarenal_score() -> None:
    found = descriptors("seizure", missing=("pyuria",))
    assert compute_score("sledai-2k-extrarenal", found).tolist() == [8.0]


def test_a_descriptor_that_was_never_asked_is_named() -> None:
    asked = descriptors()
    del asked["vasculitis"]
    with pytest.raises(ValueError, match="vasculitis"):
        compute_score("sledai-2k", asked)


def test_descriptors_are_measures_under_a_prefix() -> None:
    assert "sledai_proteinuria" in descriptor_measures("sledai-2k")
    assert "sledai_proteinuria" not in descriptor_measures(Score.SLEDAI_2K_EXTRARENAL)


def test_bilag_grades_are_ordered_and_weighted() -> None:
    assert sorted(BILAG_GRADES, key=BILAG_GRADES.__getitem__, reverse=True) == ["A", "B", "C", "D", "E"]
    assert dict(BILAG_NUMERIC) == {"A": 12, "B": 8, "C": 1, "D": 0, "E": 0}
