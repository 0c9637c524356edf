"""What taking in alerts costs: `python -m tests.bench.bench_alerts`.

Starts PostgreSQL (durable: every commit is synced), Valkey and gunicorn with two
workers, on Unix sockets in a folder of its own, and posts to it from eight clients at
once. Prints two Markdown tables: sustained intake, and a burst of 10,000 alerts of 50
extensions, after which it counts what the database holds. Ends with code 1 where an
alert was lost, doubled or put into a wrong case.
"""

from __future__ import annotations

import datetime as dt
import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from config.launcher.folders import ROOT, ServerFolders, fresh_folder
from config.launcher.processes import start_process
from config.launcher.servers import running_servers
from config.launcher.testing import SERVER_VARIABLES
from tests.bench.sizes import choose, is_smallest

CLIENTS = 8
WORKERS = 2
SECONDS = choose(10.0, 0.2)
COME_BACK = 503
"""What a sender is told where too many wait for a lock; not taken in by then."""
LONGEST_PAUSE = 2.0
BURST_ALERTS = choose(10_000, 40)
BURST_EXTENSIONS = choose(50, 4)
BURST_SIZES = choose((1, 1, 1, 2, 10, 50, 200), (1, 2, 10))
READY_SECONDS = 60.0
ALERTS = "/api/v1/alerts/"
SOURCE = "risk_controller"
SEED = 7
START_MS = int(dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC).timestamp() * 1000)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=120)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


@dataclass
class Client:
    """One sender with its own connection; it remembers how long each request took.

    Told to come back, it does, as docs/api.md asks of senders.
    """

    path: Path
    secret: str
    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.connection = UnixConnection(self.path)

    def post(self, body: bytes) -> dict[str, Any]:
        headers = {
            "Authorization": f"Bearer {self.secret}",
            "Content-Type": "application/json",
        }
        started = time.perf_counter()
        self.connection.request("POST", ALERTS, body, headers)
        response = self.connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
        self.seconds.append(time.perf_counter() - started)
        self.statuses[response.status] += 1
        if response.status == COME_BACK:
            time.sleep(min(float(response.headers["Retry-After"]), LONGEST_PAUSE))
            return self.post(body)
        return answer


def make_alert(name: str, extension: str, **members: Any) -> dict[str, Any]:
    return {
        "ts_ms": START_MS,
        "alert_id": name,
        "extension_id": extension,
        "category": "secret_exposure",
        "severity": "error",
        "capability": "env",
        "method": "env",
        "call_id": f"call-{name}",
        "reason_codes": ["blocklisted_name"],
        "summary": "A blocklisted variable was read by the extension",
        "remediation": "Rotate the credential",
        "risk_score": 0.9,
        "context_hash": "c" * 64,
        "source": SOURCE,
        **members,
    }


def encode(alerts: Sequence[dict[str, Any]]) -> bytes:
    """Return the body of a request: one alert by itself, several as a batch."""
    return json.dumps(alerts[0] if len(alerts) == 1 else list(alerts)).encode()


def main() -> int:
    if not is_smallest():  # else the servers that are named will do
        for name in SERVER_VARIABLES:
            os.environ.pop(name, None)
    with fresh_folder() as folders, running_servers(folders, durable=True) as servers:
        path = folders.sockets / "web"
        os.environ.update(make_environment(folders, servers, path))
        secret = prepare()
        with running_web(path):
            print_sustained(path, secret)
            return print_burst(path, secret)


def make_environment(
    folders: ServerFolders, servers: dict[str, str], path: Path
) -> dict[str, str]:
    return {
        **servers,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": "only-for-this-bench-0123456789-abcdefghijklmnopqrst",
        "ALLOWED_HOSTS": "localhost",
        "EVIDENCE_ROOT": str(folders.data / "evidence"),
        "CASEFILE_BASE_URL": "http://localhost",
        "HTTPS": "false",
        "STATIC_MANIFEST": "false",
        "LOG_LEVEL": "ERROR",
        "API_ALERT_RATE": "2000000",
        "GUNICORN_BIND": f"unix:{path}",
        "WEB_CONCURRENCY": str(WORKERS),
        "WEB_THREADS": "4",
    }


def prepare() -> str:
    """Bring the database up to date and return a machine's token."""
    for words in (("migrate", "--verbosity", "0"), ("load_playbooks",)):
        command = [sys.executable, "manage.py", *words]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    import django

    django.setup()
    from django.contrib.auth.models import Group, User

    from evidence.accounts.tokens import create_token

    machine = User.objects.create_user("bench")
    machine.groups.add(Group.objects.get(name="machine"))
    _, secret = create_token(
        user=machine, name="bench", scopes=["alerts:write"], days=1, actor=None
    )
    return secret


@contextmanager
def running_web(path: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py"]
    web = start_process("web", command, environment=dict(os.environ))
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not answers(path):
            if web.popen.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the web server did not start")
            time.sleep(0.1)
        yield
    finally:
        web.stop()


def answers(path: Path) -> bool:
    connection = UnixConnection(path)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def print_sustained(path: Path, secret: str) -> None:
    print(f"\n### Sustained intake ({CLIENTS} clients, {WORKERS} workers)\n")
    print(
        "| Request | Requests/s | Alerts/s | Median | 99th percentile "
        "| Told to come back |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    cases: tuple[tuple[str, int, dict[str, Any]], ...] = (
        ("one alert, kept", 1, {"severity": "info"}),
        ("one alert, joins a case", 1, {}),
        ("100 alerts, join a case", 100, {}),
        ("1,000 alerts, join a case", 1000, {}),
    )
    cases = choose(cases, cases[:2])
    for label, size, members in cases:
        clients = [Client(path, secret) for _ in range(CLIENTS)]
        send = partial(send_steadily, label=label, size=size, members=members)
        seconds = run_clients(clients, send)
        print_row(label, size, clients, seconds)


def send_steadily(
    number: int, client: Client, *, label: str, size: int, members: dict[str, Any]
) -> None:
    """Post one request after the other; each client has an extension of its own."""
    extension = f"sustained.{label}.{number}".replace(" ", "-")
    until, turn = time.perf_counter() + SECONDS, 0
    while time.perf_counter() < until:
        names = [f"{label}-{number}-{turn}-{i}" for i in range(size)]
        client.post(encode([make_alert(name, extension, **members) for name in names]))
        turn += 1


def run_clients(clients: list[Client], send: Callable[[int, Client], None]) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(len(clients)) as pool:
        for future in [pool.submit(send, i, c) for i, c in enumerate(clients)]:
            future.result()
    return time.perf_counter() - started


def print_row(label: str, size: int, clients: list[Client], seconds: float) -> None:
    times = sorted(seconds for client in clients for seconds in client.seconds)
    refused = sum(
        count
        for client in clients
        for status, count in client.statuses.items()
        if status not in {200, 201, 207, COME_BACK}
    )
    later = sum(client.statuses[COME_BACK] for client in clients)
    if refused:
        raise SystemExit(f"{label}: {refused} requests were refused")
    rate = (len(times) - later) / seconds
    worst = times[int(len(times) * 0.99)]
    print(
        f"| {label} | {rate:,.0f} | {rate * size:,.0f} "
        f"| {statistics.median(times) * 1000:,.0f} ms | {worst * 1000:,.0f} ms "
        f"| {later} |",
        flush=True,
    )


def print_burst(path: Path, secret: str) -> int:
    """Send the burst, every request twice by different clients; check what is there."""
    numbers = random.Random(SEED)
    alerts = [
        make_alert(f"burst-{i}", f"burst.{i % BURST_EXTENSIONS}", ts_ms=START_MS + i)
        for i in range(BURST_ALERTS)
    ]
    numbers.shuffle(alerts)
    bodies, place = [], 0
    while place < len(alerts):
        size = numbers.choice(BURST_SIZES)
        bodies.append(encode(alerts[place : place + size]))
        place += size
    queue = bodies * 2
    numbers.shuffle(queue)
    clients = [Client(path, secret) for _ in range(CLIENTS)]
    seconds = run_clients(
        clients,
        lambda i, client: [client.post(body) for body in queue[i::CLIENTS]] and None,
    )
    return print_findings(len(queue), seconds)


def print_findings(requests: int, seconds: float) -> int:
    from evidence.audit.history import list_streams, verify_stream
    from incidents.models import Alert, Incident

    rows = Alert.objects.filter(alert_id__startswith="burst-")
    stored = rows.count()
    distinct = rows.values("source", "alert_id").distinct().count()
    cases = Incident.objects.filter(alerts__in=rows).distinct()
    members = Counter(rows.values_list("incident", "extension__extension_id"))
    whole = sum(count == BURST_ALERTS // BURST_EXTENSIONS for count in members.values())
    broken = [stream for stream in list_streams() if verify_stream(stream)]
    print(
        f"\n### Burst: {BURST_ALERTS:,} alerts of {BURST_EXTENSIONS} extensions, in "
        f"requests of 1 to {max(BURST_SIZES)}, each sent twice\n"
    )
    print("| Measured | Found | Expected |")
    print("| --- | ---: | ---: |")
    findings = (
        ("alerts stored", stored, BURST_ALERTS),
        ("alerts lost", BURST_ALERTS - distinct, 0),
        ("alerts doubled", stored - distinct, 0),
        ("cases opened", cases.count(), BURST_EXTENSIONS),
        ("cases with all alerts of one extension", whole, BURST_EXTENSIONS),
        ("audit streams that do not hold", len(broken), 0),
    )
    for label, found, expected in findings:
        print(f"| {label} | {found:,} | {expected:,} |")
    print(f"| requests in {seconds:.1f} s | {requests:,} | |")
    print(f"| alerts sent a second | {2 * BURST_ALERTS / seconds:,.0f} | |")
    return int(any(found != expected for _, found, expected in findings))


if __name__ == "__main__":
    sys.exit(main())
