"""The application's part that people see."""

from __future__ import annotations

from django.apps import AppConfig


class PagesConfig(AppConfig):
    """Pages, templates and styles."""

    name = "flarefree.web.pages"
    label = "pages"
