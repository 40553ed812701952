"""Every page: its address, its view, what its reader must be allowed, and where the menu has it.

The addresses, the menu of each role and the tests of the role matrix are made from this one table, so that
a page without a right to it cannot be added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpResponseBase
from django.urls import path
from django.urls.resolvers import URLPattern

from flarefree.web.pages.asking import guarded

__all__ = ["Right", "Route", "patterns_of"]

Right = tuple[str, str]
"""A verb and a field of the role matrix."""


@dataclass(frozen=True, slots=True)
class Route:
    """One page.

    Attributes
    ----------
    address : str
        As Django's `path` reads it.
    name : str
    view : callable
        Takes the request, who acts, and what the address says.
    rights : tuple of (verb, field)
        One of them, in the trial's phase, opens the page; empty for the one page that every role has.  What a
        page shows is asked about again, row by row.
    menu, group : str
        As the menu says it; empty for a page that others lead to.
    """

    address: str
    name: str
    view: Callable[..., HttpResponseBase]
    rights: tuple[Right, ...]
    menu: str = ""
    group: str = ""

    @property
    def pattern(self) -> URLPattern:
        """For Django's router."""
        return path(self.address, guarded(self.view, self.rights), name=self.name)


def patterns_of(routes: tuple[Route, ...]) -> list[URLPattern]:
    """For Django's router, in the table's order."""
    return [route.pattern for route in routes]
