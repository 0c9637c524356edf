"""The local run's state: its folder held, its servers on, its database up to date."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from config.launcher.beside import published
from config.launcher.errors import LaunchError
from config.launcher.folders import ROOT, ServerFolders, state_folder
from config.launcher.roles import APP_ROLE, make_app_role
from config.launcher.secret_files import read_or_make_secret
from config.launcher.servers import running_servers
from config.launcher.source_hash import hash_code

HOST = "127.0.0.1"
DEFAULT_PORT = 8000
PREPARED = "prepared"


@dataclass(frozen=True)
class State:
    """A folder that is held, and how to work on it.

    `environment` is for the parts and names the database as the application's role;
    `owner_url` is the same database as the tables' owner, which no part is told.
    """

    folders: ServerFolders
    environment: dict[str, str]
    owner_url: str


@contextlib.contextmanager
def prepared_state(
    port: int, *, with_queue: bool = True, only_if_needed: bool = False
) -> Iterator[State]:
    """Hold the state folder, start the servers, and bring the database up to date.

    With `only_if_needed` a database stays as it is that this very code has prepared.
    Raise FolderHeld where somebody else holds the folder.
    """
    with (
        state_folder() as folders,
        running_servers(folders, durable=True, with_queue=with_queue) as servers,
    ):
        environment = _make_environment(folders, servers, port)
        owner_url = servers["DATABASE_URL"]
        if os.environ.get("DATABASE_URL"):
            # Who made that server gives roles there; the page System tells.
            environment.setdefault("DATABASE_READ_ROLE", "none")
            _prepare_database(environment)
        else:
            environment["DATABASE_URL"] = make_app_role(folders, owner_url)
            _prepare_own_database(
                folders,
                {**environment, "DATABASE_URL": owner_url},
                only_if_needed=only_if_needed,
            )
        with published(folders, environment, owner_url):
            yield State(folders, environment, owner_url)


def find_port() -> int:
    """Return the port that PORT asks for. Raise LaunchError for none."""
    value = os.environ.get("PORT") or str(DEFAULT_PORT)
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 65536:
        raise LaunchError(f"PORT must be a number from 1 to 65535, got {value!r}.")
    return int(value)


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
        # Practice: nobody is asked for a password again or a factor, unless set.
        "PRESENCE_MINUTES": "0",
        "SECOND_FACTOR_ROLES": "",
        "STATIC_MANIFEST": "false",
        "LOG_FORMAT": "console",
        "GUNICORN_BIND": f"{HOST}:{port}",
        "WEB_CONCURRENCY": "1",
        "WORKER_FOLLOWUPS": "1",
        "WORKER_DELIVERY": "1",
        "METRICS_ALLOWED": HOST,
        "PYTHONUNBUFFERED": "1",
        # As root in a container, the worker would warn about it at every start.
        "PYTHONWARNINGS": "ignore:You're running the worker with superuser",
    }
    return {**defaults, **os.environ, **servers}


def _prepare_own_database(
    folders: ServerFolders, environment: Mapping[str, str], *, only_if_needed: bool
) -> None:
    """Prepare the folder's own database, and note which code it was that did."""
    note = folders.data / PREPARED
    code = hash_code()
    if only_if_needed and note.exists() and note.read_text() == code:
        return
    note.unlink(missing_ok=True)
    print("casefile: bringing the database up to date", file=sys.stderr, flush=True)
    _prepare_database(environment, APP_ROLE)
    note.write_text(code)


def _prepare_database(environment: Mapping[str, str], *roles: str) -> None:
    command = [sys.executable, "-m", "config.launcher.prepare", *roles]
    quiet = {**environment, "LOG_LEVEL": "WARNING"}
    # Told on standard error: what a command beside it writes may go into a file.
    done = subprocess.run(command, cwd=ROOT, env=quiet, stdout=sys.stderr)
    if done.returncode:
        raise LaunchError(
            "The database could not be brought up to date (see above). If the data is "
            "of a newer version of Casefile, use that one, or set CASEFILE_STATE to a "
            "new folder to start anew beside it."
        )
