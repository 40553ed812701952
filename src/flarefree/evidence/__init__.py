"""The evidence of published trials: sourced, audited, pooled, as a network, carried to other patients.

Takes the reviewed base of studies that comes with flarefree, or a stranger's rows (a frame, a CSV, a YAML);
gives frozen results with `.tidy()`, each number with its place in its source.  Begin reading at `schema.py`
(what is known of a study), then `library.py` (the base as frames); `docs/how-to/read-the-evidence.md`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.evidence.auditing import Audit, audit
    from flarefree.evidence.bayes.calling import bayesian_network
    from flarefree.evidence.bayes.priors import Priors
    from flarefree.evidence.bayes.result import BayesianNetwork
    from flarefree.evidence.curves.log_rank_bounds import log_rank_range
    from flarefree.evidence.curves.reconstructing import reconstruct
    from flarefree.evidence.library import Evidence, load_evidence
    from flarefree.evidence.networks.model import additive_network, network
    from flarefree.evidence.networks.result import Network
    from flarefree.evidence.pooling.call import pairwise
    from flarefree.evidence.populations import Population, Transport, compare_populations, transport
    from flarefree.evidence.populations.ml_nmr import multilevel_network
    from flarefree.evidence.populations.ml_nmr_result import MultilevelNetwork
    from flarefree.evidence.questions.answering import Answer, answer

__all__ = [
    "Answer",
    "Audit",
    "BayesianNetwork",
    "Evidence",
    "MultilevelNetwork",
    "Network",
    "Population",
    "Priors",
    "Transport",
    "additive_network",
    "answer",
    "audit",
    "bayesian_network",
    "compare_populations",
    "load_evidence",
    "log_rank_range",
    "multilevel_network",
    "network",
    "pairwise",
    "reconstruct",
    "transport",
]

# Public name -> module under flarefree.evidence; each imported when first asked for.
_HOME = {
    "Answer": "questions.answering",
    "answer": "questions.answering",
    "Audit": "auditing",
    "audit": "auditing",
    "BayesianNetwork": "bayes.result",
    "Priors": "bayes.priors",
    "bayesian_network": "bayes.calling",
    "MultilevelNetwork": "populations.ml_nmr_result",
    "multilevel_network": "populations.ml_nmr",
    "Population": "populations.population",
    "Transport": "populations.result",
    "compare_populations": "populations.comparing",
    "transport": "populations.carrying",
    "Network": "networks.result",
    "additive_network": "networks.model",
    "network": "networks.model",
    "pairwise": "pooling.call",
    "log_rank_range": "curves.log_rank_bounds",
    "reconstruct": "curves.reconstructing",
    "Evidence": "library",
    "load_evidence": "library",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"flarefree.evidence.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
