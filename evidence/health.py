"""The parts of an installation and how each is doing: for probes and for people.

A part is asked in a thread of its own, by nobody twice at once: who asks while a
question is open waits for that one answer, and for as long as the part may take. A part
that hangs is waited for once; from then on it is told at once, with how long it has
been silent, until it answers again. So probes cannot fill the web's threads.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from django.conf import settings
from django.db import connections
from django.utils.module_loading import import_string

from evidence.errors import HealthFailure, HealthUnknown, HealthWarning

log = logging.getLogger(__name__)


class PartState(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILING = "failing"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Part:
    """A part of the installation. `settings.READINESS_PARTS` lists them.

    `check` is the dotted path of a function without arguments. It returns a short text
    where the part works, and raises HealthWarning where it works and somebody has to
    look, HealthUnknown where it cannot be told, HealthFailure or anything else where it
    does not work. The texts of these three are shown; of other errors, the kind only.
    `takes_web_out` is for what every page needs: a balancer sends visitors elsewhere.
    `seconds` is how long an answer may take.
    """

    name: str
    title: str
    check: str
    takes_web_out: bool = False
    seconds: float = 3.0


@dataclass(frozen=True)
class Answer:
    """What a part said, and when by time.monotonic()."""

    state: PartState
    detail: str
    milliseconds: float
    at: float


class Probe:
    """The one question that is open to a part, and its newest answer."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self._changed = threading.Condition()
        self._asked_at: float | None = None
        self._answer: Answer | None = None
        self._hung = False

    def ask(self, *, not_older_than: float) -> None:
        """Begin to ask, unless that goes on already or the answer is new enough."""
        with self._changed:
            now = time.monotonic()
            is_new = self._answer and now - self._answer.at < not_older_than
            if self._asked_at is not None or is_new:
                return
            self._asked_at = now
        name = f"probe-{self.part.name}"
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def read(self) -> Answer:
        """Return the answer; wait for one that is on its way, within its time."""
        with self._changed:
            if self._asked_at is not None and not self._hung:
                left = self._asked_at + self.part.seconds - time.monotonic()
                self._changed.wait_for(lambda: self._asked_at is None, max(0.0, left))
            if self._asked_at is None and self._answer is not None:
                return self._answer
            self._hung = True
            silent = time.monotonic() - (self._asked_at or time.monotonic())
        detail = f"has not answered for {silent:.0f} s"
        return Answer(PartState.FAILING, detail, silent * 1000, time.monotonic())

    def _run(self) -> None:
        started = time.monotonic()
        try:
            answer = _ask(self.part, started)
        finally:
            # The thread's own connections; nobody would close them.
            connections.close_all()
        with self._changed:
            self._answer = replace(answer, at=time.monotonic())
            self._asked_at, self._hung = None, False
            self._changed.notify_all()


def _ask(part: Part, started: float) -> Answer:
    state = PartState.OK
    try:
        detail = import_string(part.check)()
    except HealthWarning as told:
        state, detail = PartState.WARNING, str(told)
    except HealthUnknown as told:
        state, detail = PartState.UNKNOWN, str(told)
    except Exception as error:
        # Whatever it was, it is what the probe is for: this part does not work.
        is_ours = isinstance(error, HealthFailure)
        log.warning("readiness: %s fails: %s", part.name, error, exc_info=not is_ours)
        state, detail = PartState.FAILING, str(error) if is_ours else _kind_of(error)
    milliseconds = (time.monotonic() - started) * 1000
    return Answer(state, detail, milliseconds, time.monotonic())


def _kind_of(error: Exception) -> str:
    return f"{type(error).__name__}; the log says more"


_probes: dict[Part, Probe] = {}
_registering = threading.Lock()


def read_answers(parts: Iterable[Part] | None = None) -> dict[Part, Answer]:
    """Ask every part at once; return the answers, each READINESS_SECONDS old at most.

    It takes as long as the slowest part may take, and where parts hang, no time.
    """
    wanted = tuple(settings.READINESS_PARTS if parts is None else parts)
    with _registering:
        probes = [_probes.setdefault(part, Probe(part)) for part in wanted]
    for probe in probes:
        probe.ask(not_older_than=settings.READINESS_SECONDS)
    return {probe.part: probe.read() for probe in probes}
