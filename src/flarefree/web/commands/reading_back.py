"""Randomization of what was read back: strata that were said are those of the record, or nothing is done.

A caller hears and confirms site, subject and strata; what is allocated by is the record.  The two are
compared under the lock under which the slot is taken, so that no correction comes between.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from flarefree.errors import ConductError
from flarefree.web.commands.allocated import given_before
from flarefree.web.commands.base import Asked, Plan
from flarefree.web.commands.gates import gates_of
from flarefree.web.commands.parts import subject_for
from flarefree.web.commands.randomizing import RandomizeSubject

__all__ = ["RandomizeAsReadBack", "StrataDifferError"]


class StrataDifferError(ConductError):
    """What was read back is not what is recorded; `where` names the factor."""


class RandomizeAsReadBack(RandomizeSubject):
    """Randomize a patient, if the strata that were said are those that are recorded.

    Of a patient randomized before, the answer is the same as then.

    Attributes
    ----------
    strata : mapping of str to str
        Level of each factor, as it was read back.
    """

    name: ClassVar[str] = "randomize_as_read_back"
    strata: dict[str, str]

    def plan(self, asked: Asked) -> Plan:
        """The receipt of the one allocation that this patient has."""
        subject = subject_for(asked, self.subject, self.verb, "allocation.request")
        if given_before(subject) is None:
            _require_same(gates_of(self.subject, asked.at).strata, self.strata)
        return super().plan(asked)


def _require_same(recorded: Mapping[str, str | None], said: Mapping[str, str]) -> None:
    """A level that is not recorded is the gates' to refuse, in their words."""
    for factor in sorted({*recorded, *said}):
        level = recorded.get(factor)
        if factor not in recorded or (level is not None and level != said.get(factor)):
            raise StrataDifferError(
                "the stratum that was said is not the one recorded",
                where=factor,
                found=said.get(factor, "nothing"),
                expected=f"{level or 'no such factor'}, as recorded",
                try_="correct the record, or say it as it is recorded; nothing was allocated",
            )
