"""Noting that somebody read, before the answer is sent.

A note is a row of the database: killing the web process loses none whose answer
was sent. It is not waited for until it is on the disk, which keeps it cheap: a database
server that breaks down may lose the notes of its last second.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.utils import timezone
from redis.exceptions import RedisError

from evidence.database.reading import Purpose, written_for_reader
from evidence.errors import HealthWarning
from evidence.models import ApiToken, NotedRead, ReadDoor, ReadKind
from evidence.models.reads import WORDS_LENGTH
from evidence.text import storable

log = logging.getLogger(__name__)

LOST_KEY = "reads-not-noted"
LOST_SECONDS = 7 * 86_400
"""How long the readiness tells of reads that could not be noted."""
LATE = dt.timedelta(minutes=30)
ID_LENGTH = 80
# One statement, so that a page waits once; and not until the note is on the disk.
NOTE = """
    INSERT INTO evidence_notedread
        (read_at, reader_id, door, token_id, kind, subject, object_id, words, cases)
    SELECT %s, %s, %s, %s::bigint, %s, %s, %s, %s, %s::bigint[]
      FROM (SELECT set_config('synchronous_commit', 'off', true)) AS at_once
"""
_lost_here = 0


@dataclass(frozen=True)
class Read:
    """What one request showed. `subject` and the rest are as in ReadingColumns."""

    kind: ReadKind
    subject: str
    object_id: str = ""
    words: str = ""
    cases: Sequence[int] = ()


def note_read(
    read: Read,
    *,
    reader: User,
    token: ApiToken | None,
    by_api: bool,
    now: dt.datetime | None = None,
    reads_on: bool = True,
) -> None:
    """Note that somebody read; without `reads_on` nothing is read after it for them."""
    signed_in = ReadDoor.API if by_api else ReadDoor.PAGE
    values = [
        now or timezone.now(),
        reader.pk,
        ReadDoor.TOKEN if token else signed_in,
        token.pk if token else None,
        read.kind,
        read.subject,
        storable(read.object_id)[:ID_LENGTH],
        storable(read.words)[:WORDS_LENGTH],
        sorted(set(read.cases)),
    ]
    is_written = written_for_reader(Purpose.READ, reads_on=reads_on)
    with is_written, connection.cursor() as cursor:
        cursor.execute(NOTE, values)


@contextmanager
def telling_what_is_lost(path: str) -> Iterator[None]:
    """Go on where the database takes no note; the readiness tells how many are lost."""
    try:
        yield
    except DatabaseError:
        log.exception("a reading could not be noted: %s", path)
        _count_lost()


def read_notes_health() -> str:
    """Return how noting is doing; raise HealthWarning where some is lost."""
    lost = _count_of_lost()
    if lost:
        raise HealthWarning(
            f"{lost} readings of the last seven days could not be noted: the log of "
            "the web processes names them"
        )
    oldest = NotedRead.objects.order_by("pk").first()
    if oldest is not None and timezone.now() - oldest.read_at > LATE:
        raise HealthWarning("readings wait to be recorded: see the workers")
    return "every reading is noted"


def _count_lost() -> None:
    global _lost_here
    _lost_here += 1
    try:
        cache.add(LOST_KEY, 0, timeout=LOST_SECONDS)
        cache.incr(LOST_KEY)
    except (RedisError, OSError, ValueError):
        # Then this process alone knows, and its own readiness tells.
        return


def _count_of_lost() -> int:
    try:
        counted: Any = cache.get(LOST_KEY, 0)
    except (RedisError, OSError):
        counted = 0
    return max(int(counted), _lost_here)
