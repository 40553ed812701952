"""Covariance structures: their matrices and their derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from flarefree.errors import StatsError
from flarefree.stats.mixed.structures import STRUCTURES, make_structure

CASES = [(name, m) for name in STRUCTURES for m in (1, 2, 4)]


def _theta(structure, seed=11):
    return np.random.default_rng(seed).normal(scale=0.3, size=structure.n_parameters)


@pytest.mark.parametrize(("name", "m"), CASES)
def test_first_derivatives_are_those_of_the_matrix(name, m):
    structure = make_structure(name, m)
    theta, h = _theta(structure), 1e-5
    for i, step in enumerate(h * np.eye(len(theta))):
        numeric = (structure.covariance(theta + step) - structure.covariance(theta - step)) / (2 * h)
        np.testing.assert_allclose(structure.first(theta)[i], numeric, atol=1e-8)


@pytest.mark.parametrize(("name", "m"), CASES)
def test_second_derivatives_are_those_of_the_first(name, m):
    structure = make_structure(name, m)
    theta, h = _theta(structure), 1e-5
    k = len(theta)
    second = np.array(
        [(structure.first(theta + s) - structure.first(theta - s)) / (2 * h) for s in h * np.eye(k)]
    )
    rng = np.random.default_rng(5)
    over_entries, over_parameters = rng.normal(size=(m, m)), rng.normal(size=(k, k))
    over_entries, over_parameters = over_entries + over_entries.T, over_parameters + over_parameters.T
    np.testing.assert_allclose(
        structure.second_traces(theta, over_entries), np.tensordot(second, over_entries, axes=2), atol=1e-7
    )
    np.testing.assert_allclose(
        structure.second_sum(theta, over_parameters), np.tensordot(over_parameters, second, axes=2), atol=1e-7
    )


@pytest.mark.parametrize(("name", "m"), CASES)
def test_a_start_from_a_matrix_of_the_structure_gives_the_matrix(name, m):
    structure = make_structure(name, m)
    matrix = structure.covariance(0.2 * _theta(structure, seed=3))
    np.testing.assert_allclose(structure.covariance(structure.start(matrix)), matrix, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "theta", "lower"),
    [
        # Cholesky factors from openpharma/mmrm, src/test-covariance.cpp: the parametrization is the same.
        ("us", [np.log(1), np.log(2), 3], [[1, 0], [6, 2]]),
        ("toep", [np.log(2), 1, 2], [[2, 0, 0], [2**0.5, 2**0.5, 0], [1.788854, 0.2111456, 0.8691476]]),
        (
            "toeph",
            [0, np.log(2), np.log(3), 1, 2],
            [[1, 0, 0], [2**0.5, 2**0.5, 0], [2.683282, 0.3167184, 1.303721]],
        ),
        (
            "ar1",
            [np.log(2), 3],
            [[2, 0, 0], [1.89736659610103, 0.632455532033676, 0], [1.8, 0.6, 0.632455532033676]],
        ),
        (
            "ar1h",
            [0, np.log(2), np.log(3), 2],
            [[1, 0, 0], [1.78885438199983, 0.894427190999916, 0], [2.4, 1.2, 1.34164078649987]],
        ),
    ],
)  # fmt: skip
def test_parameters_mean_what_they_mean_in_mmrm(name, theta, lower):
    lower = np.array(lower, dtype=float)
    matrix = make_structure(name, len(lower)).covariance(np.array(theta, dtype=float))
    np.testing.assert_allclose(matrix, lower @ lower.T, rtol=2e-6)


@pytest.mark.parametrize("name", ["cs", "csh"])
def test_compound_symmetry_is_definite_at_any_parameter(name):
    """The correlation reaches down to -1 / (m - 1) and no further."""
    structure = make_structure(name, 4)
    for phi in (-30.0, -3.0, 0.0, 12.0):
        theta = np.append(np.zeros(structure.n_parameters - 1), phi)
        matrix = structure.covariance(theta)
        assert -1 / 3 <= matrix[0, 1] < 1
        assert np.linalg.eigvalsh(matrix)[0] > -1e-12


def test_an_unknown_structure_is_refused_with_the_known_ones():
    with pytest.raises(StatsError, match="toeph"):
        make_structure("sp_exp", 3)
