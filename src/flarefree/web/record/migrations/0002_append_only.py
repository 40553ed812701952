from django.db import migrations

from flarefree.web.record.append_only import guard_record, unguard_record


class Migration(migrations.Migration):
    dependencies = [("record", "0001_initial")]

    operations = [migrations.RunPython(guard_record, unguard_record)]
