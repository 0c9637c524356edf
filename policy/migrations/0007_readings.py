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
        ("policy", "0001_extensions"),
        ("policy", "0006_quotas_and_histories"),
    ]

    operations = [
        migrations.CreateModel(
            name="ExtensionAppearance",
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
                ("call_count", models.PositiveIntegerField(default=0)),
                ("alert_count", models.PositiveIntegerField(default=0)),
                ("breach_count", models.PositiveIntegerField(default=0)),
                ("first_at", models.DateTimeField(null=True)),
                ("last_at", models.DateTimeField(null=True)),
                ("plot", models.JSONField(default=dict)),
                (
                    "extension",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="appearances",
                        to="policy.extension",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="extension_appearances",
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
            name="BundleReading",
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
                ("extension_count", models.PositiveIntegerField(default=0)),
                ("breach_count", models.PositiveIntegerField(default=0)),
                (
                    "unreadable_count",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Breach records that lack what a breach needs.",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="policy_readings",
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
                        name="bundlereading_open",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ["queued", "running", "done", "failed", "gave_up"],
                            )
                        ),
                        name="bundlereading_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("progress_percent__lte", 100)),
                        name="bundlereading_percent",
                    ),
                    models.CheckConstraint(
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
                        name="bundlereading_finished_has_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("state__in", ("failed", "gave_up")), _negated=True
                            ),
                            models.Q(("failure", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="bundlereading_says_why",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(
                            ("state__in", ("queued", "running", "done"))
                        ),
                        fields=("item",),
                        name="reading_comes_to_something_once",
                    ),
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="bundlereading",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="beda6ecc9204ed0c60b23c78c50365e29e8aaff5",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_bee27",
                    table="policy_bundlereading",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="bundlereading",
            trigger=pgtrigger.compiler.Trigger(
                name="finished_stays_finished",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."finished_at" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="30d8eaef7cfc6ff6b7f993f7287a05fa97158ecf",
                    operation="UPDATE",
                    pgid="pgtrigger_finished_stays_finished_59e43",
                    table="policy_bundlereading",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="extensionappearance",
            constraint=models.UniqueConstraint(
                fields=("item", "extension"), name="extension_appears_once"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="extensionappearance",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="92f6d6d814041eb319d347306e964d140dd1303f",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_b3dd6",
                    table="policy_extensionappearance",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="extensionappearance",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="3fc083b85498f5bc8f6924a2b0013e2ed56c7667",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_70739",
                    table="policy_extensionappearance",
                    when="BEFORE",
                ),
            ),
        ),
    ]
