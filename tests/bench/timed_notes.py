"""The layer that notes reads, and what it takes: for `bench_reads`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from django.db import connection
from django.http import HttpRequest, HttpResponse

from config.noted_reads import NotedReadsMiddleware

taken: list[Moment] = []
"""What the layer took of each request so far, but for the page itself."""


@dataclass(frozen=True)
class Moment:
    """How far processor time, of this process and the database's, and the clock are."""

    cpu: float
    clock: float

    def since(self, earlier: Moment) -> Moment:
        return Moment(self.cpu - earlier.cpu, self.clock - earlier.clock)


def read_moment() -> Moment:
    """Return the time by now, in seconds, of which only differences mean anything."""
    connection.ensure_connection()
    database = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    in_database = int(database.read_text().split()[0]) / 1e9
    return Moment(time.process_time() + in_database, time.perf_counter())


class TimedNotes(NotedReadsMiddleware):
    def __call__(self, request: HttpRequest) -> HttpResponse:
        answered: list[Moment] = []
        inner = self.get_response

        def answer(request: HttpRequest) -> HttpResponse:
            response = inner(request)
            answered.append(read_moment())
            return response

        self.get_response = answer
        try:
            response = super().__call__(request)
        finally:
            self.get_response = inner
        taken.append(read_moment().since(answered[0]))
        return response
