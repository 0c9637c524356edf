"""A whole installation of its own to break: database, queue, web, workers and beat."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from config.launcher.folders import ROOT, ServerFolders, fresh_folder
from config.launcher.postgres import start_postgres
from config.launcher.processes import Process, start_process
from config.launcher.seeds import seed_database
from config.launcher.valkey import start_valkey
from tests.backend.template import name_template
from tests.config.launching import find_free_port
from tests.incidents.notifications.sinks import Sink, run_mail_sink

SIGN_IN_AT_REST_SECONDS = 0.5
FORM = "application/x-www-form-urlencoded"
PASSWORD = "a long and quiet sentence"
SETUP = """
import json
from django.contrib.auth.models import Group, User
from evidence.accounts.tokens import create_token
people = {}
for role in ("responder", "reviewer", "administrator", "machine"):
    user = User.objects.create_user(role, f"{role}@example.org", "%s", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    people[role] = user
machine = people["machine"]
scopes = ["alerts:write", "evidence:write"]
_, secret = create_token(
    user=machine, name="faults", scopes=scopes, days=1, actor=None
)
print("SECRET", secret)
"""

OPEN_CASES = """
import datetime as dt
from django.contrib.auth.models import User
from django.utils import timezone
from tests.factories import make_incident
title, seconds, count = %r, %r, %r
opened_at = timezone.now() - dt.timedelta(seconds=seconds)
for _ in range(count):
    case = make_incident(
        title=title, detected_at=opened_at, now=opened_at,
        lead=User.objects.get(username="responder"),
    )
    print("CASE", case.reference)
"""


@dataclass
class Answer:
    status: int
    body: bytes
    seconds: float
    headers: dict[str, str]
    cookies: dict[str, str]

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Installation:
    """The parts, each of which can be stopped, killed, emptied and started again."""

    folders: ServerFolders
    environment: dict[str, str]
    port: int
    postgres: Process
    valkey: Process
    mail: Sink
    code: Path = ROOT
    secret: str = ""
    usual_sign_in: float = 0.0
    web: Process | None = None
    workers: Process | None = None
    extra: list[Process] = field(default_factory=list)

    # --- parts --------------------------------------------------------------------

    def start_web(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py"]
        self.web = self._start("web", command)
        self.wait(lambda: self.get("/healthz").status == 200, seconds=120)

    def start_workers(self, *names: str) -> None:
        command = [sys.executable, "-m", "config.workers", *names]
        self.workers = self._start("workers", command)

    def start_second_beat(self) -> None:
        """Start one more beat, as a second machine would that has the same orders."""
        command = [sys.executable, "-m", "config.workers", "beat"]
        own = {"BEAT_SCHEDULE_FILE": str(self.folders.data / "beat-schedule-2")}
        self.extra.append(self._start("beat-2", command, **own))

    def kill_workers(self) -> None:
        """End every worker at once, as a power cut would."""
        if self.workers is not None:
            os.killpg(self.workers.popen.pid, signal.SIGKILL)
            self.workers.popen.wait()
            self.workers = None

    def restart_postgres(self) -> None:
        self.postgres.stop()
        self.start_postgres()

    def start_postgres(self) -> None:
        self.postgres, _ = start_postgres(self.folders, durable=True)

    def stop_valkey(self) -> None:
        """Kill the queue's server."""
        self.valkey.popen.kill()
        self.valkey.popen.wait()

    def restart_valkey(self) -> None:
        """Kill the queue's server, lose what it held, and bring an empty one."""
        self.stop_valkey()
        for path in (self.folders.data / "valkey").rglob("*"):
            if path.is_file() and path.suffix != ".log":
                path.unlink()
        self.valkey, _ = start_valkey(self.folders, durable=True)

    def _start(self, name: str, command: list[str], **variables: str) -> Process:
        environment = self.environment | variables
        with (self.folders.data / f"{name}.log").open("ab") as output:
            words = ["env", "-C", str(self.code), *command]
            return start_process(name, words, environment=environment, output=output)

    # --- how quick the machine is ---------------------------------------------------

    def note_pace(self) -> None:
        """Note what signing in takes now, before anything is broken."""
        self.usual_sign_in = statistics.median(self.sign_in("reviewer") for _ in "123")

    @property
    def slowness(self) -> float:
        """How many times slower than at rest this machine was before the fault.

        Other work on it is no fault of Casefile's: what is waited for and promised in
        seconds is counted in its time.
        """
        return max(1.0, self.usual_sign_in / SIGN_IN_AT_REST_SECONDS)

    # --- asking -------------------------------------------------------------------

    def get(
        self, path: str, headers: dict[str, str] | None = None, *, timeout: float = 60
    ) -> Answer:
        return self.request("GET", path, b"", headers, timeout=timeout)

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        timeout: float = 60,
    ) -> Answer:
        started = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            data = response.read()
            seconds = time.monotonic() - started
            told = {name.lower(): value for name, value in response.getheaders()}
            set_cookies = response.headers.get_all("Set-Cookie") or ()
            pairs = (one.partition(";")[0].partition("=") for one in set_cookies)
            cookies = {name: value for name, _, value in pairs}
            return Answer(response.status, data, seconds, told, cookies)
        except (OSError, http.client.HTTPException) as error:
            said = f"{type(error).__name__}: {error}".encode()
            return Answer(0, said, time.monotonic() - started, {}, {})
        finally:
            connection.close()

    def upload(self, reference: str, data: bytes, name: str) -> Answer:
        headers = {
            "Authorization": f"Bearer {self.secret}",
            "Content-Type": "application/octet-stream",
        }
        path = f"/api/v1/evidence/{name}?incident={reference}"
        return self.request("PUT", path, data, headers)

    def sign_in(self, person: str) -> float:
        """Sign in as a browser does; return the seconds that it took."""
        started = time.monotonic()
        self.open_session(person)
        return time.monotonic() - started

    def open_session(self, person: str) -> dict[str, str]:
        """Sign in as a browser does; return the headers of who is signed in."""
        form = self.get("/admin/login/")
        assert form.status == 200, (form.status, form.body[:500])
        hidden = re.findall(rb'csrfmiddlewaretoken" value="([^"]+)"', form.body)
        fields = {
            "username": person,
            "password": PASSWORD,
            "csrfmiddlewaretoken": hidden[0].decode(),
            "next": "/admin/",
        }
        answer = self.request(
            "POST",
            "/admin/login/",
            urlencode(fields).encode(),
            {"Content-Type": FORM, **_cookie(form.cookies)},
        )
        assert answer.status == 302, (answer.status, answer.body[:500])
        return _cookie(answer.cookies)

    def query(self, query: str, *values: object) -> list[Any]:
        with psycopg.connect(self.environment["DATABASE_URL"]) as database:
            return database.execute(query, values).fetchall()

    def count(self, query: str, *values: object) -> int:
        return int(self.query(query, *values)[0][0])

    def wait(self, condition: Callable[[], object], *, seconds: float) -> float:
        """Return after how many seconds the condition held; fail with the logs.

        A slow machine gets as much longer.
        """
        started = time.monotonic()
        seconds *= self.slowness
        while not _holds(condition):
            if time.monotonic() - started > seconds:
                raise AssertionError(f"not within {seconds} s; {self.logs()}")
            time.sleep(0.2)
        return time.monotonic() - started

    def wait_for_parts(self, *names: str, status: str) -> Answer:
        """Wait until /readyz says this of these parts; return what it answered."""
        answers: list[Answer] = []

        def says_so() -> bool:
            answers.append(self.get("/readyz"))
            parts = answers[-1].json()["parts"]
            return all(parts[name]["status"] == status for name in names)

        self.wait(says_so, seconds=60)
        return answers[-1]

    def logs(self) -> str:
        names = ("web", "workers")
        paths = [self.folders.data / f"{name}.log" for name in names]
        return "\n".join(path.read_text()[-3000:] for path in paths if path.exists())

    def manage(self, *words: str, code: str = "") -> str:
        command = [sys.executable, "manage.py", *words, *([code] if code else [])]
        done = subprocess.run(
            command, cwd=self.code, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def open_case(self, title: str = "A case to break things over") -> str:
        """Open a case and return its reference."""
        return self.open_cases(1, title=title)[0]

    def open_cases(
        self, count: int, *, title: str, opened_seconds_ago: float = 0
    ) -> list[str]:
        """Open cases whose clocks began so long ago; return their references."""
        code = OPEN_CASES % (title, opened_seconds_ago, count)
        told = self.manage("shell", "-v", "0", "-c", code=code)
        return re.findall(r"CASE (\S+)", told)


def _cookie(cookies: dict[str, str]) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}


def _holds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except (psycopg.Error, OSError):
        return False


@contextmanager
def running_installation(
    *, code: Path = ROOT, **variables: str
) -> Iterator[Installation]:
    """Make an installation of this code or another, and remove it at the end."""
    with fresh_folder() as folders, run_mail_sink() as mail:
        is_migrated = code == ROOT and seed_database(folders)
        postgres, database_url = start_postgres(folders, durable=True)
        if is_migrated:
            _fill_from_template(database_url)
        valkey, redis_url = start_valkey(folders, durable=True)
        port = find_free_port()
        environment = _environment(folders, database_url, redis_url, port)
        environment["EMAIL_URL"] = f"smtp://127.0.0.1:{mail.port}"
        environment |= variables
        made = Installation(folders, environment, port, postgres, valkey, mail, code)
        try:
            if not is_migrated:
                made.manage("migrate", "--verbosity", "0")
            made.manage("load_playbooks")
            told = made.manage("shell", "-v", "0", "-c", code=SETUP % PASSWORD)
            made.secret = told.split("SECRET ")[1].split()[0]
            made.start_web()
            made.note_pace()
            yield made
        finally:
            parts = (made.web, made.workers, *made.extra, made.valkey, made.postgres)
            for part in parts:
                if part is not None:
                    part.popen.send_signal(signal.SIGCONT)
                    part.stop()


def _fill_from_template(database_url: str) -> None:
    """Make the database anew from the migrated one that `make test` keeps."""
    server = urlsplit(database_url)
    name = sql.Identifier(server.path.strip("/"))
    template = sql.Identifier(name_template())
    admin = urlunsplit(server._replace(path="/postgres"))
    with psycopg.connect(admin, autocommit=True) as database:
        database.execute(sql.SQL("DROP DATABASE {}").format(name))
        database.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, template)
        )


def _environment(
    folders: ServerFolders, database_url: str, redis_url: str, port: int
) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DATABASE_", "DJANGO_", "CASEFILE_", "PYTEST_"))
    }
    (folders.data / "mail").mkdir()
    return {
        **kept,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": "only-for-faults-0123456789-abcdefghijklmnopqrstuvwx",
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "EVIDENCE_ROOT": str(folders.data / "evidence"),
        "UPLOAD_TEMP_DIR": str(folders.data),
        "CASEFILE_BASE_URL": f"http://127.0.0.1:{port}",
        "HTTPS": "false",
        "STATIC_MANIFEST": "false",
        "LOG_FORMAT": "console",
        "LOG_LEVEL": "WARNING",
        "GUNICORN_BIND": f"127.0.0.1:{port}",
        "WEB_CONCURRENCY": "2",
        "WEB_THREADS": "8",
        "BEAT_SCHEDULE_FILE": str(folders.data / "beat-schedule"),
        "API_EVIDENCE_RATE": "100000",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
    }


def vector(name: str = "plain") -> bytes:
    return (Path(ROOT) / "tests/data/vectors" / f"{name}.json").read_bytes()
