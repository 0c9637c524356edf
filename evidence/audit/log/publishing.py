"""Publishing checkpoints outside, each try noted, and asked again where it failed."""

from __future__ import annotations

import datetime as dt
import logging

import requests
from django.utils import timezone

from evidence.audit.log.places import Place, read_places, send_checkpoint
from evidence.errors import CasefileError, HealthWarning
from evidence.models import LogCheckpoint, LogCopy
from evidence.queue.holding import lock_name, session_lock
from evidence.set_clocks import has_passed, is_put_off
from evidence.storable_values import storable

log = logging.getLogger(__name__)

TRY_SECONDS = 120
"""After this another tries, where the worker that was at it is gone."""
FIRST_PAUSE = dt.timedelta(minutes=1)
LONGEST_PAUSE = dt.timedelta(hours=1)
# A day, and what the next day's takes to be made and sent.
STALE = dt.timedelta(days=1, minutes=10)


def publish_checkpoints(*, now: dt.datetime | None = None) -> int:
    """Give every place that is due the newest checkpoint; return how many took it."""
    moment = now or timezone.now()
    newest = LogCheckpoint.objects.filter(tree_size__gt=0).first()
    if newest is None:
        return 0
    return sum(_publish(place, newest, moment) for place in read_places())


def _publish(place: Place, newest: LogCheckpoint, now: dt.datetime) -> bool:
    copies = LogCopy.objects.filter(place=place.text)
    held = copies.filter(held_at__isnull=False).order_by("-checkpoint__tree_size")
    last = held.select_related("checkpoint").first()
    waiting = copies.filter(held_at__isnull=True).order_by("id").first()
    if waiting is None:
        known = last.checkpoint.tree_size if last else 0
        # By its own age: what was taken late, after a failure, is old from the start.
        is_due = last is None or has_passed(
            last.checkpoint.made_at, place.every, now=now
        )
        if newest.tree_size <= known or not is_due:
            return False
        waiting, _ = LogCopy.objects.get_or_create(
            place=place.text,
            checkpoint=newest,
            defaults={"kind": place.kind, "next_try_at": now},
        )
    # One at a time: until then nobody else takes it over, whatever a clock says.
    with session_lock(lock_name(LogCopy, waiting.pk)) as mine:
        if not (mine and _claim(waiting.pk, now)):
            return False
        waiting.refresh_from_db()
        return _try(place, waiting, last.checkpoint.tree_size if last else 0, now)


def _claim(pk: int, now: dt.datetime) -> bool:
    """Claim a copy whose time has come; who was too late has nothing to do."""
    waiting = LogCopy.objects.filter(pk=pk, held_at__isnull=True)
    copy = waiting.first()
    if copy is None:
        return False
    longest = max(_pause_after(copy.attempts), dt.timedelta(seconds=TRY_SECONDS))
    put_off = is_put_off(copy.next_try_at, longest, now=now)
    if copy.next_try_at > now and not put_off:
        return False
    until = now + dt.timedelta(seconds=TRY_SECONDS)
    return bool(waiting.update(next_try_at=until))


def _pause_after(attempts: int) -> dt.timedelta:
    return min(FIRST_PAUSE * 2 ** min(attempts, 10), LONGEST_PAUSE)


def _try(place: Place, copy: LogCopy, known_size: int, now: dt.datetime) -> bool:
    row = LogCopy.objects.filter(pk=copy.pk, held_at__isnull=True)
    try:
        answer = send_checkpoint(place, copy.checkpoint, known_size)
    except (CasefileError, OSError, ValueError, requests.RequestException) as error:
        attempts = copy.attempts + 1
        problem = (
            error.message if isinstance(error, CasefileError) else type(error).__name__
        )
        log.warning("checkpoint not published to %s: %s", place.shown, problem)
        row.update(
            attempts=attempts,
            last_problem=storable(problem)[:300],
            next_try_at=now + _pause_after(attempts),
        )
        return False
    row.update(attempts=copy.attempts + 1, last_problem="", answer=answer, held_at=now)
    return True


def cosignatures(checkpoint: LogCheckpoint) -> str:
    """Return the lines with which witnesses cosigned a checkpoint."""
    held = LogCopy.objects.filter(
        checkpoint=checkpoint, kind="witness", held_at__isnull=False
    )
    return "".join(held.order_by("place").values_list("answer", flat=True))


def check_publishing() -> str:
    """Return who holds a checkpoint; warn where nothing outside has a fresh one."""
    if not read_places():
        raise HealthWarning(
            "nobody outside is given checkpoints: LOG_PLACES is not set"
        )
    held = LogCopy.objects.filter(held_at__isnull=False).select_related("checkpoint")
    newest = held.order_by("-checkpoint__made_at").first()
    if newest is None or timezone.now() - newest.checkpoint.made_at > STALE:
        raise HealthWarning("nothing outside holds a checkpoint younger than a day")
    return f"held outside: that of {newest.checkpoint.made_at:%Y-%m-%d %H:%M} UTC"
