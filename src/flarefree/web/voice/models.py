"""Tables of the voice line: who may call with which PIN, and calls as they stand.  No arm, no PIN."""

from __future__ import annotations

from django.db import models


class VoicePin(models.Model):
    """A person's own number and PIN on the telephone, apart from their password."""

    person = models.CharField(max_length=64, unique=True)
    account = models.CharField(max_length=6, unique=True)
    """Six digits, drawn; not a secret."""
    hash = models.CharField(max_length=200)
    """Argon2 of the PIN."""
    issued_at = models.DateTimeField()
    failures = models.IntegerField(default=0)
    """Wrong PINs since the last right one."""
    locked_until = models.DateTimeField(null=True)


class VoiceCall(models.Model):
    """A call as it stands, so that any process may answer its next hook."""

    call = models.CharField(max_length=80, unique=True)
    request = models.CharField(max_length=9, unique=True)
    turn = models.IntegerField(default=0)
    claimed = models.IntegerField(default=-1)
    """The last turn whose keys somebody began to act on: a hook sent twice waits for the first."""
    state = models.TextField()
    person = models.CharField(max_length=64, default="", blank=True)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
