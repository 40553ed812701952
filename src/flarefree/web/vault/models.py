"""Tables of the vault.  Rows are only added: no table is ever updated, not even a pointer to the next slot.

What names an arm, or would let one be guessed, stands in columns called `sealed`: encrypted under the vault's
own key and padded, so that neither bytes nor length tell anything.  The rest may be read by whoever keeps the
database.
"""

from __future__ import annotations

from django.db import models

from flarefree.web.record.entries import AuditRow

__all__ = ["Alarm", "Allocation", "Kept", "Lists", "VaultLogRow"]


class VaultLogRow(AuditRow):
    """An entry of the vault's own log; the first one begins it, the last one is its head."""


class Lists(models.Model):
    """The trial's sealed lists.  One row: lists are installed once."""

    number = models.PositiveSmallIntegerField(primary_key=True)
    """Always 1: a second row has no place."""
    sha256 = models.CharField(max_length=64)
    """As it was published when the lists were sealed."""
    trial = models.CharField(max_length=200)
    protocol_digest = models.CharField(max_length=64)
    scheme_hash = models.CharField(max_length=64)
    public_key = models.CharField(max_length=64)
    """Of the unblinded statistician who sealed them."""
    sealed = models.BinaryField()

    class Meta:
        """A trial has one set of lists."""

        constraints = (models.CheckConstraint(condition=models.Q(number=1), name="one_set_of_lists"),)


class Allocation(models.Model):
    """A slot given to a patient, for ever.

    The database itself refuses a second slot for a request or a patient, and a second patient for a slot.
    """

    sequence = models.BigIntegerField(primary_key=True)
    """From 1, in order of commitment."""
    request = models.CharField(max_length=120, unique=True)
    subject = models.CharField(max_length=80, unique=True)
    site = models.CharField(max_length=40)
    list_number = models.PositiveIntegerField()
    """Place of the list in the sealed file, from 0."""
    slot = models.PositiveIntegerField()
    """From 1 within its list."""
    code = models.CharField(max_length=20, unique=True)
    asked = models.TextField()
    """The request as it was decided on, JSON."""
    sealed = models.BinaryField()
    """Arm, and what minimization must know of those before."""
    entry = models.BigIntegerField()

    class Meta:
        """One patient a slot."""

        constraints = (models.UniqueConstraint(fields=("list_number", "slot"), name="one_patient_of_a_slot"),)


class Kept(models.Model):
    """Something else that gives an arm away: a true trough, what is shown for it, a site's guess."""

    kind = models.CharField(max_length=32)
    key = models.CharField(max_length=120)
    subject = models.CharField(max_length=80)
    sealed = models.BinaryField()
    entry = models.BigIntegerField()

    class Meta:
        """Kept once; read by kind and subject."""

        constraints = (models.UniqueConstraint(fields=("kind", "key"), name="kept_once"),)
        indexes = (models.Index(fields=("kind", "subject")),)


class Alarm(models.Model):
    """What the unblinded role must hear; in words that are the same in each arm."""

    key = models.CharField(max_length=200, unique=True)
    """What it is about: the same trouble does not ring twice."""
    at = models.DateTimeField()
    kind = models.CharField(max_length=40)
    text = models.TextField()
