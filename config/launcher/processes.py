"""Starts programs that die with the launcher, and stops them in order."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

TETHER = Path(__file__).with_name("tether.py")
PREFIX_WIDTH = 9


@dataclass
class Process:
    """A running program. `stops` are signals with the seconds each gets to work."""

    name: str
    popen: subprocess.Popen[bytes]
    stops: tuple[tuple[signal.Signals, float], ...]

    def stop(self) -> None:
        """Send the stop signals one after the other, the last resort being SIGKILL."""
        for number, patience_seconds in (*self.stops, (signal.SIGKILL, 10.0)):
            if self.popen.poll() is not None:
                return
            self.popen.send_signal(number)
            try:
                self.popen.wait(patience_seconds)
            except subprocess.TimeoutExpired:
                continue


def start_process(
    name: str,
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | int | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
    stops: tuple[tuple[signal.Signals, float], ...] = ((signal.SIGTERM, 20.0),),
    wrapper: Sequence[str] = (),
    uid: int = -1,
    own_session: bool = True,
) -> Process:
    """Start a program that gets `death_signal` when this process dies.

    Call it from the main thread: the signal is tied to the thread that starts.
    `wrapper` is a command in front, such as unshare. A session of its own keeps the
    terminal's Ctrl-C away, so that the launcher decides the order of stopping.
    """
    program = shutil.which(command[0]) or command[0]
    tether = [sys.executable, "-I", "-S", TETHER, int(death_signal), os.getpid(), uid]
    popen = subprocess.Popen(
        [*wrapper, *(str(word) for word in (*tether, program, *command[1:]))],
        env=None if environment is None else dict(environment),
        stdin=None if output is None else subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        start_new_session=own_session,
    )
    if output == subprocess.PIPE:
        threading.Thread(target=_copy_lines, args=(name, popen), daemon=True).start()
    return Process(name, popen, stops)


def _copy_lines(name: str, popen: subprocess.Popen[bytes]) -> None:
    prefix = f"{name:<{PREFIX_WIDTH}}| ".encode()
    if popen.stdout is None:
        return
    for line in popen.stdout:
        sys.stdout.buffer.write(prefix + line.rstrip(b"\n") + b"\n")
        sys.stdout.buffer.flush()
