"""Administrators may read failed sign-ins, and lift the lock they lead to."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

GRANTED = (
    "view_accessfailurelog",
    "view_accesslog",
    "view_accessattempt",
    "delete_accessattempt",
)


def grant_seeing(apps, schema_editor):
    # Permissions are rows that Django makes after all migrations: too late for here.
    config = apps.get_app_config("axes")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    rights = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="axes", codename__in=GRANTED
    )
    for group in apps.get_model("auth", "Group").objects.filter(name="administrator"):
        group.permissions.add(*rights)


class Migration(migrations.Migration):
    dependencies = (
        ("incidents", "0030_own_account_notices"),
        ("axes", "0010_accessattemptexpiration"),
    )
    operations = (migrations.RunPython(grant_seeing, migrations.RunPython.noop),)
