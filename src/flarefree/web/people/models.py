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
    """Of the one session that is good, a digest; another log-in ends it, so that a shared account shows."""
    session_seen_at = models.DateTimeField(null=True)
    """When that session last asked for something, to the minute."""

    objects = AccountManager()

    USERNAME_FIELD = "name"
    REQUIRED_FIELDS: ClassVar[list[str]] = []


class Link(models.Model):
    """A way in, once: whoever has the link sets the account's password.  Only its digest is kept."""

    digest = models.CharField(max_length=64, primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="links")
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    resets_second_factor = models.BooleanField(default=False)


class ApiToken(models.Model):
    """A program's way to ask in somebody's name and role.  Only its digest is kept."""

    digest = models.CharField(max_length=64, primary_key=True)
    key = models.CharField(max_length=20, unique=True)
    """As the record names it: `token/<key>`, where who, when and until when stand."""
    person = models.CharField(max_length=64, db_index=True)
    role = models.CharField(max_length=64)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)


class CacheRow(models.Model):
    """What throttling counts, and which codes were used: kept where every process of the server sees it.

    The table is laid out as Django's cache in a database wants it.
    """

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        """The name that the settings of the cache give."""

        db_table = "people_cache"
