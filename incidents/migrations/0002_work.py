import datetime
import django.db.models.deletion
import evidence.models.triggers
import incidents.workflow.gates
import incidents.workflow.incident_states
import incidents.workflow.postmortem
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "__first__"),
        ("incidents", "0001_cases"),
        ("policy", "0002_records"),
    ]

    operations = [
        migrations.CreateModel(
            name="IncidentPhase",
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
                    "phase",
                    models.CharField(
                        choices=[
                            ("detect", "DETECT"),
                            ("contain", "CONTAIN"),
                            ("collect", "COLLECT"),
                            ("verify", "VERIFY"),
                            ("analyze", "ANALYZE"),
                            ("remediate", "REMEDIATE"),
                            ("postmortem", "POSTMORTEM"),
                        ],
                        max_length=12,
                    ),
                ),
                ("position", models.PositiveSmallIntegerField()),
                ("target_seconds", models.PositiveIntegerField(blank=True, null=True)),
                ("counted_from", models.DateTimeField(blank=True, null=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                ("due_reason", models.TextField(blank=True)),
                ("completed_at", models.DateTimeField(blank=True, null=True)),
                ("breached_at", models.DateTimeField(blank=True, null=True)),
                (
                    "completed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "cycle",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="phases",
                        to="incidents.cycle",
                    ),
                ),
                (
                    "due_set_by",
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
                "ordering": ("cycle", "position"),
                "indexes": [
                    models.Index(
                        condition=models.Q(("completed_at__isnull", True)),
                        fields=["due_at"],
                        name="phase_running_due_at",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("cycle", "phase"), name="phase_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "phase__in",
                                [
                                    "detect",
                                    "contain",
                                    "collect",
                                    "verify",
                                    "analyze",
                                    "remediate",
                                    "postmortem",
                                ],
                            )
                        ),
                        name="phase_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("completed_at__isnull", True),
                            ("started_at__isnull", False),
                            _connector="OR",
                        ),
                        name="phase_completed_was_started",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("due_at__isnull", True),
                            (
                                "due_at__gte",
                                datetime.datetime(
                                    2000, 1, 1, 0, 0, tzinfo=datetime.UTC
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="phase_due_at_plausible",
                    ),
                ],
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
                ],
            },
        ),
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
                            ("risk_controller", "risk_controller"),
                            ("ci_gate", "ci_gate"),
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
                (
                    "rule",
                    models.ForeignKey(
                        blank=True,
                        help_text="The rule that decided; empty where none fitted.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alerts",
                        to="incidents.alertrule",
                    ),
                ),
                (
                    "decided_incident",
                    models.ForeignKey(
                        blank=True,
                        help_text="The case that the rules gave it to when it came in.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="incidents.incident",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alerts",
                        to="incidents.incident",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("incident__isnull", True)),
                        fields=["extension", "category", "happened_at"],
                        name="alert_kept_by_group",
                    ),
                    models.Index(
                        fields=["incident", "happened_at"], name="alert_by_case"
                    ),
                    models.Index(fields=["happened_at"], name="alert_happened_at"),
                    models.Index(
                        fields=["category", "severity"], name="alert_by_category"
                    ),
                    models.Index(fields=["call_id"], name="alert_by_call"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("source", "alert_id"), name="alert_once_per_source"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("source__in", ["risk_controller", "ci_gate"])
                        ),
                        name="alert_source_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("severity__in", ["info", "warning", "error", "critical"])
                        ),
                        name="alert_severity_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("decided_incident__isnull", True), ("decision", "kept")
                            ),
                            models.Q(
                                ("decided_incident__isnull", False),
                                ("decision__in", ("opened", "joined")),
                            ),
                            _connector="OR",
                        ),
                        name="alert_decision_names_case",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ChecklistItem",
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
                ("key", models.CharField(max_length=64)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("investigation", "Investigation"),
                            ("artifact", "Artifact"),
                            ("remediation", "Remediation"),
                            ("verification", "Verification"),
                        ],
                        max_length=14,
                    ),
                ),
                (
                    "phase",
                    models.CharField(
                        choices=[
                            ("detect", "DETECT"),
                            ("contain", "CONTAIN"),
                            ("collect", "COLLECT"),
                            ("verify", "VERIFY"),
                            ("analyze", "ANALYZE"),
                            ("remediate", "REMEDIATE"),
                            ("postmortem", "POSTMORTEM"),
                        ],
                        max_length=12,
                    ),
                ),
                ("phase_position", models.PositiveSmallIntegerField()),
                ("position", models.PositiveSmallIntegerField()),
                ("required", models.BooleanField()),
                ("text", models.TextField()),
                (
                    "content",
                    models.JSONField(
                        help_text="The item as the playbook version has it (docs/playbooks.md)."
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("done", "Done"),
                            ("not_applicable", "Not applicable"),
                            ("failed", "Failed"),
                        ],
                        default=incidents.workflow.incident_states.ItemState["OPEN"],
                        max_length=14,
                    ),
                ),
                ("answered_at", models.DateTimeField(blank=True, null=True)),
                ("note", models.TextField(blank=True)),
                ("retired_at", models.DateTimeField(blank=True, null=True)),
                (
                    "answered_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "assignee",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="checklist_items",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "cycle",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="checklist",
                        to="incidents.cycle",
                    ),
                ),
                (
                    "playbook_version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="incidents.playbookversion",
                    ),
                ),
            ],
            options={
                "ordering": ("phase_position", "position", "id"),
                "indexes": [
                    models.Index(
                        condition=models.Q(
                            ("retired_at__isnull", True),
                            (
                                "state",
                                incidents.workflow.incident_states.ItemState["OPEN"],
                            ),
                        ),
                        fields=["assignee"],
                        name="checklist_open_by_assignee",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("retired_at__isnull", True)),
                        fields=("cycle", "key"),
                        name="checklist_item_key_unique",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "investigation",
                                    "artifact",
                                    "remediation",
                                    "verification",
                                ],
                            )
                        ),
                        name="checklist_item_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "phase__in",
                                [
                                    "detect",
                                    "contain",
                                    "collect",
                                    "verify",
                                    "analyze",
                                    "remediate",
                                    "postmortem",
                                ],
                            )
                        ),
                        name="checklist_item_phase_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["open", "done", "not_applicable", "failed"])
                        ),
                        name="checklist_item_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("answered_at__isnull", True),
                                (
                                    "state",
                                    incidents.workflow.incident_states.ItemState[
                                        "OPEN"
                                    ],
                                ),
                            ),
                            models.Q(
                                models.Q(
                                    (
                                        "state",
                                        incidents.workflow.incident_states.ItemState[
                                            "OPEN"
                                        ],
                                    ),
                                    _negated=True,
                                ),
                                ("answered_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="checklist_item_answer_has_time",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="EvidenceFindings",
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
                ("alert_category", models.CharField(max_length=60)),
                ("findings", models.JSONField(default=list)),
                ("problem", models.CharField(blank=True, max_length=300)),
                ("gathered_at", models.DateTimeField()),
                (
                    "report",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="findings",
                        to="evidence.verificationreport",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "evidence findings",
                "ordering": ("-id",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="ActionItem",
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
                ("text", models.CharField(max_length=500)),
                (
                    "item_type",
                    models.CharField(
                        choices=[
                            ("detective", "Detective"),
                            ("preventative", "Preventative"),
                            ("corrective", "Corrective"),
                        ],
                        max_length=14,
                        verbose_name="type",
                    ),
                ),
                ("due_on", models.DateField()),
                ("ticket", models.CharField(blank=True, max_length=100)),
                ("ticket_url", models.URLField(blank=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("done", "Done"),
                            ("dropped", "Dropped"),
                        ],
                        default=incidents.workflow.postmortem.ActionItemState["OPEN"],
                        max_length=8,
                    ),
                ),
                (
                    "outcome",
                    models.TextField(
                        blank=True, help_text="What was done, or why not."
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("revision", models.PositiveIntegerField(default=1)),
                (
                    "closed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
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
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="action_items",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "cycle",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="action_items",
                        to="incidents.cycle",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="action_items",
                        to="incidents.incident",
                    ),
                ),
            ],
            options={
                "ordering": ("due_on", "id"),
                "indexes": [
                    models.Index(
                        condition=models.Q(
                            (
                                "state",
                                incidents.workflow.postmortem.ActionItemState["OPEN"],
                            )
                        ),
                        fields=["due_on"],
                        name="action_item_open_by_due",
                    ),
                    models.Index(
                        condition=models.Q(
                            (
                                "state",
                                incidents.workflow.postmortem.ActionItemState["OPEN"],
                            )
                        ),
                        fields=["owner", "due_on"],
                        name="action_item_open_by_owner",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "item_type__in",
                                ["detective", "preventative", "corrective"],
                            )
                        ),
                        name="action_item_type_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("closed_at__isnull", True),
                                (
                                    "state",
                                    incidents.workflow.postmortem.ActionItemState[
                                        "OPEN"
                                    ],
                                ),
                            ),
                            models.Q(
                                ("state__in", ["open", "done", "dropped"]),
                                models.Q(
                                    (
                                        "state",
                                        incidents.workflow.postmortem.ActionItemState[
                                            "OPEN"
                                        ],
                                    ),
                                    _negated=True,
                                ),
                                ("closed_at__isnull", False),
                                models.Q(("outcome", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="action_item_closed_has_outcome",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ReminderCursor",
            fields=[
                (
                    "phase",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="reminder_cursor",
                        serialize=False,
                        to="incidents.incidentphase",
                    ),
                ),
                ("seen_started_at", models.DateTimeField(blank=True, null=True)),
                ("seen_due_at", models.DateTimeField(blank=True, null=True)),
                ("seen_completed_at", models.DateTimeField(blank=True, null=True)),
                ("planned_until", models.DateTimeField(blank=True, null=True)),
                ("next_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["next_at"], name="reminder_cursor_next")
                ],
            },
        ),
        migrations.CreateModel(
            name="GateWaiver",
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
                ("condition_key", models.CharField(max_length=60)),
                ("reason", models.TextField()),
                ("waived_at", models.DateTimeField()),
                (
                    "waived_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "phase",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="waivers",
                        to="incidents.incidentphase",
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "abstract": False,
                "constraints": [
                    models.UniqueConstraint(
                        fields=("phase", "condition_key"), name="gate_waived_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True),
                        name="gate_waiver_has_reason",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "condition_key__in",
                                [
                                    incidents.workflow.gates.ConditionKey[
                                        "ARTIFACTS_ARCHIVED"
                                    ],
                                    incidents.workflow.gates.ConditionKey[
                                        "POSTMORTEM_SIGNED"
                                    ],
                                    incidents.workflow.gates.ConditionKey[
                                        "POSTMORTEM_WRITTEN"
                                    ],
                                ],
                            ),
                            _negated=True,
                        ),
                        name="gate_waiver_not_of_postmortem",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="GateStatement",
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
                ("condition_key", models.CharField(max_length=60)),
                ("statement", models.TextField()),
                ("stated_at", models.DateTimeField()),
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
                    "report",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="explanations",
                        to="evidence.verificationreport",
                    ),
                ),
                (
                    "stated_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "phase",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="statements",
                        to="incidents.incidentphase",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Notification",
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
                ("key", models.CharField(max_length=200)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("warning", "Warning"),
                            ("breach", "Breach"),
                            ("repeat", "Still overdue"),
                            ("assigned", "Assignment"),
                            ("kill_all", "Kill-all"),
                            ("reminder", "Reminder"),
                            ("test", "Test message"),
                        ],
                        max_length=10,
                    ),
                ),
                ("phase_due_at", models.DateTimeField(blank=True, null=True)),
                ("headline", models.CharField(max_length=200)),
                (
                    "path",
                    models.CharField(help_text="What the link opens.", max_length=300),
                ),
                ("owed_at", models.DateTimeField()),
                ("send_at", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                ("found_by_check", models.BooleanField(default=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Waiting"),
                            ("sending", "Being sent"),
                            ("sent", "Sent"),
                            ("failed", "Failed"),
                            ("overtaken", "Overtaken"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("next_try_at", models.DateTimeField()),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("attempts_left", models.PositiveSmallIntegerField(default=8)),
                ("was_late", models.BooleanField(default=False)),
                ("subject", models.CharField(blank=True, max_length=300)),
                ("body", models.TextField(blank=True)),
                ("problem", models.CharField(blank=True, max_length=300)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "incident",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notifications",
                        to="incidents.incident",
                    ),
                ),
                (
                    "phase",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notifications",
                        to="incidents.incidentphase",
                    ),
                ),
                (
                    "recipient",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notifications",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "permissions": (
                    ("retry_notification", "Can send a failed notification again"),
                ),
            },
        ),
        migrations.CreateModel(
            name="NotificationAttempt",
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
                ("number", models.PositiveSmallIntegerField()),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("sent", "Sent"),
                            ("failed", "Failed, worth another try"),
                            ("refused", "Refused for good"),
                            ("lost", "The worker ended"),
                        ],
                        max_length=10,
                    ),
                ),
                ("detail", models.CharField(blank=True, max_length=300)),
                ("ended_at", models.DateTimeField()),
                (
                    "notification",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tries",
                        to="incidents.notification",
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("outcome__in", ["sent", "failed", "refused", "lost"])
                        ),
                        name="attempt_outcome_known",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Postmortem",
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
                            ("draft", "Draft"),
                            ("submitted", "Submitted"),
                            ("returned", "Returned"),
                            ("signed", "Signed"),
                        ],
                        default=incidents.workflow.postmortem.PostmortemState["DRAFT"],
                        max_length=10,
                    ),
                ),
                ("draft_revision", models.PositiveIntegerField(default=1)),
                ("opened_at", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
                (
                    "cycle",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="postmortem",
                        to="incidents.cycle",
                    ),
                ),
                (
                    "opened_by",
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
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["draft", "submitted", "returned", "signed"])
                        ),
                        name="postmortem_state_known",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="PostmortemDraft",
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
                ("revision", models.PositiveIntegerField()),
                ("sections", models.JSONField()),
                ("saved_at", models.DateTimeField()),
                (
                    "postmortem",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="drafts",
                        to="incidents.postmortem",
                    ),
                ),
                (
                    "saved_by",
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
                "ordering": ("-revision",),
                "abstract": False,
                "constraints": [
                    models.UniqueConstraint(
                        fields=("postmortem", "revision"),
                        name="postmortem_draft_revision",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="PostmortemReview",
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
                    "verdict",
                    models.CharField(
                        choices=[("signed", "Signed"), ("returned", "Returned")],
                        max_length=10,
                    ),
                ),
                (
                    "content_sha256",
                    models.CharField(max_length=64, verbose_name="SHA-256"),
                ),
                ("comment", models.TextField(blank=True)),
                ("reviewed_at", models.DateTimeField()),
                (
                    "reviewer",
                    models.ForeignKey(
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
            name="PostmortemArchive",
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
                ("archived_at", models.DateTimeField()),
                (
                    "json_item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.evidenceitem",
                    ),
                ),
                (
                    "markdown_item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.evidenceitem",
                    ),
                ),
                (
                    "pdf_item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.evidenceitem",
                    ),
                ),
                (
                    "review",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="archive",
                        to="incidents.postmortemreview",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="PostmortemVersion",
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
                ("number", models.PositiveIntegerField()),
                ("document", models.TextField()),
                (
                    "content_sha256",
                    models.CharField(max_length=64, verbose_name="SHA-256"),
                ),
                ("submitted_at", models.DateTimeField()),
                (
                    "postmortem",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="incidents.postmortem",
                    ),
                ),
                (
                    "submitted_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("-number",),
                "abstract": False,
                "constraints": [
                    models.UniqueConstraint(
                        fields=("postmortem", "number"),
                        name="postmortem_version_number",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "content_sha256",
                                models.Func(
                                    models.Func(
                                        models.Func(
                                            models.F("document"),
                                            models.Value("UTF8"),
                                            function="convert_to",
                                        ),
                                        function="sha256",
                                    ),
                                    models.Value("hex"),
                                    function="encode",
                                ),
                            )
                        ),
                        name="postmortem_version_hash",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="postmortemreview",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="reviews",
                to="incidents.postmortemversion",
            ),
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
        migrations.CreateModel(
            name="ReminderAcknowledgement",
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
                ("acknowledged_at", models.DateTimeField()),
                ("holds_until", models.DateTimeField()),
                (
                    "acknowledged_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "phase",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="acknowledgements",
                        to="incidents.incidentphase",
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("holds_until__gt", models.F("acknowledged_at"))
                        ),
                        name="acknowledgement_holds_for_a_time",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ReminderCheckState",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(
                        default=1, primary_key=True, serialize=False
                    ),
                ),
                ("last_run_at", models.DateTimeField(blank=True, null=True)),
                ("last_missed_at", models.DateTimeField(blank=True, null=True)),
                ("runs", models.PositiveBigIntegerField(default=0)),
                ("missed", models.PositiveBigIntegerField(default=0)),
                ("repaired", models.PositiveBigIntegerField(default=0)),
                ("stuck", models.PositiveBigIntegerField(default=0)),
                ("without_recipient", models.PositiveIntegerField(default=0)),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="one_reminder_check_state"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ReminderSettings",
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
                ("plan", models.JSONField()),
                (
                    "hold_minutes",
                    models.PositiveIntegerField(
                        help_text="How long an acknowledgement holds back the repeats of a breach."
                    ),
                ),
                ("set_at", models.DateTimeField()),
                (
                    "set_by",
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
                "verbose_name_plural": "reminder settings",
                "ordering": ("-id",),
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("hold_minutes__gt", 0)),
                        name="reminder_hold_is_positive",
                    )
                ],
            },
        ),
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
                "constraints": [
                    models.CheckConstraint(
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
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("proof", ""), _negated=True),
                            ("ticket__isnull", False),
                            ("evidence_item__isnull", False),
                            _connector="OR",
                        ),
                        name="remediation_action_has_proof",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TimelineEntry",
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
                            ("note", "Note"),
                            ("event", "Event"),
                            ("state", "State change"),
                            ("evidence", "Evidence"),
                            ("alert", "Alert"),
                            ("policy", "Policy and trust"),
                            ("decision", "Decision"),
                        ],
                        max_length=10,
                    ),
                ),
                ("phase", models.CharField(blank=True, max_length=12)),
                ("event_at", models.DateTimeField()),
                ("entered_at", models.DateTimeField()),
                ("author_name", models.CharField(max_length=150)),
                ("body", models.TextField()),
                (
                    "author",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "corrects",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="corrections",
                        to="incidents.timelineentry",
                    ),
                ),
                (
                    "cycle",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="timeline",
                        to="incidents.cycle",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="timeline",
                        to="incidents.incident",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "timeline entries",
                "ordering": ("event_at", "id"),
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "note",
                                    "event",
                                    "state",
                                    "evidence",
                                    "alert",
                                    "policy",
                                    "decision",
                                ],
                            )
                        ),
                        name="timeline_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "event_at__gte",
                                datetime.datetime(
                                    2000, 1, 1, 0, 0, tzinfo=datetime.UTC
                                ),
                            )
                        ),
                        name="timeline_event_at_plausible",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="WebhookChannel",
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
                ("name", models.CharField(max_length=100, unique=True)),
                (
                    "wants_warnings",
                    models.BooleanField(
                        default=False,
                        help_text="A shared channel always hears of breaches; this adds warnings.",
                    ),
                ),
                ("scheme", models.CharField(editable=False, max_length=20)),
                ("sealed_url", models.TextField(editable=False)),
                ("is_active", models.BooleanField(default=True)),
                ("added_at", models.DateTimeField(editable=False)),
                (
                    "added_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        help_text="Whose it is. Empty: shared.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="webhook_channels",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        blank=True,
                        help_text="A shared channel for the cases of one team. Empty: all cases.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="webhook_channels",
                        to="incidents.team",
                    ),
                ),
            ],
            options={
                "ordering": ("name",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("owner__isnull", True),
                            ("team__isnull", True),
                            _connector="OR",
                        ),
                        name="webhook_of_a_person_or_a_team",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="NotificationPreference",
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
                ("by_email", models.BooleanField(default=True)),
                ("quiet_from", models.TimeField(blank=True, null=True)),
                ("quiet_until", models.TimeField(blank=True, null=True)),
                ("time_zone", models.CharField(default="UTC", max_length=64)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notification_preference",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "webhooks_off",
                    models.ManyToManyField(
                        blank=True, related_name="+", to="incidents.webhookchannel"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("quiet_from__isnull", True),
                                ("quiet_until__isnull", True),
                            ),
                            models.Q(
                                ("quiet_from__isnull", False),
                                ("quiet_until__isnull", False),
                                models.Q(
                                    ("quiet_from", models.F("quiet_until")),
                                    _negated=True,
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="quiet_hours_have_both_ends",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="notification",
            name="webhook",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="notifications",
                to="incidents.webhookchannel",
            ),
        ),
        migrations.CreateModel(
            name="ChecklistEntry",
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
                    "action",
                    models.CharField(
                        choices=[
                            ("answered", "Answered"),
                            ("undone", "Taken back"),
                            ("linked", "Artifact linked"),
                            ("assigned", "Assigned"),
                            ("retired", "No longer asked"),
                            ("restored", "Asked again"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("done", "Done"),
                            ("not_applicable", "Not applicable"),
                            ("failed", "Failed"),
                        ],
                        max_length=14,
                    ),
                ),
                ("note", models.TextField(blank=True)),
                ("recorded_at", models.DateTimeField()),
                ("actor_name", models.CharField(max_length=150)),
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
                    "assignee",
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
                        related_name="entries",
                        to="incidents.checklistitem",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "checklist entries",
                "ordering": ("id",),
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "action__in",
                                [
                                    "answered",
                                    "undone",
                                    "linked",
                                    "assigned",
                                    "retired",
                                    "restored",
                                ],
                            )
                        ),
                        name="checklist_entry_action_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["open", "done", "not_applicable", "failed"])
                        ),
                        name="checklist_entry_state_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ArtifactLink",
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
                            ("evidence", "Evidence item"),
                            ("alert", "Alert"),
                            ("trust_transition", "Trust transition"),
                            ("kill_switch", "Kill switch record"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "record_id",
                    models.CharField(
                        blank=True,
                        help_text="The key of a record that is not evidence.",
                        max_length=64,
                    ),
                ),
                ("label", models.CharField(max_length=300)),
                ("linked_at", models.DateTimeField()),
                ("withdrawn_at", models.DateTimeField(blank=True, null=True)),
                (
                    "evidence_item",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="checklist_links",
                        to="evidence.evidenceitem",
                    ),
                ),
                (
                    "linked_by",
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
                        related_name="links",
                        to="incidents.checklistitem",
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("evidence_item__isnull", False), ("kind", "evidence")
                            ),
                            models.Q(
                                (
                                    "kind__in",
                                    [
                                        "evidence",
                                        "alert",
                                        "trust_transition",
                                        "kill_switch",
                                    ],
                                ),
                                models.Q(("kind", "evidence"), _negated=True),
                                models.Q(("record_id", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="artifact_link_names_artifact",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("withdrawn_at__isnull", True)),
                        fields=("item", "evidence_item"),
                        name="artifact_link_evidence_once",
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
                (
                    "incident",
                    models.ForeignKey(
                        blank=True,
                        help_text="The case it went to; empty where it was split off.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alert_assignments",
                        to="incidents.incident",
                    ),
                ),
                (
                    "previous_incident",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="incidents.incident",
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("kind__in", ["opened", "joined", "moved", "split"])
                        ),
                        name="alert_move_known",
                    ),
                    models.CheckConstraint(
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
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="postmortemreview",
            constraint=models.CheckConstraint(
                condition=models.Q(("verdict__in", ["signed", "returned"])),
                name="postmortem_review_verdict_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="postmortemreview",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("verdict", "signed"),
                    models.Q(("comment", ""), _negated=True),
                    _connector="OR",
                ),
                name="postmortem_return_has_comment",
            ),
        ),
        migrations.AddConstraint(
            model_name="postmortemreview",
            constraint=models.UniqueConstraint(
                fields=("version",), name="postmortem_review_once_per_version"
            ),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                condition=models.Q(("state__in", ("pending", "sending"))),
                fields=["next_try_at", "id"],
                name="notification_to_send",
            ),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(fields=["state", "-id"], name="notification_by_state"),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.UniqueConstraint(
                fields=("key", "recipient", "webhook"),
                name="notification_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("recipient__isnull", False),
                    ("webhook__isnull", False),
                    _connector="OR",
                ),
                name="notification_reaches_somebody",
            ),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "warning",
                            "breach",
                            "repeat",
                            "assigned",
                            "kill_all",
                            "reminder",
                            "test",
                        ],
                    )
                ),
                name="notification_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("finished_at__isnull", True),
                        ("state__in", ("pending", "sending")),
                    ),
                    models.Q(
                        ("finished_at__isnull", False),
                        ("state__in", ("sent", "failed", "overtaken")),
                    ),
                    _connector="OR",
                ),
                name="notification_finished_has_time",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="alertrule",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="5d8a520f77e82f0b4b909950b63ffedcccb2c9b4",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_280bf",
                    table="incidents_alertrule",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="checklistentry",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="cf19aef455cda7259f46c82b16558bc803f48017",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_64fd1",
                    table="incidents_checklistentry",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="checklistentry",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="323175430138b27f41478ffb7eacc5be7880587b",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_5cac0",
                    table="incidents_checklistentry",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="artifactlink",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="7bc62730b3c0d4729a11f432bd8ad135c9383d42",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_01924",
                    table="incidents_artifactlink",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="artifactlink",
            trigger=pgtrigger.compiler.Trigger(
                name="withdrawn_stays_withdrawn",
                sql=evidence.models.triggers.FirmTriggerSql(
                    condition='WHEN (OLD."withdrawn_at" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="3f9516fa0de5ddadc8eac39793dc67f68d55fe5f",
                    operation="UPDATE",
                    pgid="pgtrigger_withdrawn_stays_withdrawn_2ad21",
                    table="incidents_artifactlink",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="evidencefindings",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="19ed0e384470b51a35f73c70563e3105b78999c9",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_b6114",
                    table="incidents_evidencefindings",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="evidencefindings",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="db5d112f93b4a6da061cecb41288600d9903fa23",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_ad0a5",
                    table="incidents_evidencefindings",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="alertassignment",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
        pgtrigger.migrations.AddTrigger(
            model_name="alert",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
        pgtrigger.migrations.AddTrigger(
            model_name="actionitem",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="f99479bf4daf351dd736699b872c1365e563867f",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_4aff4",
                    table="incidents_actionitem",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="actionitem",
            trigger=pgtrigger.compiler.Trigger(
                name="origin_is_fixed",
                sql=evidence.models.triggers.FirmTriggerSql(
                    condition='WHEN (OLD."incident_id" IS DISTINCT FROM (NEW."incident_id") OR OLD."cycle_id" IS DISTINCT FROM (NEW."cycle_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="8544559d9349627dbed5342fc4b59be16d467e1d",
                    operation="UPDATE",
                    pgid="pgtrigger_origin_is_fixed_78ec2",
                    table="incidents_actionitem",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="incidentphase",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="28d8bbb1173ffec8bffa0300a74887bfc268c7f6",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_18d19",
                    table="incidents_incidentphase",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="incidentphase",
            trigger=pgtrigger.compiler.Trigger(
                name="completed_stays_completed",
                sql=evidence.models.triggers.FirmTriggerSql(
                    condition='WHEN (OLD."completed_at" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="422411aa97549dfef021d620c22cf37e92aabc06",
                    operation="UPDATE",
                    pgid="pgtrigger_completed_stays_completed_fe6d5",
                    table="incidents_incidentphase",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="incidentphase",
            trigger=pgtrigger.compiler.Trigger(
                name="ended_cycle_stays",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    IF EXISTS (SELECT 1 FROM incidents_cycle\n                WHERE id = OLD.cycle_id AND ended_at IS NOT NULL) THEN\n        RAISE EXCEPTION 'the cycle has ended: % stays as it was', TG_TABLE_NAME\n            USING ERRCODE = 'restrict_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="27e27303637759bbcdaf27e5939b0629267fda00",
                    operation="UPDATE",
                    pgid="pgtrigger_ended_cycle_stays_2bd22",
                    table="incidents_incidentphase",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="incidentphase",
            trigger=pgtrigger.compiler.Trigger(
                name="complete_in_order",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    IF NEW.completed_at IS NOT NULL AND EXISTS (\n        SELECT 1 FROM incidents_incidentphase\n         WHERE cycle_id = NEW.cycle_id AND position < NEW.position\n           AND completed_at IS NULL) THEN\n        RAISE EXCEPTION 'phases complete in order: % is before its turn', NEW.phase\n            USING ERRCODE = 'restrict_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="49998f79d17906ccbe533164d01f343ab99bacae",
                    operation="UPDATE",
                    pgid="pgtrigger_complete_in_order_144ed",
                    table="incidents_incidentphase",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="gatewaiver",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="7aac4460084a9b561e4637f44604fdb5852f54d5",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_bede4",
                    table="incidents_gatewaiver",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="gatewaiver",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="46aec9807d6af316648ca2559adc53058227d9e0",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_10a85",
                    table="incidents_gatewaiver",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="gatestatement",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="bdd16d42d5f7c7ea836386797765a892af9925d5",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_7bc1c",
                    table="incidents_gatestatement",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="gatestatement",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="fa8a36468a0b38006beb8662a9ef010260ddc05e",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_90e63",
                    table="incidents_gatestatement",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="notificationattempt",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="26917c5a3be06a218278eb7603d62d9d0482a443",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_956f2",
                    table="incidents_notificationattempt",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="notificationattempt",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="99756ed1936e92b7c35d889b29635eef000a6565",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_9b628",
                    table="incidents_notificationattempt",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="checklistitem",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="736013a1cff24142c101f4992d0c1149af8e6b23",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_7bf75",
                    table="incidents_checklistitem",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="checklistitem",
            trigger=pgtrigger.compiler.Trigger(
                name="ended_cycle_stays",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    IF EXISTS (SELECT 1 FROM incidents_cycle\n                WHERE id = OLD.cycle_id AND ended_at IS NOT NULL) THEN\n        RAISE EXCEPTION 'the cycle has ended: % stays as it was', TG_TABLE_NAME\n            USING ERRCODE = 'restrict_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="a2adf025c2ce2bc1527aba7b762bc50c7e9f7f16",
                    operation="UPDATE",
                    pgid="pgtrigger_ended_cycle_stays_1abb4",
                    table="incidents_checklistitem",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortem",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="2255487ef87dfdf53ffb07e658460789cee18915",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_6c343",
                    table="incidents_postmortem",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortem",
            trigger=pgtrigger.compiler.Trigger(
                name="case_is_fixed",
                sql=evidence.models.triggers.FirmTriggerSql(
                    condition='WHEN (OLD."cycle_id" IS DISTINCT FROM (NEW."cycle_id") OR OLD."opened_at" IS DISTINCT FROM (NEW."opened_at") OR OLD."opened_by_id" IS DISTINCT FROM (NEW."opened_by_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="62fa48bbd60be6499380b9f9d5c43ddb895b8361",
                    operation="UPDATE",
                    pgid="pgtrigger_case_is_fixed_3e9da",
                    table="incidents_postmortem",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortem",
            trigger=pgtrigger.compiler.Trigger(
                name="signed_has_signature",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    IF NEW.state = 'signed' AND NOT EXISTS (\n        SELECT 1 FROM incidents_postmortemreview r\n          JOIN incidents_postmortemversion v ON v.id = r.version_id\n         WHERE v.postmortem_id = NEW.id AND r.verdict = 'signed'\n           AND NOT EXISTS (SELECT 1 FROM incidents_postmortemversion newer\n                            WHERE newer.postmortem_id = v.postmortem_id\n                              AND newer.number > v.number)) THEN\n        RAISE EXCEPTION 'no signature: % is not signed', NEW.id\n            USING ERRCODE = 'restrict_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="65a24faac88c534d9c3d022c9aac301834542647",
                    operation="UPDATE OR INSERT",
                    pgid="pgtrigger_signed_has_signature_fd13c",
                    table="incidents_postmortem",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemdraft",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="585272b8a717c511ae84e7579225f8e6ff5b9dd5",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_c2c59",
                    table="incidents_postmortemdraft",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemdraft",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="bb2e5d6d8a3f1fa2254e517ee04ce346db75306a",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_d5368",
                    table="incidents_postmortemdraft",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemdraft",
            trigger=pgtrigger.compiler.Trigger(
                name="only_while_editable",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    IF EXISTS (SELECT 1 FROM incidents_postmortem p\n                 JOIN incidents_cycle c ON c.id = p.cycle_id\n                WHERE p.id = NEW.postmortem_id\n                  AND (c.ended_at IS NOT NULL\n                       OR p.state NOT IN ('draft', 'returned'))) THEN\n        RAISE EXCEPTION 'the postmortem is not open for writing: take it up again first'\n            USING ERRCODE = 'restrict_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="31dc8e00ee9d5fbbcc07294237b9f8e91d764868",
                    operation="INSERT",
                    pgid="pgtrigger_only_while_editable_5ae8c",
                    table="incidents_postmortemdraft",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemarchive",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="61d7154b3756a41724b61e019f3f24cc8d568f79",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_92300",
                    table="incidents_postmortemarchive",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemarchive",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="3562b336a98b41457defb3b71214ea3d2f660dc2",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_29afb",
                    table="incidents_postmortemarchive",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemversion",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="16378fe34af911a48962c9c284c8734ecf8f564b",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_d0bca",
                    table="incidents_postmortemversion",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemversion",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="cbcfc75e825c24589d527ca433232ef2bfeaf6d4",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_48f76",
                    table="incidents_postmortemversion",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemversion",
            trigger=pgtrigger.compiler.Trigger(
                name="only_while_editable",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    IF EXISTS (SELECT 1 FROM incidents_postmortem p\n                 JOIN incidents_cycle c ON c.id = p.cycle_id\n                WHERE p.id = NEW.postmortem_id\n                  AND (c.ended_at IS NOT NULL\n                       OR p.state NOT IN ('draft', 'returned'))) THEN\n        RAISE EXCEPTION 'the postmortem is not open for writing: take it up again first'\n            USING ERRCODE = 'restrict_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="1ea02c492b5f602b47b5ccc07b81658e741deb77",
                    operation="INSERT",
                    pgid="pgtrigger_only_while_editable_ac6d4",
                    table="incidents_postmortemversion",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemreview",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="ecf5847513773f2d72adf0585194ea28b0cfd219",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_f5ea5",
                    table="incidents_postmortemreview",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemreview",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="2aadb4937c1f6e9ceadfdf544e16d55447dbdba2",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_86410",
                    table="incidents_postmortemreview",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemreview",
            trigger=pgtrigger.compiler.Trigger(
                name="never_by_an_author",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    IF EXISTS (SELECT 1 FROM incidents_postmortemdraft d\n                 JOIN incidents_postmortemversion v\n                   ON v.postmortem_id = d.postmortem_id\n                WHERE v.id = NEW.version_id AND d.saved_by_id = NEW.reviewer_id)\n    OR EXISTS (SELECT 1 FROM incidents_postmortemversion mine\n                 JOIN incidents_postmortemversion v\n                   ON v.postmortem_id = mine.postmortem_id\n                WHERE v.id = NEW.version_id\n                  AND mine.submitted_by_id = NEW.reviewer_id) THEN\n        RAISE EXCEPTION 'four eyes: an author of a postmortem cannot review it'\n            USING ERRCODE = 'restrict_violation';\n    END IF;\n    IF NOT EXISTS (SELECT 1 FROM incidents_postmortemversion v\n                    WHERE v.id = NEW.version_id\n                      AND v.content_sha256 = NEW.content_sha256\n                      AND NOT EXISTS (SELECT 1 FROM incidents_postmortemversion newer\n                                       WHERE newer.postmortem_id = v.postmortem_id\n                                         AND newer.number > v.number)) THEN\n        RAISE EXCEPTION 'a review is of the newest version and of its very content'\n            USING ERRCODE = 'restrict_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="fe8f3257f29a25b67bc57696f2a3c0c9b2962494",
                    operation="INSERT",
                    pgid="pgtrigger_never_by_an_author_4e397",
                    table="incidents_postmortemreview",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="remediationdecision",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
        pgtrigger.migrations.AddTrigger(
            model_name="reminderacknowledgement",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="3defaa45ba2fab9401b3ad07843a8158b3bd1f8d",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_ea336",
                    table="incidents_reminderacknowledgement",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="reminderacknowledgement",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="2b95deabafe2ba98747a20c68b9d4333af82931c",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_10117",
                    table="incidents_reminderacknowledgement",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="remindersettings",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="6d8ba1e58d289636302484ac0ea75d13576c0381",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_3aaa4",
                    table="incidents_remindersettings",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="remindersettings",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="c9c18aef700cce92ae58f298ce5e1907ff64f972",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_1141c",
                    table="incidents_remindersettings",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="remediationaction",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
        pgtrigger.migrations.AddTrigger(
            model_name="timelineentry",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="e4d77c16cc06d77288724d2e0d39eda89889449b",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_973d6",
                    table="incidents_timelineentry",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="timelineentry",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="7e05d0014c4f84cb90edf2a4e7c99cee7c643753",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_04004",
                    table="incidents_timelineentry",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="webhookchannel",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="0aca6d276cc77f0a85662047591321cc2b88082a",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_ade0b",
                    table="incidents_webhookchannel",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="notification",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="6df40040142d44412fb1bd26c754d8faf3ca59f5",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_7294e",
                    table="incidents_notification",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="notification",
            trigger=pgtrigger.compiler.Trigger(
                name="sent_stays_sent",
                sql=evidence.models.triggers.FirmTriggerSql(
                    condition="WHEN (OLD.\"state\" IN ('sent', 'overtaken'))",
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="cf38db3730424bd25dd50eac7b367b2a283547ed",
                    operation="UPDATE",
                    pgid="pgtrigger_sent_stays_sent_c5ae7",
                    table="incidents_notification",
                    when="BEFORE",
                ),
            ),
        ),
    ]
