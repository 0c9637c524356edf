"""A real PgBouncer before the tests' own database."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from config.launcher.folders import ROOT
from config.launcher.processes import start_process
from tests.config.launching import wait_until

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
PORT = 6432
# It does not run as root; so it gets another number, and keeps what root may open.
WITHOUT_ROOT = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
CONFIGURATION = """
[databases]
casefile = {server}
{documented}
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
logfile = {folder}/pgbouncer.log
"""


def documented_settings() -> str:
    """Return the section [pgbouncer] that docs/deploy.md gives to operators."""
    told = (ROOT / "docs/deploy.md").read_text()
    [block] = re.findall(r"```text\n( *\[pgbouncer\]\n.*?)```", told, re.DOTALL)
    return textwrap.dedent(block)


def require_pgbouncer() -> str:
    """Return PgBouncer's path, or skip the test and say what is missing."""
    if PGBOUNCER is None:
        pytest.skip("pgbouncer is not installed (Debian: apt install pgbouncer)")
    if _wrapper() and subprocess.run([*WITHOUT_ROOT, "true"]).returncode:
        pytest.skip("pgbouncer does not run as root, and there are no user namespaces")
    return PGBOUNCER


def _wrapper() -> tuple[str, ...]:
    return WITHOUT_ROOT if os.geteuid() == 0 else ()


@contextmanager
def running_pooler(mode: str, *, size: int = 20) -> Iterator[str]:
    """Run PgBouncer; yield the URL of the tests' database behind it."""
    program = require_pgbouncer()
    with tempfile.TemporaryDirectory(prefix="pool", dir="/tmp") as name:
        folder = Path(name)
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(
            CONFIGURATION.format(
                server=_server(),
                documented=documented_settings(),
                port=PORT,
                folder=folder,
                mode=mode,
                size=size,
            )
        )
        with (folder / "output").open("ab") as output:
            pooler = start_process(
                "pgbouncer", [*_wrapper(), program, configuration], output=output
            )
        try:
            wait_until((folder / f".s.PGSQL.{PORT}").exists)
            yield f"postgres://app@/casefile?host={quote(name)}&port={PORT}"
        finally:
            pooler.stop()


def _server() -> str:
    known = connection.settings_dict
    words = {
        "host": known["HOST"],
        "port": known["PORT"],
        "dbname": known["NAME"],
        "user": known["USER"],
        "password": known["PASSWORD"],
    }
    return " ".join(f"{name}='{value}'" for name, value in words.items() if value)


@contextmanager
def behind(mode: str, *, size: int = 20) -> Iterator[BaseDatabaseWrapper]:
    """Give a connection of Django's that goes through a pooler."""
    from urllib.parse import parse_qs, urlsplit

    with running_pooler(mode, size=size) as url:
        place = parse_qs(urlsplit(url).query)
        through = connection.copy()
        through.settings_dict.update(
            NAME="casefile", USER="app", HOST=place["host"][0], PORT=place["port"][0]
        )
        try:
            yield through
        finally:
            through.close()
