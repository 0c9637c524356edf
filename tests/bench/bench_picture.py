"""What the picture of a case costs: `python -m tests.bench.bench_picture`.

Starts PostgreSQL and Valkey in a folder of its own, verifies ledgers of 100, 10,000 and
100,000 entries, and asks for the page *What happened* of their cases, whole and
narrowed to a hundredth. Prints one Markdown table. Ends with code 1 where the picture's
queries or the size of the page grow with the ledger, or the whole page at 100,000 steps
takes longer than reading that ledger once: the database puts the steps into stretches,
and nothing else sees them all.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import TYPE_CHECKING

from tests.bench.database import run_with_database
from tests.bench.sizes import choose

if TYPE_CHECKING:
    from django.test import Client

SIZES = choose((100, 10_000, 100_000), (60, 120))
ROUNDS = choose(7, 1)
MOST_GROWTH = choose(6.0, float("inf"))
"""Of the page's bytes: 100 steps fill few of the stretches."""


def main() -> int:
    return run_with_database("tests.bench.bench_picture", _measure)


def _measure() -> int:
    from django.test import Client

    from tests.conftest import make_user

    client = Client()
    client.force_login(make_user("auditor", "auditor"))
    print("| steps | read once in | queries | page | bytes | a hundredth of it |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    found = [_measure_size(client, size) for size in SIZES]
    queries = {row[0] for row in found}
    growth = found[-1][1] / found[0][1]
    is_quick = found[-1][2] <= found[-1][3] or float("inf") == MOST_GROWTH
    print(f"\nbytes at {SIZES[-1]:,} steps against {SIZES[0]}: {growth:.2f} times")
    is_flat = len(queries) == 1 and 0 not in queries and growth <= MOST_GROWTH
    return 0 if is_flat and is_quick else 1


def _measure_size(client: Client, size: int) -> tuple[int, int, float, float]:
    """Return queries, bytes, seconds of the page, and of reading the ledger once."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext
    from django.urls import reverse
    from django.utils import timezone

    from evidence.format import read_document
    from evidence.services import run_verification
    from evidence.services.documents import unpack_document
    from evidence.services.downloads import load_bytes
    from incidents.services.picture.gathering import gather_picture
    from tests.evidence.helpers import make_ledger, receive
    from tests.factories import make_incident

    case = make_incident()
    item = receive(case.pk, make_ledger(size), "ledger.json")
    run_verification(request_id=item.verification_requests.get().pk)
    started = time.perf_counter()
    read_document(unpack_document(load_bytes(item)))
    read = time.perf_counter() - started
    page = reverse("admin:incidents_incident_change", args=[case.pk]) + "?tab=picture"
    case.refresh_from_db()
    with CaptureQueriesContext(connection) as queries:
        gather_picture(case, now=timezone.now())
    # Now: a request of the client forgets what was asked before it.
    count = len(queries)
    length = len(client.get(page).content)
    whole = _median(client, page)
    plot = item.reports.get().overview["plot"]
    first, last = plot["first_ts_ms"], plot["last_ts_ms"]
    end = first + max(1_000, (last - first) // 100)
    narrow = _median(client, f"{page}&from_ms={first}&to_ms={end}")
    print(
        f"| {size:,} | {read:.2f} s | {count} | {whole * 1000:.0f} ms | "
        f"{length:,} | {narrow * 1000:.0f} ms |",
        flush=True,
    )
    return count, length, whole, read


def _median(client: Client, page: str) -> float:
    client.get(page)
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        client.get(page)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main())
