"""What noting who looked adds to a page: `python -m tests.bench.bench_reads`.

Starts PostgreSQL and Valkey in a folder of its own, and opens pages as a responder, as
an auditor, whose role in the database is changed for a note, and with a token. Each
page is asked in turns of three by one session, with the note and twice without, each
first as often. What it adds is said twice, as medians:

- `layer`: what the layer that notes takes in the requests that are noted;
- `pairs`: the differences of whole requests of one turn, with the note and without,
  which hold a cost that arises elsewhere too, and their 95 % interval;
- `noise`: the same of the two that are not noted. What lies within it says nothing.

Processor time is that of this process and the database's own for it, together. Ends
with code 1 where the layer takes 5 % of a page or more, of processor time or by the
clock, or where the pairs show so beyond their noise.
"""

from __future__ import annotations

import gc
import statistics
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

from tests.bench.database import run_with_database
from tests.bench.sizes import choose

if TYPE_CHECKING:
    from tests.bench.timed_notes import Moment

ROUNDS = choose(42, 6)
MOST = choose(0.05, float("inf"))
CASES = choose(30, 2)
NOTING, TIMED = (
    "config.noted_reads.NotedReadsMiddleware",
    "tests.bench.timed_notes.TimedNotes",
)
WAYS = ("noted", "without", "without again")
HEAD = (
    "| page | asked by | CPU, ms | layer, ms | more | pairs, 95 % | noise, 95 % "
    "| clock, ms | layer, ms | more | pairs, 95 % | noise, 95 % |\n"
    "| --- | --- |" + " ---: |" * 10
)


@dataclass(frozen=True)
class Turn:
    """What a page took with the note and without, and what the layer did of that."""

    noted: Moment
    without: Moment
    again: Moment
    layer: Moment


@dataclass(frozen=True)
class Difference:
    """A median in seconds, and between which it is with 95 %."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, differences: Iterable[float]) -> Difference:
        found = sorted(differences)
        # The ranks between which the median is with 95 %, by the binomial distribution.
        reach = round(1.96 * sqrt(len(found)) / 2)
        middle = len(found) // 2
        return cls(
            low=found[max(middle - reach, 0)],
            middle=statistics.median(found),
            high=found[min(middle + reach, len(found) - 1)],
        )

    def as_part_of(self, whole: float) -> str:
        low, high = f"{self.low / whole:+.1%}", f"{self.high / whole:+.1%}"
        return f"{self.middle / whole:+.1%} ({low} to {high})"


@dataclass(frozen=True)
class Cost:
    """Medians in seconds, of a page and its note; what whole requests say of it."""

    page: float
    layer: float
    pairs: Difference
    noise: Difference

    @property
    def is_too_much(self) -> bool:
        most = MOST * self.page
        return self.layer >= most or self.pairs.low - max(self.noise.high, 0) >= most

    @property
    def cells(self) -> str:
        return (
            f"{1000 * self.page:.1f} | {1000 * self.layer:.2f} "
            f"| {self.layer / self.page:+.1%} | {self.pairs.as_part_of(self.page)} "
            f"| {self.noise.as_part_of(self.page)}"
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
        for name, who, url, client in _pages():
            turns = _ask_in_turns(client, url)
            cpu, clock = _cost(turns, "cpu"), _cost(turns, "clock")
            too_much = too_much or cpu.is_too_much or clock.is_too_much
            print(f"| {name} | {who} | {cpu.cells} | {clock.cells} |", flush=True)
    return int(too_much)


def _pages() -> Iterator[tuple[str, str, str, Any]]:
    """Yield each page: its name, who asks, its address, and whose client asks."""
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
        browser = _browser(person)
        for name, url in pages.items():
            yield name, who, url, browser
    program = make_client(auditor, "read")
    yield "a list of the API", "a token", "/api/v1/incidents/", program
    yield (
        "a case of the API",
        "a token",
        f"/api/v1/incidents/{cases[0].reference}/",
        program,
    )


def _browser(person: Any) -> Any:
    from django.test import Client

    client = Client()
    client.force_login(person)
    return client


def _layers(client: Any) -> dict[str, Any]:
    """Return the layers of a client's site for each way: reads are noted, or not."""
    from django.conf import settings
    from django.test import override_settings

    timed = [TIMED if name == NOTING else name for name in settings.MIDDLEWARE]
    bare = [name for name in timed if name != TIMED]
    chains = {}
    for way in WAYS:
        with override_settings(MIDDLEWARE=timed if way == "noted" else bare):
            client.handler.load_middleware()
        chains[way] = client.handler._middleware_chain
    return chains


def _ask_in_turns(client: Any, url: str) -> list[Turn]:
    """Ask a page with the note and twice without, each first, second, last as often."""
    from evidence.call_stack import call_with_room
    from tests.bench.timed_notes import read_moment, taken

    chains = _layers(client)
    for chain in chains.values():
        client.handler._middleware_chain = chain
        client.get(url)
    gc.freeze()
    gc.disable()  # a collection falls on one of a turn, and takes longer than a note
    turns = []
    for number in range(ROUNDS):
        found = {}
        first = number % len(WAYS)
        for way in WAYS[first:] + WAYS[:first]:
            gc.collect()
            client.handler._middleware_chain = chains[way]
            before = read_moment()
            answer = call_with_room(client.get, url)
            found[way] = read_moment().since(before)
            assert answer.status_code == 200, (url, answer.status_code)
        turns.append(Turn(*(found[way] for way in WAYS), layer=taken[-1]))
    return turns


def _cost(turns: list[Turn], measure: str) -> Cost:
    def read(moment: Moment) -> float:
        return float(getattr(moment, measure))

    return Cost(
        page=statistics.median(read(turn.without) for turn in turns),
        layer=statistics.median(read(turn.layer) for turn in turns),
        pairs=Difference.of(read(turn.noted) - read(turn.without) for turn in turns),
        noise=Difference.of(read(turn.again) - read(turn.without) for turn in turns),
    )


if __name__ == "__main__":
    sys.exit(main())
