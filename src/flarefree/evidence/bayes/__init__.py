"""Networks of studies by Bayes: posteriors sampled by NumPyro, priors stated, convergence shown.

Takes arm rows or contrast rows; gives a frozen `BayesianNetwork`: effects, rankings, DIC and
leave-one-study-out, node splits, diagnostics.  Needs the extra `bayes`.  Begin reading at `calling.py` (the
call), then `reading.py` and `designs.py` (rows to arrays), `posterior.py` (the model);
`docs/methods/bayesian-network.md` has the equations.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.evidence.bayes.calling import bayesian_network
    from flarefree.evidence.bayes.priors import HalfNormal, LogNormal, Normal, Priors, Uniform, turner_prior
    from flarefree.evidence.bayes.result import BayesianNetwork

__all__ = [
    "BayesianNetwork",
    "HalfNormal",
    "LogNormal",
    "Normal",
    "Priors",
    "Uniform",
    "bayesian_network",
    "turner_prior",
]

_HOME = {
    "BayesianNetwork": "result",
    "HalfNormal": "priors",
    "LogNormal": "priors",
    "Normal": "priors",
    "Priors": "priors",
    "Uniform": "priors",
    "bayesian_network": "calling",
    "turner_prior": "priors",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"flarefree.evidence.bayes.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
