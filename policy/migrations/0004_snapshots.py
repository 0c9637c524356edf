import datetime
import django.db.models.deletion
import evidence.migrations._triggers_v1
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "__first__"),
        ("evidence", "0002_items"),
        ("incidents", "0002_cases"),
        ("policy", "0003_trust"),
    ]

    operations = [
        migrations.CreateModel(
            name="PolicySnapshot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "captured_at",
                    models.DateTimeField(help_text="The moment that it shows."),
                ),
                ("taken_at", models.DateTimeField()),
                ("cli_profile", models.CharField(blank=True, max_length=60)),
                ("env_profile", models.CharField(blank=True, max_length=60)),
                ("document", models.JSONField()),
                ("explanation", models.JSONField(blank=True, null=True)),
                ("faults", models.JSONField(default=list)),
                ("unknown", models.JSONField(default=list)),
                ("redactions", models.JSONField(default=list)),
                ("disagreements", models.JSONField(default=list)),
                (
                    "explanation_item",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="explained_snapshots",
                        to="evidence.evidenceitem",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="policy_snapshots",
                        to="incidents.incident",
                    ),
                ),
                (
                    "settings_item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="policy_snapshots",
                        to="evidence.evidenceitem",
                    ),
                ),
                (
                    "taken_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("-captured_at", "-id"),
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "captured_at__gte",
                                datetime.datetime(
                                    2000, 1, 1, 0, 0, tzinfo=datetime.UTC
                                ),
                            )
                        ),
                        name="policy_snapshot_captured_at_plausible",
                    )
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="policysnapshot",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="fbfb3b8caf476c87599c0f58f370f99cbb2d5493",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_33c97",
                    table="policy_policysnapshot",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="policysnapshot",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="19e50dab9d3e8c0c81f560a265e948ca43565c13",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_39c6f",
                    table="policy_policysnapshot",
                    when="BEFORE",
                ),
            ),
        ),
    ]
