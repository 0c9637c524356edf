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
        ("policy", "0004_snapshots"),
    ]

    operations = [
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
                ("requested_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("decision_reason", models.TextField(blank=True)),
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
                            ("withdrawn", "Withdrawn"),
                            ("lapsed", "Lapsed"),
                            ("approved", "Approved"),
                            ("applied", "Applied, not as planned"),
                            ("verified", "Verified"),
                            ("closed", "Closed without verification"),
                        ],
                        default="proposed",
                        max_length=10,
                    ),
                ),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("closing_reason", models.TextField(blank=True)),
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
                    "requested_by",
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
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="RollbackProof",
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
                    "command_output",
                    models.TextField(
                        help_text="What the verification commands showed."
                    ),
                ),
                ("deviations", models.JSONField(blank=True, default=list)),
                ("given_at", models.DateTimeField()),
                (
                    "given_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "rollback",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="proofs",
                        to="policy.rollback",
                    ),
                ),
                (
                    "snapshot",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="proves_rollbacks",
                        to="policy.policysnapshot",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "abstract": False,
            },
        ),
        migrations.AddConstraint(
            model_name="rollback",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        [
                            "proposed",
                            "declined",
                            "withdrawn",
                            "lapsed",
                            "approved",
                            "applied",
                            "verified",
                            "closed",
                        ],
                    )
                ),
                name="rollback_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="rollback",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True),
                name="rollback_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="rollback",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at__isnull", True), ("state", "proposed")),
                    models.Q(
                        models.Q(("state", "proposed"), _negated=True),
                        ("decided_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="rollback_waits_or_is_decided",
            ),
        ),
        migrations.AddConstraint(
            model_name="rollback",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["proposed", "withdrawn", "lapsed"]),
                    models.Q(
                        ("decided_by__isnull", False),
                        models.Q(
                            ("decided_by", models.F("requested_by")), _negated=True
                        ),
                    ),
                    _connector="OR",
                ),
                name="rollback_decided_by_second_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="rollback",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("closed_at__isnull", False),
                        ("closed_by__isnull", False),
                        ("state", "closed"),
                        models.Q(("closing_reason", ""), _negated=True),
                    ),
                    models.Q(
                        models.Q(("state", "closed"), _negated=True),
                        ("closed_at__isnull", True),
                        ("closed_by__isnull", True),
                        ("closing_reason", ""),
                    ),
                    _connector="OR",
                ),
                name="rollback_closed_with_reason",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="rollback",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                name="starts_undecided",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition="WHEN (NEW.\"state\" IS DISTINCT FROM 'proposed')",
                    func="RAISE EXCEPTION 'pgtrigger: Cannot insert rows from % table', TG_TABLE_NAME;",
                    hash="b2f565bee3f5c7e67ede7edd83d7a361c523069b",
                    operation="INSERT",
                    pgid="pgtrigger_starts_undecided_42c58",
                    table="policy_rollback",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="rollback",
            trigger=pgtrigger.compiler.Trigger(
                name="state_moves",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."state", \':\', NEW."state") = ANY(\'{proposed:approved,proposed:declined,proposed:withdrawn,proposed:lapsed,approved:applied,approved:verified,approved:closed,applied:verified,applied:closed}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."state" IS DISTINCT FROM NEW."state") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "state" from "%" to "%" on table %\', OLD."state", NEW."state", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="13f48293c1bd3b9763d3074f01982d0bf43b7236",
                    operation="UPDATE",
                    pgid="pgtrigger_state_moves_5f4b9",
                    table="policy_rollback",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="rollback",
            trigger=pgtrigger.compiler.Trigger(
                name="decided_stays_decided",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."decided_at" IS NOT NULL AND (OLD."decided_at" IS DISTINCT FROM (NEW."decided_at") OR OLD."decided_by_id" IS DISTINCT FROM (NEW."decided_by_id") OR OLD."decision_reason" IS DISTINCT FROM (NEW."decision_reason")))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="b308eaf7e8f1518580c780700fa3a079b91b5517",
                    operation="UPDATE",
                    pgid="pgtrigger_decided_stays_decided_1b2b6",
                    table="policy_rollback",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="rollback",
            trigger=pgtrigger.compiler.Trigger(
                name="request_is_fixed",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."incident_id" IS DISTINCT FROM (NEW."incident_id") OR OLD."snapshot_id" IS DISTINCT FROM (NEW."snapshot_id") OR OLD."target_snapshot_id" IS DISTINCT FROM (NEW."target_snapshot_id") OR OLD."risk_choice" IS DISTINCT FROM (NEW."risk_choice") OR OLD."override_choice" IS DISTINCT FROM (NEW."override_choice") OR OLD."before" IS DISTINCT FROM (NEW."before") OR OLD."after" IS DISTINCT FROM (NEW."after") OR OLD."effects" IS DISTINCT FROM (NEW."effects") OR OLD."planned" IS DISTINCT FROM (NEW."planned") OR OLD."commands" IS DISTINCT FROM (NEW."commands") OR OLD."notes" IS DISTINCT FROM (NEW."notes") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."requested_at" IS DISTINCT FROM (NEW."requested_at") OR OLD."requested_by_id" IS DISTINCT FROM (NEW."requested_by_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="84eac326116be4731cbf6a2c80d9fb9376969fba",
                    operation="UPDATE",
                    pgid="pgtrigger_request_is_fixed_10ca8",
                    table="policy_rollback",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="rollback",
            trigger=pgtrigger.compiler.Trigger(
                name="closed_stays_closed",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."closed_at" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="882da29101c0f070fc329046841704c7a764cfbd",
                    operation="UPDATE",
                    pgid="pgtrigger_closed_stays_closed_fa39d",
                    table="policy_rollback",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="rollback",
            trigger=pgtrigger.compiler.Trigger(
                name="shown_by_newest_proof",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition="WHEN (NEW.\"state\" IN ('applied', 'verified'))",
                    func="\n    IF NOT EXISTS (\n        SELECT 1 FROM policy_rollbackproof AS proof\n         WHERE proof.id = (SELECT max(id) FROM policy_rollbackproof\n                            WHERE rollback_id = NEW.id)\n           AND (proof.deviations = '[]'::jsonb) = (NEW.state = 'verified')) THEN\n        RAISE EXCEPTION 'rollback % cannot be %: its newest proof does not show it',\n            NEW.id, NEW.state USING ERRCODE = 'integrity_constraint_violation';\n    END IF;\n    RETURN NULL;\n",
                    hash="e30f488005bc7120a4d95ed8012f2469c4dccac5",
                    operation='UPDATE OF "state"',
                    pgid="pgtrigger_shown_by_newest_proof_da920",
                    table="policy_rollback",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="rollbackproof",
            constraint=models.CheckConstraint(
                condition=models.Q(("command_output", ""), _negated=True),
                name="rollback_proof_has_output",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="rollbackproof",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="24ac7770d5952ca93a8daa4bbb7b0e8fc695db5f",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_11347",
                    table="policy_rollbackproof",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="rollbackproof",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="a93dd874357f504789f81d32d62191da561c47e5",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_04da8",
                    table="policy_rollbackproof",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="rollbackproof",
            trigger=pgtrigger.compiler.Trigger(
                name="proof_is_of_the_case",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    IF NOT EXISTS (\n        SELECT 1 FROM policy_rollback AS rollback\n          JOIN policy_policysnapshot AS snapshot ON snapshot.id = NEW.snapshot_id\n         WHERE rollback.id = NEW.rollback_id\n           AND rollback.state IN ('approved', 'applied')\n           AND snapshot.incident_id = rollback.incident_id\n           AND snapshot.captured_at >= rollback.decided_at) THEN\n        RAISE EXCEPTION 'snapshot % is no proof of rollback %: of another case, older '\n            'than its approval, or it is not approved', NEW.snapshot_id, NEW.rollback_id\n            USING ERRCODE = 'integrity_constraint_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="e925cab215480c2765dbbdcfd59fd91e78b410fe",
                    operation="INSERT",
                    pgid="pgtrigger_proof_is_of_the_case_9e61a",
                    table="policy_rollbackproof",
                    when="BEFORE",
                ),
            ),
        ),
    ]
