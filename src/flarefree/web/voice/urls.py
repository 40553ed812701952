"""Addresses of the voice line: `/voice/`."""

from __future__ import annotations

from django.urls import path

from flarefree.web.voice import views

app_name = "voice"
urlpatterns = [
    path("twilio/", views.hear_twilio, name="twilio"),
    path("twilio/status/", views.hear_twilio_status, name="twilio-status"),
    path("json/", views.hear_json, name="json"),
]
