import django.db.models.deletion
import evidence.migrations._triggers_v1
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "__first__"),
        ("incidents", "0004_phases"),
        ("incidents", "0008_notifications"),
    ]

    operations = [
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
        pgtrigger.migrations.AddTrigger(
            model_name="reminderacknowledgement",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
        migrations.AddConstraint(
            model_name="remindersettings",
            constraint=models.CheckConstraint(
                condition=models.Q(("hold_minutes__gt", 0)),
                name="reminder_hold_is_positive",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="remindersettings",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
                sql=evidence.migrations._triggers_v1.TriggerSql(
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
    ]
