"""First pages: what is due today, which role to act in, help."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

__all__ = ["help_page", "no_such_page", "not_understood"]


def help_page(request: HttpRequest) -> HttpResponse:
    """How things are done, for everybody."""
    return render(request, "pages/help.html")


def no_such_page(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """The one answer for what is not there and for what is not for the reader."""
    response = render(request, "404.html", status=404)
    response["Cache-Control"] = "no-store"
    return response


def not_understood(request: HttpRequest, exception: Exception | None = None, reason: str = "") -> HttpResponse:
    """A form that was open too long, or something that no form of ours sends."""
    response = render(request, "400.html", status=400)
    response["Cache-Control"] = "no-store"
    return response
