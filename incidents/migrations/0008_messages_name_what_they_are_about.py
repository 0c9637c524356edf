from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("incidents", "0007_outcomes_and_cycle_endings")]

    operations = [
        migrations.RemoveField(model_name="notification", name="path"),
        migrations.AddField(
            model_name="notification",
            name="about_type",
            field=models.CharField(blank=True, max_length=100),
        ),
        migrations.AddField(
            model_name="notification",
            name="about_id",
            field=models.BigIntegerField(blank=True, null=True),
        ),
    ]
