"""Auditors see restricted cases; who may view everything may view who is named on one."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEWING = ("view_casereader", "view_lookin")
RIGHTS_OF = {
    "responder": VIEWING,
    "reviewer": VIEWING,
    "auditor": (*VIEWING, "see_restricted"),
    "administrator": VIEWING,
}


def grant_rights(apps, schema_editor):
    # Permissions are rows that Django makes after all migrations: too late for here.
    config = apps.get_app_config("incidents")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    permissions = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="incidents"
    )
    for group in apps.get_model("auth", "Group").objects.filter(name__in=RIGHTS_OF):
        rights = RIGHTS_OF[group.name]
        group.permissions.add(*permissions.filter(codename__in=rights))


class Migration(migrations.Migration):
    dependencies = (("incidents", "0037_restricted_cases"),)
    operations = (migrations.RunPython(grant_rights, migrations.RunPython.noop),)
