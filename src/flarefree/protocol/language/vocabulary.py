"""What the names of a protocol mean in its sentences, and what type each value has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flarefree.protocol.schema import Covariate, MeasureSpec, Protocol

__all__ = ["Kind", "Type", "Vocabulary"]


class Type(StrEnum):
    """What a value is."""

    NUMBER = "a number"
    YES_NO = "yes or no"
    GRADE = "a grade"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of a value, with what is needed to compare it.

    Attributes
    ----------
    unit : str
        Of a number; as the protocol or the sentence spells it.
    names : tuple of str
        The measure's name and test codes: conversions between mass and amount ask for the analyte.
    is_literal : bool
        It is written in the sentence, and so takes the unit of what it is compared with.
    levels : tuple of str
        Of text; empty if any text may occur.
    grades : mapping of str to number
    """

    type: Type
    unit: str = ""
    names: tuple[str, ...] = ()
    is_literal: bool = False
    levels: tuple[str, ...] = ()
    grades: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Every name that a sentence may use.

    Attributes
    ----------
    measures, covariates : mapping of str to Kind
    endpoints : mapping of str to str
        What each gives: `event`, `state`, `composite`, `value`.
    values : mapping of str to Kind
        Endpoints that are values, with their units.
    epochs, visits : tuple of str
    """

    measures: Mapping[str, Kind] = field(default_factory=dict)
    covariates: Mapping[str, Kind] = field(default_factory=dict)
    endpoints: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Kind] = field(default_factory=dict)
    epochs: tuple[str, ...] = ()
    visits: tuple[str, ...] = ()

    @classmethod
    def of(cls, spec: Protocol) -> Vocabulary:
        """The names of a protocol."""
        return cls(
            measures=MappingProxyType({k: _measure_kind(k, m) for k, m in spec.measures.items()}),
            covariates=MappingProxyType({k: _covariate_kind(c, spec) for k, c in spec.covariates.items()}),
            endpoints=MappingProxyType({k: e.kind for k, e in spec.endpoints.items()}),
            values=MappingProxyType(
                {k: Kind(Type.NUMBER, e.unit, (k,)) for k, e in spec.endpoints.items() if e.kind == "value"}
            ),
            epochs=tuple(spec.epochs),
            visits=tuple(name for visit in spec.schedule.visits for name in (visit.name, *visit.codes)),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Measures, covariates and endpoints."""
        return (*self.measures, *self.covariates, *self.endpoints)


_TYPES = {"number": Type.NUMBER, "yes_no": Type.YES_NO, "grade": Type.GRADE, "text": Type.TEXT}


def _measure_kind(name: str, measure: MeasureSpec) -> Kind:
    return Kind(
        _TYPES[measure.type],
        measure.unit,
        (name, *measure.tests),
        grades=MappingProxyType(dict(measure.grades)),
    )


def _covariate_kind(covariate: Covariate, spec: Protocol) -> Kind:
    if covariate.when:
        return Kind(Type.TEXT, levels=("yes", "no"))
    if covariate.cut:
        return Kind(Type.TEXT, levels=covariate.cut_labels)
    if covariate.type == "number":
        measure = spec.measures.get(covariate.from_measure)
        names = (covariate.from_measure, *measure.tests) if measure else ()
        return Kind(Type.NUMBER, covariate.unit or (measure.unit if measure else ""), names)
    return Kind(Type.TEXT, levels=tuple(covariate.levels))
