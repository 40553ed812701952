"""The application's part that keeps accounts."""

from __future__ import annotations

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """Accounts."""

    name = "flarefree.web.people"
    label = "people"
