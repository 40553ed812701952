"""Every table of the vault grows only."""

from __future__ import annotations

from django.db import migrations

from flarefree.web.vault.append_only import guard_tables


class Migration(migrations.Migration):
    """Triggers, on either database."""

    dependencies = [("vault", "0001_initial")]

    operations = [migrations.RunPython(guard_tables, migrations.RunPython.noop)]
