"""The five groups and what each may do, over all three apps.

Every human role may view everything; what else a role may do is listed here. Run
again it grants what is missing and takes nothing away, so a team's own grants stay.
"""

from django.contrib.auth.management import create_permissions
from django.db import migrations

APPS = ("evidence", "policy", "incidents")
VIEWING_ROLES = ("responder", "reviewer", "auditor", "administrator")
WORK_CASES = (
    "evidence.add_evidenceitem",
    "evidence.verify_evidenceitem",
    "evidence.download_evidenceitem",
    "evidence.export_evidenceitem",
    "incidents.add_incident",
    "incidents.work_incident",
    "policy.work_policy",
    "policy.confirm_killswitch",
    "policy.add_policysnapshot",
)
ROLE_PERMISSIONS = {
    "responder": WORK_CASES,
    "reviewer": (
        *WORK_CASES,
        "incidents.review_incident",
        "incidents.retry_notification",
        "policy.review_policy",
    ),
    "auditor": ("evidence.download_evidenceitem",),
    "administrator": (
        "auth.view_user",
        "auth.add_user",
        "auth.change_user",
        "auth.view_group",
        "evidence.add_apitoken",
        "evidence.revoke_apitoken",
        "incidents.add_alertrule",
        "incidents.add_remindersettings",
        "incidents.add_webhookchannel",
        "incidents.change_webhookchannel",
        "incidents.retry_notification",
        "incidents.change_alertrule",
        "incidents.add_playbookversion",
        "incidents.add_team",
        "incidents.change_team",
    ),
    # A machine names the case that its evidence belongs to, and so may see cases; what
    # it can read is narrowed by its token's scopes.
    "machine": (
        "evidence.add_evidenceitem",
        "incidents.add_alert",
        "incidents.view_incident",
        "policy.view_killswitch",
        "policy.confirm_killswitch",
        "policy.add_policysnapshot",
    ),
}


def grant_permissions(apps, schema_editor):
    # Permissions are rows that Django makes after all migrations: too late for here.
    for label in ("auth", *APPS):
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    viewing = Permission.objects.filter(
        content_type__app_label__in=APPS, codename__startswith="view_"
    )
    for role, names in ROLE_PERMISSIONS.items():
        group, _ = Group.objects.get_or_create(name=role)
        for name in names:
            label, codename = name.split(".")
            group.permissions.add(
                Permission.objects.get(content_type__app_label=label, codename=codename)
            )
        if role in VIEWING_ROLES:
            group.permissions.add(*viewing)


def remove_groups(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    Group.objects.filter(name__in=ROLE_PERMISSIONS).delete()


class Migration(migrations.Migration):
    dependencies = (
        ("evidence", "0004_exports_and_tokens"),
        ("policy", "0008_scans"),
        ("incidents", "0013_remediations"),
    )
    operations = (migrations.RunPython(grant_permissions, remove_groups),)
