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
                "abstract": False,
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
            },
        ),
        migrations.AddConstraint(
            model_name="killswitch",
            constraint=models.CheckConstraint(
                condition=models.Q(("scope__in", ["extension", "all"])),
                name="kill_switch_scope_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="killswitch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("extension__isnull", True), ("scope", "all")),
                    models.Q(("extension__isnull", False), ("scope", "extension")),
                    _connector="OR",
                ),
                name="kill_switch_names_its_extension",
            ),
        ),
        migrations.AddConstraint(
            model_name="killswitch",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True),
                name="kill_switch_has_reason",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="killswitch",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
        migrations.AddConstraint(
            model_name="liftrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        ["pending", "approved", "declined", "withdrawn", "lapsed"],
                    )
                ),
                name="lift_request_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="liftrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True),
                name="lift_request_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="liftrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at__isnull", True), ("state", "pending")),
                    models.Q(
                        models.Q(("state", "pending"), _negated=True),
                        ("decided_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="lift_request_waits_or_is_decided",
            ),
        ),
        migrations.AddConstraint(
            model_name="liftrequest",
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
                name="lift_request_decided_by_second_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="liftrequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "pending")),
                fields=("kill_switch",),
                name="lift_one_pending",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="liftrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                name="starts_undecided",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition="WHEN (NEW.\"state\" IS DISTINCT FROM 'pending')",
                    func="RAISE EXCEPTION 'pgtrigger: Cannot insert rows from % table', TG_TABLE_NAME;",
                    hash="ca40cc74f50edb460d89e1946e983e7f2e7b457f",
                    operation="INSERT",
                    pgid="pgtrigger_starts_undecided_32e8f",
                    table="policy_liftrequest",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="liftrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="state_moves",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."state", \':\', NEW."state") = ANY(\'{pending:approved,pending:declined,pending:withdrawn,pending:lapsed}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."state" IS DISTINCT FROM NEW."state") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "state" from "%" to "%" on table %\', OLD."state", NEW."state", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="c5ae4b62f72202059e889c8d7b68d6c6967ecbcb",
                    operation="UPDATE",
                    pgid="pgtrigger_state_moves_885cf",
                    table="policy_liftrequest",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="liftrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="decided_stays_decided",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."decided_at" IS NOT NULL AND (OLD."decided_at" IS DISTINCT FROM (NEW."decided_at") OR OLD."decided_by_id" IS DISTINCT FROM (NEW."decided_by_id") OR OLD."decision_reason" IS DISTINCT FROM (NEW."decision_reason")))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="602da742fee80b51b9f2d241015115b752b75650",
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."kill_switch_id" IS DISTINCT FROM (NEW."kill_switch_id") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."requested_at" IS DISTINCT FROM (NEW."requested_at") OR OLD."requested_by_id" IS DISTINCT FROM (NEW."requested_by_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="368f0e66d0bd19d9c670b15207a56d75a8886413",
                    operation="UPDATE",
                    pgid="pgtrigger_request_is_fixed_31ec0",
                    table="policy_liftrequest",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="liftrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="lift_follows",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition="WHEN (NEW.\"state\" = 'approved')",
                    constraint="CONSTRAINT",
                    func="\n    IF NOT EXISTS (SELECT 1 FROM policy_killswitchlift WHERE request_id = NEW.id) THEN\n        RAISE EXCEPTION 'lift request % is approved: its kill switch has to be lifted',\n            NEW.id USING ERRCODE = 'integrity_constraint_violation';\n    END IF;\n    RETURN NULL;\n",
                    hash="6dadd3affb892c5e4de04821a2e36a422e1cd01e",
                    operation='UPDATE OF "state"',
                    pgid="pgtrigger_lift_follows_9700a",
                    table="policy_liftrequest",
                    timing="DEFERRABLE INITIALLY DEFERRED",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="killswitchlift",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("approved_by", models.F("requested_by")), _negated=True
                ),
                name="lift_approver_is_second_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="killswitchlift",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True),
                name="lift_has_reason",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="killswitchlift",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
            model_name="killswitchlift",
            trigger=pgtrigger.compiler.Trigger(
                name="lifted_as_approved",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    IF NOT EXISTS (\n        SELECT 1 FROM policy_liftrequest AS request\n         WHERE request.id = NEW.request_id\n           AND request.kill_switch_id = NEW.kill_switch_id\n           AND request.state = 'approved'\n           AND request.requested_by_id = NEW.requested_by_id\n           AND request.decided_by_id = NEW.approved_by_id) THEN\n        RAISE EXCEPTION 'no approved request to lift kill switch % by these people',\n            NEW.kill_switch_id\n            USING ERRCODE = 'integrity_constraint_violation';\n    END IF;\n    RETURN NULL;\n",
                    hash="b868bb4a6fcfbdd9310187685dd8815021e866ed",
                    operation="INSERT",
                    pgid="pgtrigger_lifted_as_approved_6fcf8",
                    table="policy_killswitchlift",
                    when="AFTER",
                ),
            ),
        ),
    ]
