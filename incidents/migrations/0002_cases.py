import datetime
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
        ("incidents", "0001_playbooks_and_teams"),
        ("policy", "0001_extensions"),
    ]

    operations = [
        migrations.CreateModel(
            name="Incident",
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
                ("year", models.PositiveSmallIntegerField(editable=False)),
                ("number", models.PositiveIntegerField(editable=False)),
                (
                    "reference",
                    models.CharField(editable=False, max_length=24, unique=True),
                ),
                ("title", models.CharField(max_length=200)),
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
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("risk_controller", "Risk controller"),
                            ("ci_gate", "CI gate"),
                            ("manual", "Manual"),
                        ],
                        default="manual",
                        max_length=20,
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
                        default="open",
                        max_length=20,
                    ),
                ),
                ("detected_at", models.DateTimeField()),
                ("reported_at", models.DateTimeField()),
                (
                    "labels",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=50),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("closing_reason", models.TextField(blank=True)),
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
                ("revision", models.PositiveIntegerField(default=1, editable=False)),
                ("last_activity_at", models.DateTimeField()),
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
                    "duplicate_of",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="duplicates",
                        to="incidents.incident",
                    ),
                ),
                (
                    "extensions",
                    models.ManyToManyField(
                        blank=True, related_name="incidents", to="policy.extension"
                    ),
                ),
                (
                    "lead",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="led_incidents",
                        to=settings.AUTH_USER_MODEL,
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
                (
                    "related",
                    models.ManyToManyField(blank=True, to="incidents.incident"),
                ),
                (
                    "playbook_version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="incidents",
                        to="incidents.playbookversion",
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="incidents",
                        to="incidents.team",
                    ),
                ),
            ],
            options={
                "ordering": ("-detected_at", "-id"),
                "permissions": (
                    (
                        "work_incident",
                        "Can work incidents: evidence, phases, checklist, notes",
                    ),
                    (
                        "review_incident",
                        "Can review: waive, sign, close without postmortem",
                    ),
                ),
            },
        ),
        migrations.CreateModel(
            name="TicketLink",
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
                ("ticket", models.CharField(max_length=100)),
                ("url", models.URLField(blank=True)),
                ("added_at", models.DateTimeField()),
                (
                    "added_by",
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
                        related_name="ticket_links",
                        to="incidents.incident",
                    ),
                ),
            ],
            options={
                "ordering": ("ticket",),
                "abstract": False,
            },
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                fields=["status", "-detected_at"], name="incident_by_status"
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.UniqueConstraint(
                fields=("year", "number"), name="incident_number_unique_in_year"
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("severity__in", ["critical", "high", "medium", "low"])
                ),
                name="incident_severity_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("source__in", ["risk_controller", "ci_gate", "manual"])
                ),
                name="incident_source_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        ["open", "closed", "closed_duplicate", "closed_false_alarm"],
                    )
                ),
                name="incident_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", True), ("status", "open")),
                    models.Q(
                        models.Q(("status", "open"), _negated=True),
                        ("closed_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="incident_closed_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
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
                name="incident_outcome_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
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
                name="incident_outcome_asked",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("resolution", "true_positive"),
                    ("status", "closed_false_alarm"),
                    _negated=True,
                ),
                name="incident_false_alarm_not_true",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["open", "closed"]),
                    models.Q(("closing_reason", ""), _negated=True),
                    _connector="OR",
                ),
                name="incident_closed_early_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "closed_duplicate"), _negated=True),
                    ("duplicate_of__isnull", False),
                    _connector="OR",
                ),
                name="incident_duplicate_names_original",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("duplicate_of__isnull", True),
                    models.Q(("duplicate_of", models.F("id")), _negated=True),
                    _connector="OR",
                ),
                name="incident_not_its_own_duplicate",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "detected_at__gte",
                        datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.UTC),
                    )
                ),
                name="incident_detected_at_plausible",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="incident",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="2cf27520ecafc83b5255b97aa119d16aa08d7cc2",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_b8846",
                    table="incidents_incident",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="incident",
            trigger=pgtrigger.compiler.Trigger(
                name="reference_is_fixed",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."year" IS DISTINCT FROM (NEW."year") OR OLD."number" IS DISTINCT FROM (NEW."number") OR OLD."reference" IS DISTINCT FROM (NEW."reference") OR OLD."opened_by_id" IS DISTINCT FROM (NEW."opened_by_id") OR OLD."reported_at" IS DISTINCT FROM (NEW."reported_at"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="0264795c8467d654808cb04de59ecf546e6e6dce",
                    operation="UPDATE",
                    pgid="pgtrigger_reference_is_fixed_18ce0",
                    table="incidents_incident",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="incident",
            trigger=pgtrigger.compiler.Trigger(
                name="starts_open",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition="WHEN (NEW.\"status\" IS DISTINCT FROM 'open')",
                    func="RAISE EXCEPTION 'pgtrigger: Cannot insert rows from % table', TG_TABLE_NAME;",
                    hash="6b61ae225aef3007616dfecaaf17124dfa1d5186",
                    operation="INSERT",
                    pgid="pgtrigger_starts_open_152e9",
                    table="incidents_incident",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="incident",
            trigger=pgtrigger.compiler.Trigger(
                name="status_moves",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{open:closed,open:closed_duplicate,open:closed_false_alarm,closed:open,closed_duplicate:open,closed_false_alarm:open}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="bb8442d41ffc3ee8e6721bc285fbbcb19c581fa3",
                    operation="UPDATE",
                    pgid="pgtrigger_status_moves_386c5",
                    table="incidents_incident",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="incident",
            trigger=pgtrigger.compiler.Trigger(
                name="closed_after_postmortem",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition="WHEN (NEW.\"status\" = 'closed' AND OLD.\"status\" IS DISTINCT FROM 'closed')",
                    func="\n    IF NOT EXISTS (\n        SELECT 1 FROM incidents_incidentphase AS phase\n          JOIN incidents_cycle AS cycle ON cycle.id = phase.cycle_id\n         WHERE cycle.incident_id = NEW.id AND phase.phase = 'postmortem'\n           AND phase.completed_at IS NOT NULL\n           AND cycle.number = (SELECT max(number) FROM incidents_cycle\n                                WHERE incident_id = NEW.id)) THEN\n        RAISE EXCEPTION 'case % is closed after its postmortem: phases are open', NEW.id\n            USING ERRCODE = 'integrity_constraint_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="0242c97f7f8ee26e5a18c9882e8f6dab7fde250a",
                    operation='UPDATE OF "status"',
                    pgid="pgtrigger_closed_after_postmortem_25753",
                    table="incidents_incident",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="ticketlink",
            constraint=models.UniqueConstraint(
                fields=("incident", "ticket"), name="ticket_link_once_per_incident"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="ticketlink",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="48a6a4f87b501610207520add3370adc0694ec1f",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_cefd5",
                    table="incidents_ticketlink",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="ticketlink",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="980103c621b756312a56aacc8807320b084c4ef2",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_a62a7",
                    table="incidents_ticketlink",
                    when="BEFORE",
                ),
            ),
        ),
    ]
