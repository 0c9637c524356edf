import django.contrib.postgres.fields
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
        ("evidence", "0003_verification"),
    ]

    operations = [
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
                ("filter", models.JSONField(default=dict)),
                ("redaction", models.JSONField(default=dict)),
                ("generated_at_ms", models.BigIntegerField()),
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
            },
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
        pgtrigger.migrations.AddTrigger(
            model_name="apitoken",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
        migrations.AddIndex(
            model_name="exportrequest",
            index=models.Index(
                condition=models.Q(("state__in", ("queued", "running"))),
                fields=["touched_at"],
                name="exportrequest_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="exportrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["queued", "running", "done", "failed", "gave_up"])
                ),
                name="exportrequest_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="exportrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("progress_percent__lte", 100)),
                name="exportrequest_percent",
            ),
        ),
        migrations.AddConstraint(
            model_name="exportrequest",
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
                name="exportrequest_finished_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="exportrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ("failed", "gave_up")), _negated=True),
                    models.Q(("failure", ""), _negated=True),
                    _connector="OR",
                ),
                name="exportrequest_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="exportrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "done"), _negated=True),
                    ("result__isnull", False),
                    _connector="OR",
                ),
                name="export_done_has_result",
            ),
        ),
        migrations.AddConstraint(
            model_name="exportrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", "done"), ("result__isnull", True), _connector="OR"
                ),
                name="export_failed_hands_out_nothing",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="exportrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
    ]
