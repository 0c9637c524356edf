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
            name="HistoryCheck",
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
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField()),
                ("stream_count", models.PositiveIntegerField()),
                ("entry_count", models.PositiveBigIntegerField()),
                ("fault_count", models.PositiveIntegerField()),
                (
                    "faults",
                    models.JSONField(
                        default=list,
                        help_text="The first faults: stream, sequence, code, message.",
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
        migrations.CreateModel(
            name="NotedHead",
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
                ("stream", models.CharField(max_length=300)),
                ("sequence", models.PositiveBigIntegerField()),
                ("entry_hash", models.CharField(max_length=64)),
                (
                    "check_run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="noted_heads",
                        to="evidence.historycheck",
                    ),
                ),
            ],
            options={
                "ordering": ("stream", "sequence"),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="ReaderSettings",
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
                ("time_zone", models.CharField(blank=True, default="", max_length=64)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reader_settings",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "reader's settings",
                "verbose_name_plural": "readers' settings",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="SentForm",
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
                ("key", models.CharField(max_length=64)),
                ("digest", models.CharField(max_length=64)),
                ("answer_url", models.CharField(blank=True, max_length=2000)),
                ("sent_at", models.DateTimeField()),
                (
                    "sender",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AuditEntry",
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
                ("stream", models.CharField(max_length=300)),
                ("sequence", models.PositiveBigIntegerField()),
                ("recorded_at", models.DateTimeField()),
                ("actor_name", models.CharField(max_length=150)),
                ("action", models.CharField(max_length=80)),
                ("object_type", models.CharField(max_length=80)),
                ("object_id", models.CharField(max_length=80)),
                ("object_label", models.CharField(max_length=300)),
                ("reason", models.TextField(blank=True)),
                ("before", models.JSONField(blank=True, null=True)),
                ("after", models.JSONField(blank=True, null=True)),
                (
                    "previous_hash",
                    models.CharField(blank=True, max_length=64, null=True),
                ),
                ("entry_hash", models.CharField(max_length=64, unique=True)),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        help_text="Who acted; empty where the system itself did.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit entries",
                "ordering": ("-recorded_at", "-id"),
                "abstract": False,
                "indexes": [
                    models.Index(fields=["recorded_at"], name="audit_recorded_at"),
                    models.Index(
                        fields=["object_type", "object_id"], name="audit_object_lookup"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("stream", "sequence"),
                        name="audit_stream_sequence_unique",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("sequence__gte", 1)),
                        name="audit_sequence_from_one",
                    ),
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="auditentry",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="2c11644db2687b52fe64b64ee572c93eeb527338",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_7e898",
                    table="evidence_auditentry",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="auditentry",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="d2a71985af37a0059849cba98e0e203104f67b7d",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_5656e",
                    table="evidence_auditentry",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="auditentry",
            trigger=pgtrigger.compiler.Trigger(
                name="continue_chain",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    declare="DECLARE last record;",
                    func="\n    SELECT sequence, entry_hash INTO last\n      FROM evidence_auditentry\n     WHERE stream = NEW.stream\n     ORDER BY sequence DESC\n     LIMIT 1;\n    IF NEW.sequence <> COALESCE(last.sequence, 0) + 1\n       OR NEW.previous_hash IS DISTINCT FROM last.entry_hash THEN\n        RAISE EXCEPTION 'audit stream % stands at %: entry % does not continue it',\n            NEW.stream, COALESCE(last.sequence, 0), NEW.sequence\n            USING ERRCODE = 'integrity_constraint_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="5bd86f1a13d9026517b71efe1537882dc7cfcc9a",
                    operation="INSERT",
                    pgid="pgtrigger_continue_chain_a2e60",
                    table="evidence_auditentry",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="historycheck",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="df2268d89eba28c3b6d76ef29e9b328b49b9446b",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_6c1e5",
                    table="evidence_historycheck",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="historycheck",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="a2426682a4adfc7b94c6adcfadc9caafeb9981e6",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_18305",
                    table="evidence_historycheck",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="notedhead",
            constraint=models.UniqueConstraint(
                fields=("stream", "sequence"), name="noted_head_once"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="notedhead",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="d429ae573b9824c1449592d2be2fe0f1ef70efc9",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_2bca0",
                    table="evidence_notedhead",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="notedhead",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="2e247d75e48f34ac5adc9d7f04acc23bf9c0d58a",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_774e1",
                    table="evidence_notedhead",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="sentform",
            index=models.Index(fields=["sender", "sent_at"], name="sent_form_by_time"),
        ),
        migrations.AddConstraint(
            model_name="sentform",
            constraint=models.UniqueConstraint(
                fields=("sender", "key", "digest"), name="sent_form_once"
            ),
        ),
    ]
