"""People and programs at work on a site: `python -m tests.faults.crowd PLAN.json`.

A process of its own, so that what asks takes no time from what breaks the site. It asks
through the proxy as they do, over TLS, notes each answer as a line of JSON, and ends
on SIGTERM, once each has the answer to what it sent last. Programs send again what was
not acknowledged, as docs/api.md asks of them; people look at the next page.
"""

from __future__ import annotations

import http.client
import itertools
import json
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.bench_alerts import ALERTS, encode, make_alert
from tests.deploy.proxies import connect

EVERY_SECONDS = 1.0
PAUSE_SECONDS = (3.0, 7.0)
"""Between two pages of one person: five seconds in the mean."""
AGAIN_SECONDS = 1.0
PATIENCE_SECONDS = 180.0
GROUPS = 2
"""So many extensions each sender tells of: a case is opened for each."""
TAKEN = (200, 201, 207)
"""The statuses by which something is acknowledged, or a page shown."""


@dataclass(frozen=True)
class Plan:
    """What the crowd does, and where."""

    port: int
    host: str
    secret: str
    """The token of those who send alerts and evidence."""
    sessions: list[dict[str, str]]
    """Headers of who is signed in: one for each person."""
    pages: list[str]
    reference: str
    document: str
    """The path of a bundle; each one sent has another blank behind it."""
    notes: str
    mark: str
    number: int
    """Of this crowd, among those that ask the same site: no two send the same bytes."""
    alert_senders: int = 4
    alerts_at_once: int = 250
    evidence_senders: int = 2

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


@dataclass(frozen=True)
class Note:
    """One answer: who asked for what, when, and what came back (0: nothing)."""

    who: str
    name: str
    at: float
    seconds: float
    status: int
    said: str = ""


def read_notes(path: Path) -> list[Note]:
    """Return what was noted so far; the last line may be under way."""
    whole = path.read_text().rpartition("\n")[0]
    return [Note(**json.loads(line)) for line in whole.splitlines()]


@dataclass(frozen=True)
class Request:
    """What one of the crowd asks for, and under which name it is noted."""

    who: str
    name: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Line:
    """A connection that one of the crowd keeps, and makes anew where it breaks."""

    plan: Plan
    client: http.client.HTTPSConnection | None = None

    def ask(self, request: Request) -> tuple[int, bytes, dict[str, str]]:
        self.client = self.client or connect(self.plan.port, seconds=PATIENCE_SECONDS)
        try:
            told = {"Host": self.plan.host, **request.headers}
            body = request.body or None
            self.client.request(request.method, request.path, body, told)
            answer = self.client.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.client.close()
            self.client = None
            return 0, type(error).__name__.encode(), {}
        return answer.status, content, dict(answer.getheaders())


@dataclass
class Crowd:
    plan: Plan
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        plan = self.plan
        work: list[tuple[Callable[[int], None], int]] = [
            (self.send_alerts, plan.alert_senders),
            (self.send_evidence, plan.evidence_senders),
            (self.look, len(plan.sessions)),
        ]
        threads = [
            threading.Thread(target=does, args=(number,))
            for does, count in work
            for number in range(count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def send_alerts(self, number: int) -> None:
        line, plan = Line(self.plan), self.plan
        for turn in self.turns(number / plan.alert_senders):
            name = f"{plan.mark}-{number}-{turn}"
            alerts = [
                make_alert(f"{name}-{place}", f"{plan.mark}.{number}.{place % GROUPS}")
                for place in range(plan.alerts_at_once)
            ]
            headers = self.headers("application/json")
            body = encode(alerts)
            self.send(line, Request("alerts", name, "POST", ALERTS, headers, body))

    def send_evidence(self, number: int) -> None:
        line, plan = Line(self.plan), self.plan
        document = Path(plan.document).read_bytes()
        headers = self.headers("application/octet-stream")
        for turn in self.turns(number / plan.evidence_senders):
            name = f"{plan.mark}-{number}-{turn}.json"
            path = f"/api/v1/evidence/{name}?incident={plan.reference}"
            # The same document in bytes that nobody sent before.
            place = plan.evidence_senders * plan.number + number
            body = document + b" " * (place + 1) + b"\n" * (turn + 1)
            self.send(line, Request("evidence", name, "PUT", path, headers, body))

    def headers(self, kind: str) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.plan.secret}",
            "Content-Type": kind,
        }

    def turns(self, first: float) -> Iterable[int]:
        """Yield numbers, one a second; at once where the last one took longer."""
        due = time.monotonic() + first * EVERY_SECONDS
        for turn in itertools.count():
            if self.ended.wait(max(0.0, due - time.monotonic())):
                return
            due = max(due + EVERY_SECONDS, time.monotonic())
            yield turn

    def send(self, line: Line, request: Request) -> None:
        """Send it until it is acknowledged; give up where that takes minutes."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            if self.note(line, request) in TAKEN:
                return
            time.sleep(AGAIN_SECONDS)

    def look(self, number: int) -> None:
        line, choice = Line(self.plan), random.Random(f"{self.plan.mark}-{number}")
        headers = self.plan.sessions[number]
        while not self.ended.wait(choice.uniform(*PAUSE_SECONDS)):
            page = choice.choice(self.plan.pages)
            self.note(line, Request("people", page, "GET", page, headers))

    def note(self, line: Line, request: Request) -> int:
        """Ask, and write down what came back; return its status."""
        at, started = time.time(), time.monotonic()
        status, content, told = line.ask(request)
        said = told.get("Location", "") if status in (301, 302) else ""
        if status == 207:
            status, said = _read_batch(content)
        elif status not in (200, 201):
            said = said or content[:200].decode(errors="replace")
        seconds = time.monotonic() - started
        note = Note(request.who, request.name, at, seconds, status, said)
        with self.lock, Path(self.plan.notes).open("a") as notes:
            notes.write(json.dumps(asdict(note)) + "\n")
        return status


def _read_batch(content: bytes) -> tuple[int, str]:
    """Return 207 where all of a batch was taken; else 422, and what was said."""
    results = json.loads(content)["results"]
    other = [one for one in results if one["result"] != "accepted"]
    return (422, str(other[:2])) if other else (207, "")


def main(words: list[str]) -> int:
    crowd = Crowd(Plan(**json.loads(Path(words[0]).read_text())))

    def end(number: int, frame: Any) -> None:
        crowd.ended.set()

    signal.signal(signal.SIGTERM, end)
    crowd.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
