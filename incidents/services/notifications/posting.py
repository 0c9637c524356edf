"""Handing one message to a webhook: within a time, and with why where it fails.

The library says no more than whether it was sent. Why not, it only writes into its own
log, beside the address; what that says is turned into words of ours and not kept.
"""

from __future__ import annotations

import ctypes
import logging
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    import apprise

STATUS = re.compile(r"error=([1-5][0-9]{2})\b")
FAULT = "Socket Exception"
AGAIN_SECONDS = 2.0
"""Where the library goes on after the limit, to a further request, it is told again."""
TOLD_AT_MOST = 5
STEPS = 100
"""In which a thread is bound to come to what it was told."""


@dataclass(frozen=True)
class Reason:
    """Why nobody answered. Where `may_have_arrived`, the message was under way."""

    pattern: re.Pattern[str]
    text: str
    may_have_arrived: bool


REASONS = (
    Reason(
        re.compile(r"CERTIFICATE_VERIFY_FAILED|certificate verify failed"),
        "The service's certificate could not be verified. If an authority of your own "
        "issued it, name that in WEBHOOK_CA_FILE.",
        may_have_arrived=False,
    ),
    Reason(
        re.compile(r"NameResolutionError|Failed to resolve"),
        "The name of the service was not found (DNS).",
        may_have_arrived=False,
    ),
    Reason(
        re.compile(r"Connection refused"),
        "The service refused the connection.",
        may_have_arrived=False,
    ),
    Reason(
        re.compile(r"ConnectTimeoutError|connect timeout="),
        "The service took no connection in time.",
        may_have_arrived=False,
    ),
    Reason(
        re.compile(r"timed out|TimeoutError|The time is up"),
        "The service did not answer in time.",
        may_have_arrived=True,
    ),
    Reason(
        re.compile(r"SSLError|\[SSL"),
        "No secure connection (TLS) could be made with the service.",
        may_have_arrived=False,
    ),
)
UNKNOWN = Reason(
    re.compile(""),
    "The service could not be reached, or did not answer.",
    may_have_arrived=True,
)


@dataclass
class Posted:
    """What became of a message: sent, or a status, or why there was no answer."""

    sent: bool
    status: int | None = None
    reason: Reason = field(default=UNKNOWN)


class _Listener(logging.Handler):
    """Takes a status and a fault out of the library's log, of this thread alone."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self.status: int | None = None
        self.fault = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread != self._thread:
            return
        text = record.getMessage()
        # Lines below a warning hold the message's own text, which may say anything.
        if record.levelno >= logging.WARNING and (match := STATUS.search(text)):
            self.status = int(match[1])
        elif text.startswith(FAULT):
            # What comes before names the address.
            self.fault = text.rpartition("(Caused by ")[2]


def post(service: apprise.NotifyBase, *, title: str, body: str) -> Posted:
    """Have the library send, for SENDING_SECONDS at most; never raise for a failure."""
    if settings.WEBHOOK_CA_FILE:
        # The library hands it on to requests, which takes a path as well.
        service.verify_certificate = settings.WEBHOOK_CA_FILE  # type: ignore[assignment]
    library_log = logging.getLogger("apprise")
    listener = _Listener()
    library_log.addHandler(listener)
    try:
        with time_limit(settings.SENDING_SECONDS):
            sent = service.notify(title=title, body=body)
    except TimeoutError as error:
        sent, listener.fault = False, f"TimeoutError: {error}"
    finally:
        library_log.removeHandler(listener)
    return Posted(bool(sent), listener.status, find_reason(listener.fault))


def find_reason(fault: str) -> Reason:
    """Return what a fault of the library's transport means."""
    for reason in REASONS:
        if reason.pattern.search(fault):
            return reason
    return UNKNOWN


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in whatever the block waits for once the time is up.

    A socket's own limit starts anew with every byte, so one that drips has none. A
    thread beside the main one is told between two such steps.
    """
    if threading.current_thread() is not threading.main_thread():
        with _limit_of_thread(seconds):
            yield
        return
    before = signal.signal(signal.SIGALRM, _end)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _limit_of_thread(seconds: float) -> Iterator[None]:
    """Do as `time_limit` where no signal arrives: in a thread that sends."""
    thread = threading.get_ident()
    is_over, was_told = threading.Event(), threading.Event()
    telling = threading.Lock()

    def watch() -> None:
        pause = seconds
        for _ in range(TOLD_AT_MOST):
            if is_over.wait(pause):
                return
            with telling:
                if not is_over.is_set():
                    was_told.set()
                    _raise_in(thread)
            pause = AGAIN_SECONDS

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        while not is_over.is_set():
            with suppress(TimeoutError), telling:
                is_over.set()
        # What was told in the block's last moment ends here, and not what comes after.
        with suppress(TimeoutError):
            for _ in range(STEPS if was_told.is_set() else 0):
                pass


def _raise_in(thread: int) -> None:
    """Have a thread raise TimeoutError at its next step.

    Nothing takes that back: an empty error in its place would leave the interpreter
    looking for one at every step of every thread, for good.
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(TimeoutError)
    )


def _end(number: int, frame: FrameType | None) -> None:
    raise TimeoutError("The time is up.")
