"""A whole installation of its own to break: database, queue, web, workers and beat."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg

from config.launcher.folders import ROOT, ServerFolders, fresh_folder
from config.launcher.postgres import start_postgres
from config.launcher.processes import Process, start_process
from config.launcher.valkey import start_valkey
from tests.config.launching import find_free_port

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
_, secret = create_token(
    user=machine, name="faults", scopes=["evidence:write"], days=1, actor=None
)
print("SECRET", secret)
"""


@dataclass
class Answer:
    status: int
    body: bytes
    seconds: float
    headers: dict[str, str]

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
    secret: str = ""
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

    def kill_workers(self) -> None:
        """End every worker at once, as a power cut would."""
        if self.workers is not None:
            os.killpg(self.workers.popen.pid, signal.SIGKILL)
            self.workers.popen.wait()
            self.workers = None

    def restart_postgres(self) -> None:
        self.postgres.stop()
        self.postgres, _ = start_postgres(self.folders, durable=True)

    def restart_valkey(self) -> None:
        """Kill the queue's server, lose what it held, and bring an empty one."""
        self.valkey.popen.kill()
        self.valkey.popen.wait()
        for path in (self.folders.data / "valkey").rglob("*"):
            if path.is_file() and path.suffix != ".log":
                path.unlink()
        self.valkey, _ = start_valkey(self.folders, durable=True)

    def _start(self, name: str, command: list[str]) -> Process:
        with (self.folders.data / f"{name}.log").open("ab") as output:
            return start_process(
                name, command, environment=self.environment, output=output
            )

    # --- asking -------------------------------------------------------------------

    def get(self, path: str, *, timeout: float = 60) -> Answer:
        return self.request("GET", path, timeout=timeout)

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
            told = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, data, time.monotonic() - started, told)
        except OSError as error:
            return Answer(0, str(error).encode(), time.monotonic() - started, {})
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
        form = self.get("/admin/login/")
        cookies = re.findall(r"csrftoken=([^;]+)", form.headers.get("set-cookie", ""))
        field_ = re.findall(rb'csrfmiddlewaretoken" value="([^"]+)"', form.body)
        assert form.status == 200, form.body
        fields = {
            "username": person,
            "password": PASSWORD,
            "csrfmiddlewaretoken": field_[0].decode(),
            "next": "/admin/",
        }
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": f"csrftoken={cookies[0]}",
            "Referer": f"http://127.0.0.1:{self.port}/admin/login/",
        }
        answer = self.request(
            "POST", "/admin/login/", urlencode(fields).encode(), headers
        )
        assert answer.status == 302, (answer.status, answer.body[:500])
        return time.monotonic() - started

    def query(self, sql: str, *values: object) -> list[Any]:
        with psycopg.connect(self.environment["DATABASE_URL"]) as database:
            return database.execute(sql, values).fetchall()

    def count(self, sql: str, *values: object) -> int:
        return int(self.query(sql, *values)[0][0])

    def wait(self, condition: Callable[[], object], *, seconds: float) -> float:
        """Return after how many seconds the condition held; fail with the logs."""
        started = time.monotonic()
        while not _holds(condition):
            if time.monotonic() - started > seconds:
                raise AssertionError(f"not within {seconds} s; {self.logs()}")
            time.sleep(0.2)
        return time.monotonic() - started

    def logs(self) -> str:
        names = ("web", "workers")
        paths = [self.folders.data / f"{name}.log" for name in names]
        return "\n".join(path.read_text()[-3000:] for path in paths if path.exists())

    def manage(self, *words: str, code: str = "") -> str:
        command = [sys.executable, "manage.py", *words, *([code] if code else [])]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def open_case(self, title: str = "A case to break things over") -> str:
        """Open a case and return its reference."""
        code = (
            "from tests.factories import make_incident, make_playbooks\n"
            "from django.contrib.auth.models import User\n"
            "from django.utils import timezone\n"
            "now = timezone.now()\n"
            f"case = make_incident(title={title!r}, detected_at=now, now=now)\n"
            "print('CASE', case.reference)"
        )
        told = self.manage("shell", "-v", "0", "-c", code=code)
        return told.split("CASE ")[1].split()[0]


def _holds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except (psycopg.Error, OSError):
        return False


@contextmanager
def running_installation(**variables: str) -> Iterator[Installation]:
    """Make an installation, and remove it at the end."""
    with fresh_folder() as folders:
        postgres, database_url = start_postgres(folders, durable=True)
        valkey, redis_url = start_valkey(folders, durable=True)
        port = find_free_port()
        environment = _environment(folders, database_url, redis_url, port)
        environment |= variables
        made = Installation(folders, environment, port, postgres, valkey)
        try:
            for words in (("migrate", "--verbosity", "0"), ("load_playbooks",)):
                made.manage(*words)
            told = made.manage("shell", "-v", "0", "-c", code=SETUP % PASSWORD)
            made.secret = told.split("SECRET ")[1].split()[0]
            made.start_web()
            yield made
        finally:
            parts = (made.web, made.workers, *made.extra, made.valkey, made.postgres)
            for part in parts:
                if part is not None:
                    part.popen.send_signal(signal.SIGCONT)
                    part.stop()


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
        "EMAIL_URL": "consolemail://",
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
