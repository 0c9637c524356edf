"""Rows that are written once: the database itself refuses to change or empty them."""

import pgtrigger
from django.db import models

from evidence.models.triggers import FirmTrigger, Protect, Trigger

REFUSE_TRUNCATE = """
    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
"""

REFUSE_TRUNCATING = Trigger(
    name="append_only_truncate",
    level=pgtrigger.Statement,
    when=pgtrigger.Before,
    operation=pgtrigger.Truncate,
    func=REFUSE_TRUNCATE,
)


class AppendOnlyModel(models.Model):
    """Base of every table whose rows stay as they were written.

    Row triggers refuse UPDATE and DELETE from the ORM, querysets and raw SQL; a
    statement trigger refuses TRUNCATE, which row triggers never see. A database
    superuser can still switch triggers off, so production runs under a role that
    holds neither right (docs/deploy.md). A model that has `changeable_columns` says by
    triggers of its own when these change; that role may write to them alone.
    """

    append_only = True
    changeable_columns: tuple[str, ...] = ()

    class Meta:
        abstract = True
        triggers: tuple[FirmTrigger, ...] = (
            Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            REFUSE_TRUNCATING,
        )
