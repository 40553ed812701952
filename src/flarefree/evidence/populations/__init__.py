"""Are these study patients like our patients, and what would the result be in ours?

Takes a study's patients (or published rows) and a target population, as patients or as published margins;
gives a `Transport`: the effect in the target, the overlap, `extrapolated` where nobody like the target was
seen.  Begin reading at `carrying.py` (`transport`), then `comparing.py`; equations: `docs/methods/`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.evidence.populations.between import PopulationFactor, default_population_factor
    from flarefree.evidence.populations.carrying import transport
    from flarefree.evidence.populations.comparing import Overlap, compare_populations
    from flarefree.evidence.populations.integration import IntegrationPoints, integration_points
    from flarefree.evidence.populations.ml_nmr import multilevel_network
    from flarefree.evidence.populations.ml_nmr_result import MultilevelNetwork
    from flarefree.evidence.populations.population import Population
    from flarefree.evidence.populations.result import Transport

__all__ = [
    "IntegrationPoints",
    "MultilevelNetwork",
    "Overlap",
    "Population",
    "PopulationFactor",
    "Transport",
    "compare_populations",
    "default_population_factor",
    "integration_points",
    "multilevel_network",
    "transport",
]

_HOME = {
    "IntegrationPoints": "integration",
    "MultilevelNetwork": "ml_nmr_result",
    "Overlap": "comparing",
    "Population": "population",
    "PopulationFactor": "between",
    "Transport": "result",
    "compare_populations": "comparing",
    "default_population_factor": "between",
    "integration_points": "integration",
    "multilevel_network": "ml_nmr",
    "transport": "carrying",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"flarefree.evidence.populations.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
