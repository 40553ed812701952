"""Addresses of the API: `/api/v1/`."""

from __future__ import annotations

from django.urls import path

from flarefree.web.api.application import api

urlpatterns = [path("v1/", api().urls)]
