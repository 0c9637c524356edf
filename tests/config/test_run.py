"""`make run` as a whole: it comes up, keeps its data, and goes without a trace."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from config.launcher.output import is_shown
from tests.config.launching import (
    ROOT,
    find_family,
    find_free_port,
    kill,
    launch,
    make_environment,
    run_launcher,
    survivors,
    wait_for_output,
    wait_until,
)

pytestmark = pytest.mark.live

READY = "Casefile runs on"


class LocalRun:
    """One `make run` in a state folder of its own."""

    def __init__(self, state: Path, number: int) -> None:
        self.port = find_free_port()
        self.output = state.with_name(f"output-{number}")
        self.output.touch()
        self.process = launch(
            "run", output=self.output, CASEFILE_STATE=str(state), PORT=str(self.port)
        )
        wait_for_output(self.process, self.output, READY, seconds=180)

    def get(self, path: str) -> tuple[int, str]:
        try:
            url = f"http://127.0.0.1:{self.port}{path}"
            with urllib.request.urlopen(url, timeout=20) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def is_ready(self) -> bool:
        status, body = self.get("/readyz")
        return status == 200 and json.loads(body)["status"] in {"ok", "warning"}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run") / "state"


@pytest.fixture(scope="module")
def first_run(state: Path) -> Iterator[LocalRun]:
    run = LocalRun(state, 1)
    yield run
    if run.process.poll() is None:
        run.process.terminate()
        run.process.wait(60)


def test_first_run_comes_up_and_prints_passwords(first_run: LocalRun) -> None:
    told = first_run.output.read_text()
    for role in ("responder", "reviewer", "auditor", "administrator"):
        assert re.search(rf"\b{role}\b", told)
    assert f"http://127.0.0.1:{first_run.port}/" in told
    assert first_run.get("/admin/login/")[0] == 200
    wait_until(first_run.is_ready)


def test_accounts_are_the_last_thing_on_screen(first_run: LocalRun) -> None:
    wait_until(first_run.is_ready)
    told = first_run.output.read_text()
    assert told.index("Casefile runs on") > told.index("starting web, workers and beat")
    last = told[told.index("Casefile runs on") :]
    assert "Sign in as one of these" in last
    assert 'make manage ARGS="changepassword NAME"' in last
    # What follows are warnings and errors at most, such as of a worker that is late.
    assert "[info" not in told
    first_line = last.partition("| ")[2].partition("\n")[0]
    assert not first_line or is_shown(first_line, before=False)


def test_logs_go_to_a_file(first_run: LocalRun, state: Path) -> None:
    log = state / "logs" / "casefile.log"
    assert str(log) in first_run.output.read_text()
    wait_until(first_run.is_ready)
    wait_until(
        lambda: (
            {"web", "workers"}
            <= {line.split("|")[0].strip() for line in log.read_text().splitlines()}
        )
    )


LOGGED = "import structlog; structlog.get_logger('evidence').info('a line of the app')"


def manage(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run_launcher("manage", *words, CASEFILE_STATE=str(state))


def test_command_beside_the_run_uses_its_servers(
    first_run: LocalRun, state: Path
) -> None:
    told = manage(state, "shell", "-v", "0", "-c", SERVED)
    assert told.returncode == 0, told.stderr
    user, secret, evidence, queue = told.stdout.split()
    assert user == "casefile_app", "a command must not change history either"
    assert secret == (state / "secret-key").read_text()[:8]
    assert evidence == str(state / "evidence")
    assert queue.endswith("valkey.sock")
    checked = manage(state, "verify_audit")
    assert checked.returncode == 0
    # Its answer and nothing else: no log line of the app stands between.
    assert checked.stderr == ""
    logs = manage(state, "shell", "-v", "0", "-c", LOGGED)
    assert (logs.stdout, logs.stderr) == ("", "")
    made = manage(state, "create_token", "responder", "--scope", "read")
    assert made.stdout.startswith("cf_")


def test_new_password_is_set_as_the_screen_says(
    first_run: LocalRun, state: Path, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    output = tmp_path / "output"
    with output.open("wb") as stream:
        asked = subprocess.Popen(
            [
                *(sys.executable, "-m", "config.launcher"),
                *("manage", "changepassword", "responder"),
            ],
            cwd=ROOT,
            env=make_environment(CASEFILE_STATE=str(state)),
            stdin=theirs,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    for prompt in ("Password: ", "Password (again): "):
        wait_for_output(asked, output, prompt)
        os.write(ours, b"a quiet and rather long sentence\n")
    assert asked.wait(60) == 0
    assert "Password changed successfully" in output.read_text()
    os.close(ours)
    os.close(theirs)


def test_owners_commands_beside_the_run_work_as_the_owner(
    first_run: LocalRun, state: Path
) -> None:
    told = manage(state, "grant_app_role", "casefile_app")
    assert told.returncode == 0, told.stderr
    assert manage(state, "verify_audit").returncode == 0


def test_command_for_another_database_than_the_runs_is_refused(
    first_run: LocalRun, state: Path
) -> None:
    told = run_launcher(
        *("manage", "verify_audit"),
        CASEFILE_STATE=str(state),
        DATABASE_URL="postgres://elsewhere.invalid/x",
    )
    assert told.returncode == 1
    assert "DATABASE_URL names another server" in told.stderr


def test_environment_for_commands_is_private_and_tells_no_part_of_the_owner(
    first_run: LocalRun, state: Path
) -> None:
    path = state / "environment.json"
    assert path.stat().st_mode & 0o777 == 0o600
    for member in find_family(first_run.process):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            assert not any("casefile_owner" in v for v in member.environ().values())


def test_static_files_are_served_without_being_collected(first_run: LocalRun) -> None:
    assert first_run.get("/static/casefile/favicon.svg")[0] == 200
    assert first_run.get("/static/unfold/css/styles.css")[0] == 200


def test_every_part_is_ready_and_counted(first_run: LocalRun) -> None:
    wait_until(first_run.is_ready)

    def read_parts() -> dict[str, Any]:
        parts: dict[str, Any] = json.loads(first_run.get("/readyz")[1])["parts"]
        return parts

    # What was not checked yet is not ok; the first checks begin by themselves.
    for name in ("history", "records"):
        wait_until(lambda name=name: read_parts()[name]["status"] == "ok", seconds=120)
    parts = read_parts()
    # Without a mail server nobody on call can be told of anything, and it says so.
    assert parts.pop("on_call")["status"] == "warning"
    # Nor does anybody outside hold a copy of the history log: none is configured.
    assert parts.pop("log_copies")["status"] == "warning"
    assert {part["status"] for part in parts.values()} == {"ok"}
    assert "django_http_requests" in first_run.get("/metrics")[1]


def sockets_of(member: psutil.Process) -> Sequence[Any]:
    """Return a process's sockets; none of one that ended since it was listed."""
    try:
        return member.net_connections(kind="inet")
    except (psutil.NoSuchProcess, FileNotFoundError):
        return ()


def test_only_the_web_port_of_this_machine_is_open(first_run: LocalRun) -> None:
    listening = {
        (socket.laddr.ip, socket.laddr.port)
        for member in find_family(first_run.process)
        for socket in sockets_of(member)
        if socket.status == psutil.CONN_LISTEN
    }
    assert listening == {("127.0.0.1", first_run.port)}


def test_running_parts_cannot_change_history(first_run: LocalRun, state: Path) -> None:
    password = (state / "app-role-password").read_text()
    with psycopg.connect(
        host=str(find_sockets(first_run)),
        user="casefile_app",
        password=password,
        dbname="casefile",
        autocommit=True,
    ) as database:
        for statement in (
            "DELETE FROM evidence_auditentry",
            "UPDATE evidence_auditentry SET action = 'x'",
            "TRUNCATE evidence_auditentry",
            "ALTER TABLE evidence_auditentry DISABLE TRIGGER ALL",
            "SET session_replication_role = replica",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                database.execute(statement)


def find_sockets(run: LocalRun) -> Path:
    """Find the folder of PostgreSQL's socket in its command line."""
    for member in find_family(run.process):
        if member.name() == "postgres":
            for word in member.cmdline():
                name, _, folder = word.partition("=")
                if name == "unix_socket_directories":
                    return Path(folder)
    raise AssertionError("no PostgreSQL runs")


def test_second_run_in_the_folder_is_refused(first_run: LocalRun, state: Path) -> None:
    port = str(find_free_port())
    told = run_launcher("run", CASEFILE_STATE=str(state), PORT=port)
    assert told.returncode == 1
    assert "already runs" in told.stderr


def count_named(process: subprocess.Popen[bytes], name: str) -> int:
    """Return how many of a process's family have the name in their command line."""
    count = 0
    for member in find_family(process):
        with suppress(psutil.NoSuchProcess):
            count += name in " ".join(member.cmdline())
    return count


def find_workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the keeper of the workers and what it has started."""
    found = []
    for member in find_family(process):
        with suppress(psutil.NoSuchProcess):
            if "config.workers" in " ".join(member.cmdline()):
                found.append(member)
    return sorted(found, key=lambda member: member.create_time())


def suspend_a_pool(process: subprocess.Popen[bytes]) -> None:
    """Let the pool of a worker hear nothing: the worker would wait for it for ever.

    It is a pool that has long come up: one that starts would only start later.
    """

    def find_pool() -> list[psutil.Process]:
        grown = time.time() - 10
        for worker in find_workers(process)[0].children():
            pool = worker.children()
            if pool and all(member.create_time() < grown for member in pool):
                return pool
        return []

    wait_until(find_pool)
    for member in find_pool():
        member.suspend()


def test_worker_that_is_killed_comes_back_by_itself(first_run: LocalRun) -> None:
    wait_until(first_run.is_ready)
    keeper = find_workers(first_run.process)[0]
    killed = keeper.children()
    for worker in killed:
        worker.kill()
    wait_until(lambda: len(set(keeper.children()) - set(killed)) == len(killed))
    wait_until(first_run.is_ready)
    assert keeper.is_running()


def test_keeper_of_the_workers_that_is_killed_comes_back_and_pages_work(
    first_run: LocalRun,
) -> None:
    wait_until(first_run.is_ready)
    keeper = find_workers(first_run.process)[0]
    keeper.kill()
    assert first_run.get("/admin/login/")[0] == 200
    wait_until(lambda: find_workers(first_run.process)[:1] not in ([], [keeper]))
    wait_until(first_run.is_ready)
    assert first_run.process.poll() is None


def test_kill_9_leaves_nothing_and_the_next_run_keeps_the_data(
    first_run: LocalRun, state: Path
) -> None:
    # gunicorn's master and worker; the keeper, four workers, their pools, and beat. A
    # pool process is missing for a moment while another takes its place.
    wait_until(lambda: count_named(first_run.process, "gunicorn") == 2)
    wait_until(lambda: count_named(first_run.process, "config.workers") >= 11)
    family = find_family(first_run.process)
    suspend_a_pool(first_run.process)
    kill(first_run.process)
    assert survivors(family, seconds=30) == []

    second = LocalRun(state, 2)
    family = find_family(second.process)
    told = second.output.read_text()
    assert "shown only now" not in told, "demo users were made twice"
    assert "responder, reviewer, auditor, administrator" in told
    assert 'ARGS="changepassword NAME"' in told
    second.process.send_signal(signal.SIGINT)
    assert second.process.wait(60) == 0
    assert survivors(family) == []
    users = run_launcher("manage", "shell", "-c", COUNT, CASEFILE_STATE=str(state))
    opened = first_run.output.read_text().count("Opened SEC-INC-")
    assert opened > 0
    assert users.stdout.split()[-2:] == ["1", str(opened)], users


SERVED = (
    "from django.conf import settings\n"
    "from django.db import connection\n"
    "print(connection.settings_dict['USER'], settings.SECRET_KEY[:8],"
    " settings.EVIDENCE_ROOT, settings.REDIS_URL)"
)
COUNT = (
    "from django.contrib.auth.models import User\n"
    "from incidents.models import Incident\n"
    "print(User.objects.filter(username__contains='responder').count(),"
    " Incident.objects.count())"
)
