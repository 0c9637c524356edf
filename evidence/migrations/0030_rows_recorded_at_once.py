from django.db import migrations

from evidence.migrations._recording_v2 import CREATE_FUNCTION, DROP_FUNCTION


class Migration(migrations.Migration):
    dependencies = (("evidence", "0029_review_scope"),)

    operations = (migrations.RunSQL(CREATE_FUNCTION, DROP_FUNCTION),)
