"""What must be known of a patient before randomization: consent, eligibility by data, every stratum.

Computed anew whenever it is asked, from what stands in the record; nothing here is remembered, so that a
value corrected a minute ago counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from flarefree.conduct.eligibility import Eligibility, Screened, ScreenedValue, judge_eligibility, strata_of
from flarefree.web.forms.meanings import Written, values_of
from flarefree.web.record.reading import Item, read_thing, read_things
from flarefree.web.trial import running_trial

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol

__all__ = [
    "Gates",
    "characteristics_of",
    "confirmed_of",
    "consent_of",
    "date_at_site",
    "gates_of",
    "screened_of",
    "stands",
]


@dataclass(frozen=True)
class Gates:
    """Check R7: what the allocation asks of a patient.

    Attributes
    ----------
    has_consent : bool
    is_eligible : bool or None
        None is not known, which is not yes.
    strata : mapping of str to str or None
        Level of each factor, as the protocol spells it; None where it is not known.
    eligibility : Eligibility
        Rule by rule.
    """

    has_consent: bool
    is_eligible: bool | None
    strata: Mapping[str, str | None]
    eligibility: Eligibility

    @property
    def open_gates(self) -> frozenset[str]:
        """By the names that the workflow's table gives them."""
        told = {
            "consent_valid": self.has_consent,
            "eligible_by_data": self.is_eligible is True,
            "strata_complete": all(level is not None for level in self.strata.values()),
        }
        return frozenset(name for name, is_open in told.items() if is_open)


def gates_of(
    subject: str, at: datetime | None = None, *, confirmed: Mapping[str, bool | None] | None = None
) -> Gates:
    """What is known of a patient now; of one who is not there, nothing is.

    Parameters
    ----------
    subject : str
    at : datetime, optional
        With its zone; the application's clock if not given.
    confirmed : mapping, optional
        What the investigator confirms, if not what the record holds.
    """
    from flarefree.web.clock import now

    protocol = running_trial().protocol
    thing = read_thing("subject", subject)
    today = date_at_site(thing.site if thing else "", at or now())
    screened = screened_of(protocol, thing, today, _values(subject))
    eligibility = judge_eligibility(
        protocol, screened, confirmed_of(subject) if confirmed is None else confirmed
    )
    return Gates(
        has_consent=consent_of(subject) is not None,
        is_eligible=eligibility.is_eligible,
        strata=strata_of(protocol, screened),
        eligibility=eligibility,
    )


def date_at_site(site: str, at: datetime) -> date:
    """The date at a site at an instant."""
    return at.astimezone(ZoneInfo(running_trial().zone_of(site))).date()


def stands(item: Item) -> bool:
    """Whether a row was not entered in error."""
    return item["void"] is not True


def consent_of(subject: str) -> Item | None:
    """The consent in force: the last that was given, unless consent was withdrawn."""
    given = [item for item in read_things("consent", subject=subject) if stands(item)]
    if not given or any(item["withdrawn_on"] for item in given):
        return None
    return next((item for item in reversed(given) if item["given_on"]), None)


_MEANS = {"yes": True, "no": False}


def confirmed_of(subject: str) -> dict[str, bool | None]:
    """What the investigator confirmed, by rule; the last word counts."""
    found: dict[str, bool | None] = {}
    for item in read_things("eligibility", subject=subject):
        if not stands(item):
            continue
        for attribute in item.facts:
            if attribute.startswith("confirmed."):
                found[attribute.removeprefix("confirmed.")] = _MEANS.get(str(item[attribute]))
    return found


def characteristics_of(protocol: LoadedProtocol, subject: Item | None) -> dict[str, str | float]:
    """What a patient is, by covariate; numbers as numbers."""
    found: dict[str, str | float] = {}
    for name in ("site", "sex", "race", "ethnicity", "region", "country", *protocol.spec.covariates):
        value = subject[name] if subject is not None else None
        if value is None or value == "":
            continue
        covariate = protocol.spec.covariates.get(name)
        is_number = covariate is not None and covariate.type == "number"
        found[name] = float(str(value)) if is_number else str(value)
    return found


def screened_of(
    protocol: LoadedProtocol, subject: Item | None, today: date, items: Iterable[Item]
) -> Screened:
    """What the rules of eligibility read."""
    rows = [item for item in items if stands(item) and item["measure"] and item["date"]]
    numbers = values_of(
        protocol, (Written(str(r["measure"]), str(r["value"] or ""), str(r["unit"] or "")) for r in rows)
    )
    values = tuple(
        ScreenedValue(str(row["measure"]), date.fromisoformat(str(row["date"])), number, row.name)
        for row, number in zip(rows, numbers, strict=True)
        if number is not None
    )
    return Screened(today, values, characteristics_of(protocol, subject))


def _values(subject: str) -> list[Item]:
    found = [item for kind in ("lab", "score") for item in read_things(kind, subject=subject)]
    return sorted(found, key=lambda item: item.since)
