"""The servers that a run or its tests need, where the environment names none."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from config.launcher.folders import ServerFolders
from config.launcher.postgres import start_postgres
from config.launcher.processes import Process
from config.launcher.valkey import name_valkey, start_valkey

STARTERS = {"DATABASE_URL": start_postgres, "REDIS_URL": start_valkey}


@contextlib.contextmanager
def running_servers(
    folders: ServerFolders, *, durable: bool, with_queue: bool = True
) -> Iterator[dict[str, str]]:
    """Start what the environment does not name; give the variables that name them.

    Without the queue, its variable names the place where one would be.
    """
    processes: list[Process] = []
    variables: dict[str, str] = {}
    try:
        for name, start in STARTERS.items():
            variables[name] = os.environ.get(name, "")
            if variables[name]:
                continue
            if name == "REDIS_URL" and not with_queue:
                variables[name] = name_valkey(folders)
            else:
                process, variables[name] = start(folders, durable=durable)
                processes.append(process)
        yield variables
    finally:
        for process in reversed(processes):
            process.stop()
