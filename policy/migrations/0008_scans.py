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
        ("policy", "0007_readings"),
    ]

    operations = [
        migrations.CreateModel(
            name="ScanRequest",
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
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("gave_up", "Gave up"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("progress_percent", models.PositiveSmallIntegerField(default=0)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                (
                    "last_problem",
                    models.TextField(
                        blank=True,
                        help_text="Why the work waits: what the last try ran into.",
                    ),
                ),
                (
                    "failure",
                    models.TextField(
                        blank=True,
                        help_text="Why it ended without a result, in plain words.",
                    ),
                ),
                ("requested_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("touched_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="scan_requests",
                        to="evidence.evidenceitem",
                    ),
                ),
                (
                    "requested_by",
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
                "ordering": ("-id",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="ScanReport",
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
                ("finished_at", models.DateTimeField()),
                ("duration_ms", models.PositiveIntegerField()),
                ("scanner_version", models.CharField(max_length=40)),
                (
                    "classification",
                    models.CharField(
                        choices=[
                            ("forbidden", "Forbidden"),
                            ("flagged", "Flagged"),
                            ("safe", "Safe"),
                        ],
                        max_length=10,
                    ),
                ),
                ("file_count", models.PositiveIntegerField(default=0)),
                ("forbidden_count", models.PositiveIntegerField(default=0)),
                ("flagged_count", models.PositiveIntegerField(default=0)),
                (
                    "missed_count",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Entries that the line-based scanner does not see.",
                    ),
                ),
                ("entry_count", models.PositiveIntegerField(default=0)),
                ("refusal_code", models.CharField(blank=True, max_length=60)),
                ("refusal", models.TextField(blank=True)),
                ("details", models.JSONField(default=dict)),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="scan_reports",
                        to="evidence.evidenceitem",
                    ),
                ),
                (
                    "request",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="report",
                        to="policy.scanrequest",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="ScanEntry",
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
                ("file", models.CharField(max_length=500)),
                ("line", models.PositiveIntegerField()),
                ("column", models.PositiveIntegerField()),
                (
                    "classification",
                    models.CharField(
                        choices=[
                            ("forbidden", "Forbidden"),
                            ("flagged", "Flagged"),
                            ("safe", "Safe"),
                        ],
                        max_length=10,
                    ),
                ),
                ("rule", models.CharField(max_length=60)),
                ("family", models.CharField(blank=True, max_length=60)),
                ("excerpt", models.TextField()),
                ("why", models.TextField()),
                ("techniques", models.JSONField(default=list)),
                ("is_missed_by_line_scanner", models.BooleanField(default=False)),
                ("line_scanner_said", models.CharField(blank=True, max_length=10)),
                (
                    "form",
                    models.TextField(
                        blank=True,
                        help_text="In what form the line-based scanner misses it.",
                    ),
                ),
                ("suggested_pattern", models.TextField(blank=True)),
                ("regression_test_idea", models.TextField(blank=True)),
                (
                    "report",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="policy.scanreport",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "scan entries",
                "ordering": ("position",),
                "abstract": False,
                "indexes": [
                    models.Index(
                        fields=["report", "classification", "position"],
                        name="scan_entry_by_class",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("report", "position"), name="scan_entry_position_unique"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("classification__in", ["forbidden", "flagged", "safe"])
                        ),
                        name="scan_entry_classification_known",
                    ),
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="scanentry",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="f62a27e95e07930bed372f03620fea74b160cf86",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_9ca85",
                    table="policy_scanentry",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="scanentry",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="abf9279f9965d051b33babe15c91f9d776a203da",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_91c90",
                    table="policy_scanentry",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="scanrequest",
            index=models.Index(
                condition=models.Q(("state__in", ("queued", "running"))),
                fields=["touched_at"],
                name="scanrequest_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="scanrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["queued", "running", "done", "failed", "gave_up"])
                ),
                name="scanrequest_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="scanrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("progress_percent__lte", 100)),
                name="scanrequest_percent",
            ),
        ),
        migrations.AddConstraint(
            model_name="scanrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("finished_at__isnull", True),
                        ("state__in", ("queued", "running")),
                    ),
                    models.Q(
                        ("finished_at__isnull", False),
                        ("state__in", ("done", "failed", "gave_up")),
                    ),
                    _connector="OR",
                ),
                name="scanrequest_finished_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="scanrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ("failed", "gave_up")), _negated=True),
                    models.Q(("failure", ""), _negated=True),
                    _connector="OR",
                ),
                name="scanrequest_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="scanrequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ("queued", "running"))),
                fields=("item",),
                name="scan_pending_once",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="scanrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="dbefa9f50bdb4e8ad7e5d9c2a3b9874262eb18f6",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_1f4bd",
                    table="policy_scanrequest",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="scanrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="finished_stays_finished",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."finished_at" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="37061ca87f6dff2c4e46a2f28e390638d12f99b6",
                    operation="UPDATE",
                    pgid="pgtrigger_finished_stays_finished_2cc39",
                    table="policy_scanrequest",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="scanreport",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("classification__in", ["forbidden", "flagged", "safe"])
                ),
                name="scan_report_classification_known",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="scanreport",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="f310460afc02394ca6e9f14b72e24217b83c6857",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_8af2f",
                    table="policy_scanreport",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="scanreport",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="abfbb8cf8f0e3a6406b4db847220ca94b9e288aa",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_50ad8",
                    table="policy_scanreport",
                    when="BEFORE",
                ),
            ),
        ),
    ]
