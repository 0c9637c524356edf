"""Who may view everything may view findings and what people said to them."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEWING_ROLES = ("responder", "reviewer", "auditor", "administrator")
MODELS = ("evidencereading", "finding", "findingreview")


def grant_viewing(apps, schema_editor):
    # Permissions are rows that Django makes after all migrations: too late for here.
    config = apps.get_app_config("incidents")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    Permission = apps.get_model("auth", "Permission")
    viewing = Permission.objects.filter(
        content_type__app_label="incidents",
        codename__in=[f"view_{name}" for name in MODELS],
    )
    for group in apps.get_model("auth", "Group").objects.filter(name__in=VIEWING_ROLES):
        group.permissions.add(*viewing)


class Migration(migrations.Migration):
    dependencies = (("incidents", "0021_see_record_checks"),)
    operations = (migrations.RunPython(grant_viewing, migrations.RunPython.noop),)
