import django.db.models.deletion
import evidence.migrations._triggers_v1
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "__first__"),
        ("incidents", "0002_cases"),
        ("incidents", "0006_checklists"),
        ("policy", "0001_extensions"),
    ]

    operations = [
        migrations.CreateModel(
            name="Alert",
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
                    "source",
                    models.CharField(
                        choices=[
                            ("risk_controller", "Risk controller"),
                            ("ci_gate", "CI gate"),
                        ],
                        max_length=20,
                    ),
                ),
                ("alert_id", models.CharField(max_length=200, verbose_name="alert ID")),
                ("category", models.CharField(max_length=100)),
                (
                    "severity",
                    models.CharField(
                        choices=[
                            ("info", "Info"),
                            ("warning", "Warning"),
                            ("error", "Error"),
                            ("critical", "Critical"),
                        ],
                        max_length=10,
                    ),
                ),
                ("happened_at", models.DateTimeField()),
                ("capability", models.CharField(blank=True, max_length=100)),
                ("method", models.CharField(blank=True, max_length=100)),
                (
                    "call_id",
                    models.CharField(
                        blank=True, max_length=200, verbose_name="call ID"
                    ),
                ),
                ("reason_codes", models.JSONField(blank=True, default=list)),
                ("summary", models.TextField(blank=True)),
                ("risk_score", models.FloatField(blank=True, null=True)),
                ("document", models.JSONField()),
                (
                    "document_sha256",
                    models.CharField(max_length=64, verbose_name="document SHA-256"),
                ),
                ("received_at", models.DateTimeField()),
                (
                    "decision",
                    models.CharField(
                        choices=[
                            ("kept", "Kept"),
                            ("opened", "Opened a case"),
                            ("joined", "Joined a case"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "extension",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alerts",
                        to="policy.extension",
                    ),
                ),
                (
                    "received_from",
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
            },
        ),
        migrations.CreateModel(
            name="AlertRule",
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
                ("key", models.SlugField(max_length=60, unique=True)),
                (
                    "is_enabled",
                    models.BooleanField(default=True, verbose_name="enabled"),
                ),
                ("category", models.CharField(max_length=100)),
                (
                    "least_severity",
                    models.CharField(
                        choices=[
                            ("info", "Info"),
                            ("warning", "Warning"),
                            ("error", "Error"),
                            ("critical", "Critical"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "opens_severity",
                    models.CharField(
                        choices=[
                            ("critical", "Critical"),
                            ("high", "High"),
                            ("medium", "Medium"),
                            ("low", "Low"),
                        ],
                        help_text="The severity of the case that opens.",
                        max_length=10,
                    ),
                ),
                (
                    "count",
                    models.PositiveIntegerField(
                        default=1,
                        help_text="How many alerts within the window open a case.",
                    ),
                ),
                ("window_seconds", models.PositiveIntegerField(default=86400)),
                (
                    "join_window_seconds",
                    models.PositiveIntegerField(
                        default=86400,
                        help_text="How far from the alerts of an open case another one still joins it. The widest of a category's enabled rules counts.",
                    ),
                ),
                (
                    "tell",
                    models.CharField(
                        choices=[
                            ("reviewers_if_critical", "Reviewers if critical"),
                            ("reviewers", "Reviewers"),
                            ("team", "Team"),
                            ("nobody", "Nobody"),
                        ],
                        db_default="reviewers_if_critical",
                        default="reviewers_if_critical",
                        help_text="Who is told of an alert of this rule that belongs to no case.",
                        max_length=30,
                        verbose_name="tell of kept alerts",
                    ),
                ),
                (
                    "tell_team",
                    models.ForeignKey(
                        blank=True,
                        help_text="Needed where a team is told.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="incidents.team",
                        verbose_name="team",
                    ),
                ),
            ],
            options={
                "ordering": ("category", "key"),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "least_severity__in",
                                ["info", "warning", "error", "critical"],
                            )
                        ),
                        name="alert_rule_severity_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "opens_severity__in",
                                ["critical", "high", "medium", "low"],
                            )
                        ),
                        name="alert_rule_opens_severity_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("count__gte", 1), ("window_seconds__gte", 1)
                        ),
                        name="alert_rule_counts_from_one",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "tell__in",
                                [
                                    "reviewers_if_critical",
                                    "reviewers",
                                    "team",
                                    "nobody",
                                ],
                            )
                        ),
                        name="alert_rule_tell_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("tell", "team"), ("tell_team__isnull", False)),
                            models.Q(
                                models.Q(("tell", "team"), _negated=True),
                                ("tell_team__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="alert_rule_team_told",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AlertAssignment",
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
                            ("opened", "Opened the case"),
                            ("joined", "Joined the case"),
                            ("moved", "Moved by hand"),
                            ("split", "Split off by hand"),
                        ],
                        max_length=10,
                    ),
                ),
                ("assigned_at", models.DateTimeField()),
                ("reason", models.TextField(blank=True)),
                (
                    "alert",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="assignments",
                        to="incidents.alert",
                    ),
                ),
                (
                    "assigned_by",
                    models.ForeignKey(
                        blank=True,
                        help_text="Empty where a rule decided.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="incidents.alertrule",
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "abstract": False,
            },
        ),
        migrations.AddField(
            model_name="alert",
            name="rule",
            field=models.ForeignKey(
                blank=True,
                help_text="The rule that decided; empty where none fitted.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="alerts",
                to="incidents.alertrule",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="alertrule",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="5d8a520f77e82f0b4b909950b63ffedcccb2c9b4",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_280bf",
                    table="incidents_alertrule",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddField(
            model_name="alertassignment",
            name="incident",
            field=models.ForeignKey(
                blank=True,
                help_text="The case it went to; empty where it was split off.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="alert_assignments",
                to="incidents.incident",
            ),
        ),
        migrations.AddField(
            model_name="alertassignment",
            name="previous_incident",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="incidents.incident",
            ),
        ),
        migrations.AddField(
            model_name="alert",
            name="decided_incident",
            field=models.ForeignKey(
                blank=True,
                help_text="The case that the rules gave it to when it came in.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="incidents.incident",
            ),
        ),
        migrations.AddField(
            model_name="alert",
            name="incident",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="alerts",
                to="incidents.incident",
            ),
        ),
        migrations.AddConstraint(
            model_name="alertassignment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind__in", ["opened", "joined", "moved", "split"])
                ),
                name="alert_move_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="alertassignment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("incident__isnull", True), ("kind", "split")),
                    models.Q(
                        ("incident__isnull", False),
                        models.Q(("kind", "split"), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="alert_move_names_case",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="alertassignment",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="6d41558248db3c6faf5e3aaa780c748d514350e2",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_0b886",
                    table="incidents_alertassignment",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="alertassignment",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="1830a658638978d91eec7391a387ae3eb0eec2dc",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_99478",
                    table="incidents_alertassignment",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(
                condition=models.Q(("incident__isnull", True)),
                fields=["extension", "category", "happened_at"],
                name="alert_kept_by_group",
            ),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(
                fields=["incident", "happened_at"], name="alert_by_case"
            ),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(fields=["happened_at"], name="alert_happened_at"),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(
                fields=["category", "severity"], name="alert_by_category"
            ),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(fields=["call_id"], name="alert_by_call"),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.UniqueConstraint(
                fields=("source", "alert_id"), name="alert_once_per_source"
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.CheckConstraint(
                condition=models.Q(("source__in", ["risk_controller", "ci_gate"])),
                name="alert_source_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("severity__in", ["info", "warning", "error", "critical"])
                ),
                name="alert_severity_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_incident__isnull", True), ("decision", "kept")),
                    models.Q(
                        ("decided_incident__isnull", False),
                        ("decision__in", ("opened", "joined")),
                    ),
                    _connector="OR",
                ),
                name="alert_decision_names_case",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="alert",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="5de3e517cadc5124a37c7a588d3542916d36aed2",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_972d5",
                    table="incidents_alert",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="alert",
            trigger=pgtrigger.compiler.Trigger(
                name="only_its_case_changes",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."source" IS DISTINCT FROM (NEW."source") OR OLD."alert_id" IS DISTINCT FROM (NEW."alert_id") OR OLD."extension_id" IS DISTINCT FROM (NEW."extension_id") OR OLD."category" IS DISTINCT FROM (NEW."category") OR OLD."severity" IS DISTINCT FROM (NEW."severity") OR OLD."happened_at" IS DISTINCT FROM (NEW."happened_at") OR OLD."capability" IS DISTINCT FROM (NEW."capability") OR OLD."method" IS DISTINCT FROM (NEW."method") OR OLD."call_id" IS DISTINCT FROM (NEW."call_id") OR OLD."reason_codes" IS DISTINCT FROM (NEW."reason_codes") OR OLD."summary" IS DISTINCT FROM (NEW."summary") OR OLD."risk_score" IS DISTINCT FROM (NEW."risk_score") OR OLD."document" IS DISTINCT FROM (NEW."document") OR OLD."document_sha256" IS DISTINCT FROM (NEW."document_sha256") OR OLD."received_at" IS DISTINCT FROM (NEW."received_at") OR OLD."received_from_id" IS DISTINCT FROM (NEW."received_from_id") OR OLD."decision" IS DISTINCT FROM (NEW."decision") OR OLD."decided_incident_id" IS DISTINCT FROM (NEW."decided_incident_id") OR OLD."rule_id" IS DISTINCT FROM (NEW."rule_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="9342f4325db763d955d40db3390802d480f56aad",
                    operation="UPDATE",
                    pgid="pgtrigger_only_its_case_changes_ff3a1",
                    table="incidents_alert",
                    when="BEFORE",
                ),
            ),
        ),
    ]
