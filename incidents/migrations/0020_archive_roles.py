"""Who may have a case archived, and who may take everything of it away."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

GRANTS = {
    "responder": ("make_casearchive", "view_casearchive"),
    "reviewer": ("make_casearchive", "download_casearchive", "view_casearchive"),
    "auditor": ("make_casearchive", "download_casearchive", "view_casearchive"),
    "administrator": ("view_casearchive",),
}


def grant(apps, schema_editor):
    # Permissions are rows that Django makes after all migrations: too late for here.
    config = apps.get_app_config("incidents")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    for role, codenames in GRANTS.items():
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.add(
            *Permission.objects.filter(
                content_type__app_label="incidents", codename__in=codenames
            )
        )


class Migration(migrations.Migration):
    dependencies = (("incidents", "0019_case_archives"),)
    operations = (migrations.RunPython(grant, migrations.RunPython.noop),)
