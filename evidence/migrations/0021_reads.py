"""Who read what: noted at each request, recorded in batches."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import evidence.migrations._triggers_v1
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0020_own_tokens"),
        ("incidents", "0031_see_failed_sign_ins"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="NotedRead",
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
                    "door",
                    models.CharField(
                        choices=[
                            ("page", "Page"),
                            ("api", "API, signed in"),
                            ("token", "API, with a token"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("opened", "Opened"),
                            ("downloaded", "Downloaded"),
                            ("listed", "Listed"),
                            ("searched", "Searched"),
                        ],
                        max_length=10,
                    ),
                ),
                ("subject", models.CharField(max_length=100)),
                ("object_id", models.CharField(blank=True, max_length=80)),
                ("words", models.CharField(blank=True, max_length=300)),
                (
                    "cases",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), default=list, size=None
                    ),
                ),
                ("read_at", models.DateTimeField()),
            ],
            options={
                "ordering": ("id",),
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="RecordedRead",
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
                    "door",
                    models.CharField(
                        choices=[
                            ("page", "Page"),
                            ("api", "API, signed in"),
                            ("token", "API, with a token"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("opened", "Opened"),
                            ("downloaded", "Downloaded"),
                            ("listed", "Listed"),
                            ("searched", "Searched"),
                        ],
                        max_length=10,
                    ),
                ),
                ("subject", models.CharField(max_length=100)),
                ("object_id", models.CharField(blank=True, max_length=80)),
                ("words", models.CharField(blank=True, max_length=300)),
                (
                    "cases",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), default=list, size=None
                    ),
                ),
                ("count", models.PositiveIntegerField()),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "recorded reading",
                "ordering": ("-last_at", "-id"),
                "abstract": False,
            },
        ),
        migrations.AddField(
            model_name="notedread",
            name="reader",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="notedread",
            name="token",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.KNOX_TOKEN_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="recordedread",
            name="entry",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="evidence.auditentry",
            ),
        ),
        migrations.AddField(
            model_name="recordedread",
            name="incident",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="incidents.incident",
            ),
        ),
        migrations.AddField(
            model_name="recordedread",
            name="reader",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="recordedread",
            name="token",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.KNOX_TOKEN_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="notedread",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind__in", ["opened", "downloaded", "listed", "searched"])
                ),
                name="noted_read_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="notedread",
            constraint=models.CheckConstraint(
                condition=models.Q(("door__in", ["page", "api", "token"])),
                name="noted_read_door_known",
            ),
        ),
        migrations.AddIndex(
            model_name="recordedread",
            index=models.Index(
                fields=["incident", "-last_at"], name="recorded_read_of_case"
            ),
        ),
        migrations.AddIndex(
            model_name="recordedread",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["cases"], name="recorded_read_shown"
            ),
        ),
        migrations.AddConstraint(
            model_name="recordedread",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind__in", ["opened", "downloaded", "listed", "searched"])
                ),
                name="recorded_read_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="recordedread",
            constraint=models.CheckConstraint(
                condition=models.Q(("door__in", ["page", "api", "token"])),
                name="recorded_read_door_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="recordedread",
            constraint=models.CheckConstraint(
                condition=models.Q(("count__gte", 1)), name="recorded_read_counts"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="recordedread",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="293e8a09d09f020896a99aebbfbe6ca3b8e8d13b",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_4c14e",
                    table="evidence_recordedread",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="recordedread",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="beb85307256e1c8733c0d1723df5ad009f1dac10",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_eaa85",
                    table="evidence_recordedread",
                    when="BEFORE",
                ),
            ),
        ),
    ]
