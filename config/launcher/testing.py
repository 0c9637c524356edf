"""Runs a command, pytest above all, with servers of its own in a fresh folder."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence

from config.environment import FROM_FILES, file_variable
from config.launcher.folders import ROOT, fresh_folder
from config.launcher.processes import start_process
from config.launcher.seeds import seed_database
from config.launcher.servers import running_servers
from config.launcher.stopping import on_stop_signals

# Set for this machine's own services, they must not reach the tests.
SERVER_VARIABLES = (
    *("DATABASE_URL", "REPLICA_DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"),
)


def run_tests(arguments: Sequence[str]) -> int:
    """Run pytest and return its exit code."""
    command = [sys.executable, "-m", "pytest", *arguments]
    return run_beside_servers(command, seeded=True)


def run_beside_servers(command: Sequence[str], *, seeded: bool = False) -> int:
    """Run a command under test settings, beside fresh servers; return its exit code.

    A seeded server has the tests' database migrated already.
    """
    for name in (*SERVER_VARIABLES, *map(file_variable, FROM_FILES)):
        os.environ.pop(name, None)
    on_stop_signals(_interrupt)
    with contextlib.ExitStack() as stack:
        folders = stack.enter_context(fresh_folder())
        if seeded:
            seed_database(folders)
        servers = running_servers(folders, durable=False)
        variables = stack.enter_context(servers)
        environment = {
            **os.environ,
            **variables,
            "DJANGO_SETTINGS_MODULE": "config.settings_test",
            "CASEFILE_TEST_FOLDER": str(folders.data),
        }
        process = start_process(
            "tests", command, environment=environment, own_session=False
        )
        try:
            return process.popen.wait()
        except KeyboardInterrupt:
            # Ctrl-C reached the command too: let it report what it has.
            process.stops = ((signal.SIGINT, 15.0), (signal.SIGTERM, 5.0))
            process.stop()
            return 130


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


__all__ = ["ROOT", "run_beside_servers", "run_tests"]
