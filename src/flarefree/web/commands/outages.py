"""An outage: the list on paper that is printed before the trial goes live, for whoever keeps it.

What was given from it is entered afterwards by `enter_emergency_allocation`, over the channel `emergency`.
"""

from __future__ import annotations

from typing import ClassVar

from flarefree.conduct.audit.entries import time_text
from flarefree.errors import ConductError
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.rights import require_right
from flarefree.web.trial import TRIAL_KEY
from flarefree.web.vault import service

__all__ = ["PrintEmergencyList"]

_VERB, _FIELD = "draw", "emergency.list"


class PrintEmergencyList(Command):
    """Print the emergency list for its central keeper: each stratum's codes in their order.

    That it was printed is logged, and its codes are not: they are shown once more each time it is asked for.
    """

    name: ClassVar[str] = "print_emergency_list"
    verb: ClassVar[str] = _VERB

    def plan(self, asked: Asked) -> Plan:
        """When it was printed, and how much."""
        require_right(asked, _VERB, _FIELD)
        codes = service.emergency_codes()
        if not codes:
            raise ConductError(
                "no list was set apart for an outage",
                where="randomization.scheme.emergency_length",
                found="0",
                expected="slots for each stratum",
                try_="amend the protocol before lists are drawn, or let randomization wait in an outage",
            )
        at = time_text(asked.at)
        write = Write(
            "trial", TRIAL_KEY, "emergency_list_printed_at", "configuration", at, is_consequence=True
        )
        told = {"strata": len(codes), "codes": sum(len(own) for _, own in codes), "printed_at": at}
        need = Need(_VERB, _FIELD)
        return Plan(f"trial/{TRIAL_KEY}", writes=(write,), needs=(need,), reason="printed", result=told)
