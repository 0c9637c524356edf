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
        ("incidents", "0004_phases"),
        ("incidents", "0007_alerts"),
    ]

    operations = [
        migrations.CreateModel(
            name="WebhookChannel",
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
                    "wants_warnings",
                    models.BooleanField(
                        default=False,
                        help_text="A shared channel always hears of breaches; this adds warnings.",
                    ),
                ),
                ("scheme", models.CharField(editable=False, max_length=20)),
                ("sealed_url", models.TextField(editable=False)),
                ("is_active", models.BooleanField(default=True)),
                ("added_at", models.DateTimeField(editable=False)),
                (
                    "added_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        help_text="Whose it is. Empty: shared.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="webhook_channels",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        blank=True,
                        help_text="A shared channel for the cases of one team. Empty: all cases.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="webhook_channels",
                        to="incidents.team",
                    ),
                ),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="NotificationPreference",
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
                ("by_email", models.BooleanField(default=True)),
                ("quiet_from", models.TimeField(blank=True, null=True)),
                ("quiet_until", models.TimeField(blank=True, null=True)),
                ("time_zone", models.CharField(default="UTC", max_length=64)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notification_preference",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "webhooks_off",
                    models.ManyToManyField(
                        blank=True, related_name="+", to="incidents.webhookchannel"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Notification",
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
                ("key", models.CharField(max_length=200)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("warning", "Warning"),
                            ("breach", "Breach"),
                            ("repeat", "Still overdue"),
                            ("assigned", "Assignment"),
                            ("kill_all", "Kill-all"),
                            ("reminder", "Reminder"),
                            ("test", "Test message"),
                        ],
                        max_length=10,
                    ),
                ),
                ("phase_due_at", models.DateTimeField(blank=True, null=True)),
                ("headline", models.CharField(max_length=200)),
                ("about_type", models.CharField(blank=True, max_length=100)),
                ("about_id", models.BigIntegerField(blank=True, null=True)),
                ("owed_at", models.DateTimeField()),
                ("send_at", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                ("found_by_check", models.BooleanField(default=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Waiting"),
                            ("sending", "Being sent"),
                            ("sent", "Sent"),
                            ("printed", "Printed, not sent"),
                            ("failed", "Failed"),
                            ("overtaken", "Overtaken"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("next_try_at", models.DateTimeField()),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("attempts_left", models.PositiveSmallIntegerField(default=8)),
                ("was_late", models.BooleanField(default=False)),
                ("subject", models.CharField(blank=True, max_length=300)),
                ("body", models.TextField(blank=True)),
                ("problem", models.CharField(blank=True, max_length=300)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "incident",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notifications",
                        to="incidents.incident",
                    ),
                ),
                (
                    "phase",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notifications",
                        to="incidents.incidentphase",
                    ),
                ),
                (
                    "recipient",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notifications",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "webhook",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notifications",
                        to="incidents.webhookchannel",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "permissions": (
                    ("retry_notification", "Can send a failed notification again"),
                ),
            },
        ),
        migrations.CreateModel(
            name="NotificationAttempt",
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
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("sent", "Sent"),
                            ("printed", "Printed, not sent"),
                            ("failed", "Failed, worth another try"),
                            ("refused", "Refused for good"),
                            ("lost", "The worker ended"),
                        ],
                        max_length=10,
                    ),
                ),
                ("detail", models.CharField(blank=True, max_length=300)),
                ("ended_at", models.DateTimeField()),
                (
                    "notification",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tries",
                        to="incidents.notification",
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "outcome__in",
                                ["sent", "printed", "failed", "refused", "lost"],
                            )
                        ),
                        name="attempt_outcome_known",
                    )
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="notificationattempt",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="26917c5a3be06a218278eb7603d62d9d0482a443",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_956f2",
                    table="incidents_notificationattempt",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="notificationattempt",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="99756ed1936e92b7c35d889b29635eef000a6565",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_9b628",
                    table="incidents_notificationattempt",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookchannel",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("owner__isnull", True), ("team__isnull", True), _connector="OR"
                ),
                name="webhook_of_a_person_or_a_team",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="webhookchannel",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="0aca6d276cc77f0a85662047591321cc2b88082a",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_ade0b",
                    table="incidents_webhookchannel",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="notificationpreference",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("quiet_from__isnull", True), ("quiet_until__isnull", True)
                    ),
                    models.Q(
                        ("quiet_from__isnull", False),
                        ("quiet_until__isnull", False),
                        models.Q(
                            ("quiet_from", models.F("quiet_until")), _negated=True
                        ),
                    ),
                    _connector="OR",
                ),
                name="quiet_hours_have_both_ends",
            ),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                condition=models.Q(("state__in", ("pending", "sending"))),
                fields=["next_try_at", "id"],
                name="notification_to_send",
            ),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(fields=["state", "-id"], name="notification_by_state"),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                fields=["recipient", "webhook", "-id"], name="notification_newest"
            ),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.UniqueConstraint(
                fields=("key", "recipient", "webhook"),
                name="notification_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("recipient__isnull", False),
                    ("webhook__isnull", False),
                    _connector="OR",
                ),
                name="notification_reaches_somebody",
            ),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "warning",
                            "breach",
                            "repeat",
                            "assigned",
                            "kill_all",
                            "reminder",
                            "test",
                        ],
                    )
                ),
                name="notification_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("finished_at__isnull", True),
                        ("state__in", ("pending", "sending")),
                    ),
                    models.Q(
                        ("finished_at__isnull", False),
                        ("state__in", ("sent", "printed", "failed", "overtaken")),
                    ),
                    _connector="OR",
                ),
                name="notification_finished_has_time",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="notification",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="6df40040142d44412fb1bd26c754d8faf3ca59f5",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_7294e",
                    table="incidents_notification",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="notification",
            trigger=pgtrigger.compiler.Trigger(
                name="sent_stays_sent",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition="WHEN (OLD.\"state\" IN ('sent', 'overtaken'))",
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="cf38db3730424bd25dd50eac7b367b2a283547ed",
                    operation="UPDATE",
                    pgid="pgtrigger_sent_stays_sent_c5ae7",
                    table="incidents_notification",
                    when="BEFORE",
                ),
            ),
        ),
    ]
