"""Addresses around the log-in: a few of allauth's, and the one-time link.  Nobody signs up by themselves."""

from __future__ import annotations

from allauth.account import views
from django.urls import include, path

from flarefree.web.people.views import begin

urlpatterns = [
    path("begin/<str:secret>/", begin, name="begin"),
    path("login/", views.login, name="account_login"),
    path("logout/", views.logout, name="account_logout"),
    path("inactive/", views.account_inactive, name="account_inactive"),
    path("reauthenticate/", views.reauthenticate, name="account_reauthenticate"),
    path("password/change/", views.password_change, name="account_change_password"),
    path("2fa/", include("allauth.mfa.urls")),
]
