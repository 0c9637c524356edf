import django.db.models.deletion
import evidence.migrations._triggers_v1
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "__first__"),
        ("evidence", "0002_items"),
        ("evidence", "0003_verification"),
        ("incidents", "0003_cycles_and_timeline"),
        ("incidents", "0009_reminders"),
    ]

    operations = [
        migrations.CreateModel(
            name="EvidenceFindings",
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
                ("alert_category", models.CharField(max_length=60)),
                ("findings", models.JSONField(default=list)),
                ("problem", models.CharField(blank=True, max_length=300)),
                ("gathered_at", models.DateTimeField()),
                (
                    "report",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="findings",
                        to="evidence.verificationreport",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "evidence findings",
                "ordering": ("-id",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Postmortem",
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
                            ("draft", "Draft"),
                            ("submitted", "Submitted"),
                            ("returned", "Returned"),
                            ("signed", "Signed"),
                        ],
                        default="draft",
                        max_length=10,
                    ),
                ),
                ("draft_revision", models.PositiveIntegerField(default=1)),
                ("opened_at", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
                (
                    "cycle",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="postmortem",
                        to="incidents.cycle",
                    ),
                ),
                (
                    "opened_by",
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
            },
        ),
        migrations.CreateModel(
            name="PostmortemDraft",
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
                ("revision", models.PositiveIntegerField()),
                ("sections", models.JSONField()),
                ("saved_at", models.DateTimeField()),
                (
                    "postmortem",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="drafts",
                        to="incidents.postmortem",
                    ),
                ),
                (
                    "saved_by",
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
                "ordering": ("-revision",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="PostmortemReview",
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
                    "verdict",
                    models.CharField(
                        choices=[("signed", "Signed"), ("returned", "Returned")],
                        max_length=10,
                    ),
                ),
                (
                    "content_sha256",
                    models.CharField(max_length=64, verbose_name="SHA-256"),
                ),
                ("comment", models.TextField(blank=True)),
                ("reviewed_at", models.DateTimeField()),
                (
                    "reviewer",
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
            name="PostmortemArchive",
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
                ("archived_at", models.DateTimeField()),
                (
                    "json_item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.evidenceitem",
                    ),
                ),
                (
                    "markdown_item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.evidenceitem",
                    ),
                ),
                (
                    "pdf_item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.evidenceitem",
                    ),
                ),
                (
                    "review",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="archive",
                        to="incidents.postmortemreview",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="PostmortemVersion",
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
                ("document", models.TextField()),
                (
                    "content_sha256",
                    models.CharField(max_length=64, verbose_name="SHA-256"),
                ),
                ("submitted_at", models.DateTimeField()),
                (
                    "postmortem",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="incidents.postmortem",
                    ),
                ),
                (
                    "submitted_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("-number",),
                "abstract": False,
            },
        ),
        migrations.AddField(
            model_name="postmortemreview",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="reviews",
                to="incidents.postmortemversion",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="evidencefindings",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="19ed0e384470b51a35f73c70563e3105b78999c9",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_b6114",
                    table="incidents_evidencefindings",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="evidencefindings",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="db5d112f93b4a6da061cecb41288600d9903fa23",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_ad0a5",
                    table="incidents_evidencefindings",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="postmortem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["draft", "submitted", "returned", "signed"])
                ),
                name="postmortem_state_known",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortem",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="2255487ef87dfdf53ffb07e658460789cee18915",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_6c343",
                    table="incidents_postmortem",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortem",
            trigger=pgtrigger.compiler.Trigger(
                name="case_is_fixed",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."cycle_id" IS DISTINCT FROM (NEW."cycle_id") OR OLD."opened_at" IS DISTINCT FROM (NEW."opened_at") OR OLD."opened_by_id" IS DISTINCT FROM (NEW."opened_by_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="62fa48bbd60be6499380b9f9d5c43ddb895b8361",
                    operation="UPDATE",
                    pgid="pgtrigger_case_is_fixed_3e9da",
                    table="incidents_postmortem",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortem",
            trigger=pgtrigger.compiler.Trigger(
                name="signed_has_signature",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    IF NEW.state = 'signed' AND NOT EXISTS (\n        SELECT 1 FROM incidents_postmortemreview r\n          JOIN incidents_postmortemversion v ON v.id = r.version_id\n         WHERE v.postmortem_id = NEW.id AND r.verdict = 'signed'\n           AND NOT EXISTS (SELECT 1 FROM incidents_postmortemversion newer\n                            WHERE newer.postmortem_id = v.postmortem_id\n                              AND newer.number > v.number)) THEN\n        RAISE EXCEPTION 'no signature: % is not signed', NEW.id\n            USING ERRCODE = 'restrict_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="65a24faac88c534d9c3d022c9aac301834542647",
                    operation="UPDATE OR INSERT",
                    pgid="pgtrigger_signed_has_signature_fd13c",
                    table="incidents_postmortem",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="postmortemdraft",
            constraint=models.UniqueConstraint(
                fields=("postmortem", "revision"), name="postmortem_draft_revision"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemdraft",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="585272b8a717c511ae84e7579225f8e6ff5b9dd5",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_c2c59",
                    table="incidents_postmortemdraft",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemdraft",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="bb2e5d6d8a3f1fa2254e517ee04ce346db75306a",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_d5368",
                    table="incidents_postmortemdraft",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemdraft",
            trigger=pgtrigger.compiler.Trigger(
                name="only_while_editable",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    IF EXISTS (SELECT 1 FROM incidents_postmortem p\n                 JOIN incidents_cycle c ON c.id = p.cycle_id\n                WHERE p.id = NEW.postmortem_id\n                  AND (c.ended_at IS NOT NULL\n                       OR p.state NOT IN ('draft', 'returned'))) THEN\n        RAISE EXCEPTION 'the postmortem is not open for writing: take it up again first'\n            USING ERRCODE = 'restrict_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="31dc8e00ee9d5fbbcc07294237b9f8e91d764868",
                    operation="INSERT",
                    pgid="pgtrigger_only_while_editable_5ae8c",
                    table="incidents_postmortemdraft",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemarchive",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="61d7154b3756a41724b61e019f3f24cc8d568f79",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_92300",
                    table="incidents_postmortemarchive",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemarchive",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="3562b336a98b41457defb3b71214ea3d2f660dc2",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_29afb",
                    table="incidents_postmortemarchive",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="postmortemversion",
            constraint=models.UniqueConstraint(
                fields=("postmortem", "number"), name="postmortem_version_number"
            ),
        ),
        migrations.AddConstraint(
            model_name="postmortemversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "content_sha256",
                        models.Func(
                            models.Func(
                                models.Func(
                                    models.F("document"),
                                    models.Value("UTF8"),
                                    function="convert_to",
                                ),
                                function="sha256",
                            ),
                            models.Value("hex"),
                            function="encode",
                        ),
                    )
                ),
                name="postmortem_version_hash",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemversion",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="16378fe34af911a48962c9c284c8734ecf8f564b",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_d0bca",
                    table="incidents_postmortemversion",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemversion",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="cbcfc75e825c24589d527ca433232ef2bfeaf6d4",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_48f76",
                    table="incidents_postmortemversion",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemversion",
            trigger=pgtrigger.compiler.Trigger(
                name="only_while_editable",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    IF EXISTS (SELECT 1 FROM incidents_postmortem p\n                 JOIN incidents_cycle c ON c.id = p.cycle_id\n                WHERE p.id = NEW.postmortem_id\n                  AND (c.ended_at IS NOT NULL\n                       OR p.state NOT IN ('draft', 'returned'))) THEN\n        RAISE EXCEPTION 'the postmortem is not open for writing: take it up again first'\n            USING ERRCODE = 'restrict_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="1ea02c492b5f602b47b5ccc07b81658e741deb77",
                    operation="INSERT",
                    pgid="pgtrigger_only_while_editable_ac6d4",
                    table="incidents_postmortemversion",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="postmortemreview",
            constraint=models.CheckConstraint(
                condition=models.Q(("verdict__in", ["signed", "returned"])),
                name="postmortem_review_verdict_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="postmortemreview",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("verdict", "signed"),
                    models.Q(("comment", ""), _negated=True),
                    _connector="OR",
                ),
                name="postmortem_return_has_comment",
            ),
        ),
        migrations.AddConstraint(
            model_name="postmortemreview",
            constraint=models.UniqueConstraint(
                fields=("version",), name="postmortem_review_once_per_version"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemreview",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="ecf5847513773f2d72adf0585194ea28b0cfd219",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_f5ea5",
                    table="incidents_postmortemreview",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemreview",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only_truncate",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME\n        USING ERRCODE = 'restrict_violation';\n",
                    hash="2aadb4937c1f6e9ceadfdf544e16d55447dbdba2",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_append_only_truncate_86410",
                    table="incidents_postmortemreview",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="postmortemreview",
            trigger=pgtrigger.compiler.Trigger(
                name="never_by_an_author",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    func="\n    IF EXISTS (SELECT 1 FROM incidents_postmortemdraft d\n                 JOIN incidents_postmortemversion v\n                   ON v.postmortem_id = d.postmortem_id\n                WHERE v.id = NEW.version_id AND d.saved_by_id = NEW.reviewer_id)\n    OR EXISTS (SELECT 1 FROM incidents_postmortemversion mine\n                 JOIN incidents_postmortemversion v\n                   ON v.postmortem_id = mine.postmortem_id\n                WHERE v.id = NEW.version_id\n                  AND mine.submitted_by_id = NEW.reviewer_id) THEN\n        RAISE EXCEPTION 'four eyes: an author of a postmortem cannot review it'\n            USING ERRCODE = 'restrict_violation';\n    END IF;\n    IF NOT EXISTS (SELECT 1 FROM incidents_postmortemversion v\n                    WHERE v.id = NEW.version_id\n                      AND v.content_sha256 = NEW.content_sha256\n                      AND NOT EXISTS (SELECT 1 FROM incidents_postmortemversion newer\n                                       WHERE newer.postmortem_id = v.postmortem_id\n                                         AND newer.number > v.number)) THEN\n        RAISE EXCEPTION 'a review is of the newest version and of its very content'\n            USING ERRCODE = 'restrict_violation';\n    END IF;\n    RETURN NEW;\n",
                    hash="fe8f3257f29a25b67bc57696f2a3c0c9b2962494",
                    operation="INSERT",
                    pgid="pgtrigger_never_by_an_author_4e397",
                    table="incidents_postmortemreview",
                    when="BEFORE",
                ),
            ),
        ),
    ]
