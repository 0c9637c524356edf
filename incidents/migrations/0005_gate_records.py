import django.db.models.deletion
import evidence.migrations._triggers_v1
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "__first__"),
        ("incidents", "0001_playbooks_and_teams"),
        ("incidents", "0002_cases"),
        ("incidents", "0003_cycles_and_timeline"),
        ("incidents", "0004_phases"),
    ]

    operations = [
        migrations.CreateModel(
            name="GateRecord",
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
                ("conditions", models.JSONField()),
                ("facts", models.JSONField()),
                ("recorded_at", models.DateTimeField()),
                (
                    "phase",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="gate_record",
                        to="incidents.incidentphase",
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="CycleEnding",
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
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("closed", "Closed"),
                            ("closed_duplicate", "Closed as duplicate"),
                            ("closed_false_alarm", "Closed as false alarm"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "resolution",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("true_positive", "True positive"),
                            ("benign", "Benign"),
                            ("false_positive", "False positive"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "functional_impact",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("none", "None"),
                            ("low", "Low"),
                            ("medium", "Medium"),
                            ("high", "High"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "information_impact",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("none", "None"),
                            ("privacy_breach", "Privacy breach"),
                            ("proprietary_breach", "Proprietary breach"),
                            ("integrity_loss", "Integrity loss"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "recoverability",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("regular", "Regular"),
                            ("supplemented", "Supplemented"),
                            ("extended", "Extended"),
                            ("not_recoverable", "Not recoverable"),
                        ],
                        max_length=20,
                    ),
                ),
                ("reason", models.TextField(blank=True)),
                (
                    "severity",
                    models.CharField(
                        choices=[
                            ("critical", "Critical"),
                            ("high", "High"),
                            ("medium", "Medium"),
                            ("low", "Low"),
                        ],
                        max_length=10,
                    ),
                ),
                ("head", models.JSONField()),
                (
                    "cycle",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="ending",
                        to="incidents.cycle",
                    ),
                ),
                (
                    "ended_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "lead",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "original",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="incidents.incident",
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
                "ordering": ("id",),
                "abstract": False,
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
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("revocation_reason", models.TextField(blank=True)),
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
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("revoked_at__isnull", True)),
                        fields=("phase", "condition_key"),
                        name="gate_waived_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("revocation_reason", ""),
                                ("revoked_at__isnull", True),
                                ("revoked_by__isnull", True),
                            ),
                            models.Q(
                                ("revoked_at__isnull", False),
                                ("revoked_by__isnull", False),
                                models.Q(("revocation_reason", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="gate_waiver_revoked_with_reason",
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
                                    "artifacts-archived",
                                    "postmortem-signed",
                                    "postmortem-written",
                                ],
                            ),
                            _negated=True,
                        ),
                        name="gate_waiver_not_of_postmortem",
                    ),
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="gatewaiver",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="6d18e2584e64a848c9c263e7b11051f00b55b700",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_f6eba",
                    table="incidents_gatewaiver",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="gatewaiver",
            trigger=pgtrigger.compiler.Trigger(
                name="decision_is_fixed",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."phase_id" IS DISTINCT FROM (NEW."phase_id") OR OLD."condition_key" IS DISTINCT FROM (NEW."condition_key") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."waived_at" IS DISTINCT FROM (NEW."waived_at") OR OLD."waived_by_id" IS DISTINCT FROM (NEW."waived_by_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="8bd7da109f482cc350e88b1f83659ce7225be47a",
                    operation="UPDATE",
                    pgid="pgtrigger_decision_is_fixed_f32ef",
                    table="incidents_gatewaiver",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="gatewaiver",
            trigger=pgtrigger.compiler.Trigger(
                name="revoked_stays_revoked",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."revoked_at" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="3b5969a600b474abe2525cf18b338f48aadb860c",
                    operation="UPDATE",
                    pgid="pgtrigger_revoked_stays_revoked_81133",
                    table="incidents_gatewaiver",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="gaterecord",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="a1d8df6261a65123b2f35cbf22bd9539f388e411",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_8e134",
                    table="incidents_gaterecord",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="gaterecord",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="5ab6eb023c197b7fd654173fd152cc8df44bc6aa",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_4ae84",
                    table="incidents_gaterecord",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="gaterecord",
            trigger=pgtrigger.compiler.Trigger(
                name="only_of_what_ended",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    IF NOT EXISTS (\n        SELECT 1 FROM incidents_incidentphase AS phase\n          JOIN incidents_cycle AS cycle ON cycle.id = phase.cycle_id\n         WHERE phase.id = NEW.phase_id\n           AND (phase.completed_at IS NOT NULL OR cycle.ended_at IS NOT NULL)) THEN\n        RAISE EXCEPTION 'a gate is kept when its phase is complete or its cycle ends'\n            USING ERRCODE = 'restrict_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="4585ca4d0a247a6df9dce263a01474d385d49d3d",
                    operation="INSERT",
                    pgid="pgtrigger_only_of_what_ended_8bf21",
                    table="incidents_gaterecord",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="cycleending",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "resolution__in",
                        ["", "true_positive", "benign", "false_positive"],
                    ),
                    ("functional_impact__in", ["", "none", "low", "medium", "high"]),
                    (
                        "information_impact__in",
                        [
                            "",
                            "none",
                            "privacy_breach",
                            "proprietary_breach",
                            "integrity_loss",
                        ],
                    ),
                    (
                        "recoverability__in",
                        ["", "regular", "supplemented", "extended", "not_recoverable"],
                    ),
                ),
                name="cycle_ending_outcome_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="cycleending",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("status__in", ("closed", "closed_false_alarm")),
                        models.Q(("resolution", ""), _negated=True),
                        models.Q(("functional_impact", ""), _negated=True),
                        models.Q(("information_impact", ""), _negated=True),
                    ),
                    models.Q(
                        models.Q(
                            ("status__in", ("closed", "closed_false_alarm")),
                            _negated=True,
                        ),
                        ("resolution", ""),
                        ("functional_impact", ""),
                        ("information_impact", ""),
                        ("recoverability", ""),
                    ),
                    _connector="OR",
                ),
                name="cycle_ending_outcome_asked",
            ),
        ),
        migrations.AddConstraint(
            model_name="cycleending",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("resolution", "true_positive"),
                    ("status", "closed_false_alarm"),
                    _negated=True,
                ),
                name="cycle_ending_false_alarm_not_true",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="cycleending",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="08d0104937fa3bc1e48c68d46e74053725c1232d",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_9b84b",
                    table="incidents_cycleending",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="cycleending",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="aa9d723a862b3208cc8af88cdd5993c6445b4d74",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_2ffe8",
                    table="incidents_cycleending",
                    when="BEFORE",
                ),
            ),
        ),
    ]
