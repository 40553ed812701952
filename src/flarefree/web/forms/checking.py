"""Results on their way in: what cannot be is refused in words, what is odd is kept and asked about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from flarefree.conduct.rule_taint import revealing_measures
from flarefree.errors import ConductError
from flarefree.protocol.language.messages import suggest
from flarefree.units import convert, normalize_unit
from flarefree.web.forms.forms import unit_choices
from flarefree.web.forms.meanings import entered_measures, in_unit_of, numbers_of

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol
    from flarefree.protocol.schema import MeasureSpec

__all__ = ["Checked", "Earlier", "Oddity", "check_result", "oddities_of"]

_JUMP = 8.0
_JUMP_ON_LOG_SCALE = 50.0
"""Times the last value, or that part of it, from which a result is asked about; a choice of ours."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A result that can be.

    Attributes
    ----------
    measure, value, unit : str
        As written; the unit in its plain spelling, the protocol's where none was written.
    number : float or None
        In the protocol's unit; None for words.
    """

    measure: str
    value: str
    unit: str
    number: float | None


@dataclass(frozen=True, slots=True)
class Earlier:
    """The value before: as written, in the protocol's unit, and when."""

    value: str
    unit: str
    number: float
    date: date


@dataclass(frozen=True, slots=True)
class Oddity:
    """Why somebody should look again.

    Attributes
    ----------
    code : str
        `out-of-range` or `jump`.
    message : str
        As a finding says it.
    question : str
        As whoever entered it is asked.
    """

    code: str
    message: str
    question: str


# What cannot be -----------------------------------------------------------------------------------


def check_result(protocol: LoadedProtocol, measure: str, value: str, unit: str = "") -> Checked:
    """A result as it can be kept.

    Raises
    ------
    ConductError
        No such measure, text in a number, a unit that does not become the measure's, a negative amount.
    """
    spec = _measure(protocol, measure)
    number = numbers_of(spec, (value,))[0]
    if spec.type == "text":
        return Checked(measure, value, "", None)
    if number is None:
        raise ConductError(
            f"{spec.label}: this is {_IS_NOT[spec.type]}",
            where=measure,
            found=value[:60] or "nothing",
            expected=_expected(spec),
        )
    if spec.type != "number":
        return Checked(measure, value, "", number)
    return _with_unit(protocol, measure, spec, value, unit, number)


_IS_NOT = {"number": "no number", "yes_no": "neither yes nor no", "grade": "none of its grades"}


def _expected(spec: MeasureSpec) -> str:
    if spec.type == "yes_no":
        return "Y or N"
    return ", ".join(spec.grades) if spec.type == "grade" else "digits, such as 1.2, or <0.1"


def _measure(protocol: LoadedProtocol, measure: str) -> MeasureSpec:
    known = entered_measures(protocol)
    if measure in known:
        return protocol.spec.measures[measure]
    if measure in revealing_measures(protocol):
        raise ConductError(
            "this result is not entered: it tells the arm, and comes from the laboratory alone",
            where="measure",
            found=measure,
        )
    raise ConductError(
        "nobody enters a measure of this name",
        where="measure",
        found=measure[:60],
        expected=suggest(measure, known) or "a measure of the protocol",
    )


def _with_unit(
    protocol: LoadedProtocol, measure: str, spec: MeasureSpec, value: str, unit: str, number: float
) -> Checked:
    within = _unit_within(value)
    # `0x1F` is no 0, nor is `1_000` or `1'000` a 1: what follows the digits is the unit, or nothing does.
    if within and unit and normalize_unit(within) != normalize_unit(unit):
        raise ConductError(
            f"{spec.label}: something else than its unit is written behind the number",
            where=measure,
            found=f"{value[:40]}, in {unit[:40]}",
            expected="digits, such as 1.2, or <0.1",
        )
    written = unit or within or spec.unit
    converted = in_unit_of(protocol, measure, number, written)
    if converted is None:
        is_known = normalize_unit(written) is not None
        raise ConductError(
            f"{spec.label} is not measured in this unit" if is_known else "this unit is not known",
            where=f"{measure}.unit",
            found=written[:40],
            expected=", ".join(unit_choices(measure, spec)) or "no unit",
        )
    if converted < 0 and (spec.plausible[0] is None or spec.plausible[0] >= 0):
        raise ConductError(f"{spec.label} is not below zero", where=measure, found=value[:40])
    return Checked(measure, value, normalize_unit(written) or written, converted)


def _unit_within(value: str) -> str:
    """`5 /hpf` carries its unit."""
    if value.replace(".", "", 1).isdigit():
        return ""
    import polars as pl

    from flarefree.readers.values import read_numbers

    return str(read_numbers(pl.Series([value], dtype=pl.String))["unit"][0] or "")


# What is odd --------------------------------------------------------------------------------------


def oddities_of(protocol: LoadedProtocol, result: Checked, earlier: Earlier | None) -> tuple[Oddity, ...]:
    """Whether a result is beyond what the protocol calls plausible, or far from the last one."""
    spec = protocol.spec.measures[result.measure]
    if spec.type != "number" or result.number is None:
        return ()
    return tuple(_oddities(protocol, spec, result, result.number, earlier))


def _oddities(
    protocol: LoadedProtocol, spec: MeasureSpec, result: Checked, number: float, earlier: Earlier | None
) -> Iterator[Oddity]:
    said = f"{spec.label} {_told(result.value)} {result.unit}".rstrip()
    low, high = spec.plausible
    is_beyond = (low is not None and number < low) or (high is not None and number > high)
    jump = _jump(spec, number, earlier)
    if is_beyond:
        message = f"{said} is beyond what the protocol calls plausible ({_range(spec)})"
        yield Oddity("out-of-range", message, f"{message}.{_guess(protocol, spec, result, earlier)}")
    elif jump and earlier is not None:
        before = f"{_told(earlier.value)} {earlier.unit}".rstrip()
        message = f"{said}: {jump} the last value ({before} on {earlier.date.isoformat()})"
        yield Oddity("jump", message, f"{message}.{_guess(protocol, spec, result, earlier)}")


def _told(value: str) -> str:
    """Digits in groups, as a clinician reads them."""
    whole, dot, parts = value.partition(".")
    return f"{int(whole):,}{dot}{parts}" if whole.isascii() and whole.isdigit() else value


def _range(spec: MeasureSpec) -> str:
    low, high = spec.plausible
    words = [f"from {low:g}" if low is not None else "", f"to {high:g}" if high is not None else ""]
    return f"{' '.join(word for word in words if word)} {spec.unit}".rstrip()


_WORDS = {8: "eight", 9: "nine", 10: "ten", 12: "twelve", 100: "a hundred", 1000: "a thousand"}


def _jump(spec: MeasureSpec, number: float, earlier: Earlier | None) -> str:
    """`ten times`, `ten times lower than`; empty where it is no jump."""
    if earlier is None or earlier.number <= 0 or number <= 0:
        return ""
    ratio = number / earlier.number
    limit = _JUMP_ON_LOG_SCALE if spec.log_scale else _JUMP
    if ratio >= limit:
        return f"{_times(ratio)} times"
    return f"{_times(1 / ratio)} times lower than" if ratio <= 1 / limit else ""


def _times(ratio: float) -> str:
    near = next((n for n in _WORDS if abs(ratio / n - 1) < 0.08), None)
    return _WORDS[near] if near is not None else f"{ratio:,.0f}"


def _guess(protocol: LoadedProtocol, spec: MeasureSpec, result: Checked, earlier: Earlier | None) -> str:
    """What may have happened, where something would explain it; else to look again."""
    fits = [f"{unit}" for unit in _other_units(protocol, spec, result, earlier)][:2]
    slips = _is_slip(spec, result, earlier)
    if fits and slips:
        return f" Is it in {' or '.join(fits)}, or a slip of the decimal point?"
    if fits:
        return f" Is it in {' or '.join(fits)}?"
    if slips:
        return " Is it a slip of the decimal point?"
    return " Please compare it with the laboratory's report."


def _other_units(
    protocol: LoadedProtocol, spec: MeasureSpec, result: Checked, earlier: Earlier | None
) -> Iterator[str]:
    """Units in which the same digits would be an ordinary value."""
    bare = numbers_of(spec, (result.value,))[0]
    if bare is None:
        return
    for unit in unit_choices(result.measure, spec)[:6]:
        if unit == result.unit:
            continue
        number = float(convert(bare, unit, spec.unit, (result.measure, *spec.tests)))
        if _is_ordinary(spec, number, earlier):
            yield unit


def _is_slip(spec: MeasureSpec, result: Checked, earlier: Earlier | None) -> bool:
    number = result.number or 0.0
    return any(_is_ordinary(spec, number * part, earlier) for part in (0.1, 0.01, 10, 100))


def _is_ordinary(spec: MeasureSpec, number: float, earlier: Earlier | None) -> bool:
    """Near the last value; where there is none, plausible and within four times of normal."""
    if earlier is not None and earlier.number > 0:
        return 0.4 <= number / earlier.number <= 2.5
    low, high = spec.normal
    if high is None:
        return False
    return (low or 0) / 4 <= number <= 4 * high
