"""The primary network once more by Bayesian methods, through the public function of the extra `bayes`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from flarefree.errors import EvidenceError
from flarefree.evidence.questions.comparing import Pooled
from flarefree.evidence.questions.gathering import BaseRow, rows_for_pooling
from flarefree.evidence.questions.schema import OutcomeAsked

__all__ = ["fit_bayesian"]

SEED = 1


def fit_bayesian(rows: Sequence[BaseRow], pooled: Pooled, asked: OutcomeAsked, *, small_is_good: bool) -> Any:
    """The posterior of the connected part with the reference.

    Raises
    ------
    EvidenceError
        The outcome is no count, or there is no network.
    MissingExtraError
        The extra is not installed; says the command.
    """
    net = pooled.main
    if net is None or asked.measure != "OR" or any(row.events is None for row in rows):
        raise EvidenceError(
            "the Bayesian network of a question is of counts, as odds ratios",
            where="bayes",
            found="no network" if net is None else asked.measure,
            expected="a primary outcome with measure: OR",
        )
    fit = import_module("flarefree.evidence.bayes").bayesian_network
    kept = [row for row in rows if row.treatment in net.treatments]
    return fit(
        rows_for_pooling(kept),
        likelihood="binomial",
        model="random",
        reference=net.reference,
        small_values="good" if small_is_good else "bad",
        seed=SEED,
    )
