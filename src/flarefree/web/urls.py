"""Which address is whose: pages, API, voice line, accounts."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("", include("flarefree.web.pages.urls")),
]
handler400 = "flarefree.web.pages.views.front.not_understood"
handler403 = handler404 = "flarefree.web.pages.views.front.no_such_page"
