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
        ("incidents", "0001_playbooks_and_teams"),
        ("incidents", "0003_cycles_and_timeline"),
        ("incidents", "0005_gate_records"),
    ]

    operations = [
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
                        default="open",
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
            },
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
        pgtrigger.migrations.AddTrigger(
            model_name="checklistentry",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
        migrations.AddConstraint(
            model_name="artifactlink",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("evidence_item__isnull", False), ("kind", "evidence")),
                    models.Q(
                        (
                            "kind__in",
                            ["evidence", "alert", "trust_transition", "kill_switch"],
                        ),
                        models.Q(("kind", "evidence"), _negated=True),
                        models.Q(("record_id", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="artifact_link_names_artifact",
            ),
        ),
        migrations.AddConstraint(
            model_name="artifactlink",
            constraint=models.UniqueConstraint(
                condition=models.Q(("withdrawn_at__isnull", True)),
                fields=("item", "evidence_item"),
                name="artifact_link_evidence_once",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="artifactlink",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
        migrations.AddIndex(
            model_name="checklistitem",
            index=models.Index(
                condition=models.Q(("retired_at__isnull", True), ("state", "open")),
                fields=["assignee"],
                name="checklist_open_by_assignee",
            ),
        ),
        migrations.AddConstraint(
            model_name="checklistitem",
            constraint=models.UniqueConstraint(
                condition=models.Q(("retired_at__isnull", True)),
                fields=("cycle", "key"),
                name="checklist_item_key_unique",
            ),
        ),
        migrations.AddConstraint(
            model_name="checklistitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        ["investigation", "artifact", "remediation", "verification"],
                    )
                ),
                name="checklist_item_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="checklistitem",
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
                name="checklist_item_phase_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="checklistitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["open", "done", "not_applicable", "failed"])
                ),
                name="checklist_item_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="checklistitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("answered_at__isnull", True), ("state", "open")),
                    models.Q(
                        models.Q(("state", "open"), _negated=True),
                        ("answered_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="checklist_item_answer_has_time",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="checklistitem",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    IF EXISTS (SELECT 1 FROM incidents_cycle\n                WHERE id = OLD.cycle_id AND ended_at IS NOT NULL) THEN\n        RAISE EXCEPTION 'the cycle has ended: % stays as it was', TG_TABLE_NAME\n            USING ERRCODE = 'restrict_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="a2adf025c2ce2bc1527aba7b762bc50c7e9f7f16",
                    operation="UPDATE",
                    pgid="pgtrigger_ended_cycle_stays_1abb4",
                    table="incidents_checklistitem",
                    when="BEFORE",
                ),
            ),
        ),
    ]
