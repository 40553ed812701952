"""Who gets which treatment: schemes of randomization, the lists drawn from them, and what they promise.

Takes a plan (arms, factors, scheme); gives lists drawn once from the operating system's randomness and
sealed, decisions on requests to randomize, and figures of balance and predictability.  Begin reading at
`schemes.py` (what a scheme is), then `plan.py`, `lists.py`, `allocating.py` and `simulating.py`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.conduct.randomization.allocating import (
        Allocated,
        Allocation,
        Decision,
        Receipt,
        Refused,
        Repeated,
        Request,
        State,
        View,
        decide,
    )
    from flarefree.conduct.randomization.entropy import new_seed
    from flarefree.conduct.randomization.lists import ListSet, draw_lists, load_lists, seal_lists
    from flarefree.conduct.randomization.minimization import PocockSimon
    from flarefree.conduct.randomization.plan import Factor, RandomizationPlan, plan_of
    from flarefree.conduct.randomization.reconciling import Slip, reconcile
    from flarefree.conduct.randomization.replaying import Replay, replay
    from flarefree.conduct.randomization.reporting import (
        SchemeReport,
        require_signed_report,
        sign_report,
    )
    from flarefree.conduct.randomization.schemes import (
        BigStick,
        BoundedBiasedCoin,
        BrickTunnel,
        Complete,
        Efron,
        MaximalProcedure,
        PermutedBlocks,
        Scheme,
    )
    from flarefree.conduct.randomization.sealing import decrypt, encrypt, new_signing_key, public_key_of
    from flarefree.conduct.randomization.simulating import simulate_schemes
    from flarefree.conduct.randomization.strata_records import StratumRecord, correct_stratum

__all__ = [
    "Allocated",
    "Allocation",
    "BigStick",
    "BoundedBiasedCoin",
    "BrickTunnel",
    "Complete",
    "Decision",
    "Efron",
    "Factor",
    "ListSet",
    "MaximalProcedure",
    "PermutedBlocks",
    "PocockSimon",
    "RandomizationPlan",
    "Receipt",
    "Refused",
    "Repeated",
    "Replay",
    "Request",
    "Scheme",
    "SchemeReport",
    "Slip",
    "State",
    "StratumRecord",
    "View",
    "correct_stratum",
    "decide",
    "decrypt",
    "draw_lists",
    "encrypt",
    "load_lists",
    "new_seed",
    "new_signing_key",
    "plan_of",
    "public_key_of",
    "reconcile",
    "replay",
    "require_signed_report",
    "seal_lists",
    "sign_report",
    "simulate_schemes",
]

_NAMES = {
    "allocating": "Allocated Allocation Decision Receipt Refused Repeated Request State View decide",
    "entropy": "new_seed",
    "lists": "ListSet draw_lists load_lists seal_lists",
    "minimization": "PocockSimon",
    "plan": "Factor RandomizationPlan plan_of",
    "reconciling": "Slip reconcile",
    "replaying": "Replay replay",
    "reporting": "SchemeReport require_signed_report sign_report",
    "schemes": "BigStick BoundedBiasedCoin BrickTunnel Complete Efron MaximalProcedure PermutedBlocks Scheme",
    "sealing": "decrypt encrypt new_signing_key public_key_of",
    "simulating": "simulate_schemes",
    "strata_records": "StratumRecord correct_stratum",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"flarefree.conduct.randomization.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
