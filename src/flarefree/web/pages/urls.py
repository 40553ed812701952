"""Which page answers which address, who may open it, and where the menu has it: one table."""

from __future__ import annotations

from django.urls import path
from django.urls.resolvers import URLPattern

from flarefree.web.pages.routes import Route, patterns_of
from flarefree.web.pages.routes_of_outage import OUTAGE
from flarefree.web.pages.routes_of_patients import PATIENTS
from flarefree.web.pages.routes_of_trial import TRIAL
from flarefree.web.pages.views import demo, front, home

__all__ = ["ROUTES", "urlpatterns"]

ROUTES: tuple[Route, ...] = (Route("", "home", home.home, (), "Today"), *PATIENTS, *TRIAL, *OUTAGE)

urlpatterns: list[URLPattern] = [
    path("help/", front.help_page, name="help"),
    path("demo/", demo.people, name="demo"),
    path("demo/act-as/", demo.act_as, name="act_as"),
    path("role/", front.choose_role, name="choose_role"),
    *patterns_of(ROUTES),
]
