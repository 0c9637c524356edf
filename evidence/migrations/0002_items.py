import django.db.models.deletion
import evidence.migrations._triggers_v1
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "__first__"),
        ("evidence", "0001_history"),
        ("incidents", "0002_cases"),
    ]

    operations = [
        migrations.CreateModel(
            name="EvidenceItem",
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
                ("sha256_hex", models.CharField(max_length=64, verbose_name="SHA-256")),
                (
                    "size_bytes",
                    models.PositiveBigIntegerField(verbose_name="size in bytes"),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("bundle", "Incident evidence bundle"),
                            ("ledger", "Runtime risk ledger"),
                            ("policy_snapshot", "Policy snapshot"),
                            ("policy_explanation", "Policy explanation"),
                            ("scan_result", "Scan result"),
                            ("extension_source", "Extension source"),
                            ("log", "Log"),
                            ("other", "Other"),
                        ],
                        max_length=30,
                    ),
                ),
                (
                    "content",
                    models.CharField(
                        blank=True,
                        help_text="What the bytes are by their structure: JSON, SARIF, lines of text.",
                        max_length=60,
                    ),
                ),
                (
                    "wrapping",
                    models.CharField(
                        blank=True,
                        help_text="What is read through to verify it, outermost first: gzip, UTF-16. The stored bytes are those that were sent.",
                        max_length=60,
                    ),
                ),
                ("original_name", models.CharField(max_length=255)),
                ("media_type", models.CharField(max_length=127)),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("admin", "Web admin"),
                            ("api", "API"),
                            ("command", "Command line"),
                            ("worker", "Worker"),
                        ],
                        max_length=10,
                        verbose_name="received by",
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        blank=True,
                        help_text="Where the sender says it comes from: a host, a gate, a person.",
                        max_length=200,
                    ),
                ),
                ("received_at", models.DateTimeField()),
                (
                    "derived_from",
                    models.ForeignKey(
                        blank=True,
                        help_text="The stored bundle that this one was exported from.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="derived_items",
                        to="evidence.evidenceitem",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="evidence_items",
                        to="incidents.incident",
                    ),
                ),
                (
                    "received_by",
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
                "ordering": ("-received_at", "-id"),
                "permissions": (
                    ("verify_evidenceitem", "Can have evidence verified"),
                    ("download_evidenceitem", "Can download evidence"),
                    ("export_evidenceitem", "Can export evidence"),
                ),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="CustodyEvent",
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
                    "kind",
                    models.CharField(
                        choices=[
                            ("received", "Received"),
                            ("viewed", "Viewed"),
                            ("verified", "Verified"),
                            ("downloaded", "Downloaded"),
                            ("exported", "Exported"),
                            ("reclassified", "Kind changed"),
                            ("taken_over", "Taken over by another case"),
                        ],
                        max_length=12,
                    ),
                ),
                ("happened_at", models.DateTimeField()),
                ("actor_name", models.CharField(max_length=150)),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("admin", "Web admin"),
                            ("api", "API"),
                            ("command", "Command line"),
                            ("worker", "Worker"),
                        ],
                        max_length=10,
                    ),
                ),
                ("ip_address", models.GenericIPAddressField(blank=True, null=True)),
                (
                    "original_name",
                    models.CharField(
                        blank=True,
                        help_text="Received: the name it came under.",
                        max_length=255,
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        blank=True,
                        help_text="Received: where it came from.",
                        max_length=200,
                    ),
                ),
                ("detail", models.CharField(blank=True, max_length=300)),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="custody_events",
                        to="evidence.evidenceitem",
                    ),
                ),
            ],
            options={
                "ordering": ("-happened_at", "-id"),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="KindChange",
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
                    "from_kind",
                    models.CharField(
                        choices=[
                            ("bundle", "Incident evidence bundle"),
                            ("ledger", "Runtime risk ledger"),
                            ("policy_snapshot", "Policy snapshot"),
                            ("policy_explanation", "Policy explanation"),
                            ("scan_result", "Scan result"),
                            ("extension_source", "Extension source"),
                            ("log", "Log"),
                            ("other", "Other"),
                        ],
                        max_length=30,
                    ),
                ),
                (
                    "to_kind",
                    models.CharField(
                        choices=[
                            ("bundle", "Incident evidence bundle"),
                            ("ledger", "Runtime risk ledger"),
                            ("policy_snapshot", "Policy snapshot"),
                            ("policy_explanation", "Policy explanation"),
                            ("scan_result", "Scan result"),
                            ("extension_source", "Extension source"),
                            ("log", "Log"),
                            ("other", "Other"),
                        ],
                        max_length=30,
                    ),
                ),
                ("reason", models.TextField()),
                ("changed_at", models.DateTimeField()),
                (
                    "changed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="kind_changes",
                        to="evidence.evidenceitem",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "abstract": False,
            },
        ),
        migrations.AddIndex(
            model_name="evidenceitem",
            index=models.Index(fields=["sha256_hex"], name="evidence_sha256"),
        ),
        migrations.AddIndex(
            model_name="evidenceitem",
            index=models.Index(fields=["received_at"], name="evidence_received_at"),
        ),
        migrations.AddConstraint(
            model_name="evidenceitem",
            constraint=models.UniqueConstraint(
                fields=("incident", "sha256_hex"), name="evidence_once_per_incident"
            ),
        ),
        migrations.AddConstraint(
            model_name="evidenceitem",
            constraint=models.CheckConstraint(
                condition=models.Q(("sha256_hex__regex", "^[0-9a-f]{64}$")),
                name="evidence_sha256_hex",
            ),
        ),
        migrations.AddConstraint(
            model_name="evidenceitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "bundle",
                            "ledger",
                            "policy_snapshot",
                            "policy_explanation",
                            "scan_result",
                            "extension_source",
                            "log",
                            "other",
                        ],
                    )
                ),
                name="evidence_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="evidenceitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("channel__in", ["admin", "api", "command", "worker"])
                ),
                name="evidence_channel_known",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="evidenceitem",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="9c61165a3d657798aaf67efc8f1c6653cf771af6",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_8fd1c",
                    table="evidence_evidenceitem",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="evidenceitem",
            trigger=pgtrigger.compiler.Trigger(
                name="received_as_it_is",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."incident_id" IS DISTINCT FROM (NEW."incident_id") OR OLD."sha256_hex" IS DISTINCT FROM (NEW."sha256_hex") OR OLD."size_bytes" IS DISTINCT FROM (NEW."size_bytes") OR OLD."content" IS DISTINCT FROM (NEW."content") OR OLD."wrapping" IS DISTINCT FROM (NEW."wrapping") OR OLD."original_name" IS DISTINCT FROM (NEW."original_name") OR OLD."media_type" IS DISTINCT FROM (NEW."media_type") OR OLD."channel" IS DISTINCT FROM (NEW."channel") OR OLD."source" IS DISTINCT FROM (NEW."source") OR OLD."received_at" IS DISTINCT FROM (NEW."received_at") OR OLD."received_by_id" IS DISTINCT FROM (NEW."received_by_id") OR OLD."derived_from_id" IS DISTINCT FROM (NEW."derived_from_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="830c18d94e8fe564120bebf3192abe115da3e45d",
                    operation="UPDATE",
                    pgid="pgtrigger_received_as_it_is_97c34",
                    table="evidence_evidenceitem",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="evidenceitem",
            trigger=pgtrigger.compiler.Trigger(
                name="kind_is_its_newest_change",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    declare="DECLARE newest text;",
                    func="\n    SELECT to_kind INTO newest FROM evidence_kindchange\n     WHERE item_id = NEW.id AND from_kind = OLD.kind ORDER BY id DESC LIMIT 1;\n    IF NEW.kind = OLD.kind THEN\n        RAISE EXCEPTION 'append-only: evidence % stays as it was received', NEW.id\n            USING ERRCODE = 'integrity_constraint_violation';\n    END IF;\n    IF NEW.kind IS DISTINCT FROM newest THEN\n        RAISE EXCEPTION 'evidence % is %: no recorded change makes it %',\n            NEW.id, OLD.kind, NEW.kind\n            USING ERRCODE = 'integrity_constraint_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="12300336a94fb2426721b439d0edf0690b57ef76",
                    operation="UPDATE",
                    pgid="pgtrigger_kind_is_its_newest_change_8afe7",
                    table="evidence_evidenceitem",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="evidenceitem",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="4168d7289cd49e0ce582dd5034f48c6b8c82827c",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_ada59",
                    table="evidence_evidenceitem",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="custodyevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "received",
                            "viewed",
                            "verified",
                            "downloaded",
                            "exported",
                            "reclassified",
                            "taken_over",
                        ],
                    )
                ),
                name="custody_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="custodyevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("channel__in", ["admin", "api", "command", "worker"])
                ),
                name="custody_channel_known",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="custodyevent",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="bfa5ddd0a7d6965c2cfb9badc5402e3c762e1186",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_fd3e4",
                    table="evidence_custodyevent",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="custodyevent",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="02e45b32eda1e5a152b468f508ab743905eac2b6",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_32be1",
                    table="evidence_custodyevent",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="kindchange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "from_kind__in",
                        [
                            "bundle",
                            "ledger",
                            "policy_snapshot",
                            "policy_explanation",
                            "scan_result",
                            "extension_source",
                            "log",
                            "other",
                        ],
                    ),
                    (
                        "to_kind__in",
                        [
                            "bundle",
                            "ledger",
                            "policy_snapshot",
                            "policy_explanation",
                            "scan_result",
                            "extension_source",
                            "log",
                            "other",
                        ],
                    ),
                ),
                name="kind_change_kinds_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="kindchange",
            constraint=models.CheckConstraint(
                condition=models.Q(("from_kind", models.F("to_kind")), _negated=True),
                name="kind_change_changes",
            ),
        ),
        migrations.AddConstraint(
            model_name="kindchange",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True),
                name="kind_change_has_reason",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="kindchange",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="6e2ee47319fb86f5cf3a6fef9a44c3249e05df98",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_8b816",
                    table="evidence_kindchange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="kindchange",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="f80720eae8046fe225047ca79aa4137dad70d0b5",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_271bb",
                    table="evidence_kindchange",
                    when="BEFORE",
                ),
            ),
        ),
    ]
