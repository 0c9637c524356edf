"""What indexes for parts of a text rest on."""

from django.db import migrations

from evidence.migrations._extension_v1 import MakeTrigrams


class Migration(migrations.Migration):
    dependencies = [("evidence", "0026_fewer_indexes")]

    operations = [MakeTrigrams()]
