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
        ("policy", "0001_extensions"),
        ("policy", "0005_rollbacks"),
    ]

    operations = [
        migrations.CreateModel(
            name="QuotaChange",
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
                ("from_mb", models.PositiveIntegerField()),
                ("to_mb", models.PositiveIntegerField()),
                ("reason", models.TextField()),
                ("documentation", models.TextField(blank=True)),
                ("changed_at", models.DateTimeField()),
                (
                    "changed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "extension",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="quota_changes",
                        to="policy.extension",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="quota_changes",
                        to="incidents.incident",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="RuntimeHistoryImport",
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
                ("imported_at", models.DateTimeField()),
                ("record_count", models.PositiveIntegerField(default=0)),
                ("finding_count", models.PositiveIntegerField(default=0)),
                (
                    "refused_count",
                    models.PositiveIntegerField(
                        default=0, help_text="Moves that our rules would have refused."
                    ),
                ),
                ("fault_count", models.PositiveIntegerField(default=0)),
                ("findings", models.JSONField(default=list)),
                ("faults", models.JSONField(default=list)),
                (
                    "imported_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runtime_histories",
                        to="incidents.incident",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runtime_histories",
                        to="evidence.evidenceitem",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="QuotaBreach",
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
                ("position", models.PositiveIntegerField()),
                ("resource", models.CharField(max_length=100)),
                ("limit", models.FloatField()),
                ("actual", models.FloatField()),
                ("breached_at", models.DateTimeField()),
                (
                    "extension",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="quota_breaches",
                        to="policy.extension",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="quota_breaches",
                        to="evidence.evidenceitem",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "quota breaches",
                "ordering": ("-breached_at", "-id"),
                "abstract": False,
                "indexes": [
                    models.Index(
                        fields=["extension", "-breached_at"],
                        name="quota_breach_by_extension",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("item", "position"), name="quota_breach_once"
                    )
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="quotabreach",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="8b7332501b1aeeee65eec303d83fc447bbaaaa0c",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_44ec2",
                    table="policy_quotabreach",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="quotabreach",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="00e1e853542f8768c652a8a0af092959aed4cc93",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_f2a29",
                    table="policy_quotabreach",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="quotachange",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True),
                name="quota_change_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="quotachange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("to_mb__lte", models.F("from_mb")),
                    models.Q(("documentation", ""), _negated=True),
                    _connector="OR",
                ),
                name="quota_raise_has_documentation",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="quotachange",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="98eded281a96fad4b0de2983ae1d92e54493291b",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_f8fcb",
                    table="policy_quotachange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="quotachange",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="ba9830f0e0b19858c95faebb574884edee634546",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_84bc6",
                    table="policy_quotachange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="runtimehistoryimport",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="18e28e2be89b3c4dd4eb1644bd1dad2ee15cc270",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_f25c0",
                    table="policy_runtimehistoryimport",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="runtimehistoryimport",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="a3648c824434dabc374de921ea7f04cb5a6e4de2",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_ff77f",
                    table="policy_runtimehistoryimport",
                    when="BEFORE",
                ),
            ),
        ),
    ]
