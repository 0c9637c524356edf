"""All of Casefile's workers, and beat, under one process that brings them back.

    python -m config.workers                  every worker of this machine, and beat
    python -m config.workers clocks delivery  only what is named

Django is loaded once, and the workers are forked from there: they share its memory. A
worker that ends by itself (out of memory, a broker that broke off its start, a child
that was killed while the pool came up) is started again, after a pause that grows while
it keeps ending. SIGTERM lets running tasks end, for as long as it takes. Where nobody
waits for that any more (the keeper was killed, or the worker has failed), the end is
limited: a pool that nobody reads from would wait for ever.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from celery import Celery, signals
from celery.worker import WorkController
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config.queues import WORKERS
from config.startup import require_own_sessions
from evidence.queue.parents import die_with

BEAT = "beat"
NAMES = (*WORKERS, BEAT)
# What each would load for itself otherwise, once it is forked.
SHARED_MODULES = (
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.concurrency.asynpool",
    "celery.concurrency.prefork",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.control",
    "celery.worker.loops",
    "celery.worker.strategy",
    "kombu.transport.redis",
    "config.urls",
)
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
HEALTHY_AFTER_SECONDS = 60.0
# What a worker gets to end in, once its keeper is gone or it has failed itself.
LAST_SECONDS = 8
POLL_SECONDS = 0.2


@dataclass
class Member:
    """A worker or beat: its process while it runs, and when it may start again."""

    name: str
    pid: int | None = None
    started_at: float = 0.0
    may_start_at: float = 0.0
    pause_seconds: float = FIRST_PAUSE_SECONDS

    def note_start(self, pid: int) -> None:
        self.pid, self.started_at = pid, time.monotonic()

    def note_end(self, status: int) -> None:
        """Say that it ended, and let it wait a little longer than the time before."""
        now = time.monotonic()
        if now - self.started_at >= HEALTHY_AFTER_SECONDS:
            self.pause_seconds = FIRST_PAUSE_SECONDS
        self.pid, self.may_start_at = None, now + self.pause_seconds
        _say(
            f"{self.name} ended ({_describe(status)}); it is started again in "
            f"{self.pause_seconds:.0f} s"
        )
        self.pause_seconds = min(2 * self.pause_seconds, LONGEST_PAUSE_SECONDS)


class Keeper:
    """Starts its members, and starts them again, until it is told to stop."""

    def __init__(self, app: Celery, names: Sequence[str]) -> None:
        self.app = app
        self.members = [Member(name) for name in names]
        self.is_stopping = False

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        while not self.is_stopping or any(worker.pid for worker in self.members):
            self._collect()
            for member in self.members:
                if not member.pid and not self.is_stopping:
                    self._start_if_time(member)
            time.sleep(POLL_SECONDS)

    def _start_if_time(self, member: Member) -> None:
        if time.monotonic() < member.may_start_at:
            return
        keeper = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become(self.app, member.name, keeper)
        member.note_start(pid)

    def _collect(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for member in self.members:
                if member.pid == pid and self.is_stopping:
                    member.pid = None
                elif member.pid == pid:
                    member.note_end(status)

    def _stop(self, number: int, frame: object) -> None:
        """Let every member end what it does; a second signal reaches them as well."""
        self.is_stopping = True
        for member in self.members:
            if member.pid:
                os.kill(member.pid, signal.SIGTERM)


def _become(app: Celery, name: str, keeper: int) -> NoReturn:
    """Be this member, in the forked process, until it ends."""
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        die_with(keeper, signal.SIGTERM)
        code = _run_beat(app) if name == BEAT else _run_worker(app, name, keeper)
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    except BaseException:
        # The boundary of the process: nothing may unwind into the keeper's loop.
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run_worker(app: Celery, name: str, keeper: int) -> int:
    """Work until told to end; WORKER_<NAME> says how many tasks at once."""
    chosen = WORKERS[name]
    worker = _limit_failed_stops(app.Worker)(
        hostname=f"{name}-{os.getpid()}@{socket.gethostname()}",
        queues=",".join(chosen.queues),
        concurrency=settings.WORKER_CONCURRENCY[name],
        pool_cls="prefork",
        loglevel="INFO",
        quiet=True,
        # What workers tell each other, nobody here asks for.
        without_gossip=True,
        without_mingle=True,
        # Nor for events: readiness has signs of life of its own (config/heartbeat.py).
        without_heartbeat=True,
    )
    own = os.getpid()

    def limit_end_of_an_orphan(**message: object) -> None:
        if os.getppid() != keeper:
            signal.alarm(LAST_SECONDS)

    def tie_pool_process(**message: object) -> None:
        die_with(own, signal.SIGKILL)

    signals.worker_shutting_down.connect(limit_end_of_an_orphan, weak=False)
    signals.worker_process_init.connect(tie_pool_process, weak=False)
    worker.start()
    return worker.exitcode or 0


def _limit_failed_stops(worker: type[WorkController]) -> type[WorkController]:
    """Return the worker with a limit for its stop where it stops because it failed.

    Its loop no longer reads what the pool writes, and a pool process that waits for
    that is waited for: the keeper would never start this worker again.
    """

    class Limited(worker):
        def stop(
            self, in_sighandler: bool = False, exitcode: int | None = None
        ) -> None:
            if exitcode:
                signal.alarm(LAST_SECONDS)
            super().stop(in_sighandler=in_sighandler, exitcode=exitcode)

    return Limited


def _run_beat(app: Celery) -> int:
    app.Beat(schedule=settings.BEAT_SCHEDULE_FILE, loglevel="INFO", quiet=True).run()
    return 0


def _describe(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"code {code}"


def _say(text: str) -> None:
    print(f"workers: {text}", file=sys.stderr, flush=True)


def _load() -> Celery:
    """Load Django and every task, so that what is forked shares them."""
    import django

    django.setup()
    from config.celery import app

    app.loader.import_default_modules()
    app.finalize()
    for module in SHARED_MODULES:
        import_module(module)
    gc.collect()
    # What is loaded by now stays; leaving it alone keeps its pages shared.
    gc.freeze()
    return app


def main(words: Sequence[str]) -> int:
    """Run the members that are named, or all. Return 2 where one is not known."""
    unknown = [word for word in words if word not in NAMES]
    if unknown:
        _say(f"there is no {unknown[0]!r}; there are: {', '.join(NAMES)}")
        return 2
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("DATABASE_STATEMENT_SECONDS", "300")
    try:
        app = _load()
        require_own_sessions()
    except ImproperlyConfigured as refusal:
        _say(str(refusal))
        return 1
    Keeper(app, words or NAMES).run()
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    sys.exit(main(sys.argv[1:]))
