"""The page behind a one-time link: a password is set, then the log-in leads to the second factor."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from flarefree.errors import ConductError
from flarefree.web.people.links import find_link, use_link
from flarefree.web.people.models import Account

__all__ = ["begin"]


class PasswordForm(forms.Form):
    """A password, twice."""

    password = forms.CharField(
        label="Password",
        strip=False,
        help_text="At least 12 characters; a sentence is good.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label="The same again",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: object, account: Account, **told: object) -> None:
        super().__init__(*args, **told)  # type: ignore[arg-type]
        self.account = account

    def clean(self) -> dict[str, object]:
        """Strong enough, and typed as meant."""
        told = super().clean() or {}
        password = told.get("password")
        if password and told.get("again") and password != told["again"]:
            self.add_error("again", "This is not the same.")
        elif password:
            try:
                validate_password(str(password), self.account)
            except ValidationError as error:
                self.add_error("password", error)
        return told


@sensitive_post_parameters()
@never_cache
def begin(request: HttpRequest, secret: str) -> HttpResponse:
    """Set the password of the account that the link is for."""
    link = find_link(secret)
    if link is None:
        return render(request, "people/link_is_no_more.html", status=404)
    form = PasswordForm(request.POST or None, account=link.account)
    if request.method == "POST" and form.is_valid():
        try:
            use_link(secret, form.cleaned_data["password"])
        except ConductError:
            return render(request, "people/link_is_no_more.html", status=404)
        messages.success(request, "Your password is set.  Log in with it.")
        return HttpResponseRedirect(reverse("account_login"))
    told = {"form": form, "name": link.account.name, "full_name": link.account.full_name}
    return render(request, "people/begin.html", told)
