"""A real Celery worker for tests: started, killed and started again at will."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from celery import current_app
from django.conf import settings
from django.db import connection

from config.launcher.processes import TETHER

START_SECONDS = 60.0
ROOT = Path(__file__).resolve().parent.parent


@dataclass
class LiveWorker:
    """A worker process; `kill` ends it without warning, `start` brings another."""

    evidence_folder: Path
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    concurrency: int = 1
    popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the worker and return when it takes tasks."""
        tether = [sys.executable, "-I", "-S", TETHER, "9", str(os.getpid()), "-1"]
        command = [sys.executable, "-m", "celery", "-A", "config", "worker"]
        command += ["--concurrency", str(self.concurrency), "--loglevel", "INFO"]
        command += ["--without-gossip", "--without-mingle", "-n", f"test{id(self)}@%h"]
        with self.log.open("ab") as output:
            ready_before = self._count_ready()
            self.popen = subprocess.Popen(
                [*tether, *command],
                cwd=ROOT,
                env={**os.environ, **self.variables(), **self.environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait(lambda: self._count_ready() > ready_before, "start")

    def kill(self) -> None:
        """End the worker and its pool with SIGKILL, as a power cut would."""
        if self.popen is not None:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()
            self.popen = None

    def stop(self) -> None:
        """End the worker, letting it finish what it does."""
        if self.popen is None:
            return
        self.popen.terminate()
        try:
            self.popen.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
        self.popen = None

    def wait_for(
        self, condition: Callable[[], object], *, seconds: float = 30.0
    ) -> None:
        """Return once the condition holds; fail with the worker's log otherwise."""
        self._wait(lambda: bool(condition()), "bring about the condition", seconds)

    def variables(self) -> dict[str, str]:
        """Return the environment in which a process has the test's own services."""
        database = connection.settings_dict
        secret = f"{quote(database['USER'])}:{quote(database['PASSWORD'])}"
        return {
            "DATABASE_URL": f"postgres://{secret}@/{database['NAME']}"
            f"?host={quote(database['HOST'])}",
            "REDIS_URL": settings.REDIS_URL,
            "EVIDENCE_ROOT": str(self.evidence_folder),
            "DJANGO_SETTINGS_MODULE": "config.settings_test",
            "LOG_LEVEL": "INFO",
        }

    def _count_ready(self) -> int:
        return self.log.read_text().count(" ready.") if self.log.exists() else 0

    def _wait(
        self, condition: Callable[[], bool], what: str, seconds: float = START_SECONDS
    ) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            ended = self.popen is not None and self.popen.poll() is not None
            if ended or time.monotonic() > deadline:
                log = self.log.read_text()[-4000:]
                raise AssertionError(f"the worker did not {what}; its log:\n{log}")
            time.sleep(0.05)


def start_live_worker(evidence_folder: Path, log: Path) -> LiveWorker:
    """Start a worker on an empty queue."""
    current_app.control.purge()
    worker = LiveWorker(evidence_folder, log)
    worker.start()
    return worker
