"""The signals that ask a launch to stop, whatever it inherited."""

from __future__ import annotations

import signal
from collections.abc import Callable

Handler = Callable[[int, object], None] | signal.Handlers

# Ignored from the start, it was nohup's: the terminal may go, the program stays.
_KEEPS_HANGUP = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def on_stop_signals(handler: Handler) -> None:
    """Set what a request to stop does.

    A shell starts programs in the background with SIGINT ignored, and so deaf to an
    interrupt that is meant for them: here it is heard. A hang-up that nohup switched
    off stays off.
    """
    for number in STOP_SIGNALS:
        if number != signal.SIGHUP or not _KEEPS_HANGUP:
            signal.signal(number, handler)
