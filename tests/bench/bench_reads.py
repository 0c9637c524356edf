"""What noting who looked adds to a page: `python -m tests.bench.bench_reads`.

Starts PostgreSQL and Valkey in a folder of its own, and opens pages as a responder, as
an auditor, whose role in the database is changed for a note, and with a token. Each
page is asked in pairs, with and without the note, each first as often. What it adds is
said twice, as medians:

- `layer`: what the layer that notes takes in the requests that are noted;
- `pairs`: the differences of two whole requests that follow each other, which hold a
  cost that arises elsewhere too, and between which the median is with 95 %.

Processor time is that of this process and the database's own for it, together. Ends
with code 1 where the layer takes 5 % of a page or more, of processor time or by the
clock, or where the pairs show so beyond their noise.
"""

from __future__ import annotations

import gc
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

from tests.bench.database import run_with_database
from tests.bench.sizes import choose

if TYPE_CHECKING:
    from tests.bench.timed_notes import Moment

ROUNDS = choose(40, 4)
MOST = choose(0.05, float("inf"))
CASES = choose(30, 2)
NOTING, TIMED = (
    "config.noted_reads.NotedReadsMiddleware",
    "tests.bench.timed_notes.TimedNotes",
)
HEAD = (
    "| page | asked by | CPU, ms | layer, ms | more | pairs, 95 % "
    "| clock, ms | layer, ms | more | pairs, 95 % |\n"
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


@dataclass(frozen=True)
class Pair:
    """What a page took without the note and with it, and what the layer did of that."""

    without: Moment
    noted: Moment
    layer: Moment


@dataclass(frozen=True)
class Cost:
    """Medians in seconds, of a page and its note; what the pairs say, from and to."""

    page: float
    layer: float
    low: float
    middle: float
    high: float

    @property
    def is_too_much(self) -> bool:
        return max(self.layer, self.low) >= MOST * self.page

    @property
    def cells(self) -> str:
        parts = (self.layer, self.middle, self.low, self.high)
        layer, middle, low, high = (f"{part / self.page:+.1%}" for part in parts)
        return (
            f"{1000 * self.page:.1f} | {1000 * self.layer:.2f} | {layer} "
            f"| {middle} ({low} to {high})"
        )


def main() -> int:
    return run_with_database("tests.bench.bench_reads", _measure)


def _measure() -> int:
    from django.conf import settings
    from django.test import override_settings

    print(HEAD)
    too_much = False
    rates = dict.fromkeys(settings.API_RATES_PER_MINUTE, 10**6)
    with override_settings(API_RATES_PER_MINUTE=rates):
        for name, who, url, clients in _pages():
            pairs = _ask_in_pairs(clients, url)
            cpu, clock = _cost(pairs, "cpu"), _cost(pairs, "clock")
            too_much = too_much or cpu.is_too_much or clock.is_too_much
            print(f"| {name} | {who} | {cpu.cells} | {clock.cells} |", flush=True)
    return int(too_much)


def _pages() -> Iterator[tuple[str, str, str, dict[bool, Any]]]:
    """Yield each page: its name, who asks, its address, and who asks noted or not."""
    from tests.api.conftest import make_client
    from tests.conftest import make_user
    from tests.evidence.helpers import receive
    from tests.factories import make_incident

    responder, auditor = make_user("somebody", "responder"), make_user("all", "auditor")
    cases = [make_incident() for _ in range(CASES)]
    item = receive(cases[0].pk, b"evidence", "a.log")
    case = f"/admin/incidents/incident/{cases[0].pk}/change/"
    pages = {
        "a case": case,
        "its history": f"{case}?tab=history",
        "evidence": f"/admin/evidence/evidenceitem/{item.pk}/change/",
        "the list of cases": "/admin/incidents/incident/",
        "a search": "/admin/search/?s=somebody",
    }
    for person, who in ((responder, "a responder"), (auditor, "an auditor")):
        browsers = {
            noting: _noted(_browser(person), noting) for noting in (True, False)
        }
        for name, url in pages.items():
            yield name, who, url, browsers
    programs = {
        noting: _noted(make_client(auditor, "read"), noting) for noting in (True, False)
    }
    yield "a list of the API", "a token", "/api/v1/incidents/", programs
    yield (
        "a case of the API",
        "a token",
        f"/api/v1/incidents/{cases[0].reference}/",
        programs,
    )


def _browser(person: Any) -> Any:
    from django.test import Client

    client = Client()
    client.force_login(person)
    return client


def _noted(client: Any, noting: bool) -> Any:
    """Have a client's site note reads, and take the time of it, or note nothing."""
    from django.conf import settings
    from django.test import override_settings

    layers = [TIMED if name == NOTING else name for name in settings.MIDDLEWARE]
    kept = [name for name in layers if noting or name != TIMED]
    with override_settings(MIDDLEWARE=kept):
        client.handler.load_middleware()
    return client


def _ask_in_pairs(clients: dict[bool, Any], url: str) -> list[Pair]:
    """Ask a page with and without the note, each first as often."""
    from tests.bench.timed_notes import read_moment, taken

    for client in clients.values():
        client.get(url)
    gc.freeze()
    gc.disable()  # a collection falls on one of a pair, and takes longer than a note
    pairs = []
    for number in range(ROUNDS):
        found = {}
        for noting in (True, False) if number % 2 else (False, True):
            gc.collect()
            before = read_moment()
            answer = clients[noting].get(url)
            found[noting] = read_moment().since(before)
            assert answer.status_code == 200, (url, answer.status_code)
        pairs.append(Pair(found[False], found[True], taken[-1]))
    return pairs


def _cost(pairs: list[Pair], measure: str) -> Cost:
    def read(moment: Moment) -> float:
        return float(getattr(moment, measure))

    added = sorted(read(pair.noted) - read(pair.without) for pair in pairs)
    # The ranks between which the median is with 95 %, by the binomial distribution.
    reach = round(1.96 * sqrt(len(added)) / 2)
    middle = len(added) // 2
    return Cost(
        page=statistics.median(read(pair.without) for pair in pairs),
        layer=statistics.median(read(pair.layer) for pair in pairs),
        low=added[max(middle - reach, 0)],
        middle=statistics.median(added),
        high=added[min(middle + reach, len(added) - 1)],
    )


if __name__ == "__main__":
    sys.exit(main())
