"""What noting who looked adds to a page: `python -m tests.bench.bench_reads`.

Starts PostgreSQL and Valkey in a folder of its own, and opens a case's page, its
history, the list of cases and a list of the API in turns with and without the note.
What a note adds is the median of the differences of two requests that follow each
other, in this process's own processor time: other work on the machine, which slows
both, hardly matters. The database's share is in the last column, which is by the clock.
Ends with code 1 where a note adds more than 5 % of processor time to any page.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

from tests.bench.database import run_with_database
from tests.bench.sizes import choose

ROUNDS = choose(200, 2)
MOST = choose(0.05, float("inf"))
CASES = choose(30, 2)
NOTING = "config.noted_reads.NotedReadsMiddleware"


@dataclass(frozen=True)
class Cost:
    """Medians in seconds: a page without the note, and what the note adds; and between
    which the middle half of the differences is."""

    without: float
    added: float
    low: float
    high: float

    @property
    def share(self) -> float:
        return self.added / self.without


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
    print(
        "| page | CPU without, ms | adds, ms | middle half, ms | more | by the clock |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    found = {name: _ask_in_turns(clients, url) for name, url in pages.items()}
    for name, (cpu, clock) in found.items():
        print(
            f"| {name} | {1000 * cpu.without:.1f} | {1000 * cpu.added:.2f} "
            f"| {1000 * cpu.low:.2f} to {1000 * cpu.high:.2f} "
            f"| {cpu.share:+.1%} | {clock.share:+.1%} |"
        )
    return int(any(cpu.share > MOST for cpu, _ in found.values()))


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


def _ask_in_turns(clients: dict[bool, Any], url: str) -> tuple[Cost, Cost]:
    """Ask a page with and without the note, each first as often; return CPU, clock."""
    for client in clients.values():
        client.get(url)
    taken: list[dict[bool, tuple[float, float]]] = []
    for number in range(ROUNDS):
        taken.append({})
        for noting in (True, False) if number % 2 else (False, True):
            cpu, clock = time.process_time(), time.perf_counter()
            answer = clients[noting].get(url)
            taken[-1][noting] = time.process_time() - cpu, time.perf_counter() - clock
            assert answer.status_code == 200, url
    return _cost(taken, 0), _cost(taken, 1)


def _cost(taken: list[dict[bool, tuple[float, float]]], which: int) -> Cost:
    added = [pair[True][which] - pair[False][which] for pair in taken]
    low, middle, high = statistics.quantiles(added, n=4)
    without = statistics.median(pair[False][which] for pair in taken)
    return Cost(without, middle, low, high)


if __name__ == "__main__":
    sys.exit(main())
