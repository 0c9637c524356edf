import django.db.models.deletion
import evidence.migrations._triggers_v1
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ExtensionVersion",
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
                ("version", models.CharField(max_length=100)),
                ("first_seen_at", models.DateTimeField()),
            ],
            options={
                "ordering": ("-first_seen_at",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Extension",
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
                    "extension_id",
                    models.CharField(
                        max_length=255, unique=True, verbose_name="extension ID"
                    ),
                ),
                ("name", models.CharField(blank=True, max_length=255)),
                ("publisher", models.CharField(blank=True, max_length=255)),
                (
                    "lookalike_key",
                    models.CharField(
                        db_index=True,
                        default="",
                        editable=False,
                        help_text="What a reader sees of the ID: look-alikes share it.",
                        max_length=255,
                    ),
                ),
                ("notes", models.TextField(blank=True)),
                (
                    "trust_state",
                    models.CharField(
                        choices=[
                            ("unknown", "Unknown"),
                            ("probation", "Probation"),
                            ("trusted", "Trusted"),
                            ("quarantined", "Quarantined"),
                        ],
                        default="unknown",
                        editable=False,
                        max_length=12,
                    ),
                ),
                ("first_seen_at", models.DateTimeField()),
                (
                    "first_seen_in",
                    models.CharField(
                        blank=True, help_text="What mentioned it first.", max_length=200
                    ),
                ),
            ],
            options={
                "ordering": ("extension_id",),
                "permissions": (
                    (
                        "work_policy",
                        "Can work policy: demote, kill, ask, take snapshots, propose, scan",
                    ),
                    ("review_policy", "Can approve promotions, lifts and rollbacks"),
                ),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "trust_state__in",
                                ["unknown", "probation", "trusted", "quarantined"],
                            )
                        ),
                        name="extension_trust_state_known",
                    )
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="extension",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="2d12d7810d46806a3377f2a799e3210187656549",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_0ab25",
                    table="policy_extension",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="extension",
            trigger=pgtrigger.compiler.Trigger(
                name="first_mention_is_fixed",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."extension_id" IS DISTINCT FROM (NEW."extension_id") OR OLD."lookalike_key" IS DISTINCT FROM (NEW."lookalike_key") OR OLD."first_seen_at" IS DISTINCT FROM (NEW."first_seen_at") OR OLD."first_seen_in" IS DISTINCT FROM (NEW."first_seen_in"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="aa873d45124d056bdf746cf107b2732d72ce868d",
                    operation="UPDATE",
                    pgid="pgtrigger_first_mention_is_fixed_1b051",
                    table="policy_extension",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="extension",
            trigger=pgtrigger.compiler.Trigger(
                name="trust_is_its_newest_move",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    declare="DECLARE newest text;",
                    func="\n    SELECT to_state INTO newest FROM policy_trusttransition\n     WHERE extension_id = NEW.id ORDER BY id DESC LIMIT 1;\n    IF NEW.trust_state <> COALESCE(newest, 'unknown') THEN\n        RAISE EXCEPTION 'extension % is % by its newest move: not %',\n            NEW.id, COALESCE(newest, 'unknown'), NEW.trust_state\n            USING ERRCODE = 'integrity_constraint_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="7a2de86c7c6c2f0e162d2708f25e1afd63c92fe0",
                    operation='INSERT OR UPDATE OF "trust_state"',
                    pgid="pgtrigger_trust_is_its_newest_move_be38e",
                    table="policy_extension",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddField(
            model_name="extensionversion",
            name="extension",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="versions",
                to="policy.extension",
            ),
        ),
        migrations.AddConstraint(
            model_name="extensionversion",
            constraint=models.UniqueConstraint(
                fields=("extension", "version"), name="extension_version_unique"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="extensionversion",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="dc88dd51d59db9e7bdd6448523d75d9eb9ddd390",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_8567b",
                    table="policy_extensionversion",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="extensionversion",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="338148b5fa3d3d893347f14d270de2e7b24dab7c",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_db88f",
                    table="policy_extensionversion",
                    when="BEFORE",
                ),
            ),
        ),
    ]
