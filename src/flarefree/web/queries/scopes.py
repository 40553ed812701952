"""Which fields an actor sees of which site, and the dates there: asked once for a list, not by value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from flarefree.conduct.visibility import Actor, Target, decide
from flarefree.errors import ConductError
from flarefree.web.commands.gates import date_at_site
from flarefree.web.trial import running_trial

__all__ = ["Sight", "Today", "require_seen"]


@dataclass
class Today:
    """The date at each site at one instant; a site's zone is asked for once."""

    at: datetime
    _known: dict[str, date] = field(default_factory=dict)

    def __call__(self, site: str) -> date:
        """The date there."""
        if site not in self._known:
            self._known[site] = date_at_site(site, self.at)
        return self._known[site]


@dataclass
class Sight:
    """An actor's sight, remembered while a page is made."""

    actor: Actor
    _phase: str = ""
    _known: dict[tuple[str, str], bool] = field(default_factory=dict)

    def sees(self, name: str, site: str = "") -> bool:
        """Whether they see a field of a site's rows."""
        if (name, site) not in self._known:
            trial = running_trial()
            self._phase = self._phase or trial.phase
            decision = decide(trial.matrix, self.actor, "see", name, self._phase, Target(site))
            self._known[name, site] = decision.is_allowed
        return self._known[name, site]


def require_seen(actor: Actor, name: str, site: str = "") -> None:
    """The one denial, where they do not.

    Raises
    ------
    ConductError
        In the words of every denial.
    """
    if not Sight(actor).sees(name, site):
        raise ConductError("there is nothing here for you")
