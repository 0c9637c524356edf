from django.contrib.postgres.indexes import HashIndex
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = (("evidence", "0007_work_gives_up"),)

    operations = (
        migrations.AddIndex(
            model_name="replaystep",
            index=HashIndex(fields=("call_id",), name="replay_step_call"),
        ),
    )
