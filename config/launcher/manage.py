"""`make manage`: a management command on the local run's data, run or no run."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence

from config.commands import OWNER_COMMANDS, is_offline, needs_queue
from config.launcher.beside import Published, visit
from config.launcher.errors import LaunchError
from config.launcher.folders import ROOT, FolderHeld, find_state_folder
from config.launcher.processes import start_process
from config.launcher.state import PREPARED, State, find_port, prepared_state
from config.launcher.stopping import on_stop_signals

# A first start makes a database and practice cases before it lets anybody in.
HOLDER_SECONDS = 180.0
POLL_SECONDS = 0.2


def run_command(words: Sequence[str]) -> int:
    """Run a management command and return its exit code.

    One that needs no database starts nothing. Beside a run it uses that one's servers,
    and otherwise starts what it needs, for as long as it takes.
    """
    if is_offline(words):
        return _become(os.environ, words)
    with contextlib.ExitStack() as stack:
        found = _enter(stack, words)
        environment = _choose_environment(found, words)
        if isinstance(found, Published):
            return _become(environment, words)
        return _run(environment, words)


def _enter(stack: contextlib.ExitStack, words: Sequence[str]) -> Published | State:
    """Become a guest of the run that is on, or hold the folder."""
    deadline = time.monotonic() + HOLDER_SECONDS
    told = False
    while True:
        host = stack.enter_context(visit(find_state_folder()))
        if host is not None:
            _require_same_servers(host)
            return host
        stack.pop_all().close()
        try:
            return stack.enter_context(
                prepared_state(
                    find_port(), with_queue=needs_queue(words), only_if_needed=True
                )
            )
        except FolderHeld as error:
            # It is starting, or stopping: both pass.
            if time.monotonic() > deadline:
                raise
            if not told:
                _say(f"waiting for {error.holder}, which is starting or stopping")
                told = True
        time.sleep(POLL_SECONDS)


def _require_same_servers(host: Published) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        named = os.environ.get(name)
        if named and named not in (host.variables.get(name), host.owner_url):
            raise LaunchError(
                f"{name} names another server than the run uses that is on in "
                f"{find_state_folder()}. Unset {name} to work on the run's data, or "
                "set CASEFILE_STATE to a folder of its own for the other server."
            )


def _choose_environment(
    found: Published | State, words: Sequence[str]
) -> dict[str, str]:
    if isinstance(found, Published):
        environment = {**os.environ, **found.variables}
    else:
        environment = dict(found.environment)
    # What a command prints is its answer; a log line between would spoil it.
    environment["LOG_LEVEL"] = os.environ.get("LOG_LEVEL") or "WARNING"
    if words[0] in OWNER_COMMANDS:
        environment["DATABASE_URL"] = found.owner_url
        # It may leave tables of another age behind: the next start looks again.
        (find_state_folder() / PREPARED).unlink(missing_ok=True)
    return environment


def _become(environment: Mapping[str, str], words: Sequence[str]) -> int:
    """Go on as the command itself, which keeps what this process holds."""
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execve(sys.executable, [sys.executable, "manage.py", *words], dict(environment))


def _run(environment: Mapping[str, str], words: Sequence[str]) -> int:
    """Run the command beside servers that stop after it; pass signals on to it."""
    os.chdir(ROOT)
    process = start_process(
        "manage",
        [sys.executable, "manage.py", *words],
        environment=environment,
        own_session=False,
    )

    def pass_on(number: int, frame: object) -> None:
        # Ctrl-C at a terminal reaches the command by itself: it decides what it means.
        if number != signal.SIGINT or not sys.stdin.isatty():
            process.popen.send_signal(number)

    on_stop_signals(pass_on)
    code = process.popen.wait()
    return code if code >= 0 else 128 - code


def _say(text: str) -> None:
    print(f"casefile: {text}", file=sys.stderr, flush=True)
