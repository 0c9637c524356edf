"""Who may view everything may view marks of handling and who asked for looser ones."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEWING_ROLES = ("responder", "reviewer", "auditor", "administrator")
MODELS = (("evidence", "markchange"), ("incidents", "looseningrequest"))


def grant_viewing(apps, schema_editor):
    # Permissions are rows that Django makes after all migrations: too late for here.
    for label in ("evidence", "incidents"):
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
    Permission = apps.get_model("auth", "Permission")
    groups = apps.get_model("auth", "Group").objects.filter(name__in=VIEWING_ROLES)
    for label, model in MODELS:
        viewing = Permission.objects.get(
            content_type__app_label=label, codename=f"view_{model}"
        )
        for group in groups:
            group.permissions.add(viewing)


class Migration(migrations.Migration):
    dependencies = (("incidents", "0023_marks_of_handling"),)
    operations = (migrations.RunPython(grant_viewing, migrations.RunPython.noop),)
