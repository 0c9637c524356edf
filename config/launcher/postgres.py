"""PostgreSQL on a socket in a private folder, never as root and never on a port."""

from __future__ import annotations

import contextlib
import locale
import os
import shutil
import signal
import time
from pathlib import Path
from urllib.parse import quote

from config.launcher.binaries import PostgresBinaries, find_postgres
from config.launcher.errors import LaunchError
from config.launcher.folders import ServerFolders
from config.launcher.processes import Process, start_process
from config.launcher.secret_files import read_or_make_secret
from config.launcher.users import ServerUser, find_server_user
from config.launcher.waiting import explain_log, wait_until_ready

OWNER = "casefile_owner"
DATABASE = "casefile"
FIRST_WITH_OWN_LOCALES = 17

FAST_SHUTDOWN = signal.SIGINT  # ends sessions; SIGTERM would wait for them
IMMEDIATE_SHUTDOWN = signal.SIGQUIT
PREVIOUS_SERVER_SECONDS = 30.0

OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "jit": "off",
}
# For data that nobody will miss.
UNSAFE_OPTIONS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


def start_postgres(folders: ServerFolders, *, durable: bool) -> tuple[Process, str]:
    """Start PostgreSQL, making its cluster first if there is none; return its URL."""
    binaries = find_postgres()
    home = folders.data / "postgres"
    home.mkdir(mode=0o700, exist_ok=True)
    user = find_server_user(folders.data, binaries.postgres)
    user.take(home)
    user.take(folders.sockets)
    cluster = home / "cluster"
    if not (cluster / "PG_VERSION").exists():
        _make_cluster(binaries, home, user, durable=durable)
    _require_same_version(cluster, binaries)
    _clear_stale_pid_file(cluster)
    process = _start_server(binaries, home, folders.sockets, user, durable=durable)
    wait_until_ready(lambda: _is_ready(cluster), process, home / "server.log")
    password = read_or_make_secret(home / "password")
    _make_database(folders.sockets, password)
    host = quote(str(folders.sockets))
    return process, f"postgres://{OWNER}:{password}@/{DATABASE}?host={host}"


def _make_database(sockets: Path, password: str) -> None:
    import psycopg  # the environment is complete by now

    with psycopg.connect(
        host=str(sockets),
        user=OWNER,
        password=password,
        dbname="postgres",
        autocommit=True,
    ) as server:
        query = "SELECT 1 FROM pg_database WHERE datname = %s"
        if server.execute(query, [DATABASE]).fetchone() is None:
            server.execute(f"CREATE DATABASE {DATABASE}")


def _start_server(
    binaries: PostgresBinaries,
    home: Path,
    sockets: Path,
    user: ServerUser,
    *,
    durable: bool,
) -> Process:
    options = OPTIONS | {"unix_socket_directories": str(sockets)}
    if not durable:
        options |= UNSAFE_OPTIONS
    command: list[str | Path] = [binaries.postgres, "-D", home / "cluster"]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    with (home / "server.log").open("ab") as output:
        return start_process(
            "postgres",
            command,
            environment=_make_environment(),
            output=output,
            death_signal=FAST_SHUTDOWN,
            stops=((FAST_SHUTDOWN, 20.0), (IMMEDIATE_SHUTDOWN, 10.0)),
            wrapper=user.wrapper,
            uid=user.uid,
        )


def _make_cluster(
    binaries: PostgresBinaries, home: Path, user: ServerUser, *, durable: bool
) -> None:
    """Run initdb beside the final place, so that a broken run leaves nothing there."""
    unfinished, password, log = (
        home / name for name in ("unfinished", "password", "initdb.log")
    )
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    password.unlink(missing_ok=True)
    read_or_make_secret(password)
    user.take(unfinished)
    user.take(password)
    command: list[str | Path] = [binaries.initdb, "-D", unfinished, "-U", OWNER]
    command += ["--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8"]
    command += _locale_options(binaries.major)
    command += [] if durable else ["--no-sync"]
    with log.open("wb") as output:
        process = start_process(
            "initdb",
            command,
            environment=_make_environment(),
            output=output,
            wrapper=user.wrapper,
            uid=user.uid,
        )
    if process.popen.wait():
        raise LaunchError(f"PostgreSQL's initdb failed.\n{explain_log(log)}")
    unfinished.rename(home / "cluster")


def _locale_options(major: int) -> list[str]:
    """Ask for a sort order that is the same on every machine, where one is offered."""
    if major >= FIRST_WITH_OWN_LOCALES:
        return ["--locale-provider=builtin", "--locale=C.UTF-8"]
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return ["--locale=C"]
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return ["--locale=C.UTF-8"]


def _make_environment() -> dict[str, str]:
    """Leave out this user's PG… variables, which would change what the server does."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _require_same_version(cluster: Path, binaries: PostgresBinaries) -> None:
    made_by = (cluster / "PG_VERSION").read_text().strip()
    if made_by != str(binaries.major):
        raise LaunchError(
            f"{cluster} was made by PostgreSQL {made_by}, and the one found is "
            f"{binaries.major}. Make PostgreSQL {made_by} available again, or move the "
            "state folder away to start anew."
        )


def _clear_stale_pid_file(cluster: Path) -> None:
    """Wait for an earlier server that is still stopping; drop what a dead one left.

    The caller holds the folder's lock, so nobody else starts a server on it.
    """
    pid_file = cluster / "postmaster.pid"
    deadline = time.monotonic() + PREVIOUS_SERVER_SECONDS
    while pid_file.exists():
        try:
            pid = int(pid_file.read_text().split("\n")[0])
        except (ValueError, FileNotFoundError):
            break
        if not _is_server_of(pid, cluster):
            break
        if time.monotonic() > deadline:
            raise LaunchError(
                f"An earlier PostgreSQL (process {pid}) still runs on {cluster} and "
                f"does not stop. End it with `kill -INT {pid}`, and run this again."
            )
        time.sleep(0.1)
    pid_file.unlink(missing_ok=True)


def _is_server_of(pid: int, cluster: Path) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        # No such process, or no /proc: there, a signal of 0 asks whether it lives.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, 0)
            return not Path("/proc/self").exists()
        return False
    return os.fsencode(cluster) in command


def _is_ready(cluster: Path) -> bool:
    """Read the line of postmaster.pid that pg_ctl waits for."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"
