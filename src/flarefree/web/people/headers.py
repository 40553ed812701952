"""Headers that every answer has: nothing is run, framed or kept that we did not mean."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

__all__ = ["CONTENT_SECURITY_POLICY", "StrictHeaders"]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",  # no inline script, of ours or of anybody who gets text onto a page
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "manifest-src 'self'",
    )
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class StrictHeaders:
    """Middleware: the same headers whatever was asked, by whomever, and however it ended."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The answer with its headers; what is not a file of ours is kept by nobody."""
        response = self.get_response(request)
        for name, value in _HEADERS.items():
            response.setdefault(name, value)
        if not request.path.startswith(str(settings.STATIC_URL)):
            response.setdefault("Cache-Control", "no-store")
        return response
