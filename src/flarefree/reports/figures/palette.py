"""Colors of a report: ink, greys, and one color an arm, the same in every figure.

The arms' colors keep apart for readers with any of the common color-vision deficiencies, in grey print
too as far as two or three can.  Each has a lighter form for dark screens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flarefree.protocol.schema import Protocol

__all__ = ["FAINT", "INK", "MUTED", "PAPER", "Palette"]

INK = "#1a1a1a"
MUTED = "#5c5c5c"
FAINT = "#dcdcdc"
PAPER = "#ffffff"

ARMS = ("#1d5a96", "#2b8a78", "#7b539d", "#a8791a", "#8c8c8c")  # blue, teal, violet, ochre, grey
REFERENCE = "#c14a1d"  # vermilion

_ON_DARK = {
    INK: "#ececec",
    MUTED: "#a9a9a9",
    FAINT: "#4a4a4a",
    PAPER: "#17181a",
    "#1d5a96": "#7db3ea",
    "#2b8a78": "#66c9b4",
    "#7b539d": "#c3a1e0",
    "#a8791a": "#e0b85c",
    "#8c8c8c": "#b9b9b9",
    REFERENCE: "#f19a73",
}


@dataclass(frozen=True, slots=True)
class Palette:
    """The color of each arm, by its key."""

    arms: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, protocol: Protocol) -> Palette:
        """The protocol's own colors where it gives them; else ours, the reference arm's set apart."""
        others = iter(ARMS * (1 + len(protocol.arms) // len(ARMS)))
        chosen = {arm: REFERENCE if arm == protocol.reference_arm else next(others) for arm in protocol.arms}
        return cls(chosen | {arm: color for arm, color in protocol.report.colors.items() if _is_color(color)})

    def of_group(self, group: str) -> str:
        """The color of an arm; ink for anything that is none, such as all patients together."""
        return self.arms.get(group, INK)

    def on_dark(self) -> dict[str, str]:
        """What each color becomes on a dark screen."""
        own = {color: _lighter(color) for color in self.arms.values() if color not in _ON_DARK}
        return _ON_DARK | own


def _is_color(text: str) -> bool:
    digits = text[1:]
    return text.startswith("#") and len(digits) == 6 and all(c in "0123456789abcdefABCDEF" for c in digits)


def _lighter(color: str) -> str:
    """Half of the way to white: enough contrast on a dark page for any color that works on white."""
    channels = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{(channel + 255) // 2:02x}" for channel in channels)
