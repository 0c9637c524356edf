"""Tokens can be for downloading evidence."""

import django.contrib.postgres.fields
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0014_exports_of_several_items"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="apitoken",
            name="api_token_scopes_known",
        ),
        migrations.AlterField(
            model_name="apitoken",
            name="scopes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("read", "Read cases, evidence, policy and history"),
                        ("evidence:write", "Upload evidence"),
                        ("evidence:download", "Download evidence as it was received"),
                        ("alerts:write", "Post alerts"),
                        ("cases:write", "Work cases"),
                        (
                            "policy:write",
                            "Confirm kill switches, send policy snapshots",
                        ),
                        ("copies:unredacted", "Copies with nothing redacted"),
                        ("archives:download", "Download archives of cases"),
                    ],
                    max_length=30,
                ),
                size=None,
            ),
        ),
        migrations.AddConstraint(
            model_name="apitoken",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "scopes__contained_by",
                        [
                            "read",
                            "evidence:write",
                            "evidence:download",
                            "alerts:write",
                            "cases:write",
                            "policy:write",
                            "copies:unredacted",
                            "archives:download",
                        ],
                    )
                ),
                name="api_token_scopes_known",
            ),
        ),
    ]
