"""Every person may make API tokens of their own, within their rights."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

ROLES = ("responder", "reviewer", "auditor", "administrator")


def grant_making(apps, schema_editor):
    # Permissions are rows that Django makes after all migrations: too late for here.
    config = apps.get_app_config("evidence")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    right = apps.get_model("auth", "Permission").objects.get(
        content_type__app_label="evidence", codename="make_own_apitoken"
    )
    for group in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        group.permissions.add(right)


class Migration(migrations.Migration):
    dependencies = (
        ("incidents", "0035_pruning_roles"),
        ("evidence", "0020_own_tokens"),
    )
    operations = (migrations.RunPython(grant_making, migrations.RunPython.noop),)
