"""An account: a name to log in by.  It has no rights of its own: no superuser, no staff, no permissions."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class AccountManager(BaseUserManager["Account"]):
    """Finds accounts by their name."""

    def get_by_natural_key(self, username: str | None) -> Account:
        """The account of a name, however it is capitalized."""
        return self.get(name__iexact=username)


class Account(AbstractBaseUser):
    """Somebody who may log in.

    Roles are grants in the trial's record, asked about at each request; closing an account ends its sessions
    at the next one.
    """

    name = models.CharField(max_length=64, unique=True)
    full_name = models.CharField(max_length=200)
    is_active = models.BooleanField(default=True)
    made_at = models.DateTimeField()
    session_key = models.CharField(max_length=40, default="", blank=True)
    """Of the one session that is good; another log-in ends it, so that a shared account shows itself."""

    objects = AccountManager()

    USERNAME_FIELD = "name"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
