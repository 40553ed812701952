"""The application's part that keeps allocations."""

from __future__ import annotations

from django.apps import AppConfig


class VaultConfig(AppConfig):
    """The vault."""

    name = "flarefree.web.vault"
    label = "vault"
