"""`make run`: all of Casefile on this machine, for one person to try and work on."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

from config.launcher.errors import LaunchError
from config.launcher.folders import ROOT, ServerFolders, state_folder
from config.launcher.processes import Process, start_process
from config.launcher.roles import APP_ROLE, make_app_role
from config.launcher.secret_files import read_or_make_secret
from config.launcher.servers import running_servers

HOST = "127.0.0.1"
DEFAULT_PORT = 8000
READY_SECONDS = 90.0
POLL_SECONDS = 0.2
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_local() -> int:
    """Run until Ctrl-C. Return 0 then, and 1 when a part of it ended by itself."""
    port = _read_port()
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)
    try:
        with _prepared_state(port) as (folders, environment):
            told = _create_demo(environment)
            with _running_parts(environment, folders) as parts:
                return _stay(parts, port, told)
    except KeyboardInterrupt:
        return 0


def run_command(arguments: Sequence[str]) -> int:
    """Run a management command on the local run's data, while `make run` is stopped."""
    with _prepared_state(_read_port()) as (_, environment):
        return _manage(environment, *arguments)


@contextlib.contextmanager
def _prepared_state(port: int) -> Iterator[tuple[ServerFolders, dict[str, str]]]:
    """Hold the state folder, start the servers, and bring the database up to date."""
    with state_folder() as folders:
        _require_free(port)
        with running_servers(folders, durable=True) as servers:
            environment = _make_environment(folders, servers, port)
            if os.environ.get("DATABASE_URL"):
                _prepare_database(environment)
            else:
                app_url = make_app_role(folders, servers["DATABASE_URL"])
                _prepare_database(environment, APP_ROLE)
                environment["DATABASE_URL"] = app_url
            yield folders, environment


def _make_environment(
    folders: ServerFolders, servers: Mapping[str, str], port: int
) -> dict[str, str]:
    """Return the environment of every part; what the caller's own says, stands."""
    metrics = folders.data / "metrics"
    shutil.rmtree(metrics, ignore_errors=True)  # counts start with the processes
    metrics.mkdir(mode=0o700)
    defaults = {
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "SECRET_KEY": read_or_make_secret(folders.data / "secret-key"),
        "ALLOWED_HOSTS": f"{HOST},localhost",
        "EVIDENCE_ROOT": str(folders.data / "evidence"),
        "CASEFILE_BASE_URL": f"http://{HOST}:{port}",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "HTTPS": "false",
        "STATIC_MANIFEST": "false",
        "LOG_FORMAT": "console",
        "GUNICORN_BIND": f"{HOST}:{port}",
        "WEB_CONCURRENCY": "1",
        "METRICS_ALLOWED": HOST,
        "PYTHONUNBUFFERED": "1",
        # As root in a container, the worker would warn about it at every start.
        "PYTHONWARNINGS": "ignore:You're running the worker with superuser",
    }
    return {**defaults, **os.environ, **servers}


def _prepare_database(environment: Mapping[str, str], *roles: str) -> None:
    command = [sys.executable, "-m", "config.launcher.prepare", *roles]
    quiet = {**environment, "LOG_LEVEL": "WARNING"}
    if subprocess.run(command, cwd=ROOT, env=quiet).returncode:
        raise LaunchError(
            "The database could not be brought up to date (see above). If the data is "
            "of a newer version of Casefile, use that one, or set CASEFILE_STATE to a "
            "new folder to start anew beside it."
        )


def _create_demo(environment: Mapping[str, str]) -> str:
    """Make people and cases to try with, on a first run; return what it tells."""
    done = subprocess.run(
        [sys.executable, "manage.py", "create_demo"],
        cwd=ROOT,
        env={**environment, "LOG_LEVEL": "WARNING"},
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise LaunchError(f"`manage.py create_demo` failed (see above).\n{done.stdout}")
    return done.stdout


def _manage(environment: Mapping[str, str], *words: str) -> int:
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(command, cwd=ROOT, env=dict(environment)).returncode


@contextlib.contextmanager
def _running_parts(
    environment: Mapping[str, str], folders: ServerFolders
) -> Iterator[list[Process]]:
    """Run worker, beat and web; stop them in the opposite order.

    Requests end first, so that nothing new is queued; the worker ends its tasks last.
    """
    celery = [sys.executable, "-m", "celery", "-A", "config", "--quiet"]
    schedule = folders.data / "beat-schedule"
    commands: dict[str, list[str]] = {
        "worker": [*celery, "worker", "--concurrency", "2", "--loglevel", "INFO"],
        "beat": [
            *celery,
            "beat",
            "--loglevel",
            "INFO",
            "--schedule",
            str(schedule),
            "--pidfile=",
        ],
        "web": [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py"],
    }
    parts: list[Process] = []
    try:
        for name, command in commands.items():
            part = start_process(
                name, command, environment=environment, output=subprocess.PIPE
            )
            parts.append(part)
        yield parts
    finally:
        for part in reversed(parts):
            part.stop()


def _stay(parts: Sequence[Process], port: int, told: str) -> int:
    try:
        _wait_for_web(parts, port)
    finally:
        # Passwords are told once, and below the lines of the start they are found.
        print(f"\n{told}\nCasefile runs on http://{HOST}:{port}/  (Ctrl-C stops it)\n")
        sys.stdout.flush()
    while not (ended := _find_ended(parts)):
        time.sleep(POLL_SECONDS)
    print(
        f"casefile: {ended.name} ended with code {ended.popen.returncode} (see above); "
        "stopping the rest",
        file=sys.stderr,
    )
    return 1


def _wait_for_web(parts: Sequence[Process], port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _answers(port):
        if _find_ended(parts) or time.monotonic() > deadline:
            return  # _stay tells which part it was, or goes on waiting in the open
        time.sleep(POLL_SECONDS)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _find_ended(parts: Sequence[Process]) -> Process | None:
    return next((part for part in parts if part.popen.poll() is not None), None)


def _read_port() -> int:
    value = os.environ.get("PORT") or str(DEFAULT_PORT)
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 65536:
        raise LaunchError(f"PORT must be a number from 1 to 65535, got {value!r}.")
    return int(value)


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        # As the web server does: an address in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            other = port + 1 if port < 65535 else DEFAULT_PORT
            raise LaunchError(
                f"Port {port} of {HOST} cannot be used ({error.strerror}). Choose "
                f"another one: make run PORT={other}"
            ) from error


def _stop(number: int, frame: object) -> None:
    """Stop once: a second Ctrl-C must not break off the orderly end."""
    for stop_signal in STOP_SIGNALS:
        signal.signal(stop_signal, signal.SIG_IGN)
    print("\ncasefile: stopping", flush=True)
    raise KeyboardInterrupt
