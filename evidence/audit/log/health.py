"""How the history log is doing, for the readiness."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from evidence.audit.log.keys import has_signing_key
from evidence.errors import HealthFailure, HealthWarning, LogKeyMissing
from evidence.models import AuditEntry, LogCheckpoint

# A checkpoint follows an entry within a minute; a worker may be busy for some.
LATE = dt.timedelta(minutes=10)


def check_log() -> str:
    """Return where the log stands; raise where entries wait or nothing can sign."""
    try:
        has_signing_key()
    except LogKeyMissing as error:
        raise HealthFailure(error.message) from error
    newest = LogCheckpoint.objects.first()
    late = AuditEntry.everything.filter(
        log_leaf__isnull=True, recorded_at__lt=timezone.now() - LATE
    )
    if late.order_by("-id").exists():
        raise HealthWarning("entries wait for their place in the log: see the workers")
    if newest is None:
        return "no checkpoint yet"
    return f"{newest.tree_size} entries, {newest.made_at:%Y-%m-%d %H:%M} UTC"
