import datetime
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
        ("incidents", "0003_cycles_and_timeline"),
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
        migrations.AddIndex(
            model_name="incidentphase",
            index=models.Index(
                condition=models.Q(("completed_at__isnull", True)),
                fields=["due_at"],
                name="phase_running_due_at",
            ),
        ),
        migrations.AddConstraint(
            model_name="incidentphase",
            constraint=models.UniqueConstraint(
                fields=("cycle", "phase"), name="phase_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="incidentphase",
            constraint=models.CheckConstraint(
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
        ),
        migrations.AddConstraint(
            model_name="incidentphase",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("completed_at__isnull", True),
                    ("started_at__isnull", False),
                    _connector="OR",
                ),
                name="phase_completed_was_started",
            ),
        ),
        migrations.AddConstraint(
            model_name="incidentphase",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("due_at__isnull", True),
                    (
                        "due_at__gte",
                        datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.UTC),
                    ),
                    _connector="OR",
                ),
                name="phase_due_at_plausible",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="incidentphase",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
            model_name="incidentphase",
            trigger=pgtrigger.compiler.Trigger(
                name="starts_incomplete",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (NEW."completed_at" IS NOT NULL AND NOT (NEW."phase" = \'detect\'))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot insert rows from % table', TG_TABLE_NAME;",
                    hash="5679f7e49ea6cb10083bf246f7dbcc41cd2fe0cb",
                    operation="INSERT",
                    pgid="pgtrigger_starts_incomplete_939e8",
                    table="incidents_incidentphase",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="incidentphase",
            trigger=pgtrigger.compiler.Trigger(
                name="postmortem_is_signed",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (NEW."completed_at" IS NOT NULL AND NEW."phase" = \'postmortem\' AND OLD."completed_at" IS NULL)',
                    func="\n    IF NOT EXISTS (\n        SELECT 1 FROM incidents_postmortem AS postmortem\n          JOIN incidents_postmortemversion AS version\n            ON version.postmortem_id = postmortem.id\n          JOIN incidents_postmortemreview AS review\n            ON review.version_id = version.id AND review.verdict = 'signed'\n          JOIN incidents_postmortemarchive AS archive ON archive.review_id = review.id\n         WHERE postmortem.cycle_id = NEW.cycle_id AND postmortem.state = 'signed'\n           AND version.number = (SELECT max(number) FROM incidents_postmortemversion\n                                  WHERE postmortem_id = postmortem.id)) THEN\n        RAISE EXCEPTION 'POSTMORTEM is complete once its newest version is signed '\n            'and archived' USING ERRCODE = 'integrity_constraint_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="edafa3fec601d184d153da94efec7a7e5669a143",
                    operation="UPDATE",
                    pgid="pgtrigger_postmortem_is_signed_78bee",
                    table="incidents_incidentphase",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="gatestatement",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
    ]
