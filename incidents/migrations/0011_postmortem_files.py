import django.db.models.deletion
import evidence.migrations._triggers_v1
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "__first__"),
        ("incidents", "0010_postmortems"),
    ]

    operations = [
        migrations.CreateModel(
            name="PostmortemPdf",
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
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("gave_up", "Gave up"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("progress_percent", models.PositiveSmallIntegerField(default=0)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                (
                    "last_problem",
                    models.TextField(
                        blank=True,
                        help_text="Why the work waits: what the last try ran into.",
                    ),
                ),
                (
                    "failure",
                    models.TextField(
                        blank=True,
                        help_text="Why it ended without a result, in plain words.",
                    ),
                ),
                ("requested_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("touched_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "signature",
                    models.TextField(
                        blank=True,
                        help_text="Who signed, and when, as the PDF says it.",
                    ),
                ),
                ("content_key", models.CharField(max_length=64)),
                (
                    "sha256_hex",
                    models.CharField(blank=True, max_length=64, verbose_name="SHA-256"),
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
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="pdfs",
                        to="incidents.postmortemversion",
                    ),
                ),
            ],
            options={
                "verbose_name": "postmortem PDF",
                "ordering": ("-id",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="PostmortemArchiving",
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
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("gave_up", "Gave up"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("progress_percent", models.PositiveSmallIntegerField(default=0)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                (
                    "last_problem",
                    models.TextField(
                        blank=True,
                        help_text="Why the work waits: what the last try ran into.",
                    ),
                ),
                (
                    "failure",
                    models.TextField(
                        blank=True,
                        help_text="Why it ended without a result, in plain words.",
                    ),
                ),
                ("requested_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("touched_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
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
                (
                    "review",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="archivings",
                        to="incidents.postmortemreview",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "abstract": False,
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ("queued", "running"))),
                        fields=["touched_at"],
                        name="postmortemarchiving_open",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ["queued", "running", "done", "failed", "gave_up"],
                            )
                        ),
                        name="postmortemarchiving_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("progress_percent__lte", 100)),
                        name="postmortemarchiving_percent",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("finished_at__isnull", True),
                                ("state__in", ("queued", "running")),
                            ),
                            models.Q(
                                ("finished_at__isnull", False),
                                ("state__in", ("done", "failed", "gave_up")),
                            ),
                            _connector="OR",
                        ),
                        name="postmortemarchiving_finished_has_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("state__in", ("failed", "gave_up")), _negated=True
                            ),
                            models.Q(("failure", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="postmortemarchiving_says_why",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(
                            ("state__in", ("queued", "running", "done"))
                        ),
                        fields=("review",),
                        name="postmortem_archived_once",
                    ),
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemarchiving",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="418c0522ba2ed61df5ca54a23c7016feefa3bcf3",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_e4475",
                    table="incidents_postmortemarchiving",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemarchiving",
            trigger=pgtrigger.compiler.Trigger(
                name="finished_stays_finished",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."finished_at" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="26ad38d0604488b9eead73bcf24bd665fa4a0072",
                    operation="UPDATE",
                    pgid="pgtrigger_finished_stays_finished_8fd22",
                    table="incidents_postmortemarchiving",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="postmortempdf",
            index=models.Index(
                condition=models.Q(("state__in", ("queued", "running"))),
                fields=["touched_at"],
                name="postmortempdf_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="postmortempdf",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["queued", "running", "done", "failed", "gave_up"])
                ),
                name="postmortempdf_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="postmortempdf",
            constraint=models.CheckConstraint(
                condition=models.Q(("progress_percent__lte", 100)),
                name="postmortempdf_percent",
            ),
        ),
        migrations.AddConstraint(
            model_name="postmortempdf",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("finished_at__isnull", True),
                        ("state__in", ("queued", "running")),
                    ),
                    models.Q(
                        ("finished_at__isnull", False),
                        ("state__in", ("done", "failed", "gave_up")),
                    ),
                    _connector="OR",
                ),
                name="postmortempdf_finished_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="postmortempdf",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ("failed", "gave_up")), _negated=True),
                    models.Q(("failure", ""), _negated=True),
                    _connector="OR",
                ),
                name="postmortempdf_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="postmortempdf",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ("queued", "running", "done"))),
                fields=("content_key",),
                name="postmortem_pdf_made_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="postmortempdf",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "done"), _negated=True),
                    models.Q(("sha256_hex", ""), _negated=True),
                    _connector="OR",
                ),
                name="postmortem_pdf_done_has_bytes",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortempdf",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="89fb846b8b85157d548ca53de79a1cd2a5966521",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_35085",
                    table="incidents_postmortempdf",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortempdf",
            trigger=pgtrigger.compiler.Trigger(
                name="finished_stays_finished",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."finished_at" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="aac6208401fedaf56fb187fbe0899c28ada1fc6f",
                    operation="UPDATE",
                    pgid="pgtrigger_finished_stays_finished_868dc",
                    table="incidents_postmortempdf",
                    when="BEFORE",
                ),
            ),
        ),
    ]
