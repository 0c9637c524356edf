"""Reviewers may ask for copies of evidence with nothing redacted."""

from django.contrib.auth.management import create_permissions
from django.db import migrations


def grant(apps, schema_editor):
    # Permissions are rows that Django makes after all migrations: too late for here.
    config = apps.get_app_config("evidence")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    group, _ = Group.objects.get_or_create(name="reviewer")
    group.permissions.add(
        Permission.objects.get(
            content_type__app_label="evidence", codename="export_unredacted"
        )
    )


class Migration(migrations.Migration):
    dependencies = (
        ("evidence", "0010_unredacted_copies"),
        ("incidents", "0024_see_marks"),
    )
    operations = (migrations.RunPython(grant, migrations.RunPython.noop),)
