"""Planted patients of `conduct.checks` written into the record, as sites and a laboratory would."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from flarefree.conduct.checks.planted import Planted
from flarefree.web.checks.planting import things_of
from flarefree.web.commands.base import Asked, Command, Plan, Write
from flarefree.web.commands.executing import execute

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MEASURES = ["LBTESTCD", "LBORRES", "LBORRESU", "LBDTC"]
OPEN = "labs.efficacy"


class Plant(Command):
    """Values, as they are told."""

    name: ClassVar[str] = "plant"
    verb: ClassVar[str] = "record"
    is_machine: ClassVar[bool] = True
    subject: str
    things: tuple[tuple[str, str, str, dict[str, str | int | bool | None]], ...]

    def plan(self, asked: Asked) -> Plan:
        writes = tuple(
            Write(kind, key, name, field, value, is_consequence=True)
            for kind, key, field, values in self.things
            for name, value in values.items()
        )
        return Plan(f"subject/{self.subject}", writes=writes, reason="planted")


def plant(subject: str, *things: tuple[str, str, str, Mapping[str, Any]], request: str, at: datetime = NOON):
    """Write things of a subject: (kind, key, field, values)."""
    told = tuple((kind, key, field, dict(values)) for kind, key, field, values in things)
    return execute(Plant(subject=subject, things=told), Asked(None, request, at))


def plant_cohort_in_record(planted: Planted) -> None:
    """All patients of a planted study, one entry each."""
    for row in planted.rows["subjects"]:
        name = row["subject"]
        plant(name, *things_of(planted, row), request=f"plant {name}")
