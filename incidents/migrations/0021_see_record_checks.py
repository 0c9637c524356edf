"""Who may view everything may view the checks of records too."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEWING_ROLES = ("responder", "reviewer", "auditor", "administrator")
MODELS = ("recordcheck", "recordedrow")


def grant_viewing(apps, schema_editor):
    # Permissions are rows that Django makes after all migrations: too late for here.
    config = apps.get_app_config("evidence")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    Permission = apps.get_model("auth", "Permission")
    viewing = Permission.objects.filter(
        content_type__app_label="evidence",
        codename__in=[f"view_{name}" for name in MODELS],
    )
    for group in apps.get_model("auth", "Group").objects.filter(name__in=VIEWING_ROLES):
        group.permissions.add(*viewing)


class Migration(migrations.Migration):
    dependencies = (
        ("evidence", "0008_recorded_rows"),
        ("incidents", "0020_archive_roles"),
    )
    operations = (migrations.RunPython(grant_viewing, migrations.RunPython.noop),)
