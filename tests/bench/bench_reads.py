"""What noting who looked adds to a page: `python -m tests.bench.bench_reads`.

Starts PostgreSQL and Valkey in a folder of its own, and opens a case's page, an item's
page, the list of cases and a list of the API in turns with and without the note of it.
Prints a Markdown table of medians. Ends with code 1 where a note adds more than 5 % to
the pages together: a single page's median moves by more than that on a busy machine.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

from tests.bench.database import run_with_database
from tests.bench.sizes import choose

ROUNDS = choose(60, 2)
MOST = choose(1.05, float("inf"))
CASES = choose(30, 2)
NOTING = "config.noted_reads.NotedReadsMiddleware"


def main() -> int:
    return run_with_database("tests.bench.bench_reads", _measure)


def _measure() -> int:
    from tests.conftest import make_user
    from tests.factories import make_incident

    person = make_user("somebody", "responder")
    cases = [make_incident() for _ in range(CASES)]
    pages = {
        "a case": f"/admin/incidents/incident/{cases[0].pk}/change/",
        "its history": f"/admin/incidents/incident/{cases[0].pk}/change/?tab=history",
        "the list of cases": "/admin/incidents/incident/",
        "a list of the API": "/api/v1/incidents/",
    }
    clients = {True: _client(person, noting=True), False: _client(person, noting=False)}
    print("| page | without, ms | with, ms | more |")
    print("| --- | ---: | ---: | ---: |")
    totals = {True: 0.0, False: 0.0}
    for name, url in pages.items():
        found = _medians(clients, url)
        for noting, seconds in found.items():
            totals[noting] += seconds
        _print(name, found)
    _print("together", totals)
    return int(totals[True] > MOST * totals[False])


def _client(person: Any, *, noting: bool) -> Any:
    """Return a signed-in client whose site notes reads, or does not."""
    from django.conf import settings
    from django.test import Client, override_settings

    layers = [name for name in settings.MIDDLEWARE if noting or name != NOTING]
    client = Client()
    client.force_login(person)
    with override_settings(MIDDLEWARE=layers):
        client.handler.load_middleware()
    return client


def _medians(clients: dict[bool, Any], url: str) -> dict[bool, float]:
    """Return the median seconds of a page by client, asked in turns."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    for client in clients.values():
        client.get(url)
    for number in range(ROUNDS):
        for noting in (True, False) if number % 2 else (False, True):
            start = time.perf_counter()
            answer = clients[noting].get(url)
            taken[noting].append(time.perf_counter() - start)
            assert answer.status_code == 200, url
    return {noting: statistics.median(found) for noting, found in taken.items()}


def _print(name: str, found: dict[bool, float]) -> None:
    more = found[True] / found[False] - 1
    print(
        f"| {name} | {1000 * found[False]:.1f} | {1000 * found[True]:.1f} "
        f"| {more:+.1%} |",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
