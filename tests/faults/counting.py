"""What is counted after a fault: messages once, evidence once, a history that holds."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from tests.faults.installation import Answer, Installation

IN_CASE = (
    " JOIN incidents_incident AS case_ ON case_.id = item.incident_id"
    " WHERE case_.reference = %s"
)
STORED = "SELECT item.original_name FROM evidence_evidenceitem AS item" + IN_CASE
VERIFIED = (
    "SELECT count(DISTINCT report.item_id) FROM evidence_verificationreport AS report"
    " JOIN evidence_evidenceitem AS item ON item.id = report.item_id" + IN_CASE
)
DOUBLE_REPORTS = (
    "SELECT count(*) FROM (SELECT request_id FROM evidence_verificationreport"
    " GROUP BY request_id HAVING count(*) > 1) AS doubled"
)
WAITING_MESSAGES = (
    "SELECT count(*) FROM incidents_notification WHERE state IN ('pending', 'sending')"
)
DOUBLE_MESSAGES = (
    "SELECT count(*) FROM (SELECT 1 FROM incidents_notification GROUP BY key,"
    " recipient_id, webhook_id HAVING count(*) > 1) AS doubled"
)
ASK_FOR_FILES = """
from evidence.services.exports import request_export
from incidents.models import Incident
from incidents.services.archives.requests import request_archive
case = Incident.objects.get(reference=%r)
bundle = case.evidence_items.filter(kind="bundle").earliest("id")
export = request_export(item_id=bundle.pk, filter={}, redaction={}, actor=None)
archive = request_archive(incident_id=case.pk, actor=None)
print("FILES", export.pk, archive.pk)
"""
UPLOADS = 24
FEWEST_SIGN_INS = 3
TRIES = 180


@dataclass(frozen=True)
class Messages:
    """What was planned, by state, and how often the mail server took what."""

    by_state: Counter[str]
    taken: Counter[str]
    planned_twice: int

    @property
    def sent(self) -> int:
        return self.by_state["sent"]

    @property
    def taken_twice(self) -> int:
        return sum(count > 1 for count in self.taken.values())

    def require_each_once(self) -> None:
        assert self.planned_twice == 0
        assert self.taken_twice == 0, self.taken
        assert self.by_state["failed"] == 0, self.by_state
        assert self.sent == len(self.taken), (self.by_state, self.taken)

    def __str__(self) -> str:
        states = ", ".join(f"{self.by_state[name]} {name}" for name in self.by_state)
        return (
            f"{sum(self.by_state.values())} messages planned ({states}), "
            f"{len(self.taken)} taken by the mail server, {self.taken_twice} of them "
            "twice"
        )


def read_messages(casefile: Installation) -> Messages:
    """Wait until no message is under way, and count all there ever were."""
    casefile.wait(lambda: casefile.count(WAITING_MESSAGES) == 0, seconds=120)
    states = casefile.query("SELECT state FROM incidents_notification")
    return Messages(
        Counter(state for (state,) in states),
        Counter(casefile.mail.accepted),
        casefile.count(DOUBLE_MESSAGES),
    )


def count_told(casefile: Installation, kind: str, references: list[str]) -> int:
    """Return how many of the cases have a message of the kind that was sent."""
    return casefile.count(
        "SELECT count(DISTINCT case_.id) FROM incidents_notification AS message"
        " JOIN incidents_incident AS case_ ON case_.id = message.incident_id"
        " WHERE message.kind = %s AND message.state = 'sent'"
        " AND case_.reference = ANY(%s)",
        kind,
        references,
    )


def wait_until_told(
    casefile: Installation, references: list[str], *, seconds: float
) -> float:
    """Wait until the breach of every case was told; return how long it took."""
    return casefile.wait(
        lambda: count_told(casefile, "breach", references) == len(references),
        seconds=seconds,
    )


def upload_patiently(
    casefile: Installation, reference: str, data: bytes, name: str
) -> Answer:
    """Upload; who is told to come back, or not told anything, sends it again."""
    for _ in range(TRIES):
        answer = casefile.upload(reference, data, name)
        if answer.status not in (0, 503):
            break
        time.sleep(1)
    return answer


def upload_many(
    casefile: Installation,
    reference: str,
    mark: str,
    *,
    patiently: bool = False,
    count: int = UPLOADS,
) -> list[Answer]:
    """Upload so many files at once."""
    upload = partial(upload_patiently, casefile) if patiently else casefile.upload

    def send(number: int) -> Answer:
        return upload(reference, f"{mark} {number}".encode(), f"{mark}-{number}.log")

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(send, range(count)))


@contextmanager
def sending(
    casefile: Installation, reference: str, *, senders: int = 4, mark: str = "sent"
) -> Iterator[dict[str, Answer]]:
    """Upload one after the other, from several sides, for as long as the block runs."""
    answers: dict[str, Answer] = {}
    stop = threading.Event()

    def send(sender: int) -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            name = f"{mark}-{sender}-{number}.log"
            data = f"{reference} {name}".encode()
            answers[name] = casefile.upload(reference, data, name)

    threads = [threading.Thread(target=send, args=(one,)) for one in range(senders)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def count_verified(casefile: Installation, reference: str) -> int:
    return casefile.count(VERIFIED, reference)


def stored_names(casefile: Installation, reference: str) -> Counter[str]:
    return Counter(name for (name,) in casefile.query(STORED, reference))


def is_well(casefile: Installation) -> bool:
    report = casefile.get("/readyz").json()
    return {"workers", "beat", "broker"} <= {
        name for name, part in report["parts"].items() if part["status"] == "ok"
    }


def require_history_holds(casefile: Installation) -> None:
    """Run the checks that find anything changed, lost or left over; all must pass."""
    for command in ("verify_audit", "verify_records", "verify_store"):
        casefile.manage(command)


@dataclass
class Others:
    """What those meet who have nothing to do with the fault."""

    slowness: float = 1.0
    health: list[float] = field(default_factory=list)
    sign_ins: list[float] = field(default_factory=list)

    def require_unheld(self) -> None:
        assert max(self.health) < 2 * self.slowness
        assert max(self.sign_ins) < 10 * self.slowness

    def __str__(self) -> str:
        return (
            f"{len(self.sign_ins)} sign-ins meanwhile, {max(self.sign_ins):.1f} s at "
            f"most, /healthz {max(self.health) * 1000:.0f} ms at most"
        )


def ask_while(casefile: Installation, condition: Callable[[], bool]) -> Others:
    """Ask for health and sign in, again and again, while the condition holds.

    A few times at least: the fault lasts until this returns.
    """
    others = Others(casefile.slowness)
    while condition() or len(others.sign_ins) < FEWEST_SIGN_INS:
        health = casefile.get("/healthz")
        assert health.status == 200
        others.health.append(health.seconds)
        others.sign_ins.append(casefile.sign_in("reviewer"))
    return others


@dataclass(frozen=True)
class Files:
    """An export and an archive that were asked for."""

    casefile: Installation
    export: int
    archive: int

    def states(self) -> tuple[str, str]:
        export = "SELECT state FROM evidence_exportrequest WHERE id = %s"
        archive = "SELECT state FROM incidents_casearchive WHERE id = %s"
        return (
            self.casefile.query(export, self.export)[0][0],
            self.casefile.query(archive, self.archive)[0][0],
        )

    def are_done(self) -> bool:
        return self.states() == ("done", "done")


def ask_for_files(casefile: Installation, reference: str) -> Files:
    """Ask for an export of the case's first bundle, and for an archive of the case."""
    told = casefile.manage("shell", "-v", "0", "-c", code=ASK_FOR_FILES % reference)
    export, archive = map(int, told.split("FILES ")[1].split())
    return Files(casefile, export, archive)
