import django.contrib.postgres.fields
import django.db.models.deletion
import evidence.models.triggers
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "__first__"),
        ("incidents", "0001_cases"),
    ]

    operations = [
        migrations.CreateModel(
            name="EvidenceItem",
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
                ("sha256_hex", models.CharField(max_length=64, verbose_name="SHA-256")),
                (
                    "size_bytes",
                    models.PositiveBigIntegerField(verbose_name="size in bytes"),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("bundle", "Incident evidence bundle"),
                            ("ledger", "Runtime risk ledger"),
                            ("policy_snapshot", "Policy snapshot"),
                            ("policy_explanation", "Policy explanation"),
                            ("scan_result", "Scan result"),
                            ("extension_source", "Extension source"),
                            ("log", "Log"),
                            ("other", "Other"),
                        ],
                        max_length=30,
                    ),
                ),
                ("original_name", models.CharField(max_length=255)),
                ("media_type", models.CharField(max_length=127)),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("admin", "Web admin"),
                            ("api", "API"),
                            ("command", "Command line"),
                            ("worker", "Worker"),
                        ],
                        max_length=10,
                        verbose_name="received by",
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        blank=True,
                        help_text="Where the sender says it comes from: a host, a gate, a person.",
                        max_length=200,
                    ),
                ),
                ("received_at", models.DateTimeField()),
                (
                    "derived_from",
                    models.ForeignKey(
                        blank=True,
                        help_text="The stored bundle that this one was exported from.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="derived_items",
                        to="evidence.evidenceitem",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="evidence_items",
                        to="incidents.incident",
                    ),
                ),
                (
                    "received_by",
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
                "ordering": ("-received_at", "-id"),
                "permissions": (
                    ("verify_evidenceitem", "Can have evidence verified"),
                    ("download_evidenceitem", "Can download evidence"),
                    ("export_evidenceitem", "Can export evidence"),
                ),
                "abstract": False,
                "indexes": [
                    models.Index(fields=["sha256_hex"], name="evidence_sha256"),
                    models.Index(fields=["received_at"], name="evidence_received_at"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("incident", "sha256_hex"),
                        name="evidence_once_per_incident",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("sha256_hex__regex", "^[0-9a-f]{64}$")),
                        name="evidence_sha256_hex",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "bundle",
                                    "ledger",
                                    "policy_snapshot",
                                    "policy_explanation",
                                    "scan_result",
                                    "extension_source",
                                    "log",
                                    "other",
                                ],
                            )
                        ),
                        name="evidence_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("channel__in", ["admin", "api", "command", "worker"])
                        ),
                        name="evidence_channel_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CustodyEvent",
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
                            ("received", "Received"),
                            ("viewed", "Viewed"),
                            ("verified", "Verified"),
                            ("downloaded", "Downloaded"),
                            ("exported", "Exported"),
                        ],
                        max_length=12,
                    ),
                ),
                ("happened_at", models.DateTimeField()),
                ("actor_name", models.CharField(max_length=150)),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("admin", "Web admin"),
                            ("api", "API"),
                            ("command", "Command line"),
                            ("worker", "Worker"),
                        ],
                        max_length=10,
                    ),
                ),
                ("ip_address", models.GenericIPAddressField(blank=True, null=True)),
                ("detail", models.CharField(blank=True, max_length=300)),
                (
                    "actor",
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
                        related_name="custody_events",
                        to="evidence.evidenceitem",
                    ),
                ),
            ],
            options={
                "ordering": ("-happened_at", "-id"),
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "received",
                                    "viewed",
                                    "verified",
                                    "downloaded",
                                    "exported",
                                ],
                            )
                        ),
                        name="custody_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("channel__in", ["admin", "api", "command", "worker"])
                        ),
                        name="custody_channel_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ExportRequest",
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
                ("requested_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("touched_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("filter", models.JSONField(default=dict)),
                ("redaction", models.JSONField(default=dict)),
                ("generated_at_ms", models.BigIntegerField()),
                ("failure", models.TextField(blank=True)),
                (
                    "report",
                    models.JSONField(
                        blank=True,
                        help_text="The five steps over the new bundle.",
                        null=True,
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
                (
                    "result",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="made_by_exports",
                        to="evidence.evidenceitem",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="export_requests",
                        to="evidence.evidenceitem",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "abstract": False,
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ("queued", "running"))),
                        fields=["touched_at"],
                        name="exportrequest_open",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["queued", "running", "done", "failed"])
                        ),
                        name="exportrequest_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("progress_percent__lte", 100)),
                        name="exportrequest_percent",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("finished_at__isnull", True),
                                ("state__in", ("queued", "running")),
                            ),
                            models.Q(
                                ("finished_at__isnull", False),
                                ("state__in", ("done", "failed")),
                            ),
                            _connector="OR",
                        ),
                        name="exportrequest_finished_has_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "done"), _negated=True),
                            ("result__isnull", False),
                            _connector="OR",
                        ),
                        name="export_done_has_result",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "failed"), _negated=True),
                            ("result__isnull", True),
                            _connector="OR",
                        ),
                        name="export_failed_hands_out_nothing",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HistoryCheck",
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
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField()),
                ("stream_count", models.PositiveIntegerField()),
                ("entry_count", models.PositiveBigIntegerField()),
                ("fault_count", models.PositiveIntegerField()),
                (
                    "faults",
                    models.JSONField(
                        default=list,
                        help_text="The first faults: stream, sequence, code, message.",
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
            name="NotedHead",
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
                ("stream", models.CharField(max_length=300)),
                ("sequence", models.PositiveBigIntegerField()),
                ("entry_hash", models.CharField(max_length=64)),
                (
                    "check_run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="noted_heads",
                        to="evidence.historycheck",
                    ),
                ),
            ],
            options={
                "ordering": ("stream", "sequence"),
                "abstract": False,
                "constraints": [
                    models.UniqueConstraint(
                        fields=("stream", "sequence"), name="noted_head_once"
                    )
                ],
            },
        ),
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
                            ("valid", "Valid"),
                            ("invalid", "Not valid"),
                            ("refused", "Refused: not a readable document"),
                            ("damaged", "Stored bytes differ from their digest"),
                            ("digest_only", "Digest matches; content has no verifier"),
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
                "indexes": [
                    models.Index(
                        fields=["report", "extension_id", "index"],
                        name="replay_step_by_extension",
                    ),
                    models.Index(
                        fields=["report", "call_id", "index"],
                        name="replay_step_by_call",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("report", "index"), name="replay_step_index_unique"
                    )
                ],
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
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ("queued", "running"))),
                        fields=["touched_at"],
                        name="verificationrequest_open",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["queued", "running", "done", "failed"])
                        ),
                        name="verificationrequest_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("progress_percent__lte", 100)),
                        name="verificationrequest_percent",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("finished_at__isnull", True),
                                ("state__in", ("queued", "running")),
                            ),
                            models.Q(
                                ("finished_at__isnull", False),
                                ("state__in", ("done", "failed")),
                            ),
                            _connector="OR",
                        ),
                        name="verificationrequest_finished_has_time",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ("queued", "running"))),
                        fields=("item",),
                        name="verification_pending_once",
                    ),
                ],
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
            name="ApiToken",
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
                ("token_key", models.CharField(db_index=True, max_length=25)),
                ("created", models.DateTimeField(auto_now_add=True)),
                (
                    "digest",
                    models.CharField(editable=False, max_length=128, unique=True),
                ),
                ("name", models.CharField(max_length=100)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("read", "Read cases, evidence, policy and history"),
                                ("evidence:write", "Upload evidence"),
                                ("alerts:write", "Post alerts"),
                                ("cases:write", "Work cases"),
                                (
                                    "policy:write",
                                    "Confirm kill switches, send policy snapshots",
                                ),
                            ],
                            max_length=30,
                        ),
                        size=None,
                    ),
                ),
                ("expiry", models.DateTimeField(verbose_name="expires at")),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "revoked_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="auth_token_set",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "API token",
                "ordering": ("-created",),
                "permissions": (("revoke_apitoken", "Can revoke API tokens"),),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "scopes__contained_by",
                                [
                                    "read",
                                    "evidence:write",
                                    "alerts:write",
                                    "cases:write",
                                    "policy:write",
                                ],
                            )
                        ),
                        name="api_token_scopes_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("scopes__len__gte", 1)),
                        name="api_token_has_scope",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("expiry__gt", models.F("created"))),
                        name="api_token_expires_later",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
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
                ("stream", models.CharField(max_length=300)),
                ("sequence", models.PositiveBigIntegerField()),
                ("recorded_at", models.DateTimeField()),
                ("actor_name", models.CharField(max_length=150)),
                ("action", models.CharField(max_length=80)),
                ("object_type", models.CharField(max_length=80)),
                ("object_id", models.CharField(max_length=80)),
                ("object_label", models.CharField(max_length=300)),
                ("reason", models.TextField(blank=True)),
                ("before", models.JSONField(blank=True, null=True)),
                ("after", models.JSONField(blank=True, null=True)),
                (
                    "previous_hash",
                    models.CharField(blank=True, max_length=64, null=True),
                ),
                ("entry_hash", models.CharField(max_length=64, unique=True)),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        help_text="Who acted; empty where the system itself did.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit entries",
                "ordering": ("-recorded_at", "-id"),
                "abstract": False,
                "indexes": [
                    models.Index(fields=["recorded_at"], name="audit_recorded_at"),
                    models.Index(
                        fields=["object_type", "object_id"], name="audit_object_lookup"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("stream", "sequence"),
                        name="audit_stream_sequence_unique",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("sequence__gte", 1)),
                        name="audit_sequence_from_one",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="verificationreport",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "outcome__in",
                        [
                            "valid",
                            "invalid",
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
            model_name="apitoken",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="0a3a2eed386607eee01dc640bbf04263de65a876",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_dc7ee",
                    table="evidence_apitoken",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="apitoken",
            trigger=pgtrigger.compiler.Trigger(
                name="grant_is_fixed",
                sql=evidence.models.triggers.FirmTriggerSql(
                    condition='WHEN (OLD."digest" IS DISTINCT FROM (NEW."digest") OR OLD."token_key" IS DISTINCT FROM (NEW."token_key") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id") OR OLD."scopes" IS DISTINCT FROM (NEW."scopes") OR OLD."expiry" IS DISTINCT FROM (NEW."expiry") OR OLD."created" IS DISTINCT FROM (NEW."created"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="8625ee0f07770c62c7171baf9a5745db21dab88d",
                    operation="UPDATE",
                    pgid="pgtrigger_grant_is_fixed_ce089",
                    table="evidence_apitoken",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="apitoken",
            trigger=pgtrigger.compiler.Trigger(
                name="revoked_stays_revoked",
                sql=evidence.models.triggers.FirmTriggerSql(
                    condition='WHEN (OLD."revoked_at" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="3d01aac2e0cea76742ec6958be7756bb98beeebd",
                    operation="UPDATE",
                    pgid="pgtrigger_revoked_stays_revoked_2c248",
                    table="evidence_apitoken",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="auditentry",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="2c11644db2687b52fe64b64ee572c93eeb527338",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_7e898",
                    table="evidence_auditentry",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="auditentry",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="d2a71985af37a0059849cba98e0e203104f67b7d",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_5656e",
                    table="evidence_auditentry",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="auditentry",
            trigger=pgtrigger.compiler.Trigger(
                name="continue_chain",
                sql=evidence.models.triggers.FirmTriggerSql(
                    declare="DECLARE last record;",
                    func="\n    SELECT sequence, entry_hash INTO last\n      FROM evidence_auditentry\n     WHERE stream = NEW.stream\n     ORDER BY sequence DESC\n     LIMIT 1;\n    IF NEW.sequence <> COALESCE(last.sequence, 0) + 1\n       OR NEW.previous_hash IS DISTINCT FROM last.entry_hash THEN\n        RAISE EXCEPTION 'audit stream % stands at %: entry % does not continue it',\n            NEW.stream, COALESCE(last.sequence, 0), NEW.sequence\n            USING ERRCODE = 'integrity_constraint_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="5bd86f1a13d9026517b71efe1537882dc7cfcc9a",
                    operation="INSERT",
                    pgid="pgtrigger_continue_chain_a2e60",
                    table="evidence_auditentry",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="evidenceitem",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="4178654ab2e2c31e18107ad3f5dbd3ffa3709202",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_a04eb",
                    table="evidence_evidenceitem",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="evidenceitem",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="4168d7289cd49e0ce582dd5034f48c6b8c82827c",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_ada59",
                    table="evidence_evidenceitem",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="custodyevent",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="bfa5ddd0a7d6965c2cfb9badc5402e3c762e1186",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_fd3e4",
                    table="evidence_custodyevent",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="custodyevent",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="02e45b32eda1e5a152b468f508ab743905eac2b6",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_32be1",
                    table="evidence_custodyevent",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="exportrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="e2a993872fb768f0fb636c28145a4d9f390e9042",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_edf51",
                    table="evidence_exportrequest",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="exportrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="finished_stays_finished",
                sql=evidence.models.triggers.FirmTriggerSql(
                    condition='WHEN (OLD."finished_at" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="d45ad227902e631d3c695977e07df22f898f13a9",
                    operation="UPDATE",
                    pgid="pgtrigger_finished_stays_finished_593e3",
                    table="evidence_exportrequest",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="historycheck",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="df2268d89eba28c3b6d76ef29e9b328b49b9446b",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_6c1e5",
                    table="evidence_historycheck",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="historycheck",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="a2426682a4adfc7b94c6adcfadc9caafeb9981e6",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_18305",
                    table="evidence_historycheck",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="notedhead",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="d429ae573b9824c1449592d2be2fe0f1ef70efc9",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_2bca0",
                    table="evidence_notedhead",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="notedhead",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="2e247d75e48f34ac5adc9d7f04acc23bf9c0d58a",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_774e1",
                    table="evidence_notedhead",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="verificationerror",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
        pgtrigger.migrations.AddTrigger(
            model_name="replaystep",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
        pgtrigger.migrations.AddTrigger(
            model_name="verificationrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
        pgtrigger.migrations.AddTrigger(
            model_name="verificationreport",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
