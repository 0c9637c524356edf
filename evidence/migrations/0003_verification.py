import django.contrib.postgres.indexes
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
    ]

    operations = [
        migrations.CreateModel(
            name="VerificationReport",
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
                    "outcome",
                    models.CharField(
                        choices=[
                            ("verified", "Verified"),
                            ("failed", "Failed verification"),
                            ("refused", "Refused"),
                            ("damaged", "Damaged"),
                            ("digest_only", "Digest only"),
                            ("unfinished", "Could not be verified"),
                        ],
                        max_length=12,
                    ),
                ),
                ("document_kind", models.CharField(blank=True, max_length=10)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField()),
                ("duration_ms", models.PositiveIntegerField()),
                ("engine_version", models.CharField(max_length=40)),
                (
                    "steps",
                    models.JSONField(
                        default=dict,
                        help_text="Step name to pass, fail or not_applicable.",
                    ),
                ),
                ("details", models.JSONField(default=dict)),
                ("overview", models.JSONField(default=dict)),
                ("refusal_code", models.CharField(blank=True, max_length=60)),
                ("refusal_path", models.CharField(blank=True, max_length=500)),
                ("refusal_message", models.TextField(blank=True)),
                ("error_count", models.PositiveIntegerField(default=0)),
                ("step_count", models.PositiveIntegerField(default=0)),
                ("trusted_prefix", models.PositiveIntegerField(blank=True, null=True)),
                ("break_index", models.PositiveIntegerField(blank=True, null=True)),
                ("diagnosis", models.CharField(blank=True, max_length=12)),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reports",
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
            name="ReplayStep",
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
                ("index", models.PositiveIntegerField()),
                ("sequence", models.BigIntegerField(null=True)),
                ("ts_ms", models.BigIntegerField(null=True)),
                ("extension_id", models.TextField(null=True)),
                ("call_id", models.TextField(null=True)),
                ("capability", models.TextField(null=True)),
                ("method", models.TextField(null=True)),
                ("policy_decision", models.TextField(null=True)),
                ("policy_reason", models.TextField(null=True)),
                ("risk_score", models.FloatField(null=True)),
                ("selected_action", models.TextField(null=True)),
                ("outcome", models.TextField(null=True)),
                ("triggers", models.JSONField(default=list)),
                ("trusted", models.BooleanField()),
                (
                    "report",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="replay_steps",
                        to="evidence.verificationreport",
                    ),
                ),
            ],
            options={
                "ordering": ("index",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="VerificationRequest",
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
                        related_name="verification_requests",
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
        migrations.AddField(
            model_name="verificationreport",
            name="request",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="report",
                to="evidence.verificationrequest",
            ),
        ),
        migrations.CreateModel(
            name="VerificationError",
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
                ("entry_index", models.PositiveIntegerField()),
                (
                    "sequence",
                    models.CharField(
                        blank=True,
                        help_text="As the entry has it: a number of any size, or nothing.",
                        max_length=40,
                    ),
                ),
                ("code", models.CharField(max_length=40)),
                ("message", models.TextField()),
                (
                    "report",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="errors",
                        to="evidence.verificationreport",
                    ),
                ),
            ],
            options={
                "ordering": ("position",),
                "abstract": False,
                "constraints": [
                    models.UniqueConstraint(
                        fields=("report", "position"),
                        name="verification_error_position_unique",
                    )
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="verificationerror",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="6caf942b101583b1d04a8f0cd22c1ba11da68fad",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_e8fd1",
                    table="evidence_verificationerror",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="verificationerror",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="b6cd0d61099e2bea768001d36159b1943c8bf20b",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_b41d5",
                    table="evidence_verificationerror",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="replaystep",
            index=models.Index(
                fields=["report", "extension_id", "index"],
                name="replay_step_by_extension",
            ),
        ),
        migrations.AddIndex(
            model_name="replaystep",
            index=models.Index(
                fields=["report", "call_id", "index"], name="replay_step_by_call"
            ),
        ),
        migrations.AddIndex(
            model_name="replaystep",
            index=django.contrib.postgres.indexes.HashIndex(
                fields=["call_id"], name="replay_step_call"
            ),
        ),
        migrations.AddConstraint(
            model_name="replaystep",
            constraint=models.UniqueConstraint(
                fields=("report", "index"), name="replay_step_index_unique"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="replaystep",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="27d701c85564b6982928a39e3d0110ec9cf0d066",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_6c419",
                    table="evidence_replaystep",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="replaystep",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="f084905bc813641ff9fb4234b1415c5155d0ce62",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_e553b",
                    table="evidence_replaystep",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="verificationrequest",
            index=models.Index(
                condition=models.Q(("state__in", ("queued", "running"))),
                fields=["touched_at"],
                name="verificationrequest_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="verificationrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["queued", "running", "done", "failed", "gave_up"])
                ),
                name="verificationrequest_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="verificationrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("progress_percent__lte", 100)),
                name="verificationrequest_percent",
            ),
        ),
        migrations.AddConstraint(
            model_name="verificationrequest",
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
                name="verificationrequest_finished_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="verificationrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ("failed", "gave_up")), _negated=True),
                    models.Q(("failure", ""), _negated=True),
                    _connector="OR",
                ),
                name="verificationrequest_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="verificationrequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ("queued", "running"))),
                fields=("item",),
                name="verification_pending_once",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="verificationrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="bcc0dade9fa249b9f79e9c0577af623f34d382ea",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_bd4a1",
                    table="evidence_verificationrequest",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="verificationrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="finished_stays_finished",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."finished_at" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="fe9063a84244ac6fcffa59843fb066f85459e4b6",
                    operation="UPDATE",
                    pgid="pgtrigger_finished_stays_finished_1404e",
                    table="evidence_verificationrequest",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="verificationreport",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "outcome__in",
                        [
                            "verified",
                            "failed",
                            "refused",
                            "damaged",
                            "digest_only",
                            "unfinished",
                        ],
                    )
                ),
                name="verification_report_outcome_known",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="verificationreport",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="e6adba6746e50519a681e1e6ae8789d12c996c75",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_3bc70",
                    table="evidence_verificationreport",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="verificationreport",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="cc85d3269ccd82efdc4d623357cd1f7cafbeeeb7",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_1bcc7",
                    table="evidence_verificationreport",
                    when="BEFORE",
                ),
            ),
        ),
    ]
