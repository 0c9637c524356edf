"""Giving audit entries their place in the tree, after they were committed.

Writing an entry costs nothing for it: a task that any number of workers may run finds
the entries without a place. One of them at a time gives places; the others find nothing
to do. Entries are taken in order of their IDs. Within a stream that is the order of
`sequence`: its writers take turns until they commit, so of two entries that show, the
earlier has the lower ID and shows too.
"""

from __future__ import annotations

import datetime as dt

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from evidence.audit.history import record_entry
from evidence.audit.log.keys import origin, signing_keys
from evidence.audit.log.reading import read_hashes
from evidence.models import AuditEntry, LogCheckpoint, LogLeaf, LogSubtree
from evidence.proof.notes import checkpoint_text, sign_note
from evidence.proof.tree import TILE_WIDTH, root_of, subtree_of_tile
from evidence.set_clocks import has_passed

LOG_LOCK = 0x0CA5E106
BATCH = 5_000
# A transaction that commits late has entries with lower IDs than those placed already.
# Every pass looks so far back; the daily one looks at the whole history.
LOOK_BACK = 20_000
SILENCE = dt.timedelta(hours=24)
# A little less than a minute: the task runs more often than its checkpoints are made.
BETWEEN_CHECKPOINTS = dt.timedelta(seconds=50)

PLACE_ENTRIES = """
    INSERT INTO evidence_logleaf (leaf_index, entry_id)
    SELECT %(size)s + row_number() OVER (ORDER BY id) - 1, id
      FROM (
        SELECT e.id FROM evidence_auditentry e
         WHERE e.id > %(after)s
           AND NOT EXISTS (SELECT FROM evidence_logleaf l WHERE l.entry_id = e.id)
         ORDER BY e.id LIMIT %(batch)s
      ) found
"""


def grow_log(
    *, now: dt.datetime | None = None, state_now: bool = False, whole: bool = False
) -> LogCheckpoint:
    """Place what was committed, state the tree where it is time, and return the newest.

    `state_now` states the tree even within the same minute; `whole` looks at the whole
    history for entries without a place, as the daily pass does.
    """
    moment = now or timezone.now()
    while _place_batch(whole=whole):
        pass
    newest = _state(moment, state_now=state_now)
    if newest.tree_size and moment - newest.made_at >= SILENCE:
        _record_silence(newest, moment)
        _place_batch(whole=True)
        newest = _state(moment, state_now=True)
    return newest


def tree_size() -> int:
    """Return how many leaves the tree has."""
    highest = LogLeaf.objects.aggregate(highest=Max("leaf_index"))["highest"]
    return 0 if highest is None else highest + 1


@transaction.atomic
def _place_batch(*, whole: bool) -> bool:
    """Give places to some entries; return whether there may be more."""
    _lock()
    size = tree_size()
    last = LogLeaf.objects.aggregate(last=Max("entry_id"))["last"] or 0
    after = 0 if whole else max(0, last - LOOK_BACK)
    with connection.cursor() as cursor:
        cursor.execute(PLACE_ENTRIES, {"size": size, "after": after, "batch": BATCH})
        placed = cursor.rowcount
    _keep_subtrees(size, size + placed)
    return placed == BATCH


def _keep_subtrees(old_size: int, new_size: int) -> None:
    """Note the roots of the tiles that became whole, level by level."""
    level = 0
    while new_size // TILE_WIDTH:
        first, last = old_size // TILE_WIDTH, new_size // TILE_WIDTH
        LogSubtree.objects.bulk_create(
            LogSubtree(
                level=level + 1,
                place=place,
                root_hex=subtree_of_tile(
                    read_hashes(level, place * TILE_WIDTH, TILE_WIDTH)
                ).hex(),
            )
            for place in range(first, last)
        )
        old_size, new_size, level = first, last, level + 1


@transaction.atomic
def _state(now: dt.datetime, *, state_now: bool) -> LogCheckpoint:
    """Sign the tree as it is where it grew; return the newest checkpoint."""
    _lock()
    keys = signing_keys(now=now)
    newest = LogCheckpoint.objects.first()
    if newest is None:
        # The tree of nothing, signed: what a case was opened under before the first.
        newest = _sign(0, now, keys)
    size = tree_size()
    is_time = state_now or has_passed(newest.made_at, BETWEEN_CHECKPOINTS, now=now)
    if size > newest.tree_size and (is_time or newest.tree_size == 0):
        return _sign(size, now, keys)
    return newest


def _sign(size: int, now: dt.datetime, keys: list) -> LogCheckpoint:
    root = root_of(size, read_hashes)
    return LogCheckpoint.objects.create(
        tree_size=size,
        root_hex=root.hex(),
        made_at=now,
        note=sign_note(checkpoint_text(origin(), size, root), keys),
    )


@transaction.atomic
def _record_silence(newest: LogCheckpoint, now: dt.datetime) -> None:
    """Write the entry of a day without any, so that silence shows."""
    _lock()
    if LogCheckpoint.objects.first() != newest:
        return
    before = AuditEntry.everything.filter(recorded_at__gt=now - SILENCE)
    if before.exists():
        return
    record_entry(action="history.alive", actor=None, obj=newest, now=now)


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOG_LOCK])
