import datetime
import django.db.models.deletion
import evidence.models.triggers
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "__first__"),
        ("evidence", "0001_evidence"),
        ("policy", "0001_extensions"),
    ]

    operations = [
        migrations.CreateModel(
            name="KillSwitch",
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
                    "scope",
                    models.CharField(
                        choices=[("extension", "Extension"), ("all", "All")],
                        max_length=10,
                    ),
                ),
                ("reason", models.TextField()),
                ("ordered_at", models.DateTimeField()),
                (
                    "previous_trust",
                    models.CharField(
                        blank=True,
                        help_text="The extension's trust when it was ordered.",
                        max_length=12,
                    ),
                ),
                (
                    "extension",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="kill_switches",
                        to="policy.extension",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="kill_switches",
                        to="incidents.incident",
                    ),
                ),
                (
                    "ordered_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "kill switches",
                "ordering": ("-id",),
                "permissions": (
                    (
                        "confirm_killswitch",
                        "Can confirm that a kill switch took effect",
                    ),
                ),
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("scope__in", ["extension", "all"])),
                        name="kill_switch_scope_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("extension__isnull", True), ("scope", "all")),
                            models.Q(
                                ("extension__isnull", False), ("scope", "extension")
                            ),
                            _connector="OR",
                        ),
                        name="kill_switch_names_its_extension",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True),
                        name="kill_switch_has_reason",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="KillSwitchConfirmation",
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
                ("effective_at", models.DateTimeField()),
                ("confirmed_at", models.DateTimeField()),
                (
                    "means",
                    models.TextField(help_text="What was run, and what it showed."),
                ),
                (
                    "confirmed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "kill_switch",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="confirmation",
                        to="policy.killswitch",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="LiftRequest",
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
                ("reason", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("approved", "Approved"),
                            ("declined", "Declined"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("requested_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("decision_reason", models.TextField(blank=True)),
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
                    "kill_switch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lift_requests",
                        to="policy.killswitch",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
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
                            (
                                "state__in",
                                ["pending", "approved", "declined", "withdrawn"],
                            )
                        ),
                        name="lift_request_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "approved"), _negated=True),
                            models.Q(
                                ("decided_by__isnull", False),
                                models.Q(
                                    ("decided_by", models.F("requested_by")),
                                    _negated=True,
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="lift_approved_by_second_person",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "pending")),
                        fields=("kill_switch",),
                        name="lift_one_pending",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="KillSwitchLift",
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
                ("reason", models.TextField()),
                (
                    "exception",
                    models.TextField(
                        blank=True,
                        help_text="Why it is lifted before the case reached REMEDIATE.",
                    ),
                ),
                ("lifted_at", models.DateTimeField()),
                (
                    "approved_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "kill_switch",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lift",
                        to="policy.killswitch",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "request",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lift",
                        to="policy.liftrequest",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("approved_by", models.F("requested_by")), _negated=True
                        ),
                        name="lift_approver_is_second_person",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True),
                        name="lift_has_reason",
                    ),
                ],
            },
        ),
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
        migrations.CreateModel(
            name="PromotionRequest",
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
                    "to_state",
                    models.CharField(
                        choices=[
                            ("unknown", "Unknown"),
                            ("probation", "Probation"),
                            ("trusted", "Trusted"),
                            ("quarantined", "Quarantined"),
                        ],
                        max_length=12,
                    ),
                ),
                ("reason", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("approved", "Approved"),
                            ("declined", "Declined"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("requested_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("decision_reason", models.TextField(blank=True)),
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
                    "extension",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="promotion_requests",
                        to="policy.extension",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="promotion_requests",
                        to="incidents.incident",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
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
                            (
                                "to_state__in",
                                ["unknown", "probation", "trusted", "quarantined"],
                            )
                        ),
                        name="promotion_to_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ["pending", "approved", "declined", "withdrawn"],
                            )
                        ),
                        name="promotion_request_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "approved"), _negated=True),
                            models.Q(
                                ("decided_by__isnull", False),
                                models.Q(
                                    ("decided_by", models.F("requested_by")),
                                    _negated=True,
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="promotion_approved_by_second_person",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "pending")),
                        fields=("extension",),
                        name="promotion_one_pending",
                    ),
                ],
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
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True),
                        name="quota_change_has_reason",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("to_mb__lte", models.F("from_mb")),
                            models.Q(("documentation", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="quota_raise_has_documentation",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Rollback",
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
                ("reason", models.TextField()),
                ("risk_choice", models.CharField(blank=True, max_length=20)),
                ("override_choice", models.CharField(blank=True, max_length=20)),
                ("before", models.JSONField()),
                ("after", models.JSONField()),
                ("effects", models.JSONField(default=list)),
                ("planned", models.JSONField(default=list)),
                ("commands", models.JSONField(default=list)),
                ("notes", models.JSONField(default=list)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("proposed", "Proposed"),
                            ("declined", "Declined"),
                            ("approved", "Approved"),
                            ("applied", "Applied, decisions not as planned"),
                            ("verified", "Verified"),
                        ],
                        default="proposed",
                        max_length=10,
                    ),
                ),
                ("proposed_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("decision_reason", models.TextField(blank=True)),
                ("applied_at", models.DateTimeField(blank=True, null=True)),
                ("command_output", models.TextField(blank=True)),
                ("deviations", models.JSONField(default=list)),
                (
                    "applied_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
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
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rollbacks",
                        to="incidents.incident",
                    ),
                ),
                (
                    "proof_snapshot",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="proves_rollbacks",
                        to="policy.policysnapshot",
                    ),
                ),
                (
                    "proposed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "snapshot",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rollbacks",
                        to="policy.policysnapshot",
                    ),
                ),
                (
                    "target_snapshot",
                    models.ForeignKey(
                        blank=True,
                        help_text="Empty: the plan goes back to safe defaults.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rollbacks_to_it",
                        to="policy.policysnapshot",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "proposed",
                                    "declined",
                                    "approved",
                                    "applied",
                                    "verified",
                                ],
                            )
                        ),
                        name="rollback_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("decided_by__isnull", True),
                            models.Q(
                                ("decided_by", models.F("proposed_by")), _negated=True
                            ),
                            _connector="OR",
                        ),
                        name="rollback_decided_by_second_person",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["proposed", "declined"]),
                            ("decided_by__isnull", False),
                            _connector="OR",
                        ),
                        name="rollback_approved_before_applied",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "verified"), _negated=True),
                            models.Q(
                                ("deviations", []), ("proof_snapshot__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="rollback_verified_by_snapshot",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True),
                        name="rollback_has_reason",
                    ),
                ],
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
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ("queued", "running"))),
                        fields=["touched_at"],
                        name="scanrequest_open",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["queued", "running", "done", "failed"])
                        ),
                        name="scanrequest_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("progress_percent__lte", 100)),
                        name="scanrequest_percent",
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
                        name="scanrequest_finished_has_time",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ("queued", "running"))),
                        fields=("item",),
                        name="scan_pending_once",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="scanreport",
            name="request",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="report",
                to="policy.scanrequest",
            ),
        ),
        migrations.CreateModel(
            name="TrustTransition",
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
                    "from_state",
                    models.CharField(
                        choices=[
                            ("unknown", "Unknown"),
                            ("probation", "Probation"),
                            ("trusted", "Trusted"),
                            ("quarantined", "Quarantined"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "to_state",
                    models.CharField(
                        choices=[
                            ("unknown", "Unknown"),
                            ("probation", "Probation"),
                            ("trusted", "Trusted"),
                            ("quarantined", "Quarantined"),
                        ],
                        max_length=12,
                    ),
                ),
                ("reason", models.TextField()),
                ("moved_at", models.DateTimeField()),
                ("requested_by_name", models.CharField(max_length=150)),
                (
                    "exception",
                    models.TextField(
                        blank=True,
                        help_text="Why an open case need not stand in the way.",
                    ),
                ),
                (
                    "approved_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "extension",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="trust_transitions",
                        to="policy.extension",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="trust_transitions",
                        to="incidents.incident",
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
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("from_state", "unknown"),
                                ("to_state__in", ["probation", "quarantined"]),
                            ),
                            models.Q(
                                ("from_state", "probation"),
                                ("to_state__in", ["quarantined", "trusted"]),
                            ),
                            models.Q(
                                ("from_state", "trusted"),
                                ("to_state__in", ["quarantined"]),
                            ),
                            models.Q(
                                ("from_state", "quarantined"),
                                ("to_state__in", ["probation"]),
                            ),
                            _connector="OR",
                        ),
                        name="trust_move_exists",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True),
                        name="trust_move_has_reason",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("approved_by__isnull", True),
                            models.Q(
                                ("requested_by__isnull", False),
                                models.Q(
                                    ("approved_by", models.F("requested_by")),
                                    _negated=True,
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="trust_approver_is_second_person",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                models.Q(("from_state", "quarantined"), _negated=True),
                                models.Q(("to_state", "trusted"), _negated=True),
                            ),
                            ("approved_by__isnull", False),
                            _connector="OR",
                        ),
                        name="trust_promotion_has_approver",
                    ),
                ],
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
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="policy_reading",
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
                            ("state__in", ["queued", "running", "done", "failed"])
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
                                ("state__in", ("done", "failed")),
                            ),
                            _connector="OR",
                        ),
                        name="bundlereading_finished_has_time",
                    ),
                ],
            },
        ),
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
                "constraints": [
                    models.UniqueConstraint(
                        fields=("item", "extension"), name="extension_appears_once"
                    )
                ],
            },
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
            model_name="bundlereading",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
        pgtrigger.migrations.AddTrigger(
            model_name="extensionappearance",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
        pgtrigger.migrations.AddTrigger(
            model_name="killswitch",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="b7c6756785f75ab5fb9957a6d767a5a05954edc8",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_0eaa9",
                    table="policy_killswitch",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="killswitch",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="f38284a2ff7cc5d622a1876d919fbbd50801556e",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_3d03f",
                    table="policy_killswitch",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="killswitchconfirmation",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="c92c4446b4afb2b982933d2f86633da010553b20",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_38c74",
                    table="policy_killswitchconfirmation",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="killswitchconfirmation",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="940cb53623438a01921de3475a4f4183fad3e3f6",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_88d0e",
                    table="policy_killswitchconfirmation",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="liftrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="f29b5d0783123d16bd129a8e04978dc523a16735",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_08242",
                    table="policy_liftrequest",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="liftrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="decided_stays_decided",
                sql=evidence.models.triggers.FirmTriggerSql(
                    condition='WHEN (OLD."decided_at" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="a9ecdffb22f9ffd09c2b5365819e39c0a86cbbf4",
                    operation="UPDATE",
                    pgid="pgtrigger_decided_stays_decided_f777c",
                    table="policy_liftrequest",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="liftrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="request_is_fixed",
                sql=evidence.models.triggers.FirmTriggerSql(
                    condition='WHEN (OLD."kill_switch_id" IS DISTINCT FROM (NEW."kill_switch_id") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."requested_by_id" IS DISTINCT FROM (NEW."requested_by_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="46878946b1f6ca584c403a943564ff7176c57d59",
                    operation="UPDATE",
                    pgid="pgtrigger_request_is_fixed_31ec0",
                    table="policy_liftrequest",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="killswitchlift",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="95f075ad1eccea0dac7c95fed3dd5ce4a521f9eb",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_d55bb",
                    table="policy_killswitchlift",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="killswitchlift",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="c36b00f6bae7691f08cccd7bc22b37214b958f42",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_7fd67",
                    table="policy_killswitchlift",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="killswitchlift",
            trigger=pgtrigger.compiler.Trigger(
                name="lifted_by_third_person",
                sql=evidence.models.triggers.FirmTriggerSql(
                    declare="DECLARE activator bigint;",
                    func="\n    SELECT ordered_by_id INTO activator FROM policy_killswitch\n     WHERE id = NEW.kill_switch_id;\n    IF NEW.approved_by_id = activator THEN\n        RAISE EXCEPTION 'kill switch % was activated by user %: another must lift it',\n            NEW.kill_switch_id, activator\n            USING ERRCODE = 'integrity_constraint_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="6db7e9d04db6db1e610b51d87e97679dc0decf27",
                    operation="INSERT",
                    pgid="pgtrigger_lifted_by_third_person_58104",
                    table="policy_killswitchlift",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="policysnapshot",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
        pgtrigger.migrations.AddTrigger(
            model_name="promotionrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="1ec3095bbfdca49297d5904601f40227d0d0f2ca",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_b3383",
                    table="policy_promotionrequest",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="promotionrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="decided_stays_decided",
                sql=evidence.models.triggers.FirmTriggerSql(
                    condition='WHEN (OLD."decided_at" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="a00a2c53a5f6f0b82bd5b75e3fdb45e2e6c0daeb",
                    operation="UPDATE",
                    pgid="pgtrigger_decided_stays_decided_4751a",
                    table="policy_promotionrequest",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="promotionrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="request_is_fixed",
                sql=evidence.models.triggers.FirmTriggerSql(
                    condition='WHEN (OLD."extension_id" IS DISTINCT FROM (NEW."extension_id") OR OLD."to_state" IS DISTINCT FROM (NEW."to_state") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."requested_by_id" IS DISTINCT FROM (NEW."requested_by_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="4b2988cf43aaa99fda4b866e3df1f482b7e505f8",
                    operation="UPDATE",
                    pgid="pgtrigger_request_is_fixed_7da90",
                    table="policy_promotionrequest",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="quotabreach",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
        pgtrigger.migrations.AddTrigger(
            model_name="quotachange",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
            model_name="rollback",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="ce7902bc966e2d9e605821d7d2b629525d334c17",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_354d4",
                    table="policy_rollback",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="rollback",
            trigger=pgtrigger.compiler.Trigger(
                name="ended_stays_ended",
                sql=evidence.models.triggers.FirmTriggerSql(
                    condition="WHEN (OLD.\"state\" IN ('declined', 'verified'))",
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="ed068f9cbdaf69d6fd2298022a3ced2d4f41ca81",
                    operation="UPDATE",
                    pgid="pgtrigger_ended_stays_ended_53e58",
                    table="policy_rollback",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="rollback",
            trigger=pgtrigger.compiler.Trigger(
                name="plan_is_fixed",
                sql=evidence.models.triggers.FirmTriggerSql(
                    condition='WHEN (OLD."incident_id" IS DISTINCT FROM (NEW."incident_id") OR OLD."snapshot_id" IS DISTINCT FROM (NEW."snapshot_id") OR OLD."target_snapshot_id" IS DISTINCT FROM (NEW."target_snapshot_id") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."before" IS DISTINCT FROM (NEW."before") OR OLD."after" IS DISTINCT FROM (NEW."after") OR OLD."effects" IS DISTINCT FROM (NEW."effects") OR OLD."planned" IS DISTINCT FROM (NEW."planned") OR OLD."commands" IS DISTINCT FROM (NEW."commands") OR OLD."notes" IS DISTINCT FROM (NEW."notes") OR OLD."proposed_by_id" IS DISTINCT FROM (NEW."proposed_by_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="266cc116bc389122f694f761af9d432033e635e8",
                    operation="UPDATE",
                    pgid="pgtrigger_plan_is_fixed_b89b4",
                    table="policy_rollback",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="runtimehistoryimport",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
        pgtrigger.migrations.AddTrigger(
            model_name="scanentry",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
        pgtrigger.migrations.AddTrigger(
            model_name="scanrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
        pgtrigger.migrations.AddTrigger(
            model_name="scanreport",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
        pgtrigger.migrations.AddTrigger(
            model_name="trusttransition",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="237b017b16c882306b6c37ab5a5e0e57657fa5bd",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_4a1fe",
                    table="policy_trusttransition",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="trusttransition",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="c43f248b429ac83f9b6b06dffed9a140c22f941b",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_918ba",
                    table="policy_trusttransition",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="trusttransition",
            trigger=pgtrigger.compiler.Trigger(
                name="continue_history",
                sql=evidence.models.triggers.FirmTriggerSql(
                    declare="DECLARE current text;",
                    func="\n    SELECT to_state INTO current FROM policy_trusttransition\n     WHERE extension_id = NEW.extension_id ORDER BY id DESC LIMIT 1;\n    IF NEW.from_state <> COALESCE(current, 'unknown') THEN\n        RAISE EXCEPTION 'extension % is %: a move cannot start at %',\n            NEW.extension_id, COALESCE(current, 'unknown'), NEW.from_state\n            USING ERRCODE = 'integrity_constraint_violation';\n    END IF;\n    IF NEW.to_state <> 'quarantined' AND EXISTS (\n        SELECT 1 FROM policy_killswitch AS switch\n         WHERE (switch.extension_id = NEW.extension_id OR switch.scope = 'all')\n           AND NOT EXISTS (SELECT 1 FROM policy_killswitchlift AS lift\n                            WHERE lift.kill_switch_id = switch.id)) THEN\n        RAISE EXCEPTION 'a kill switch is active for extension %: % is refused',\n            NEW.extension_id, NEW.to_state\n            USING ERRCODE = 'integrity_constraint_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="fd107278f04c2e5402c43c58ecbb58910e8d599d",
                    operation="INSERT",
                    pgid="pgtrigger_continue_history_2cfd7",
                    table="policy_trusttransition",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="trusttransition",
            trigger=pgtrigger.compiler.Trigger(
                name="extension_shows_it",
                sql=evidence.models.triggers.FirmTriggerSql(
                    constraint="CONSTRAINT",
                    func="\n    IF EXISTS (\n        SELECT 1 FROM policy_extension AS extension\n         WHERE extension.id = NEW.extension_id\n           AND extension.trust_state <> (\n               SELECT to_state FROM policy_trusttransition\n                WHERE extension_id = NEW.extension_id ORDER BY id DESC LIMIT 1)) THEN\n        RAISE EXCEPTION 'extension % has to show its newest move', NEW.extension_id\n            USING ERRCODE = 'integrity_constraint_violation';\n    END IF;\n    RETURN NULL;\n",
                    hash="d97f8b8ab1960cb9db271ec4fe56da1ec3d7a326",
                    operation="INSERT",
                    pgid="pgtrigger_extension_shows_it_8eee9",
                    table="policy_trusttransition",
                    timing="DEFERRABLE INITIALLY DEFERRED",
                    when="AFTER",
                ),
            ),
        ),
    ]
