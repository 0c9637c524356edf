"""Who sees whether archives are in a bucket elsewhere: who sees the archives."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEWING_ROLES = ("responder", "reviewer", "auditor", "administrator")


def grant(apps, schema_editor):
    # Permissions are rows that Django makes after all migrations: too late for here.
    config = apps.get_app_config("incidents")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    viewing = apps.get_model("auth", "Permission").objects.get(
        content_type__app_label="incidents", codename="view_archivecopy"
    )
    for group in apps.get_model("auth", "Group").objects.filter(name__in=VIEWING_ROLES):
        group.permissions.add(viewing)


class Migration(migrations.Migration):
    dependencies = (("incidents", "0039_archive_copies"),)
    operations = (migrations.RunPython(grant, migrations.RunPython.noop),)
