"""Starts programs that die with the launcher, and stops them in order."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

TETHER = Path(__file__).with_name("tether.py")
LineReader = Callable[[str, str], None]
# What a program said last may still be in the pipe when it has ended.
LAST_LINES_SECONDS = 2.0


@dataclass
class Process:
    """A running program. `stops` are signals with the seconds each gets to work."""

    name: str
    popen: subprocess.Popen[bytes]
    stops: tuple[tuple[signal.Signals, float], ...]
    reading: threading.Thread | None = None

    def wait_for_lines(self) -> None:
        """Return once all that the ended program said was read."""
        if self.reading is not None:
            self.reading.join(LAST_LINES_SECONDS)

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
    output: IO[bytes] | LineReader | None = None,
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
    `output` is a file, or a function that is given the name and each line.
    """
    reader, file = (output, None) if callable(output) else (None, output)
    program = shutil.which(command[0]) or command[0]
    tether = [sys.executable, "-I", "-S", TETHER, int(death_signal), os.getpid(), uid]
    popen = subprocess.Popen(
        [*wrapper, *(str(word) for word in (*tether, program, *command[1:]))],
        env=None if environment is None else dict(environment),
        stdin=None if output is None else subprocess.DEVNULL,
        stdout=subprocess.PIPE if reader else file,
        stderr=None if output is None else subprocess.STDOUT,
        start_new_session=own_session,
    )
    process = Process(name, popen, stops)
    if reader:
        process.reading = threading.Thread(
            target=_pass_lines, args=(name, popen, reader), daemon=True
        )
        process.reading.start()
    return process


def _pass_lines(name: str, popen: subprocess.Popen[bytes], reader: LineReader) -> None:
    if popen.stdout is None:
        return
    for line in popen.stdout:
        reader(name, line.rstrip(b"\n").decode("utf-8", "replace"))
