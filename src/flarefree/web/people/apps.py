"""The application's part that keeps accounts."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """Accounts."""

    name = "flarefree.web.people"
    label = "people"

    def ready(self) -> None:
        """Log-ins are noted from the first one on."""
        import_module("flarefree.web.people.receivers")
