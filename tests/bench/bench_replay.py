"""What a page of the forensic replay costs: `python -m tests.bench.bench_replay`.

Starts PostgreSQL and Valkey in a folder of its own, verifies ledgers of 100, 10,000 and
100,000 entries, and asks for the first page, a page in the middle, the last page and
pages filtered by extension and by call, through the admin view itself. Prints one
Markdown table. Ends with code 1 where a page at 100,000 steps takes more than three
times as long as at 100, which is what keyset paging promises.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.bench.database import run_with_database
from tests.bench.sizes import choose

if TYPE_CHECKING:
    from django.test import Client

SIZES = choose((100, 10_000, 100_000), (60, 120))
ROUNDS = choose(15, 1)
WORST_RATIO = choose(3.0, float("inf"))


def main() -> int:
    return run_with_database("tests.bench.bench_replay", _measure)


def _measure() -> int:
    from django.test import Client

    from tests.conftest import make_user

    client = Client()
    client.force_login(make_user("auditor", "auditor"))
    print(
        "| steps | verified in | first page | middle | last | by extension | by call |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    medians = {size: _measure_size(client, size) for size in SIZES}
    small, large = medians[SIZES[0]], medians[SIZES[-1]]
    ratio = max(slow / quick for slow, quick in zip(large, small, strict=True))
    print(f"\n{SIZES[-1]:,} steps against {SIZES[0]}: at most {ratio:.2f} times")
    return 1 if ratio > WORST_RATIO else 0


def _measure_size(client: Client, size: int) -> list[float]:
    from django.urls import reverse

    from evidence.services import run_verification
    from tests.evidence.helpers import make_ledger, receive
    from tests.factories import make_incident

    item = receive(make_incident().pk, make_ledger(size), "ledger.json")
    started = time.perf_counter()
    run_verification(request_id=item.verification_requests.get().pk)
    verified = time.perf_counter() - started
    page = reverse("admin:evidence_evidenceitem_change", args=[item.pk])
    queries = (
        "",
        f"&from={size // 2}",
        f"&from={size - 50}",
        f"&extension_id=ext.number-1&from={size // 2}",
        f"&call_id=call-{size - 1:06d}",
    )
    medians = [_median(lambda url=url: client.get(url)) for url in _urls(page, queries)]
    cells = " | ".join(f"{median * 1000:.1f} ms" for median in medians)
    print(f"| {size:,} | {verified:.2f} s | {cells} |", flush=True)
    return medians


def _urls(page: str, queries: tuple[str, ...]) -> list[str]:
    return [f"{page}?view=replay{query}" for query in queries]


def _median(look: Callable[[], object]) -> float:
    look()
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        look()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main())
