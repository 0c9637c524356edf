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
        ("policy", "0001_extensions"),
        ("policy", "0002_kill_switches"),
    ]

    operations = [
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
                ("reason", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("approved", "Approved"),
                            ("declined", "Declined"),
                            ("withdrawn", "Withdrawn"),
                            ("lapsed", "Lapsed"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("requested_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("decision_reason", models.TextField(blank=True)),
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
                    "kill_switch",
                    models.ForeignKey(
                        blank=True,
                        help_text="The lifted kill-all whose extensions are released in one request.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="release_requests",
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
                "abstract": False,
            },
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
                    "kill_switch",
                    models.ForeignKey(
                        blank=True,
                        help_text="The order that made this move, where one did.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transitions",
                        to="policy.killswitch",
                    ),
                ),
                (
                    "request",
                    models.OneToOneField(
                        blank=True,
                        help_text="What the reviewer approved, where the move needs one.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transition",
                        to="policy.promotionrequest",
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
            },
        ),
        migrations.AddConstraint(
            model_name="promotionrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        ["pending", "approved", "declined", "withdrawn", "lapsed"],
                    )
                ),
                name="promotion_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="promotionrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True),
                name="promotion_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="promotionrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at__isnull", True), ("state", "pending")),
                    models.Q(
                        models.Q(("state", "pending"), _negated=True),
                        ("decided_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="promotion_waits_or_is_decided",
            ),
        ),
        migrations.AddConstraint(
            model_name="promotionrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["pending", "withdrawn", "lapsed"]),
                    models.Q(
                        ("decided_by__isnull", False),
                        models.Q(
                            ("decided_by", models.F("requested_by")), _negated=True
                        ),
                    ),
                    _connector="OR",
                ),
                name="promotion_decided_by_second_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="promotionrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("to_state__in", ["unknown", "probation", "trusted", "quarantined"])
                ),
                name="promotion_to_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="promotionrequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "pending")),
                fields=("extension",),
                name="promotion_one_pending",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="promotionrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                name="starts_undecided",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition="WHEN (NEW.\"state\" IS DISTINCT FROM 'pending')",
                    func="RAISE EXCEPTION 'pgtrigger: Cannot insert rows from % table', TG_TABLE_NAME;",
                    hash="f6c54ce2023f32544cda5852aa9c75b857d62a86",
                    operation="INSERT",
                    pgid="pgtrigger_starts_undecided_5ad7b",
                    table="policy_promotionrequest",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="promotionrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="state_moves",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."state", \':\', NEW."state") = ANY(\'{pending:approved,pending:declined,pending:withdrawn,pending:lapsed}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."state" IS DISTINCT FROM NEW."state") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "state" from "%" to "%" on table %\', OLD."state", NEW."state", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="92960a3323d5e8390f2f88c85d4abc4f8603fa7e",
                    operation="UPDATE",
                    pgid="pgtrigger_state_moves_63b52",
                    table="policy_promotionrequest",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="promotionrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="decided_stays_decided",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."decided_at" IS NOT NULL AND (OLD."decided_at" IS DISTINCT FROM (NEW."decided_at") OR OLD."decided_by_id" IS DISTINCT FROM (NEW."decided_by_id") OR OLD."decision_reason" IS DISTINCT FROM (NEW."decision_reason")))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="bd93a588cd2d1d4ef73107b321575bbd0a21ffc3",
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."extension_id" IS DISTINCT FROM (NEW."extension_id") OR OLD."to_state" IS DISTINCT FROM (NEW."to_state") OR OLD."incident_id" IS DISTINCT FROM (NEW."incident_id") OR OLD."kill_switch_id" IS DISTINCT FROM (NEW."kill_switch_id") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."requested_at" IS DISTINCT FROM (NEW."requested_at") OR OLD."requested_by_id" IS DISTINCT FROM (NEW."requested_by_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="d6a2ff7a1553c89671986aa968df4e6649e3b0dc",
                    operation="UPDATE",
                    pgid="pgtrigger_request_is_fixed_7da90",
                    table="policy_promotionrequest",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="promotionrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="move_follows",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition="WHEN (NEW.\"state\" = 'approved')",
                    constraint="CONSTRAINT",
                    func="\n    IF NOT EXISTS (SELECT 1 FROM policy_trusttransition WHERE request_id = NEW.id) THEN\n        RAISE EXCEPTION 'promotion request % is approved: its move has to be made',\n            NEW.id USING ERRCODE = 'integrity_constraint_violation';\n    END IF;\n    RETURN NULL;\n",
                    hash="8ba8dc3c0987bc902cd401966195469f9790416d",
                    operation='UPDATE OF "state"',
                    pgid="pgtrigger_move_follows_44765",
                    table="policy_promotionrequest",
                    timing="DEFERRABLE INITIALLY DEFERRED",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="trusttransition",
            constraint=models.CheckConstraint(
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
                        ("from_state", "trusted"), ("to_state__in", ["quarantined"])
                    ),
                    models.Q(
                        ("from_state", "quarantined"), ("to_state__in", ["probation"])
                    ),
                    _connector="OR",
                ),
                name="trust_move_exists",
            ),
        ),
        migrations.AddConstraint(
            model_name="trusttransition",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True),
                name="trust_move_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="trusttransition",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("approved_by__isnull", True),
                    models.Q(
                        ("requested_by__isnull", False),
                        models.Q(
                            ("approved_by", models.F("requested_by")), _negated=True
                        ),
                    ),
                    _connector="OR",
                ),
                name="trust_approver_is_second_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="trusttransition",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("request__isnull", True),
                    ("approved_by__isnull", False),
                    _connector="OR",
                ),
                name="trust_request_has_its_approver",
            ),
        ),
        migrations.AddConstraint(
            model_name="trusttransition",
            constraint=models.CheckConstraint(
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
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="trusttransition",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                name="moved_as_approved",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (NEW."approved_by_id" IS NOT NULL)',
                    func="\n    IF NOT EXISTS (\n        SELECT 1 FROM policy_promotionrequest AS request\n         WHERE request.id = NEW.request_id\n           AND request.extension_id = NEW.extension_id\n           AND request.to_state = NEW.to_state\n           AND request.state = 'approved'\n           AND request.requested_by_id = NEW.requested_by_id\n           AND request.decided_by_id = NEW.approved_by_id) THEN\n        RAISE EXCEPTION 'no approved request to move extension % to % by these people',\n            NEW.extension_id, NEW.to_state\n            USING ERRCODE = 'integrity_constraint_violation';\n    END IF;\n    RETURN NULL;\n",
                    hash="7d7785e7a6fb09d48249e25a766337958ff072bd",
                    operation="INSERT",
                    pgid="pgtrigger_moved_as_approved_815b6",
                    table="policy_trusttransition",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="trusttransition",
            trigger=pgtrigger.compiler.Trigger(
                name="extension_shows_it",
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
