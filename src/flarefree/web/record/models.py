"""Tables of the record.

`LogRow` is what happened.  `Value` is every value that ever stood and `Latest` what stands now: both are
read from the log and could be made from it again.  A *thing* is what values are about: a subject, a visit, a
laboratory result, an adverse event, a grant, a case.
"""

from __future__ import annotations

from django.db import models

from flarefree.web.record.entries import AuditRow


class LogHead(models.Model):
    """Where the log stands; locked before an entry is added.  One row."""

    chain = models.CharField(max_length=120, unique=True)
    length = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64)
    at = models.DateTimeField(null=True)


class LogRow(AuditRow):
    """An entry of the record's log, and the answer that its request was given."""

    fingerprint = models.CharField(max_length=64)
    """SHA-256 of the command: the same request id with another command is refused."""
    answer = models.TextField()


class Thing(models.Model):
    """What values are about.

    `site` and `subject` repeat the values of those names, so that rows are found by them.
    """

    kind = models.CharField(max_length=32)
    key = models.CharField(max_length=80)
    subject = models.CharField(max_length=80, default="", blank=True)
    site = models.CharField(max_length=40, default="", blank=True)
    since = models.BigIntegerField()
    """Number of the entry that first spoke of it."""

    class Meta:
        """Things are found by their kind and key, and listed by subject or site."""

        constraints = (models.UniqueConstraint(fields=("kind", "key"), name="one_thing_of_a_kind_and_key"),)
        indexes = (
            models.Index(fields=("subject", "kind")),
            models.Index(fields=("kind", "site")),
        )


class Latest(models.Model):
    """The value that stands."""

    thing = models.ForeignKey(Thing, on_delete=models.PROTECT, related_name="latest")
    attribute = models.CharField(max_length=64)
    field = models.CharField(max_length=40)
    """Of the role matrix: which family of fields it belongs to, and so who may see it."""
    value = models.TextField()
    """JSON: text, whole number, truth value or null (taken back)."""
    entry = models.BigIntegerField()

    class Meta:
        """One value of an attribute stands."""

        constraints = (models.UniqueConstraint(fields=("thing", "attribute"), name="one_value_stands"),)


class Value(models.Model):
    """A value that stood or stands, by the entry that set it.  Rows are only added."""

    thing = models.ForeignKey(Thing, on_delete=models.PROTECT, related_name="values")
    attribute = models.CharField(max_length=64)
    field = models.CharField(max_length=40)
    value = models.TextField()
    entry = models.BigIntegerField()

    class Meta:
        """History is read thing by thing."""

        indexes = (models.Index(fields=("thing", "attribute", "entry")),)
