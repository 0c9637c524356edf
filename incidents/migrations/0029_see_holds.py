"""Who may view everything may view who put a case on hold, and who released it."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEWING_ROLES = ("responder", "reviewer", "auditor", "administrator")


def grant_viewing(apps, schema_editor):
    # Permissions are rows that Django makes after all migrations: too late for here.
    config = apps.get_app_config("incidents")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    viewing = apps.get_model("auth", "Permission").objects.get(
        content_type__app_label="incidents", codename="view_casehold"
    )
    groups = apps.get_model("auth", "Group").objects.filter(name__in=VIEWING_ROLES)
    for group in groups:
        group.permissions.add(viewing)


class Migration(migrations.Migration):
    dependencies = (("incidents", "0028_case_holds"),)
    operations = (migrations.RunPython(grant_viewing, migrations.RunPython.noop),)
