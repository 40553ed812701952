"""B1, B2, B3: what they compare, what they would overlook, and (slow) the checks themselves."""

from __future__ import annotations

import numpy as np
import pytest


def test_every_route_is_walked_and_every_part_of_an_address_has_a_value(record):
    from flarefree.web.checks.capturing import Known, addresses_of, known_of_record, unknown_parts

    known = known_of_record(("017-001",))
    known = Known({name: values or ("x",) for name, values in known.values.items()}, (("site", "017"),))
    assert unknown_parts(known) == ()
    addresses = addresses_of(known, 2)
    for expected in ("/", "/healthz", "/subjects/017-001/", "/api/v1/me", "/api/v1/things/site/017"):
        assert expected in addresses
    assert not any("<" in address for address in addresses)
    assert len(addresses) > 100


def test_a_part_that_nobody_knows_is_said(record):
    from flarefree.web.checks.capturing import Known, unknown_parts

    assert "subject" in unknown_parts(Known({"visit": ("month-0",)}))


def test_a_new_role_is_blinded_until_it_is_said_not_to_be(record):
    from flarefree.web.checks.capturing import blinded_roles
    from flarefree.web.trial import running_trial

    matrix = running_trial().matrix
    for role, told in matrix.roles.items():
        may_see_arms = {"arm", "arm_revealing"} & set(told.clearance)
        assert (role in blinded_roles()) != bool(may_see_arms), role


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ({"a": b"same"}, {"a": b"same"}, 0),
        ({"a": b"same"}, {"a": b"some"}, 1),
        ({"a": b"same"}, {"a": b"same "}, 1),
        ({"a": b"1"}, {"a": b"1", "b": b"2"}, 1),
        ({"a": b"1", "b": b"2"}, {"b": b"2", "a": b"1"}, 1),
    ],
)
def test_each_byte_each_thing_and_their_order_count(one, other, found, record):
    from flarefree.web.checks.capturing import differences

    assert len(differences(one, other)) == found


def test_there_are_twenty_five_leaks_in_places_that_exist(record):
    from flarefree.web.checks.leaks import LEAKS

    assert len(LEAKS) == len({leak.name for leak in LEAKS}) == 25
    for leak in LEAKS:
        with leak.planted(lambda subject: 0):
            pass


def test_a_leak_is_gone_after_the_block(record):
    from flarefree.web.checks.leaks import LEAKS
    from flarefree.web.queries import seeing

    before = seeing.see
    with LEAKS[0].planted(lambda subject: 1):
        assert seeing.see is not before
    assert seeing.see is before


def test_auc_against_naive_counts(record):
    from flarefree.web.checks.inferring import compute_auc

    rng = np.random.default_rng(3)
    scores, y = np.round(rng.normal(size=60), 1), rng.integers(0, 2, 60)
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in scores[y == 1] for b in scores[y == 0]]
    assert compute_auc(scores, y) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_scores_are_fitted_without_their_own_trial(record):
    """Against numpy's least squares, fold by fold; and its own arms change no patient's score."""
    from flarefree.web.checks.inferring import compute_auc, cross_fitter

    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(40), 10)
    y = rng.integers(0, 2, 400)
    X = np.column_stack([y + rng.normal(size=400), rng.normal(size=400)])
    scores = cross_fitter(X, group)(y)
    assert compute_auc(scores, y) > 0.7
    Z = np.column_stack([np.ones(400), (X - X.mean(axis=0)) / X.std(axis=0)])
    held = group % 5 == 2
    rows = np.vstack([Z[~held], np.diag([0.0, 1.0, 1.0])])
    beta = np.linalg.lstsq(rows, np.append(y[~held], [0, 0, 0]).astype(float), rcond=None)[0]
    assert scores[held] == pytest.approx(Z[held, 1:] @ beta[1:], abs=1e-9)
    other = np.where(held, 1 - y, y)
    assert cross_fitter(X, group)(other)[held] == pytest.approx(scores[held], abs=1e-9)


def test_the_p_of_inference_is_uniform_where_nothing_leaks_and_small_where_something_does(record):
    """Blocks of four; with arms shuffled under scores that stay, 20% of these p were .05 or less."""
    from flarefree.web.checks.inferring import permutation_p

    rng = np.random.default_rng(5)
    drawn = np.repeat(np.arange(100), 4)
    group = drawn // 4
    found = []
    for _ in range(300):
        y = np.concatenate([rng.permutation([0, 0, 1, 1]) for _ in range(100)])
        X = rng.normal(size=(400, 12))
        found.append(permutation_p(X, y, group, drawn, 39, rng)[1])
    assert np.mean(np.array(found) <= 0.05) < 0.09  # .05 and three standard errors
    assert np.mean(found) == pytest.approx(0.51, abs=0.06)
    X[:, 3] += 0.8 * y
    auc, p = permutation_p(X, y, group, drawn, 199, rng)
    assert auc > 0.6 and p == pytest.approx(1 / 200)


@pytest.mark.slow
@pytest.mark.parametrize("number", ["B1", "B2", "B3"])
def test_the_checks_themselves(number):
    import os
    import subprocess
    import sys

    environment = {k: v for k, v in os.environ.items() if not k.startswith(("FLAREFREE_", "DJANGO_"))}
    command = [sys.executable, "-m", "flarefree", "validate", "--quick", "--only", number]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout
