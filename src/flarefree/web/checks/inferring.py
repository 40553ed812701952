"""B3: a classifier is trained on what the blinded see of many simulated trials, and cannot tell the arm.

Lists are drawn for every trial anew, patients come and are given the slots of their strata, doses are
instructed by the engine.  What the blinded see of each patient (the code on the box, when it was given, to
which stratum and site, what the patient is told to take, what was measured before) are the features; outcomes
do not depend on the arm here, since a true effect of a drug is no leak.  B1 says the same of the pages
themselves, byte by byte.

Scores are fitted without their own trial, and all is fitted anew in every permutation.  Arms shuffled under
scores that stay would not do: what links two folds by chance counts twice in cross-fitted scores, their AUC
varies by the root of two more than that of scores that are given, and a p of .01 came once in twelve times.
Arms are permuted as they were drawn: the two arms of a list (a stratum of a trial) are exchanged, which is as
likely as the list itself in every scheme of equal shares, whatever its blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from flarefree.conduct.checks.result import Check, Evidence

__all__ = ["CHECKS", "compute_auc", "cross_fitter", "features_of_trials", "permutation_p"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_PATIENTS, _STRATA, _SITES, _FOLDS = 24, 6, 4, 5
_RIDGE = 1.0
_LEANING = 0.1


def _inference(quick: bool) -> Iterator[Evidence]:
    trials, permutations = (300, 400) if quick else (600, 2000)
    X, arm, trial, drawn = features_of_trials(trials, seed=20261120)
    yield Evidence(f"arms of {len(arm):,} patients of {trials} trials: share of the first", "about .5",
                   round(float(1 - arm.mean()), 4), abs(float(arm.mean()) - 0.5) < 0.02)  # fmt: skip
    rng = np.random.default_rng(1)
    auc, p = permutation_p(X, arm, trial, drawn, permutations, rng)
    yield Evidence(
        f"AUC of a classifier on {X.shape[1]} features", ".5", round(auc, 4), abs(auc - 0.5) < 0.03
    )
    yield Evidence(f"p of that AUC under {permutations} permutations", "above .01", round(p, 4), p > 0.01)
    same, base = _pairs(X, arm, trial)
    yield Evidence(
        "share of neighbors in the supply's view who have the same arm, beside all pairs of a trial",
        round(base, 4),
        round(same, 4),
        abs(same - base) < 0.03,
    )
    # The same classifier where a code's last digit leans: one that cannot find that says nothing.
    leaning = X.copy()
    told = rng.random(len(arm)) < _LEANING
    leaning[told, 0] = arm[told]
    auc, p = permutation_p(leaning, arm, trial, drawn, permutations, rng)
    yield Evidence(
        "AUC where a tenth of the codes tell the arm by their parity: .55 for who knows where to look",
        "above .52", round(auc, 4), auc > 0.52,
    )  # fmt: skip
    yield Evidence("p of that AUC", "at most .01", round(p, 4), p <= 0.01)


# What the blinded see -----------------------------------------------------------------------------


def features_of_trials(trials: int, *, seed: int) -> tuple[Floats, Ints, Ints, Ints]:
    """Features, arm, trial and list of each patient: (n, k), (n,), (n,), (n,)."""
    from flarefree.conduct.dosing import DoseState, Start, dose_plan, instruct, next_state
    from flarefree.conduct.randomization.lists import draw_lists
    from flarefree.conduct.randomization.plan import plan_of
    from flarefree.protocol.loading import load_protocol

    protocol = load_protocol("alms-maintenance")
    plan = replace(plan_of(protocol), list_length=12, emergency_length=0)
    engine = dose_plan(protocol.spec)
    rng = np.random.default_rng(seed)
    rows, arms, of, drawn = [], [], [], []
    for trial in range(trials):
        lists = draw_lists(plan, protocol_digest=protocol.digest, seed=rng.bytes(32))
        used = dict.fromkeys(range(_STRATA), 0)
        before = 0.0
        for n in range(_PATIENTS):
            stratum, site = int(rng.integers(_STRATA)), int(rng.integers(_SITES))
            slot = used[stratum]
            if slot == plan.list_length:
                continue
            used[stratum] = slot + 1
            one = lists.lists[stratum]
            weight = round(float(rng.uniform(45, 95)), 1)
            state = next_state(engine, DoseState(), Start(f"{trial}-{n}", 1, Fraction(str(weight)), 0))
            text = instruct(engine, state, 1, 28).text
            code = int(one.codes[slot])
            rows.append(_seen(code, before, n, stratum, site, slot, weight, text, rng))
            before = float(code)
            arms.append(one.entries[slot])
            of.append(trial)
            drawn.append(trial * _STRATA + stratum)
    return np.array(rows, dtype=np.float64), np.array(arms), np.array(of), np.array(drawn)


def _seen(
    code: int,
    before: float,
    order: int,
    stratum: int,
    site: int,
    slot: int,
    weight: float,
    text: str,
    rng: np.random.Generator,
) -> list[float]:
    digits = [int(digit) for digit in f"{code:08d}"]
    return [
        float(code % 2),
        *(float(digit) for digit in digits),
        float(sum(digits)),
        code / 1e8,
        (code - before) / 1e8,
        float(order),
        float(slot),
        float(slot % 2),
        *(float(stratum == k) for k in range(_STRATA)),
        *(float(site == k) for k in range(_SITES)),
        weight,
        float(len(text)),
        float(sum(text.encode()) % 97),
        *rng.normal(size=4).tolist(),  # laboratory results, which do not depend on the arm here
    ]


# The classifier -----------------------------------------------------------------------------------


def cross_fitter(X: Floats, group: Ints) -> Callable[[Ints], Floats]:
    """What gives scores for arms: a linear ridge fitted, for each fold, to the groups of all other folds.

    Near a half it ranks as a logistic regression does; what does not depend on the arms is computed once.
    """
    scale = X.std(axis=0)
    Z = np.column_stack([np.ones(len(X)), (X - X.mean(axis=0)) / np.where(scale > 0, scale, 1.0)])
    penalty = np.diag([0.0] + [_RIDGE] * X.shape[1])  # the intercept is not shrunk
    held = [group % _FOLDS == fold for fold in range(_FOLDS)]
    folds = [(own, np.linalg.inv(Z[~own].T @ Z[~own] + penalty)) for own in held if own.any()]

    def scores_of(y: Ints) -> Floats:
        scores, target = np.empty(len(Z)), y - y.mean()
        total = Z.T @ target
        for own, inverse in folds:
            fitted = total - Z[own].T @ target[own]
            # Without the intercept: it tells the others' share of arms, which leans against the fold's own.
            scores[own] = Z[own][:, 1:] @ (inverse @ fitted)[1:]
        return scores

    return scores_of


def compute_auc(scores: Floats, y: Ints) -> float:
    """How often a patient of arm 1 scores above one of arm 0; ties count half."""
    order = np.argsort(scores, kind="stable")
    _, first, inverse, counts = np.unique(
        scores[order], return_index=True, return_inverse=True, return_counts=True
    )
    ranks = np.empty(len(scores))
    ranks[order] = (first + (counts + 1) / 2.0)[inverse]
    n1 = int(y.sum())
    n0 = len(y) - n1
    return float((ranks[y == 1].sum() - n1 * (n1 + 1) / 2.0) / (n0 * n1))


def permutation_p(
    X: Floats, y: Ints, group: Ints, drawn: Ints, permutations: int, rng: np.random.Generator
) -> tuple[float, float]:
    """AUC of cross-fitted scores, and how often arms exchanged by list bring one as far from a half.

    Parameters
    ----------
    X : (n, k) float
    y : (n,) int
        Arm, 0 or 1.
    group : (n,) int
        Trial: never on both sides of a fit.
    drawn : (n,) int
        The list of which the patient's slot is.
    permutations : int
    rng : numpy.random.Generator
    """
    scores_of = cross_fitter(X, group)
    auc = compute_auc(scores_of(y), y)
    extreme = 0
    for _ in range(permutations):
        other = y ^ rng.integers(0, 2, int(drawn.max()) + 1)[drawn]
        extreme += abs(compute_auc(scores_of(other), other) - 0.5) >= abs(auc - 0.5)
    return auc, (1 + extreme) / (1 + permutations)


def _pairs(X: Floats, arm: Ints, trial: Ints) -> tuple[float, float]:
    """How often patients whose codes are neighbors share an arm; and how often any two of a trial do."""
    same, of, base = 0, 0, []
    for one in np.unique(trial):
        own = trial == one
        ordered = arm[own][np.argsort(X[own, 10])]
        same += int((ordered[1:] == ordered[:-1]).sum())
        of += len(ordered) - 1
        n, n1 = len(ordered), int(ordered.sum())
        base.append((n1 * (n1 - 1) + (n - n1) * (n - n1 - 1)) / (n * (n - 1)))
    return same / of, float(np.mean(base))


CHECKS = (Check("B3", "A classifier on what the blinded see of many trials cannot tell the arm", _inference),)
