import django.db.models.deletion
import evidence.migrations._triggers_v1
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "__first__"),
    ]

    operations = [
        migrations.CreateModel(
            name="Playbook",
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
                ("code", models.CharField(max_length=40, unique=True)),
                ("title", models.CharField(max_length=200)),
            ],
            options={
                "ordering": ("code",),
            },
        ),
        migrations.CreateModel(
            name="PlaybookVersion",
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
                ("number", models.PositiveIntegerField()),
                (
                    "content_sha256",
                    models.CharField(max_length=64, verbose_name="content SHA-256"),
                ),
                ("document", models.JSONField()),
                ("file_name", models.CharField(max_length=255)),
                ("loaded_at", models.DateTimeField()),
            ],
            options={
                "ordering": ("playbook__code", "-number"),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="ReferenceCounter",
            fields=[
                (
                    "year",
                    models.PositiveSmallIntegerField(primary_key=True, serialize=False),
                ),
                ("last_number", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Team",
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
            ],
            options={
                "ordering": ("name",),
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="playbook",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="7feb3550d24cb00eb9f89e3b6c4d1900e6ec9fdc",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_16c92",
                    table="incidents_playbook",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="playbook",
            trigger=pgtrigger.compiler.Trigger(
                name="code_is_fixed",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."code" IS DISTINCT FROM (NEW."code"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="1af611cfa5bdd0fe6394187d3e81353d69524ceb",
                    operation="UPDATE",
                    pgid="pgtrigger_code_is_fixed_eb8b8",
                    table="incidents_playbook",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddField(
            model_name="playbookversion",
            name="loaded_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="playbookversion",
            name="playbook",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="versions",
                to="incidents.playbook",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="referencecounter",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="bb71a6a785e86ce47eee7191809b09e661f0644a",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_2e7e2",
                    table="incidents_referencecounter",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="referencecounter",
            trigger=pgtrigger.compiler.Trigger(
                name="year_is_fixed",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."year" IS DISTINCT FROM (NEW."year"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="bbde77c9ea3e12ab6c306e37dbd62525e8a2c06a",
                    operation="UPDATE",
                    pgid="pgtrigger_year_is_fixed_89df8",
                    table="incidents_referencecounter",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="referencecounter",
            trigger=pgtrigger.compiler.Trigger(
                name="only_upwards",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."last_number" > (NEW."last_number"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="178bfbd742293262600b8c5e59fd932f6b60fd7c",
                    operation="UPDATE",
                    pgid="pgtrigger_only_upwards_3f8e1",
                    table="incidents_referencecounter",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddField(
            model_name="team",
            name="members",
            field=models.ManyToManyField(
                blank=True, related_name="incident_teams", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddConstraint(
            model_name="playbookversion",
            constraint=models.UniqueConstraint(
                fields=("playbook", "number"), name="playbook_version_number_unique"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="playbookversion",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="c89f82f80dc61dbfff502e09cf2c535405bb73d5",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_749f8",
                    table="incidents_playbookversion",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="playbookversion",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="25d1f62b1dd9ab12b6f7981757959f2e42543f64",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_7eb01",
                    table="incidents_playbookversion",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="team",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="73086d5c41004f857a27a818c63a64318020083d",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_d7f37",
                    table="incidents_team",
                    when="BEFORE",
                ),
            ),
        ),
    ]
