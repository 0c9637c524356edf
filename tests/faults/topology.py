"""A site of more than one machine, on one: every part can be killed and comes back.

Two webs behind nginx, four processes of workers with queues of their own, two beats,
PostgreSQL with a streaming replica that auditors read from, Valkey, and a bucket. What
ends is started again by the drill, as systemd or Kubernetes would.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from config.launcher.folders import ROOT
from config.launcher.processes import Process, start_process
from tests.config.launching import find_free_port
from tests.deploy.proxies import HOST, place_configuration, start_proxy
from tests.faults.counting import is_well
from tests.faults.crowd import Note, Plan, read_notes
from tests.faults.installation import PASSWORD, Installation, running_installation
from tests.faults.object_store import ObjectStore, running_object_store
from tests.replicas import Replica, children_of, place_for_replica

PEOPLE = 50
ROLES = ("responder", "reviewer", "auditor", "administrator")
WORKERS = (("clocks",), ("followups",), ("delivery",), ("small", "large"))
PAGES = (
    "/admin/",
    "/admin/incidents/incident/",
    "/admin/incidents/alert/",
    "/admin/evidence/evidenceitem/",
    "/admin/evidence/auditentry/",
)
MAKE_PEOPLE = """
from django.contrib.auth.models import Group, User
roles = %r
for number in range(%r):
    name = f"person-{number}"
    user = User.objects.create_user(name, f"{name}@example.org", %r, is_staff=True)
    user.groups.add(Group.objects.get(name=roles[number %% len(roles)]))
"""


@dataclass(frozen=True)
class Part:
    """What is killed, and how it is brought back."""

    kill: Callable[[], None]
    bring_back: Callable[[], None]


@dataclass
class Topology:
    """The site, asked as `casefile` at the first web and by a crowd through nginx."""

    casefile: Installation
    webs: list[Installation]
    workers: list[Installation]
    beat: Installation
    """One of the two; the other is the installation's second."""
    replica: Replica
    store: ObjectStore
    proxy_folder: Path
    proxy_port: int
    proxy: Process | None = None
    sessions: list[dict[str, str]] = field(default_factory=list)
    crowds: int = 0

    @property
    def parts(self) -> dict[str, Part]:
        return {
            "a web": Part(lambda: _kill(self.webs[1].web), self.webs[1].start_web),
            "nginx": Part(lambda: _kill(self.proxy), self.start_proxy),
            "the workers of evidence": self._workers(len(WORKERS) - 1),
            "the workers of follow-ups": self._workers(1),
            "a beat": Part(
                self.beat.kill_workers, lambda: self.beat.start_workers("beat")
            ),
            "the replica": Part(
                lambda: _kill(self.replica.process), self.replica.start
            ),
            "Valkey, with what it held": Part(
                self.casefile.stop_valkey, self.casefile.restart_valkey
            ),
            "the bucket": Part(self._leave_bucket, self._return_bucket),
            "PostgreSQL": Part(
                lambda: _kill(self.casefile.postgres), self.casefile.start_postgres
            ),
        }

    def _workers(self, number: int) -> Part:
        keeper = self.workers[number]
        return Part(keeper.kill_workers, lambda: keeper.start_workers(*WORKERS[number]))

    def start_proxy(self) -> None:
        self.proxy = start_proxy(self.proxy_folder)

    def _leave_bucket(self) -> None:
        self.store.is_away = True

    def _return_bucket(self) -> None:
        self.store.is_away = False

    def is_well(self) -> bool:
        """Return whether each part answers for itself, and readiness says so."""
        report = self.casefile.get("/readyz").json()["parts"]
        named = {"database", "broker", "workers", "beat", "evidence_storage", "replica"}
        return (
            all(report[name]["status"] == "ok" for name in named)
            and all(web.get("/healthz").status == 200 for web in self.webs)
            and is_well(self.casefile)
            and not self.store.is_away
            and self.proxy is not None
            and self.proxy.popen.poll() is None
        )

    def stop(self) -> None:
        for keeper in (*self.workers, self.beat):
            keeper.kill_workers()
        for part in (self.webs[1].web, self.proxy):
            if part is not None:
                part.stop()


def _kill(process: Process | None) -> None:
    """End it and all it started at once, as a power cut would."""
    assert process is not None
    pids = [process.popen.pid, *_descendants(process.popen.pid)]
    for pid in pids:
        with suppress(ProcessLookupError):  # it ended with its parent
            os.kill(pid, signal.SIGKILL)
    process.popen.wait()


def _descendants(pid: int) -> Iterator[int]:
    for child in children_of(pid):
        yield child
        yield from _descendants(child)


@contextmanager
def running_topology(folder: Path) -> Iterator[Topology]:
    """Start all of it, in the folder what nginx needs; stop it at the end."""
    with ExitStack() as stack:
        store = stack.enter_context(running_object_store())
        replica = stack.enter_context(place_for_replica())
        casefile = stack.enter_context(
            running_installation(
                **store.variables,
                ALLOWED_HOSTS=f"{HOST},127.0.0.1",
                TRUSTED_PROXY_COUNT="1",
                WEB_CONCURRENCY="1",
                LOG_LEVEL="ERROR",
                API_WRITE_RATE="1000000",
                API_ALERT_RATE="2000000",
            )
        )
        _follow(casefile, replica)
        other = find_free_port()
        second = casefile.environment | {"GUNICORN_BIND": f"127.0.0.1:{other}"}
        made = Topology(
            casefile,
            [casefile, replace(casefile, port=other, environment=second, web=None)],
            [replace(casefile) for _ in WORKERS],
            replace(casefile),
            replica,
            store,
            folder,
            place_configuration(folder, [casefile.port, other]),
        )
        stack.callback(made.stop)
        _start(made)
        yield made


def _start(made: Topology) -> None:
    made.webs[1].start_web()
    for keeper, names in zip(made.workers, WORKERS, strict=True):
        keeper.start_workers(*names)
    made.beat.start_workers("beat")
    made.casefile.start_second_beat()
    made.start_proxy()
    made.casefile.manage(
        "shell", "-v", "0", "-c", code=MAKE_PEOPLE % (ROLES, PEOPLE, PASSWORD)
    )
    made.sessions = [
        made.casefile.open_session(f"person-{number}") for number in range(PEOPLE)
    ]
    made.casefile.wait(made.is_well, seconds=180)


def _follow(casefile: Installation, replica: Replica) -> None:
    """Have the replica follow this database, and the web read from it."""
    server = urlsplit(casefile.environment["DATABASE_URL"])
    replica.primary = {
        "USER": unquote(server.username or ""),
        "PASSWORD": unquote(server.password or ""),
        "NAME": server.path.strip("/"),
        "HOST": unquote(server.query.partition("host=")[2]),
    }
    replica.start()
    casefile.environment["REPLICA_DATABASE_URL"] = replica.url()
    assert casefile.web is not None
    casefile.web.stop()
    casefile.start_web()


@dataclass
class Crowd:
    """Fifty people and those who send alerts and evidence, at work."""

    process: Process
    path: Path
    mark: str
    reference: str
    alerts_at_once: int

    @property
    def notes(self) -> list[Note]:
        return read_notes(self.path) if self.path.exists() else []


@contextmanager
def crowd_at_work(site: Topology, reference: str) -> Iterator[Crowd]:
    """Let a crowd work on the site until the block ends, and wait for its answers."""
    site.crowds += 1
    mark = f"crowd{site.crowds}"
    folder = site.casefile.folders.data
    notes, plan_path = folder / f"{mark}.notes", folder / f"{mark}.json"
    case = site.casefile.count(
        "SELECT id FROM incidents_incident WHERE reference = %s", reference
    )
    plan = Plan(
        port=site.proxy_port,
        host=HOST,
        secret=site.casefile.secret,
        sessions=site.sessions,
        pages=[*PAGES, f"/admin/incidents/incident/{case}/change/"],
        reference=reference,
        document=str(ROOT / "tests/data/vectors/plain.json"),
        notes=str(notes),
        mark=mark,
        number=site.crowds,
    )
    plan.write(plan_path)
    command = [sys.executable, "-m", "tests.faults.crowd", str(plan_path)]
    with (folder / "crowd.log").open("ab") as output:
        process = start_process("crowd", command, output=output)
    crowd = Crowd(process, notes, mark, reference, plan.alerts_at_once)
    try:
        yield crowd
    finally:
        process.popen.send_signal(signal.SIGTERM)
        process.popen.wait(400)
    assert process.popen.returncode == 0, (folder / "crowd.log").read_text()[-2000:]
