"""Rows that are written once: the database itself refuses to change or empty them."""

import pgtrigger
from django.db import models

from evidence.models.triggers import FirmTrigger, Protect, Trigger

REFUSE_TRUNCATE = """
    RAISE EXCEPTION 'append-only: % keeps its rows; TRUNCATE is refused', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
"""


class AppendOnlyModel(models.Model):
    """Base of every table whose rows stay as they were written.

    Row triggers refuse UPDATE and DELETE from the ORM, querysets and raw SQL; a
    statement trigger refuses TRUNCATE, which row triggers never see. A database
    superuser can still switch triggers off, so production runs under a role that
    holds neither right (docs/deploy.md).
    """

    append_only = True

    class Meta:
        abstract = True
        triggers: tuple[FirmTrigger, ...] = (
            Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            Trigger(
                name="append_only_truncate",
                level=pgtrigger.Statement,
                when=pgtrigger.Before,
                operation=pgtrigger.Truncate,
                func=REFUSE_TRUNCATE,
            ),
        )
