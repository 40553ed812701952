"""Everybody who takes part in a rehearsal: one person a role, and at each site its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["COMMITTEE", "Person", "people_of", "zone_of"]

COMMITTEE = ("vera", "wim", "xenia", "yusuf")
"""Members of the committee who vote, by the names they log in by."""


@dataclass(frozen=True, slots=True)
class Person:
    """An account with one role.

    Attributes
    ----------
    name, full_name, role : str
    sites : tuple of str
        Where the role is held at sites.
    """

    name: str
    full_name: str
    role: str
    sites: tuple[str, ...] = ()


def people_of(sites: Iterable[str]) -> tuple[Person, ...]:
    """Everybody but the first administrator, in the order in which they are let in."""
    return tuple(_people(tuple(sites)))


def _people(sites: tuple[str, ...]) -> Iterator[Person]:
    yield Person("sofia", "Sofia Sponsor", "sponsor")
    yield Person("ulla", "Ulla Unblinded", "unblinded_statistician")
    for site in sites:
        code = site.lower()
        yield Person(f"dr.{code}", f"Investigator at {site}", "investigator", (site,))
        yield Person(f"nurse.{code}", f"Study nurse at {site}", "site_staff", (site,))
        yield Person(f"pharmacy.{code}", f"Pharmacist at {site}", "pharmacist", (site,))
    yield Person("mona", "Mona Monitor", "monitor", sites)
    yield Person("dario", "Dario Data Manager", "data_manager")
    yield Person("lab", "Central Laboratory", "laboratory")
    yield Person("mats", "Mats Medical Monitor", "medical_monitor")
    yield Person("saskia", "Saskia Safety", "safety_officer")
    yield Person("cora", "Cora Coordinator", "committee_coordinator")
    for name in COMMITTEE:
        yield Person(name, f"{name.capitalize()} Member", "committee_member")
    yield Person("chandra", "Chandra Chair", "committee_chair")
    yield Person("bertil", "Bertil Blinded", "blinded_statistician")
    yield Person("berta", "Berta Board", "safety_board")
    yield Person("ida", "Ida Identity", "identity_officer")
    yield Person("stefan", "Stefan Support", "support")
    yield Person("aude", "Aude Audit", "audit_reviewer")
    yield Person("kira", "Kira Keyholder", "key_holder")
    yield Person("karl", "Karl Keyholder", "key_holder")


_ZONES = {
    "ARG": "America/Argentina/Buenos_Aires",
    "AUS": "Australia/Sydney",
    "BRA": "America/Sao_Paulo",
    "CAN": "America/Toronto",
    "CHN": "Asia/Shanghai",
    "DEU": "Europe/Berlin",
    "FRA": "Europe/Paris",
    "GBR": "Europe/London",
    "MEX": "America/Mexico_City",
    "MYS": "Asia/Kuala_Lumpur",
    "USA": "America/New_York",
    "ZAF": "Africa/Johannesburg",
}


def zone_of(country: str) -> str:
    """A time zone in which a country's sites could lie."""
    return _ZONES.get(country, "UTC")
