import django.db.models.deletion
import evidence.migrations._triggers_v1
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0016_see_store_faults"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="EvidenceReading",
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
                ("state_key", models.CharField(max_length=64)),
                (
                    "reports",
                    models.JSONField(
                        default=list, help_text="The reports it was read by."
                    ),
                ),
                ("problems", models.JSONField(default=list)),
                ("read_at", models.DateTimeField()),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="evidence_readings",
                        to="incidents.incident",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Finding",
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
                ("code", models.CharField(max_length=10, verbose_name="class")),
                ("key", models.CharField(max_length=60, verbose_name="question")),
                ("version", models.PositiveSmallIntegerField()),
                ("item_key", models.CharField(max_length=64)),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("found", "Found"),
                            ("clear", "Clear"),
                            ("unknown", "Unknown"),
                        ],
                        max_length=8,
                    ),
                ),
                ("sentence", models.TextField()),
                ("pointers", models.JSONField(default=list)),
                ("inputs", models.JSONField(default=dict)),
                ("answered_at", models.DateTimeField()),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="findings",
                        to="incidents.incident",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="FindingReview",
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
                    "choice",
                    models.CharField(
                        choices=[
                            ("confirmed", "Confirmed"),
                            ("overruled", "Overruled"),
                        ],
                        max_length=10,
                    ),
                ),
                ("reason", models.TextField(blank=True)),
                ("reviewed_at", models.DateTimeField()),
                (
                    "finding",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reviews",
                        to="incidents.finding",
                    ),
                ),
                (
                    "reviewed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "abstract": False,
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="evidencereading",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="b5c5208384f96c2226de5828dece435a22bc8a34",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_417e8",
                    table="incidents_evidencereading",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="evidencereading",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="cf8be537c7778db1fa117f979961cc1c0ed34640",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_102b2",
                    table="incidents_evidencereading",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(
                fields=["incident", "code", "key", "-id"], name="finding_newest"
            ),
        ),
        migrations.AddConstraint(
            model_name="finding",
            constraint=models.CheckConstraint(
                condition=models.Q(("verdict__in", ["found", "clear", "unknown"])),
                name="finding_verdict_known",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="finding",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="6bd80c75246c90d65db2e05c429fc9a1bd7c0f66",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_13236",
                    table="incidents_finding",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="finding",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="01367fc892eb761812e18b290c2691eba67f158b",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_bcfe6",
                    table="incidents_finding",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="findingreview",
            constraint=models.CheckConstraint(
                condition=models.Q(("choice__in", ["confirmed", "overruled"])),
                name="finding_review_choice_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="findingreview",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("choice", "overruled"), _negated=True),
                    models.Q(("reason", ""), _negated=True),
                    _connector="OR",
                ),
                name="finding_overruled_with_reason",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="findingreview",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="64ad7629fbf47a2edc2dacbb712e90aee0dee93a",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_1198d",
                    table="incidents_findingreview",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="findingreview",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="b174de2d349324dd21c4ed5c9d85968d1b8a8c6d",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_51b07",
                    table="incidents_findingreview",
                    when="BEFORE",
                ),
            ),
        ),
    ]
