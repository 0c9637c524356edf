"""The checks of every night: none yet, or none for too long, is no good news."""

import datetime as dt

from django.core.cache import cache
from django.utils import timezone

from evidence.errors import HealthWarning
from evidence.models import HistoryCheck, RecordCheck
from evidence.queue.sending import queue_on_commit

OVERDUE_AFTER = dt.timedelta(hours=30)
"""A night, and the hours that a long check may take."""
BEGUN_AGAIN_SECONDS = 6 * 3600

Check = HistoryCheck | RecordCheck


def require_recent(newest: Check | None) -> dt.datetime:
    """Return when the newest check ended; raise HealthWarning for none, or overdue."""
    if newest is None:
        raise HealthWarning("not checked yet; a worker begins to within a minute")
    if _is_overdue(newest):
        raise HealthWarning(
            f"last checked {newest.finished_at:%Y-%m-%d %H:%M} UTC, and has to be "
            "every night; the log of the workers says why no check ended since"
        )
    return newest.finished_at


def begin_overdue_checks() -> int:
    """Queue the checks that never ran or are overdue; return how many.

    One that began and did not end is left alone for BEGUN_AGAIN_SECONDS.
    """
    newest: dict[str, Check | None] = {
        "evidence.check_history": HistoryCheck.objects.newest_whole(),
        "evidence.check_records": RecordCheck.objects.first(),
    }
    due = [
        task
        for task, check in newest.items()
        if _is_overdue(check) and cache.add(f"begun:{task}", True, BEGUN_AGAIN_SECONDS)
    ]
    for task in due:
        queue_on_commit(task)
    return len(due)


def _is_overdue(newest: Check | None) -> bool:
    return newest is None or timezone.now() - newest.finished_at > OVERDUE_AFTER
