"""What a trial designer may set: `--set NAME=VALUE`, with units and ranges, checked before anything runs."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flarefree.errors import DesignError
from flarefree.protocol.language.messages import suggest
from flarefree.simulation.parameters import Parameters

__all__ = ["SETTINGS", "Setting", "check_settings", "parse_settings", "settings_table"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set.

    Attributes
    ----------
    name : str
    unit : str
    low, high : float
        Both allowed.
    says : str
    of_arms : bool
        `NAME.ARM` sets it for one arm.
    is_whole, is_list : bool
    """

    name: str
    unit: str
    low: float
    high: float
    says: str
    of_arms: bool = False
    is_whole: bool = False
    is_list: bool = False


SETTINGS: Mapping[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("n", "patients", 1, 100_000, "Patients of each arm", of_arms=True, is_whole=True),
        Setting("hazard", "flares/year", 0.0, 50.0, "Latent flares of an arm (hazard.ARM)", of_arms=True),
        Setting(
            "hazard_ratio", "", 0.0, 100.0, "Latent flares of an arm against the reference arm", of_arms=True
        ),
        Setting(
            "dropout", "/year", 0.0, 1.0, "Withdrawals that are no failure, a person-year", of_arms=True
        ),
        Setting("visits", "months", 0.0, 600.0, "Visits after month 0, as in 1,2,3,6,12", is_list=True),
        Setting("visit_spacing", "months", 0.1, 120.0, "Visits this far apart, up to the horizon"),
        Setting("horizon_months", "months", 0.5, 600.0, "How long each patient is followed"),
        Setting(
            "confirmation_days", "days", 1, 365, "When an event is assessed again, if a sentence asks for it",
            is_whole=True,
        ),
        Setting("noise", "factor", 0.0, 10.0, "Measurement error against what was calibrated"),
        Setting(
            "committee_strictness", "logit", -20.0, 20.0, "Taken from the committee's logit of confirming"
        ),
        Setting("adherence", "factor", 0.0, 2.0, "Part of the prescribed dose that is taken", of_arms=True),
        Setting("accrual_months", "months", 0.0, 600.0, "How long enrollment takes, at an even rate"),
        Setting("frailty", "SD of log", 0.0, 5.0, "How far patients' flare rates differ (omega)"),
        Setting("shared_patients", "0 or 1", 0, 1, "The same people under every treatment", is_whole=True),
    )
}  # fmt: skip
"""By name; every number of `Parameters` may be set by its own name too."""

_LONGEST_VISITS = 1000


def settings_table() -> list[dict[str, str]]:
    """Every setting with unit, range and meaning; the parameters of virtual patients follow."""
    rows = []
    for setting in SETTINGS.values():
        name = f"{setting.name}, {setting.name}.ARM" if setting.of_arms else setting.name
        name = "hazard.ARM" if setting.name == "hazard" else name
        allowed = f"{setting.low:g} to {setting.high:g}"
        rows.append({"setting": name, "unit": setting.unit, "range": allowed, "meaning": setting.says})
    meanings = _words_under_fields(Parameters)
    for field in dataclasses.fields(Parameters):
        says = meanings.get(field.name, "Parameter of virtual patients.").rstrip(".")
        meaning = f"{says}; {field.default:g} by default"
        rows.append({"setting": field.name, "unit": "", "range": "", "meaning": meaning})
    return rows


def _words_under_fields(kind: type) -> dict[str, str]:
    """What stands under each field of a class in its source; nothing where there is no source."""
    import ast
    import inspect

    try:
        (body,) = (
            node.body for node in ast.parse(inspect.getsource(kind)).body if isinstance(node, ast.ClassDef)
        )
    except OSError:
        return {}
    found = {}
    for field, words in itertools.pairwise(body):
        match field, words:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(says))):
                found[name] = " ".join(says.split())
    return found


def parse_settings(words: Iterable[str]) -> dict[str, Any]:
    """`NAME=VALUE` words as settings; `visits` takes several numbers, and a number may be a percentage."""
    found: dict[str, Any] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name.strip() or not value.strip():
            raise DesignError(
                "a setting is a name and a value", where="--set", found=word, expected="NAME=VALUE",
                try_="--set dropout=0.1",
            )  # fmt: skip
        if name.strip() in found:
            raise DesignError("set twice", where="--set", found=name.strip())
        numbers = [_number(part, name.strip()) for part in value.replace(" ", ",").split(",") if part]
        found[name.strip()] = numbers if len(numbers) != 1 else numbers[0]
    return found


def _number(text: str, name: str) -> float:
    written, scale = (text[:-1], 0.01) if text.endswith("%") else (text, 1.0)
    try:
        return float(written) * scale
    except ValueError:
        raise DesignError("not a number", where=f"--set {name}", found=text, expected="a number") from None


def check_settings(settings: Mapping[str, Any], arms: Sequence[str], reference: str) -> dict[str, Any]:
    """Settings that all exist and lie within their ranges.

    Raises
    ------
    DesignError
        The first that does not: its name, what was found, what is allowed, the nearest name.
    """
    checked = {name: _checked(name, value, arms, reference) for name, value in settings.items()}
    for one, other in (("visits", "visit_spacing"), ("hazard_ratio", "hazard")):
        both = [name for name in checked if name.partition(".")[0] in (one, other)]
        if {name.partition(".")[0] for name in both} == {one, other} and one == "visits":
            raise DesignError(
                "visits are set in two ways", where=" and ".join(both), expected="visits, or visit_spacing"
            )
    return checked


def _checked(name: str, value: Any, arms: Sequence[str], reference: str) -> Any:
    base, dot, arm = name.partition(".")
    setting = SETTINGS.get(base)
    parameters = [field.name for field in dataclasses.fields(Parameters)]
    if setting is None:
        if name in parameters:
            return _in_range(Setting(name, "", -1e9, 1e9, ""), value, name)
        known = [*SETTINGS, *parameters]
        raise DesignError(
            f"there is no setting {base}",
            where=name,
            found=base,
            expected=", ".join(SETTINGS) + ", or a parameter of virtual patients",
            try_=suggest(base, known) or "flarefree simulate --settings",
        )
    if dot and not setting.of_arms:
        raise DesignError("this setting is not of arms", where=name, found=name, try_=base)
    if dot and arm not in arms:
        raise DesignError(
            f"the protocol has no arm {arm}", where=name, found=arm, expected=", ".join(arms),
            try_=suggest(arm, arms),
        )  # fmt: skip
    if base == "hazard" and not dot:
        raise DesignError(
            "a hazard is of one arm", where=name, found=name, expected="hazard.ARM",
            try_=" or ".join(f"hazard.{a}" for a in arms),
        )  # fmt: skip
    if base == "hazard_ratio" and arm == reference and dot:
        raise DesignError("the reference arm has no hazard ratio", where=name, found=arm)
    return _in_range(setting, value, name)


def _in_range(setting: Setting, value: Any, name: str) -> Any:
    if setting.is_list:
        return _list(setting, value, name)
    if isinstance(value, (str, bytes, list, tuple)) or not _is_number(value):
        raise DesignError("not a number", where=name, found=repr(value), expected=_allowed(setting))
    number = float(value)
    if not setting.low <= number <= setting.high:
        raise DesignError(
            "this cannot be set so", where=name, found=f"{number:g}", expected=_allowed(setting)
        )
    if setting.is_whole and number != int(number):
        raise DesignError("not a whole number", where=name, found=f"{number:g}", expected=_allowed(setting))
    return int(number) if setting.is_whole else number


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _list(setting: Setting, value: Any, name: str) -> tuple[float, ...]:
    values = [value] if _is_number(value) else list(value)
    numbers = [_in_range(dataclasses.replace(setting, is_list=False), one, name) for one in values]
    after = sorted(number for number in numbers if number > 0)
    if not after:
        raise DesignError("no visits", where=name, found="none after month 0", expected="months, as in 1,3,6")
    if len(set(after)) != len(after) or len(after) > _LONGEST_VISITS:
        raise DesignError("a visit stands twice, or there are too many", where=name, found=str(value)[:80])
    return tuple(after)


def _allowed(setting: Setting) -> str:
    whole = "a whole number from " if setting.is_whole else ""
    return f"{whole}{setting.low:g} to {setting.high:g} {setting.unit}".rstrip()
