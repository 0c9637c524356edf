"""What a check of the whole history costs: `python -m tests.bench.bench_history`.

Starts PostgreSQL and Valkey in a folder of its own, fills the audit history with true
chains of ten entries each, in 1,000, 10,000 and 100,000 streams, and checks all of it
as the worker does every night: every hash and link recomputed, every noted head looked
for, every new one noted. Prints a Markdown table of rates and memory. Ends with code 1
where the check finds a fault, or where rates fall by half as streams grow.
"""

from __future__ import annotations

import datetime as dt
import json
import resource
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from tests.bench.database import run_with_database
from tests.bench.sizes import choose

STREAMS = choose((1_000, 10_000, 100_000), (5, 20))
ENTRIES = 10
COPY = """
    COPY evidence_auditentry
        (stream, sequence, recorded_at, actor_name, action, object_type, object_id,
         object_label, reason, before, after, previous_hash, entry_hash) FROM STDIN
"""
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def main() -> int:
    return run_with_database("tests.bench.bench_history", _measure)


def _measure() -> int:
    from evidence.audit.history_checks import go_on_checking

    print("| streams | entries | first check, entries/s | again | peak, MB |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    filled, rates = 0, []
    for count in STREAMS:
        _fill(filled, count)
        filled = count
        found = []
        for _ in range(2):
            start = time.perf_counter()
            check = go_on_checking()
            if not check.is_whole or not check.is_passing:
                print(f"not whole, or broken: {check.faults}")
                return 1
            found.append(check.entry_count / (time.perf_counter() - start))
        rates.append(found[1])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"| {check.stream_count:,} | {check.entry_count:,} | {found[0]:,.0f} "
            f"| {found[1]:,.0f} | {peak:.0f} |",
            flush=True,
        )
    return int(rates[-1] < rates[0] / 2)


def _fill(first: int, last: int) -> None:
    """Add streams past the trigger that continues their chains; the hashes are true."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        with cursor.copy(COPY) as copy:
            for number in range(first, last):
                for row in _chain(f"incident:{number}"):
                    copy.write_row(row)
        cursor.execute("ANALYZE evidence_auditentry")


def _chain(stream: str) -> Iterator[list[Any]]:
    from evidence.audit.chain import entry_hash
    from evidence.audit.history import entry_document

    previous = None
    for sequence in range(1, ENTRIES + 1):
        entry = SimpleNamespace(
            stream=stream,
            sequence=sequence,
            recorded_at=START + dt.timedelta(minutes=sequence),
            actor_id=None,
            actor_name="ci-gate",
            action="evidence.received",
            object_type="evidence.evidenceitem",
            object_id=str(sequence),
            object_label="incident_evidence_bundle.json",
            reason="",
            before=None,
            after={"sha256_hex": "0" * 64, "size_bytes": sequence, "kind": "bundle"},
            previous_hash=previous,
            entry_hash="",
        )
        previous = entry.entry_hash = entry_hash(entry_document(entry))
        row = dict(vars(entry), after=json.dumps(entry.after))
        del row["actor_id"]
        yield list(row.values())


if __name__ == "__main__":
    sys.exit(main())
