"""Which address is whose: pages, API, voice line, accounts."""

from __future__ import annotations

from django.urls import include, path

from flarefree.web.health import healthz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("accounts/", include("flarefree.web.people.urls")),
    path("api/", include("flarefree.web.api.urls")),
    path("voice/", include("flarefree.web.voice.urls")),
    path("", include("flarefree.web.pages.urls")),
]
handler400 = "flarefree.web.pages.views.front.not_understood"
handler500 = "flarefree.web.pages.views.front.failed"
handler403 = handler404 = "flarefree.web.pages.views.front.no_such_page"
