"""Tokens have networks, and successors whose secret is valid beside theirs."""

import django.contrib.postgres.fields
import django.db.models.deletion
import evidence.migrations._triggers_v1
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0019_passkeys"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="apitoken",
            options={
                "ordering": ("-created",),
                "permissions": (
                    ("revoke_apitoken", "Can revoke API tokens"),
                    ("make_own_apitoken", "Can make API tokens of their own"),
                ),
                "verbose_name": "API token",
            },
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="apitoken",
            name="grant_is_fixed",
        ),
        migrations.AddField(
            model_name="apitoken",
            name="ends_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When it ends before it expires, since another took its place.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="last_used_from",
            field=models.GenericIPAddressField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="networks",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=50),
                blank=True,
                db_default=[],
                default=list,
                help_text="From where it may be used, in CIDR; none: from anywhere.",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="replaces",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="replaced_by",
                to=settings.KNOX_TOKEN_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="seen_networks",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=50),
                blank=True,
                db_default=[],
                default=list,
                editable=False,
                size=None,
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="apitoken",
            trigger=pgtrigger.compiler.Trigger(
                name="grant_is_fixed",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."digest" IS DISTINCT FROM (NEW."digest") OR OLD."token_key" IS DISTINCT FROM (NEW."token_key") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id") OR OLD."scopes" IS DISTINCT FROM (NEW."scopes") OR OLD."expiry" IS DISTINCT FROM (NEW."expiry") OR OLD."created" IS DISTINCT FROM (NEW."created") OR OLD."networks" IS DISTINCT FROM (NEW."networks") OR OLD."replaces_id" IS DISTINCT FROM (NEW."replaces_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="0fb2283b1dad80291d11dcaaff9a5ee1ffe446d4",
                    operation="UPDATE",
                    pgid="pgtrigger_grant_is_fixed_ce089",
                    table="evidence_apitoken",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="apitoken",
            trigger=pgtrigger.compiler.Trigger(
                name="end_comes_nearer_only",
                sql=evidence.migrations._triggers_v1.TriggerSql(
                    condition='WHEN (OLD."ends_at" IS NOT NULL AND (NEW."ends_at" IS NULL OR NEW."ends_at" > (OLD."ends_at")))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="0ce7cdb5bb4badb95cce40dce02cb13cf69b7d02",
                    operation="UPDATE",
                    pgid="pgtrigger_end_comes_nearer_only_70a7f",
                    table="evidence_apitoken",
                    when="BEFORE",
                ),
            ),
        ),
    ]
