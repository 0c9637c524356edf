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
        ("incidents", "0003_cycles_and_timeline"),
        ("incidents", "0006_checklists"),
        ("incidents", "0012_action_items"),
    ]

    operations = [
        migrations.CreateModel(
            name="RemediationAction",
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
                    "kind",
                    models.CharField(
                        choices=[
                            ("policy_update", "Policy update"),
                            ("scanner_rule", "Scanner rule"),
                            ("ticket_filed", "Ticket filed"),
                            ("credential_rotated", "Credential rotated"),
                            ("quota_changed", "Quota changed"),
                        ],
                        max_length=20,
                    ),
                ),
                ("choice_key", models.CharField(blank=True, max_length=64)),
                ("description", models.TextField()),
                ("proof", models.TextField(blank=True)),
                ("done_at", models.DateTimeField()),
                ("recorded_at", models.DateTimeField()),
                ("recorded_by_name", models.CharField(max_length=150)),
                (
                    "cycle",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="remediation_actions",
                        to="incidents.cycle",
                    ),
                ),
                (
                    "evidence_item",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.evidenceitem",
                    ),
                ),
                (
                    "recorded_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "ticket",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="remediation_actions",
                        to="incidents.ticketlink",
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="RemediationDecision",
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
                ("choice_key", models.CharField(max_length=64)),
                ("chosen", models.BooleanField()),
                ("reason", models.TextField()),
                ("decided_at", models.DateTimeField()),
                ("decided_by_name", models.CharField(max_length=150)),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="decisions",
                        to="incidents.checklistitem",
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True),
                        name="remediation_decision_has_reason",
                    )
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="remediationdecision",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="241ee402b891699fe7a12d2c4ca7aaa6927762e2",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_d0513",
                    table="incidents_remediationdecision",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="remediationdecision",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="acb7a807f5e8ab714dbeff11a65317b0ae973045",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_04db0",
                    table="incidents_remediationdecision",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="remediationaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "policy_update",
                            "scanner_rule",
                            "ticket_filed",
                            "credential_rotated",
                            "quota_changed",
                        ],
                    )
                ),
                name="remediation_action_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="remediationaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("proof", ""), _negated=True),
                    ("ticket__isnull", False),
                    ("evidence_item__isnull", False),
                    _connector="OR",
                ),
                name="remediation_action_has_proof",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="remediationaction",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="93dfec6416e1dc392520bc2bf5bec38007e8d676",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_eff87",
                    table="incidents_remediationaction",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="remediationaction",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="4ab3a66c04ee0249ea721b106a0a42e4e11e7453",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_74359",
                    table="incidents_remediationaction",
                    when="BEFORE",
                ),
            ),
        ),
    ]
