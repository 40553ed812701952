"""When a trial will be full: sites that recruit at rates of their own, learned from what they have done.

Each site's rate has a gamma distribution, patients come at random at that rate [anisimov2007].  The prior is that of all sites together: its mean is the rate that
they share, its shape 1 (a choice of ours: sites differ as much as an exponential), so that a site that has
just opened counts as an average one and a site that has brought nobody in a year as a slow one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from flarefree.errors import DesignError

__all__ = ["Forecast", "SiteRecord", "forecast_recruitment"]

_DRAWS = 4000
_SEED = 20261120
_LONGEST_DAYS = 36_525.0


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """What a site has done.

    Attributes
    ----------
    site : str
    patients : int
        Randomized.
    days : int
        Since it opened.
    is_open : bool
        Closed sites bring nobody more, and still tell of the rates.
    """

    site: str
    patients: int
    days: int
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the target will be reached.

    Attributes
    ----------
    target, reached : int
    median, earliest, latest : date or None
        Half of all courses reach the target by the first, 10% by the second, 90% by the third; None where
        a century would not do.
    per_month : float
        Expected, of all open sites together, in 30.4375 days.
    """

    target: int
    reached: int
    median: date | None
    earliest: date | None
    latest: date | None
    per_month: float


def forecast_recruitment(sites: Sequence[SiteRecord], target: int, today: date) -> Forecast | None:
    """Forecast the date on which the target is reached.

    Parameters
    ----------
    sites : sequence of SiteRecord
    target : int
        Patients in all.
    today : date

    Returns
    -------
    Forecast or None
        None before the first patient, or if no site is open: nothing tells the rate.

    Raises
    ------
    DesignError
        The target is below 1.
    """
    if target < 1:
        raise DesignError("a target is at least one patient", where="target", found=str(target))
    reached, days = sum(site.patients for site in sites), sum(site.days for site in sites)
    missing = target - reached
    if missing <= 0:
        return Forecast(target, reached, today, today, today, 0.0)
    if reached == 0 or days == 0 or not any(site.is_open for site in sites):
        return None
    waits, rate = _waits(sites, missing, days / reached)
    import numpy as np

    early, middle, late = (float(x) for x in np.quantile(waits, (0.1, 0.5, 0.9)))
    return Forecast(
        target, reached, _after(today, middle), _after(today, early), _after(today, late), rate * 30.4375
    )


def _waits(sites: Sequence[SiteRecord], missing: int, scale: float) -> tuple[Sequence[float], float]:
    """Days until so many more have come, in many courses; and the expected rate a day.

    Given the rates the wait is gamma with shape `missing`: the sites' processes together are one.
    """
    import numpy as np

    rng = np.random.default_rng(_SEED)
    shapes = np.array([1.0 + site.patients for site in sites if site.is_open])
    exposures = np.array([scale + site.days for site in sites if site.is_open])
    rates = (rng.gamma(shapes[:, None], 1.0, (shapes.size, _DRAWS)) / exposures[:, None]).sum(axis=0)
    waits = rng.gamma(float(missing), 1.0, _DRAWS) / rates
    return waits.tolist(), float((shapes / exposures).sum())


def _after(today: date, days: float) -> date | None:
    return None if days > _LONGEST_DAYS else today + timedelta(days=round(days))
