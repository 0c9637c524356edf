"""A real streaming replica of the server that the tests run beside."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from django.db import connection

from config.launcher import postgres
from config.launcher.binaries import find_postgres
from config.launcher.processes import Process
from config.launcher.users import ServerUser, find_server_user

START_SECONDS = 60.0
COPIES = 3
TOLD = 3_000
"""So many of the last characters of its log are told where it does not come up."""
CONFIGURED = """
# The tests wait for nobody whose reading stands in the way of the replay.
max_standby_streaming_delay = '500ms'
"""


@dataclass
class Replica:
    """A server that replays what the tests' own writes; it can be stopped at will."""

    home: Path
    sockets: Path
    user: ServerUser
    primary: dict[str, Any] = field(default_factory=lambda: connection.settings_dict)
    """Where the server is that it follows: the tests' own, unless named."""
    process: Process | None = None

    def start(self) -> None:
        """Copy the tests' server, and follow it; once more where that does not come up.

        It is copied anew each time: what other tests did to databases meanwhile, and
        to those they were made from, cannot always be replayed from an older place.
        """
        for _ in range(COPIES):
            shutil.rmtree(self.home / "cluster", ignore_errors=True)
            _copy(self.home / "cluster", self.user, self.primary)
            self.process = postgres._start_server(
                find_postgres(), self.home, self.sockets, self.user, durable=False
            )
            if self._comes_up(self.process):
                return
            self.stop()
        told = (self.home / "server.log").read_text(errors="replace")
        raise AssertionError(f"the replica did not come up:\n{told[-TOLD:]}")

    def _comes_up(self, process: Process) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.popen.poll() is None:
            if self._answers():
                return True
            time.sleep(0.05)
        return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()
            self.process = None

    def url(self, name: str = "") -> str:
        """Return the address of a database there: the test's own, unless named."""
        known = self.primary
        secret = f"{quote(known['USER'])}:{quote(known['PASSWORD'])}"
        place = quote(str(self.sockets))
        return f"postgres://{secret}@/{name or known['NAME']}?host={place}"

    def ask(self, statement: str) -> Any:
        with psycopg.connect(self.url(), autocommit=True) as asked:
            return asked.execute(statement).fetchone()[0]  # type: ignore[index]

    def catch_up(self) -> None:
        """Wait until it has all that was committed so far."""
        with psycopg.connect(primary_url(), autocommit=True) as asked:
            # What was committed without waiting is on its way by now.
            found = asked.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
        assert found is not None
        wait_for(
            lambda: self.ask(f"SELECT pg_last_wal_replay_lsn() >= '{found[0]}'::pg_lsn")
        )

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Have it keep its connections, and answer nobody on any."""
        self._send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.go_on()

    def go_on(self) -> None:
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        """Send a signal to the server and each of its sessions."""
        first = (self.home / "cluster/postmaster.pid").read_text().split()[0]
        for pid in (int(first), *children_of(int(first))):
            os.kill(pid, number)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Have it replay nothing, from what was committed so far on."""
        self.catch_up()
        self.ask("SELECT pg_wal_replay_pause()::text")
        wait_for(lambda: self.ask("SELECT pg_get_wal_replay_pause_state()") == "paused")
        try:
            yield
        finally:
            self.ask("SELECT pg_wal_replay_resume()::text")

    def _answers(self) -> bool:
        try:
            return bool(self.ask("SELECT pg_is_in_recovery()"))
        except psycopg.OperationalError:
            return False


def children_of(parent: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            words = path.read_text().rpartition(")")[2].split()
            if int(words[1]) == parent:
                found.append(int(path.parent.name))
    return found


def wait_for(condition: Callable[[], object], seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def primary_url() -> str:
    known = connection.settings_dict
    secret = f"{quote(known['USER'])}:{quote(known['PASSWORD'])}"
    return f"postgres://{secret}@/{known['NAME']}?host={quote(known['HOST'])}"


@contextmanager
def running_replica() -> Iterator[Replica]:
    """Copy the tests' server while it runs, and have the copy follow it."""
    with place_for_replica() as replica:
        replica.start()
        yield replica


@contextmanager
def place_for_replica() -> Iterator[Replica]:
    """Make room for a replica that is yet to be started, and stop it at the end."""
    binaries = find_postgres()
    with tempfile.TemporaryDirectory(prefix="cf-replica-") as name:
        folder = Path(name)
        user = find_server_user(folder, binaries.postgres)
        home, sockets = folder / "postgres", folder / "sockets"
        for made in (home, sockets):
            made.mkdir(mode=0o700)
            user.take(made)
        user.take(folder)
        replica = Replica(home, sockets, user)
        try:
            yield replica
        finally:
            replica.stop()


def _copy(cluster: Path, user: ServerUser, known: dict[str, Any]) -> None:
    program = find_postgres().initdb.with_name("pg_basebackup")
    assert program.is_file(), f"{program} is missing: the tests need it"
    where = psycopg.conninfo.make_conninfo(
        host=known["HOST"], user=known["USER"], password=known["PASSWORD"]
    )
    command = [*user.wrapper, str(program), "-D", str(cluster), "-d", where]
    command += ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
    become: dict[str, Any] = (
        {} if user.uid < 0 else {"user": user.uid, "group": user.uid}
    )
    subprocess.run(
        command,
        check=True,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        **become,
    )
    with (cluster / "postgresql.auto.conf").open("a") as settings:
        settings.write(CONFIGURED)
