"""The marginal likelihood against a dense normal density, and its derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from flarefree.stats.mixed.likelihood import Likelihood
from flarefree.stats.mixed.panel import lay_out
from flarefree.stats.mixed.structures import STRUCTURES, make_structure


def _data(seed=2, n=25, m=3):
    """Subjects with visits missing here and there, one of them with a single visit, in two groups."""
    rng = np.random.default_rng(seed)
    there = rng.uniform(size=(n, m)) < 0.8
    there[0] = [False, True, False]
    there[there.sum(axis=1) == 0, 0] = True
    subject, visit = np.nonzero(there)
    X = np.column_stack([np.ones(len(visit)), visit == 1, visit == 2, rng.normal(size=n)[subject]]).astype(
        float
    )
    y = X @ [1.0, 0.5, -0.3, 0.8] + rng.normal(size=n)[subject] + rng.normal(size=len(visit))
    shuffled = rng.permutation(len(y))
    return y[shuffled], X[shuffled], visit[shuffled], subject[shuffled], (subject % 2)[shuffled]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
def test_full_deviance_is_that_of_one_large_normal_density(grouped, weighted):
    y, X, visit, subject, group = _data()
    weights = np.random.default_rng(1).uniform(0.5, 2.0, size=len(y)) if weighted else None
    panel = lay_out(
        y,
        X,
        visit,
        subject,
        n_visits=3,
        group=group if grouped else None,
        n_groups=1 + grouped,
        weights=weights,
    )
    likelihood = Likelihood(panel, make_structure("ar1h", 3), reml=False)
    theta = np.random.default_rng(4).normal(scale=0.3, size=likelihood.n_parameters)
    state = likelihood.at(theta)
    sigma = state.sigma[group] if grouped else np.repeat(state.sigma, len(y), axis=0)
    V = np.zeros((len(y), len(y)))
    for i in range(len(y)):
        for j in range(len(y)):
            if subject[i] == subject[j]:
                V[i, j] = sigma[i][visit[i], visit[j]]
    if weighted:
        V /= np.sqrt(np.outer(weights, weights))
    beta = np.linalg.solve(X.T @ np.linalg.solve(V, X), X.T @ np.linalg.solve(V, y))
    np.testing.assert_allclose(state.beta, beta, rtol=1e-9)
    assert state.deviance == pytest.approx(-2 * multivariate_normal(X @ beta, V).logpdf(y), rel=1e-12)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("n_groups", [1, 2])
@pytest.mark.parametrize("name", list(STRUCTURES))
def test_derivatives_are_those_of_the_deviance(name, n_groups, reml):
    y, X, visit, subject, group = _data()
    panel = lay_out(
        y, X, visit, subject, n_visits=3, group=group if n_groups == 2 else None, n_groups=n_groups
    )
    likelihood = Likelihood(panel, make_structure(name, 3), reml)
    theta = np.random.default_rng(9).normal(scale=0.2, size=likelihood.n_parameters)
    gradient, hessian = likelihood.derivatives(likelihood.at(theta))
    h = 1e-5
    steps = h * np.eye(len(theta))
    by_value = [
        (likelihood.at(theta + s).deviance - likelihood.at(theta - s).deviance) / (2 * h) for s in steps
    ]
    by_slope = [
        (likelihood.gradient(likelihood.at(theta + s)) - likelihood.gradient(likelihood.at(theta - s)))
        / (2 * h)
        for s in steps
    ]
    np.testing.assert_allclose(gradient, by_value, atol=1e-6 * np.abs(gradient).max())
    np.testing.assert_allclose(gradient, likelihood.gradient(likelihood.at(theta)), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(hessian, by_slope, atol=1e-8 * np.abs(hessian).max())


def test_a_matrix_that_is_not_definite_has_no_likelihood():
    y, X, visit, subject, _ = _data()
    likelihood = Likelihood(lay_out(y, X, visit, subject, n_visits=3), make_structure("toep", 3))
    assert likelihood.at(np.array([0.0, 3.0, -3.0])) is None


def test_subjects_may_be_taken_again_as_a_bootstrap_does():
    """Taking a subject twice is the same as having had two of it."""
    y, X, visit, subject, _ = _data()
    panel = lay_out(y, X, visit, subject, n_visits=3)
    chosen = np.array([0, 0, 3, 5, 5, 5, 9])
    taken = panel.take(chosen)
    rows = [panel.row[i][panel.row[i] >= 0] for i in chosen]
    again = lay_out(
        np.concatenate([y[r] for r in rows]),
        np.concatenate([X[r] for r in rows]),
        np.concatenate([visit[r] for r in rows]),
        np.concatenate([np.full(len(r), i) for i, r in enumerate(rows)]),
        n_visits=3,
    )
    theta = np.array([0.1, 0.3])
    one, two = (Likelihood(p, make_structure("ar1", 3), reml=False).at(theta) for p in (taken, again))
    assert taken.n_observations == again.n_observations
    assert one.deviance == pytest.approx(two.deviance, rel=1e-12)
