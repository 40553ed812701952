"""Operating characteristics as a designer reads them: a table of plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flarefree.simulation.characteristics import (
        DefinitionResult,
        Distribution,
        OperatingCharacteristics,
        Rejections,
    )

__all__ = ["tell"]

_WIDTH = 38


def tell(found: OperatingCharacteristics) -> str:
    """The result as text."""
    sizes = ", ".join(f"{arm} {n}" for arm, n in zip(found.arms, found.sizes, strict=True))
    lines = [
        f"{found.protocol}: {found.trials:,} virtual trials ({sizes}); seed {found.seed}",
        "Virtual patients: nobody here exists.",
        "",
        f"Two-sided {found.analysis} test at {found.level:g}, {found.main.endpoint}",
    ]
    lines += _rejections("Power", found.main.power, found)
    if found.main.type_one_error is not None:
        lines += _rejections("Type I error", found.main.type_one_error, found)
    for arm, ratio in found.main.hazard_ratio.items():
        label = "Hazard ratio" + (f", {arm} against {found.reference}" if len(found.arms) > 2 else "")
        lines.append(
            _row(label, f"{ratio.quantiles[2]:.2f}", f"({_range(ratio, 2)})", "median (95% of trials)")
        )
    lines += ["", *_arms_table(found)]
    if found.looks is not None:
        lines += ["", *_looks(found)]
    if len(found.definitions) > 1:
        lines += ["", *_definitions(found)]
    lines += ["", *(f"{key}: {value}" for key, value in found.how.items() if isinstance(value, (str, int)))]
    return "\n".join(lines)


def _rejections(label: str, by_arm: object, found: OperatingCharacteristics) -> list[str]:
    lines = []
    named: dict[str, Rejections] = dict(by_arm)  # type: ignore[call-overload]
    for arm, one in named.items():
        low, high = one.interval()
        own = label + (f", {arm} against {found.reference}" if len(named) > 1 else "")
        lines.append(
            _row(
                own, f"{one.rate:.3f}", f"({low:.3f} to {high:.3f})", f"Monte Carlo error {one.std_error:.4f}"
            )
        )
    return lines


def _row(label: str, value: str, spread: str, note: str) -> str:
    return f"  {label:<{_WIDTH}}{value:>8}  {spread:<18}{note}".rstrip()


def _range(of: Distribution, digits: int) -> str:
    return f"{of.quantiles[0]:.{digits}f} to {of.quantiles[4]:.{digits}f}"


def _arms_table(found: OperatingCharacteristics) -> list[str]:
    main = found.main
    head = f"  {'A trial: mean (95% of trials)':<{_WIDTH}}" + "".join(f"{arm:>22}" for arm in found.arms)
    lines = [head]
    for endpoint, by_arm in main.events.items():
        cells = [f"{by_arm[a].mean:.1f} ({_range(by_arm[a], 0)})" for a in found.arms]
        mark = "* " if endpoint == main.endpoint else "  "
        lines.append(f"{mark}{endpoint:<{_WIDTH}}" + "".join(f"{cell:>22}" for cell in cells))
    for label, of, digits, scale in (
        ("free of it at the horizon, %", main.survival, 1, 100.0),
        ("follow-up, months", main.follow_up_months, 1, 1.0),
        ("stayed to the end", main.completed, 0, 1.0),
    ):
        if of:
            cells = [
                f"{of[a].mean * scale:.1f} ({of[a].quantiles[0] * scale:.{digits}f} to "
                f"{of[a].quantiles[4] * scale:.{digits}f})"
                for a in found.arms
            ]
            lines.append(f"  {label:<{_WIDTH}}" + "".join(f"{cell:>22}" for cell in cells))
    return lines


def _looks(found: OperatingCharacteristics) -> list[str]:
    looks = found.looks
    assert looks is not None
    lines = [
        f"  Looks ({looks.boundaries.spending}, {looks.planned_events} planned events)",
        f"  {'information':>12}{'boundary |z|':>14}{'stops here':>12}{'crosses':>10}",
    ]
    for fraction, z, stops, crosses in zip(
        looks.boundaries.fractions, looks.boundaries.z, looks.stops, looks.crosses, strict=True
    ):
        lines.append(f"  {fraction:>12.2f}{z:>14.3f}{stops:>12.3f}{crosses:>10.3f}")
    lines.append(
        f"  power {looks.power:.3f}; expected {looks.expected_events:.1f} events, "
        f"{looks.expected_patients:.0f} patients, {looks.expected_months:.1f} months"
    )
    return lines


def _definitions(found: OperatingCharacteristics) -> list[str]:
    """Definitions beside one another, on the same virtual patients."""
    lines = [
        f"  {'Definition (endpoint), same patients':<{_WIDTH}}{'power':>8}"
        + "".join(f"{'events ' + arm:>16}" for arm in found.arms)
        + f"{'both reject':>14}"
    ]
    for k, definition in enumerate(found.definitions):
        name = definition.name or "protocol"
        label = name if name == definition.endpoint else f"{name} ({definition.endpoint})"
        lines.append(
            f"  {label:<{_WIDTH}}{definition.power[found.compared].rate:>8.3f}"
            + "".join(f"{_events(definition, arm):>16}" for arm in found.arms)
            + f"{found.agreement[0][k]:>14.3f}"
        )
    return lines


def _events(definition: DefinitionResult, arm: str) -> str:
    return f"{definition.events[definition.endpoint][arm].mean:.1f}"
