"""What an alert costs beside a bare INSERT: `python -m tests.bench.bench_intake`.

Starts what `bench_alerts` starts, and beside it a bare endpoint under the same gunicorn
with the same workers, which stores the body of a request with one INSERT into the same
PostgreSQL (durable: every commit is synced) and knows nothing else. Eight clients post
to one after the other in turns, so that what else the machine does hits all alike. The
first column is the rate, the second its part of the bare endpoint's, the third how many
requests were told to come back (503) and so are not counted as taken in.
"""

from __future__ import annotations

import os
import socket
import statistics
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from config.launcher.folders import fresh_folder
from config.launcher.processes import start_process
from config.launcher.servers import running_servers
from config.launcher.testing import SERVER_VARIABLES
from tests.bench import bare_endpoint
from tests.bench.bench_alerts import (
    ALERTS,
    CLIENTS,
    COME_BACK,
    READY_SECONDS,
    WORKERS,
    encode,
    make_alert,
    make_environment,
    prepare,
    run_clients,
    running_web,
)
from tests.bench.sizes import choose, is_smallest

TURNS = choose(3, 1)
SECONDS = choose(2.0, 0.1)
BATCH = choose(1_000, 10)
LATER = "Prefer: respond-async"
_told_to_come_back: Counter[str] = Counter()


@dataclass(frozen=True)
class Way:
    """One way to send alerts: where to, how many at once, and with what."""

    label: str
    size: int = 1
    is_bare: bool = False
    headers: tuple[str, ...] = ()
    severity: str = "info"
    """With `error`, the alerts of a group open a case and join it."""


WAYS = (
    Way("bare endpoint, one INSERT", is_bare=True),
    Way("one alert, kept"),
    Way("one alert, joins a case", severity="error"),
    # Stored and answered; no worker runs beside it that would decide.
    Way("one alert, decided later", headers=(LATER,), severity="error"),
    Way(f"{BATCH:,} alerts, join a case", size=BATCH, severity="error"),
)


class PlainClient:
    """A sender that costs next to nothing itself: a socket, and bytes made before."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(120)
        self.socket.connect(str(path))

    def post(self, request: bytes) -> int:
        """Send a request, read its answer to the end, return the status."""
        self.socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        missing = length - len(body)
        while missing > 0:
            missing -= len(self._receive())
        return int(head[9:12])

    def _receive(self) -> bytes:
        found = self.socket.recv(1 << 16)
        if not found:
            raise ConnectionError("the server closed the connection")
        return found


def main() -> int:
    if not is_smallest():  # else the servers that are named will do
        for name in SERVER_VARIABLES:
            os.environ.pop(name, None)
    with fresh_folder() as folders, running_servers(folders, durable=True) as servers:
        path, bare = folders.sockets / "web", folders.sockets / "bare"
        os.environ.update(make_environment(folders, servers, path))
        os.environ["WEB_THREADS"] = str(CLIENTS)  # nobody waits for a thread
        secret = prepare()
        bare_endpoint.make_table()
        with running_web(path), running_bare(bare):
            rates = measure(path, bare, secret)
    print_rates(rates)
    return 0


@contextmanager
def running_bare(path: Path) -> Iterator[None]:
    """Run the bare endpoint as `running_web` runs Casefile."""
    command = [sys.executable, "-m", "gunicorn", "--bind", f"unix:{path}"]
    command += ["--worker-class", "gthread", "--workers", str(WORKERS)]
    command += ["--threads", os.environ["WEB_THREADS"], "--log-level", "error"]
    command += ["--no-control-socket", "tests.bench.bare_endpoint:application"]
    bare = start_process("bare", command, environment=dict(os.environ))
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not path.exists():
            if bare.popen.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the bare endpoint did not start")
            time.sleep(0.1)
        yield
    finally:
        bare.stop()


def measure(path: Path, bare: Path, secret: str) -> dict[str, list[float]]:
    """Return the alerts a second of each way, turn by turn."""
    rates: dict[str, list[float]] = defaultdict(list)
    for turn in range(-1, TURNS):
        for way in WAYS:
            rate = run_way(way, turn, bare if way.is_bare else path, secret)
            # What comes first connects, compiles and fills caches.
            if turn >= 0 or is_smallest():
                rates[way.label].append(rate)
    return rates


def run_way(way: Way, turn: int, path: Path, secret: str) -> float:
    sent = [0] * CLIENTS
    ready = threading.Barrier(CLIENTS)

    def send(number: int, client: Any) -> None:
        requests = make_requests(way, turn, number, secret)
        ready.wait()
        until = time.perf_counter() + SECONDS
        while time.perf_counter() < until:
            status = client.post(next(requests))
            if status == COME_BACK:
                _told_to_come_back[way.label] += 1
                continue
            if status not in (200, 201, 202, 207):
                raise SystemExit(f"{way.label}: answered {status}")
            sent[number] += way.size

    clients: Any = [PlainClient(path) for _ in range(CLIENTS)]
    seconds = run_clients(clients, send)
    return sum(sent) / max(seconds, SECONDS)


def make_requests(way: Way, turn: int, number: int, secret: str) -> Iterator[bytes]:
    """Yield requests, each of new alerts; a client has an extension of its own."""
    head = "\r\n".join(
        (
            f"POST {ALERTS} HTTP/1.1",
            "Host: localhost",
            f"Authorization: Bearer {secret}",
            "Content-Type: application/json",
            *way.headers,
            "Content-Length: ",
        )
    )
    extension = f"{way.label}.{number}".replace(" ", "-")
    build = partial(make_alert, extension=extension, severity=way.severity)
    place = 0
    # Text of one alert with its ID put in: writing JSON is not what is measured.
    if way.size == 1:
        before, after = encode([build("@@@")]).split(b"@@@", 1)
        while True:
            place += 1
            name = f"{way.label}-{turn}-{number}-{place}".encode()
            body = before + name + after.replace(b"@@@", name)
            yield f"{head}{len(body)}\r\n\r\n".encode() + body
    while True:
        place += 1
        names = (f"{way.label}-{turn}-{number}-{place}-{i}" for i in range(way.size))
        body = encode([build(name) for name in names])
        yield f"{head}{len(body)}\r\n\r\n".encode() + body


def print_rates(rates: dict[str, list[float]]) -> None:
    bare = rates[WAYS[0].label]
    print(f"\n{TURNS} turns of {SECONDS:.1f} s each, {CLIENTS} clients\n")
    print("| Request | Alerts/s | Of bare | Told to come back |")
    print("| --- | ---: | ---: | ---: |")
    for label, found in rates.items():
        ratio = statistics.median(
            rate / of_bare for rate, of_bare in zip(found, bare, strict=True)
        )
        later = _told_to_come_back[label]
        print(f"| {label} | {statistics.median(found):,.0f} | {ratio:.1%} | {later} |")


if __name__ == "__main__":
    sys.exit(main())
