"""Launches the launcher as its users do: as a program of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
# Variables that the launcher around these tests has set.
OUTER = ("DATABASE_URL", "REDIS_URL", "CASEFILE_", "DJANGO_", "PYTEST_")
OUTER += ("SECRET_KEY", "ALLOWED_HOSTS", "EVIDENCE_", "HTTPS", "STATIC_", "LOG_")
OUTER += ("EMAIL_URL",)


def make_environment(**variables: str) -> dict[str, str]:
    """Return this environment without what the tests' own launcher put there."""
    kept = {name: value for name, value in os.environ.items() if name[0] != "_"}
    kept = {name: kept[name] for name in kept if not name.startswith(OUTER)}
    return {**kept, "PYTHONUNBUFFERED": "1", **variables}


def launch(
    *words: str,
    output: Path,
    ignored: Sequence[signal.Signals] = (),
    **variables: str,
) -> subprocess.Popen[bytes]:
    """Start the launcher in a session of its own, its output in a file.

    `ignored` are signals that are switched off for it, as a shell or nohup does.
    """
    traps = "".join(f"trap '' {number.name[3:]}; " for number in ignored)
    shell = ["sh", "-c", f'{traps}exec "$@"', "sh"] if ignored else []
    with output.open("ab") as stream:
        return subprocess.Popen(
            [*shell, sys.executable, "-m", "config.launcher", *words],
            cwd=ROOT,
            env=make_environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def run_launcher(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the launcher to its end."""
    return subprocess.run(
        [sys.executable, "-m", "config.launcher", *words],
        cwd=ROOT,
        env=make_environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def find_family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return everything that the process has started, and what that has started."""
    return psutil.Process(process.pid).children(recursive=True)


def wait_until(condition: Callable[[], object], *, seconds: float = 60.0) -> None:
    """Return once the condition holds; fail after the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about"
        time.sleep(0.1)


def wait_for_output(
    process: subprocess.Popen[bytes], output: Path, text: str, *, seconds: float = 90.0
) -> None:
    """Return once the output holds the text; fail if the process ends before."""
    deadline = time.monotonic() + seconds
    while text not in output.read_text():
        ended = process.poll() is not None
        if ended or time.monotonic() > deadline:
            raise AssertionError(
                f"{text!r} did not come; output:\n{output.read_text()}"
            )
        time.sleep(0.1)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the launcher without warning, as `kill -9` does."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def survivors(
    family: list[psutil.Process], *, seconds: float = 15.0
) -> list[psutil.Process]:
    """Return those that still live after a while."""
    return psutil.wait_procs(family, timeout=seconds)[1]


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
