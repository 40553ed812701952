"""A visit's form, made from the protocol's measures: what is asked, in which units, within which range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from flarefree.errors import NotFoundError
from flarefree.protocol.language.messages import suggest
from flarefree.units import convert, is_convertible, normalize_unit, unit_names
from flarefree.web.forms.meanings import entered_measures, field_of, kind_of

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol
    from flarefree.protocol.schema import MeasureSpec

__all__ = ["UNSCHEDULED", "Form", "FormField", "form_of", "unit_choices", "visit_names"]

UNSCHEDULED = "Unscheduled"
"""A visit that nobody planned; it is told from others by its date."""

_COMMON = {
    "mg/dL": ("mg/dL", "umol/L", "mmol/L", "g/L", "mg/L"),
    "g/dL": ("g/dL", "g/L"),
    "g/L": ("g/L", "g/dL", "mg/dL"),
    "g/day": ("g/day", "mg/day"),
    "mg/mg": ("mg/mg", "g/g", "mg/g", "mg/mmol", "g/mmol"),
    "kg": ("kg", "lb", "g"),
}
"""Units that laboratories use for a protocol's, the likeliest first; others are found by dimension."""


@dataclass(frozen=True, slots=True)
class FormField:
    """One measure on a form.

    Attributes
    ----------
    measure, label : str
    kind : "number", "yes_no", "grade" or "text"
    section : "lab" or "score"
    field : str
        Of the role matrix.
    unit : str
        The protocol's; empty where there is none.
    units : tuple of str
        That may be chosen, the protocol's first.
    choices : tuple of str
        Of yes or no, and of grades, as they are written.
    plausible, normal : pair of float or None
        In the protocol's unit.
    digits : int or None
    """

    measure: str
    label: str
    kind: Literal["number", "yes_no", "grade", "text"]
    section: str
    field: str
    unit: str
    units: tuple[str, ...]
    choices: tuple[str, ...]
    plausible: tuple[float | None, float | None]
    normal: tuple[float | None, float | None]
    digits: int | None

    def range_in(self, unit: str) -> tuple[float | None, float | None]:
        """The plausible range in another of its units."""
        low, high = (
            None if bound is None else float(convert(bound, self.unit, unit, self.measure))
            for bound in self.plausible
        )
        return low, high


@dataclass(frozen=True, slots=True)
class Form:
    """A visit's form.

    Attributes
    ----------
    visit : str
        As the protocol names it.
    fields : tuple of FormField
        In the protocol's order: laboratory, then scores.
    """

    visit: str
    fields: tuple[FormField, ...]

    def field(self, measure: str) -> FormField:
        """One measure's.

        Raises
        ------
        NotFoundError
            The form does not ask for it.
        """
        for one in self.fields:
            if one.measure == measure:
                return one
        raise NotFoundError(
            "this form has no such measure",
            where=self.visit,
            found=measure,
            try_=suggest(measure, [one.measure for one in self.fields]),
        )


def visit_names(protocol: LoadedProtocol) -> tuple[str, ...]:
    """Visits of the schedule, those that something brings about, and the one that nobody planned."""
    schedule = protocol.spec.schedule
    return (
        *(visit.name for visit in schedule.visits),
        *(visit.name for visit in schedule.at_events),
        UNSCHEDULED,
    )


def form_of(protocol: LoadedProtocol, visit: str) -> Form:
    """The form of a visit: every measure that somebody enters.

    Protocols do not say which measure belongs to which visit: a form has all of them, and what was not done
    is left empty.

    Raises
    ------
    NotFoundError
        The protocol has no such visit.
    """
    names = visit_names(protocol)
    if visit not in names:
        raise NotFoundError(
            "the protocol has no such visit", where="visit", found=visit, try_=suggest(visit, names)
        )
    fields = [_field(protocol, name) for name in entered_measures(protocol)]
    return Form(visit, tuple(sorted(fields, key=lambda one: one.section)))


def _field(protocol: LoadedProtocol, name: str) -> FormField:
    spec = protocol.spec.measures[name]
    return FormField(
        measure=name,
        label=spec.label,
        kind=spec.type,
        section=kind_of(protocol, name),
        field=field_of(protocol, name),
        unit=normalize_unit(spec.unit) or spec.unit,
        units=unit_choices(name, spec),
        choices=_choices(spec),
        plausible=spec.plausible,
        normal=spec.normal,
        digits=spec.digits,
    )


def unit_choices(name: str, spec: MeasureSpec) -> tuple[str, ...]:
    """Units in which a measure may be entered: the protocol's own, and those that become it."""
    own = normalize_unit(spec.unit) or spec.unit
    if spec.type != "number" or not own:
        return ()
    analyte = (name, *spec.tests)
    common = [unit for unit in _COMMON.get(own, (own,)) if _becomes(unit, own, analyte)]
    others = [unit for unit in unit_names() if unit not in common and _becomes(unit, own, analyte)]
    return tuple(dict.fromkeys((own, *common, *others)))


def _becomes(unit: str, own: str, analyte: tuple[str, ...]) -> bool:
    return normalize_unit(unit) is not None and is_convertible(unit, own, analyte)


def _choices(spec: MeasureSpec) -> tuple[str, ...]:
    if spec.type == "yes_no":
        return ("Y", "N")
    if spec.type == "grade":
        return tuple(sorted(spec.grades, key=lambda text: (spec.grades[text], -len(text))))
    return ()
