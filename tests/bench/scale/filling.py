"""Fills the database, and says what is in it: how many of what, and how large."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.db import connection

from evidence.audit.history_checks import check_history, go_on_checking
from evidence.audit.log.growing import grow_log
from evidence.models import AuditEntry, EvidenceItem, RecordedRow
from incidents.models import Alert, Incident
from incidents.workflow.incident_states import IncidentStatus
from tests.bench.scale.copies import copy_cases
from tests.bench.scale.templates import make_templates

TENTH = 100
"""With fewer cases than these the shares mean nothing, and only the way is tried."""
SIZES = """
    SELECT relname, pg_table_size(oid), pg_indexes_size(oid)
      FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
     ORDER BY pg_total_relation_size(oid) DESC
"""
UNUSED = """
    SELECT indexrelname, relname, pg_relation_size(one.indexrelid)
      FROM pg_stat_user_indexes AS one JOIN pg_index USING (indexrelid)
     WHERE idx_scan = 0 AND NOT indisunique
     ORDER BY pg_relation_size(one.indexrelid) DESC
"""


def fill(*, cases: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Make the templates and their copies; return what there is afterwards.

    Where there are fewer cases than asked for, all of them are copied.
    """
    there = Incident.everything.count()
    if not there:
        make_templates(closed=None if cases >= TENTH else 1)
        say("templates made")
    if there < cases:
        copy_cases(cases=cases, say=say)
        if cases >= TENTH:
            grow_log(state_now=True)
            say("log grown")
    found = _count()
    started = time.perf_counter()
    checked = check_history(actor=None)
    while not checked.is_whole:
        checked = go_on_checking()
    seconds = time.perf_counter() - started
    say(
        f"history of {checked.entry_count:,} entries checked in {seconds:.1f} s: "
        f"{checked.fault_count} faults"
    )
    if checked.fault_count:
        raise SystemExit(f"the copies do not hold: {checked.faults[:5]}")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute("SELECT pg_stat_reset()")
    return {**found, "history_seconds": seconds}


def _count() -> dict[str, Any]:
    cases = Incident.everything.count()
    return {
        "cases": cases,
        "open": Incident.everything.filter(status=IncidentStatus.OPEN).count(),
        "alerts": Alert.objects.count(),
        "items": EvidenceItem.objects.count(),
        "entries": AuditEntry.everything.count(),
        "recorded_rows": RecordedRow.objects.count(),
    }


def read_sizes() -> list[dict[str, Any]]:
    """Return each table's bytes and those of its indexes, the largest first."""
    with connection.cursor() as cursor:
        cursor.execute(SIZES)
        return [
            {"table": name, "bytes": size, "index_bytes": indexes}
            for name, size, indexes in cursor.fetchall()
        ]


def read_unused() -> list[dict[str, Any]]:
    """Return the indexes that nothing asked for since the questions began."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(UNUSED)
        return [
            {"index": index, "table": table, "bytes": size}
            for index, table, size in cursor.fetchall()
        ]
