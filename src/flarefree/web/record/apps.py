"""The application's part that keeps the trial's record."""

from __future__ import annotations

from django.apps import AppConfig


class RecordConfig(AppConfig):
    """The record."""

    name = "flarefree.web.record"
    label = "record"
