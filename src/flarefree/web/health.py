"""Whether the application can work, for whoever watches the server: yes or no, and nothing of the trial."""

from __future__ import annotations

from django.db import DatabaseError, connections
from django.http import HttpRequest, HttpResponse

__all__ = ["healthz"]


def healthz(request: HttpRequest) -> HttpResponse:
    """`ok` where both databases answer; 503 where one does not.  No phase, count or version is told."""
    try:
        for alias in ("default", "vault"):
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT 1")
    except DatabaseError:
        return HttpResponse("not working\n", status=503, content_type="text/plain")
    return HttpResponse("ok\n", content_type="text/plain")
