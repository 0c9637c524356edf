import datetime
import django.contrib.postgres.fields
import django.db.models.deletion
import evidence.models.triggers
import incidents.workflow.incident_states
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "__first__"),
        ("policy", "0001_extensions"),
    ]

    operations = [
        migrations.CreateModel(
            name="Playbook",
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
                ("code", models.CharField(max_length=40, unique=True)),
                ("title", models.CharField(max_length=200)),
            ],
            options={
                "ordering": ("code",),
            },
        ),
        migrations.CreateModel(
            name="ReferenceCounter",
            fields=[
                (
                    "year",
                    models.PositiveSmallIntegerField(primary_key=True, serialize=False),
                ),
                ("last_number", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="PlaybookVersion",
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
                (
                    "content_sha256",
                    models.CharField(max_length=64, verbose_name="content SHA-256"),
                ),
                ("document", models.JSONField()),
                ("file_name", models.CharField(max_length=255)),
                ("loaded_at", models.DateTimeField()),
                (
                    "loaded_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "playbook",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="incidents.playbook",
                    ),
                ),
            ],
            options={
                "ordering": ("playbook__code", "-number"),
                "abstract": False,
                "constraints": [
                    models.UniqueConstraint(
                        fields=("playbook", "number"),
                        name="playbook_version_number_unique",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Team",
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
                    "members",
                    models.ManyToManyField(
                        blank=True,
                        related_name="incident_teams",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("name",),
            },
        ),
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
                            ("ci_gate", "Ci gate"),
                            ("manual", "Manual"),
                        ],
                        default=incidents.workflow.incident_states.IncidentSource[
                            "MANUAL"
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("closed", "Closed"),
                            ("closed_duplicate", "Closed duplicate"),
                            ("closed_false_alarm", "Closed false alarm"),
                        ],
                        default=incidents.workflow.incident_states.IncidentStatus[
                            "OPEN"
                        ],
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
                "indexes": [
                    models.Index(
                        fields=["status", "-detected_at"], name="incident_by_status"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("year", "number"), name="incident_number_unique_in_year"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("severity__in", ["critical", "high", "medium", "low"])
                        ),
                        name="incident_severity_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("source__in", ["risk_controller", "ci_gate", "manual"])
                        ),
                        name="incident_source_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "status__in",
                                [
                                    "open",
                                    "closed",
                                    "closed_duplicate",
                                    "closed_false_alarm",
                                ],
                            )
                        ),
                        name="incident_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("closed_at__isnull", True),
                                (
                                    "status",
                                    incidents.workflow.incident_states.IncidentStatus[
                                        "OPEN"
                                    ],
                                ),
                            ),
                            models.Q(
                                models.Q(
                                    (
                                        "status",
                                        incidents.workflow.incident_states.IncidentStatus[
                                            "OPEN"
                                        ],
                                    ),
                                    _negated=True,
                                ),
                                ("closed_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="incident_closed_has_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                (
                                    "status",
                                    incidents.workflow.incident_states.IncidentStatus[
                                        "CLOSED_DUPLICATE"
                                    ],
                                ),
                                _negated=True,
                            ),
                            ("duplicate_of__isnull", False),
                            _connector="OR",
                        ),
                        name="incident_duplicate_names_original",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("duplicate_of__isnull", True),
                            models.Q(("duplicate_of", models.F("id")), _negated=True),
                            _connector="OR",
                        ),
                        name="incident_not_its_own_duplicate",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "detected_at__gte",
                                datetime.datetime(
                                    2000, 1, 1, 0, 0, tzinfo=datetime.UTC
                                ),
                            )
                        ),
                        name="incident_detected_at_plausible",
                    ),
                ],
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
                "constraints": [
                    models.UniqueConstraint(
                        fields=("incident", "ticket"),
                        name="ticket_link_once_per_incident",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Cycle",
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
                ("started_at", models.DateTimeField()),
                (
                    "reason",
                    models.TextField(blank=True, help_text="Why it was reopened."),
                ),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "started_by",
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
                        related_name="cycles",
                        to="incidents.incident",
                    ),
                ),
            ],
            options={
                "ordering": ("number",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("incident", "number"), name="cycle_number_unique"
                    )
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="playbook",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="7feb3550d24cb00eb9f89e3b6c4d1900e6ec9fdc",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_16c92",
                    table="incidents_playbook",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="playbook",
            trigger=pgtrigger.compiler.Trigger(
                name="code_is_fixed",
                sql=evidence.models.triggers.FirmTriggerSql(
                    condition='WHEN (OLD."code" IS DISTINCT FROM (NEW."code"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="1af611cfa5bdd0fe6394187d3e81353d69524ceb",
                    operation="UPDATE",
                    pgid="pgtrigger_code_is_fixed_eb8b8",
                    table="incidents_playbook",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="referencecounter",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="bb71a6a785e86ce47eee7191809b09e661f0644a",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_2e7e2",
                    table="incidents_referencecounter",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="referencecounter",
            trigger=pgtrigger.compiler.Trigger(
                name="year_is_fixed",
                sql=evidence.models.triggers.FirmTriggerSql(
                    condition='WHEN (OLD."year" IS DISTINCT FROM (NEW."year"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="bbde77c9ea3e12ab6c306e37dbd62525e8a2c06a",
                    operation="UPDATE",
                    pgid="pgtrigger_year_is_fixed_89df8",
                    table="incidents_referencecounter",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="referencecounter",
            trigger=pgtrigger.compiler.Trigger(
                name="only_upwards",
                sql=evidence.models.triggers.FirmTriggerSql(
                    condition='WHEN (OLD."last_number" > (NEW."last_number"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="178bfbd742293262600b8c5e59fd932f6b60fd7c",
                    operation="UPDATE",
                    pgid="pgtrigger_only_upwards_3f8e1",
                    table="incidents_referencecounter",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="cycle",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="000635941fba2d8a3c76c80d48f01bb81af35b9b",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_8fb45",
                    table="incidents_cycle",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="cycle",
            trigger=pgtrigger.compiler.Trigger(
                name="ended_stays_ended",
                sql=evidence.models.triggers.FirmTriggerSql(
                    condition='WHEN (OLD."ended_at" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="7f50481251348f13fedaf4dfe97590297f523778",
                    operation="UPDATE",
                    pgid="pgtrigger_ended_stays_ended_97054",
                    table="incidents_cycle",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="playbookversion",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="c89f82f80dc61dbfff502e09cf2c535405bb73d5",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_749f8",
                    table="incidents_playbookversion",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="playbookversion",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="25d1f62b1dd9ab12b6f7981757959f2e42543f64",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_7eb01",
                    table="incidents_playbookversion",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="team",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="73086d5c41004f857a27a818c63a64318020083d",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_d7f37",
                    table="incidents_team",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="incident",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
            model_name="ticketlink",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.models.triggers.FirmTriggerSql(
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
                sql=evidence.models.triggers.FirmTriggerSql(
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
