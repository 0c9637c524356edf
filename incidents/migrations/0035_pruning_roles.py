"""Who may ask for a case to be pruned, and who sees what was."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEWING_ROLES = ("responder", "reviewer", "auditor", "administrator")
VIEWED = (
    ("incidents", "view_prunerequest"),
    ("incidents", "view_prunerun"),
    ("evidence", "view_tombstone"),
)


def grant(apps, schema_editor):
    # Permissions are rows that Django makes after all migrations: too late for here.
    for label in ("evidence", "incidents"):
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
    permissions = apps.get_model("auth", "Permission").objects
    groups = apps.get_model("auth", "Group").objects
    viewing = [
        permissions.get(content_type__app_label=label, codename=codename)
        for label, codename in VIEWED
    ]
    for group in groups.filter(name__in=VIEWING_ROLES):
        group.permissions.add(*viewing)
    asking = permissions.get(
        content_type__app_label="incidents", codename="request_pruning"
    )
    for group in groups.filter(name="administrator"):
        group.permissions.add(asking)


class Migration(migrations.Migration):
    dependencies = (
        ("incidents", "0034_pruned_alerts"),
        ("evidence", "0018_pruned_replays"),
    )
    operations = (migrations.RunPython(grant, migrations.RunPython.noop),)
