"""What reading the whole history in bulk costs: `python -m tests.bench.bench_bulk`.

Starts PostgreSQL and Valkey in a folder of its own, fills the audit history by SQL with
10,000, 100,000 and a million entries, and reads all of it as an auditor's token does,
as NDJSON and as CSV, stream after stream. Prints a Markdown table of rates and of the
memory of the process that grew meanwhile. Ends with code 1 where a million entries cost
more than twice the memory of what is allowed for ten thousand.
"""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

from tests.bench.database import run_with_database
from tests.bench.sizes import choose

SIZES = choose((10_000, 100_000, 1_000_000), (40, 80))
STREAM_ROWS = choose(100_000, 30)
MOST_MEGABYTES = 64
FORMATS = ("ndjson", "csv")
FILL = """
    INSERT INTO evidence_auditentry
        (stream, sequence, recorded_at, actor_name, action, object_type, object_id,
         object_label, reason, before, after, previous_hash, entry_hash)
    SELECT 'incident:' || (n %% 997), n, now(), 'ci-gate', 'evidence.received',
           'evidence.evidenceitem', n::text, 'bundle.json', '', NULL,
           jsonb_build_object('sha256_hex', repeat('0', 64), 'size_bytes', n),
           encode(sha256(n::text::bytea), 'hex'),
           encode(sha256(('e' || n)::bytea), 'hex')
      FROM generate_series(%s::bigint, %s::bigint) AS n
"""


def main() -> int:
    return run_with_database("tests.bench.bench_bulk", _measure)


def _measure() -> int:
    from tests.api.conftest import make_client
    from tests.conftest import make_user

    client = make_client(make_user("auditor", "auditor"), "read")
    read_all(client, "ndjson")  # what is loaded once is no part of it
    print("| entries | as | entries/s | requests | peak, MB | MB grown |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    filled, worst = 0, 0.0
    for size in SIZES:
        _fill(filled + 1, size)
        filled = size
        for form in FORMATS:
            before, start = peak_megabytes(), time.perf_counter()
            rows, requests = read_all(client, form)
            seconds, grown = time.perf_counter() - start, peak_megabytes() - before
            worst = max(worst, grown)
            print(
                f"| {rows:,} | {form} | {rows / seconds:,.0f} | {requests} "
                f"| {peak_megabytes():.0f} | {grown:.0f} |",
                flush=True,
            )
    return int(worst > MOST_MEGABYTES)


def _fill(first: int, last: int) -> None:
    """Add entries past the trigger that continues their chain: only bulk counts."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(FILL, [first, last])


def read_all(client: Any, form: str) -> tuple[int, int]:
    """Read the history stream after stream; return the rows and the requests."""
    url: str | None = f"/api/v1/audit-entries/?format={form}&page_size={STREAM_ROWS}"
    rows = requests = 0
    while url:
        answer = client.get(url)
        requests += 1
        lines = sum(part.count(b"\n") for part in answer.streaming_content)
        rows += lines - (1 if form == "csv" else 0)
        answer.close()
        link = answer.headers.get("Link", "")
        url = link[link.index("<") + 1 : link.index(">")] if link else None
    return rows, requests


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
