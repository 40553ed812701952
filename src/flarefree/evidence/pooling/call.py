"""`pairwise`: from rows to a pooled result, in four steps: read, gather, design, fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.inputs import read_rows
from flarefree.evidence.pooling.inverse_variance import Fit, fit_inverse_variance
from flarefree.evidence.pooling.moderators import read_moderators
from flarefree.evidence.pooling.question import Question, ask
from flarefree.evidence.pooling.results import Pairwise
from flarefree.evidence.pooling.trials import Trials, gather_trials
from flarefree.evidence.pooling.weighing import Constant, Moderated

__all__ = ["fit_trials", "pairwise"]

_CONSTANT = Constant()


def pairwise(
    data: Any,
    *,
    measure: str = "RR",
    method: str = "REML",
    hartung_knapp: bool = False,
    ad_hoc_floor: bool = False,
    conf_level: float = 0.95,
    reference: str | None = None,
    moderators: str | Sequence[str] | None = None,
    zero_cells: str = "only0",
    correction: float = 0.5,
    both_zero: str | None = None,
    prediction: str = "k-2",
) -> Pairwise:
    """Pool the trials that compare two treatments.

    Parameters
    ----------
    data : frame, list of mappings, mapping of columns, or path of a CSV file
        Arm rows (`study, treatment, n, events`; `person_time` with `events`; `mean, sd, n`) or contrast
        rows (`study, treatment_1, treatment_2, estimate, std_error`, ratios on the log scale).
    measure : str
        `RR`, `OR`, `RD`; `HR`; `IRR`, `IRD` (rates); `MD`, `SMD` (Hedges' g, exact), `ROM`; `PETO`;
        `GEN` for contrast rows of anything that is no ratio.
    method : str
        Inverse variance: `common`, or random effects with tau2 by `REML`, `ML`, `DL`, `DL2`, `PM`, `EB`,
        `HE`, `HS`, `HSk`, `SJ`.  From counts: `MH`, `PETO`, `EXACT` (common effect); `UM.FS`, `UM.RS`,
        `CM.EL`, `CM.AL` (generalized mixed models, as metafor names them); `BB` (beta-binomial).
    hartung_knapp, ad_hoc_floor : bool
        Limits by the weighted residuals and the t distribution; never narrower than without.
    reference : str, optional
        The treatment that the other is compared with.  Unless given: the one called a control
        (placebo, no treatment ...), else the second one named; the result says which.
    moderators : str or sequence of str, optional
        Columns of trials to regress on: names, or a formula such as `"ablat + factor(alloc)"`.
    zero_cells : str
        Which trials get `correction` added to their cells: `only0`, `if0all`, `all`, `treatment_arm`
        (those with an empty cell, by each arm's share of the patients), `none`.
    both_zero : str, optional
        `keep` or `exclude` trials without events in either arm.  Unless given, kept (as corrected) by
        inverse variance, and left out where the method works on counts and they say nothing.
    prediction : str
        The t distribution of the prediction interval: `k-2` degrees of freedom [riley2011], `k-1`, or
        `normal`.

    Returns
    -------
    Pairwise

    Raises
    ------
    EvidenceError
        The rows cannot be pooled (study and cell are named), or hold more than two treatments.
    StatsError
        The estimate does not exist for these numbers.
    """
    question = ask(
        measure,
        method,
        hartung_knapp=hartung_knapp,
        ad_hoc_floor=ad_hoc_floor,
        conf_level=conf_level,
        prediction=prediction,
        zero_cells=zero_cells,
        correction=correction,
        both_zero=both_zero,
    )
    trials = gather_trials(
        read_rows(data),
        question.measure,
        reference=reference,
        zero_cells=cast(Any, question.zero_cells),
        correction=question.correction,
        both_zero=question.both_zero,
        is_pooled_from_counts=question.uses_counts,
    )
    return fit_trials(trials, question, moderators)


def fit_trials(
    trials: Trials,
    question: Question,
    moderators: str | Sequence[str] | None = None,
    *,
    tau2: float | None = None,
) -> Pairwise:
    """Pool gathered trials: what leave-one-out, subgroups and cumulative runs call again and again.

    `tau2` is taken as known where given: subgroups may share one.
    """
    if question.uses_counts:
        return _fit_counts(trials, question, moderators)
    if moderators is None:
        fit = _fit_effects(trials, question, _CONSTANT, tau2)
        return Pairwise(question, trials, fit, _notes(trials, question, fit))
    terms = read_moderators(moderators, trials)
    kept = trials if terms.rows.size == len(trials) else trials.take(_mask(terms.rows, len(trials)))
    fit = _fit_effects(kept, question, Moderated(terms.matrix))
    without = _fit_effects(kept, question, _CONSTANT) if terms.has_intercept else None
    notes = (*_notes(kept, question, fit), *terms.notes)
    return Pairwise(question, kept, fit, notes, terms, None if without is None else without.tau2)


def _fit_effects(
    trials: Trials, question: Question, design: Constant | Moderated, tau2: float | None = None
) -> Fit:
    if len(trials) < design.n_columns + (design.n_columns > 1):
        raise EvidenceError(
            "there are too few trials for these moderators",
            where="moderators",
            found=f"{len(trials)} trials, {design.n_columns} coefficients",
            expected="more trials than coefficients",
        )
    return fit_inverse_variance(
        trials.y,
        trials.v,
        design,
        question.method,
        hartung_knapp=question.hartung_knapp,
        ad_hoc_floor=question.ad_hoc_floor,
        tau2=tau2,
    )


def _fit_counts(trials: Trials, question: Question, moderators: object) -> Pairwise:
    if moderators is not None:
        raise EvidenceError(
            "methods on counts take no moderators here",
            where="moderators",
            found=f"method={question.method!r}",
            expected='pooling by inverse variance, such as method="REML"',
        )
    tables = trials.all_tables
    if tables is None:
        raise EvidenceError(
            "this method works on counts",
            where="method",
            found=f"{question.method!r} with contrast rows",
            expected="arm rows with events and n (or person_time)",
        )
    from flarefree.evidence.pooling import counts  # needs scipy, which most calls do not

    notes = trials.notes
    match question.method:
        case "MH":
            fit = counts.fit_mantel_haenszel(tables, question.measure.key, trials.y, trials.v)
        case "PETO":
            fit = counts.fit_peto(tables)
        case "EXACT":
            fit, exact = counts.fit_exact(
                tables, question.measure.key, trials.y, trials.v, question.conf_level
            )
            return Pairwise(question, trials, fit, notes, exact=exact)
        case "BB":
            from flarefree.evidence.pooling.beta_binomial import fit_beta_binomial

            fit, rho = fit_beta_binomial(tables, question.measure.key)
            notes = (
                *notes,
                f"correlation within arms {rho:.3g}; arms are compared over trials, not within them",
            )
        case _:
            from flarefree.evidence.pooling.mixed_counts import fit_mixed_counts

            fit = fit_mixed_counts(tables, question)
    return Pairwise(question, trials, fit, notes)


def _notes(trials: Trials, question: Question, fit: Fit) -> tuple[str, ...]:
    """What a reader of the numbers must know."""
    notes = list(trials.notes)
    if len(trials) == 1 and question.is_random:
        notes.append("one trial: nothing is known of differences between trials, tau2 is taken as 0")
    if question.hartung_knapp:
        if math.isinf(fit.df):
            notes.append("one trial: Hartung-Knapp limits do not exist, normal ones are given")
        elif fit.factor < 1.0 and not question.ad_hoc_floor:
            notes.append(
                f"Hartung-Knapp's factor is {fit.factor:.3g}, below 1: its limits are narrower for it "
                "(ad_hoc_floor=True prevents that)"
            )
    return tuple(notes)


def _mask(rows: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    mask = np.zeros(size, bool)
    mask[rows] = True
    return mask
