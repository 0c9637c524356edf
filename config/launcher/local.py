"""`make run`: all of Casefile on this machine, for one person to try and work on."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

from config.launcher.errors import LaunchError
from config.launcher.folders import ROOT, STATE_VARIABLE, find_state_folder
from config.launcher.output import PartLog, read_verbosity
from config.launcher.processes import Process, start_process
from config.launcher.state import HOST, State, find_port, prepared_state
from config.launcher.stopping import on_stop_signals

READY_SECONDS = 90.0
POLL_SECONDS = 0.2
BRING_BACK_SECONDS = 2.0
WORKERS, WEB = "workers", "web"
PARTS = {
    WORKERS: ("config.workers",),
    WEB: ("gunicorn", "-c", "config/gunicorn.py"),
}


def run_local() -> int:
    """Run until Ctrl-C. Return 0 then, and 1 when a part of it ended by itself."""
    port = find_port()
    verbose = read_verbosity()
    on_stop_signals(_stop)
    try:
        _require_free(port)
        with prepared_state(port) as state:
            told = _create_demo(state.environment)
            log = PartLog(state.folders.data / "logs", verbose=verbose)
            with contextlib.closing(log), _running_parts(state, log) as parts:
                return _stay(parts, state, told, log)
    except KeyboardInterrupt:
        return 0


def _create_demo(environment: Mapping[str, str]) -> str:
    """Make people and cases to try with, on a first run; return what it tells."""
    _say("looking for people and practice cases")
    done = subprocess.run(
        [sys.executable, "manage.py", "create_demo"],
        cwd=ROOT,
        env={**environment, "LOG_LEVEL": "WARNING"},
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise LaunchError(f"`manage.py create_demo` failed (see above).\n{done.stdout}")
    return done.stdout.strip()


@contextlib.contextmanager
def _running_parts(state: State, log: PartLog) -> Iterator[list[Process]]:
    """Run workers, beat and web; stop them in the opposite order.

    Requests end first, so that nothing new is queued; the workers end their tasks last.
    """
    _say("starting web, workers and beat")
    parts: list[Process] = []
    try:
        for name in PARTS:
            parts.append(_start_part(name, state, log))
        yield parts
    finally:
        for part in reversed(parts):
            part.stop()


def _start_part(name: str, state: State, log: PartLog) -> Process:
    environment = {
        "BEAT_SCHEDULE_FILE": str(state.folders.data / "beat-schedule"),
        **state.environment,
    }
    command = [sys.executable, "-m", *PARTS[name]]
    return start_process(name, command, environment=environment, output=log.take_line)


def _stay(parts: list[Process], state: State, told: str, log: PartLog) -> int:
    port = find_port()
    _wait_for_web(parts, port)
    # Passwords are told once: below everything else, where they are found.
    print(_describe_run(port, told, log), flush=True)
    while not _find_ended(parts, WEB):
        if (ended := _find_ended(parts, WORKERS)) is not None:
            _bring_back(ended, parts, state, log)
        time.sleep(POLL_SECONDS)
    web = parts[-1]
    web.wait_for_lines()
    print(
        f"casefile: {web.name} ended with code {web.popen.returncode}; stopping "
        f"the rest. It said last:\n{log.last_lines(web.name)}",
        file=sys.stderr,
    )
    return 1


def _bring_back(
    ended: Process, parts: list[Process], state: State, log: PartLog
) -> None:
    """Start the workers again: pages work meanwhile, and nothing they wait for is lost.

    The workers bring each other back (config/workers.py); this is for their keeper.
    """
    _say(f"{ended.name} ended with code {ended.popen.returncode}; starting them again")
    time.sleep(BRING_BACK_SECONDS)
    parts[parts.index(ended)] = _start_part(ended.name, state, log)


def _describe_run(port: int, told: str, log: PartLog) -> str:
    state = os.environ.get(STATE_VARIABLE)
    where = f"{STATE_VARIABLE}={find_state_folder()} " if state else ""
    return (
        f"\nCasefile runs on http://{HOST}:{port}/  (Ctrl-C stops it)\n\n"
        f"{told}\n\n"
        f'To set a new password: {where}make manage ARGS="changepassword NAME"\n'
        f"Logs: {log.path}; warnings and errors are shown here, and\n"
        "all of them with: make run VERBOSE=1\n"
    )


def _wait_for_web(parts: Sequence[Process], port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _answers(port):
        if _find_ended(parts, WEB) or time.monotonic() > deadline:
            return  # _stay tells that it ended, or goes on waiting in the open
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


def _find_ended(parts: Sequence[Process], name: str) -> Process | None:
    ended = (part for part in parts if part.popen.poll() is not None)
    return next((part for part in ended if part.name == name), None)


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        # As the web server does: an address in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            other = port + 1 if port < 65535 else 8000
            raise LaunchError(
                f"Port {port} of {HOST} cannot be used ({error.strerror}). Choose "
                f"another one: make run PORT={other}"
            ) from error


def _stop(number: int, frame: object) -> None:
    """Stop once: a second Ctrl-C must not break off the orderly end."""
    on_stop_signals(signal.SIG_IGN)
    print("\ncasefile: stopping", flush=True)
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(f"casefile: {text}", flush=True)
