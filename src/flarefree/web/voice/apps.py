"""The application's part that answers the telephone."""

from __future__ import annotations

from django.apps import AppConfig


class VoiceConfig(AppConfig):
    """The voice line."""

    name = "flarefree.web.voice"
    label = "voice"
