"""How pages and lists keep their pace: `make bench-scale N=100000`.

Copies the cases that the services made until there are N of them, in a database of its
own on servers of its own. Then asks every list, page and resource, as everybody for
whom other statements are sent, and prints what each cost as a Markdown table.

`OUT=FILE` writes all of it as JSON, with the statement of each that reads most and its
plan; `COMPARE=FILE` shows what changed since such a file was written. `KEEP=1` keeps
the database: the next run with as many cases, or more, goes on with it, migrated to
what the code is then. `ONLY=pattern` asks only what has it in its name, and
`ARGS=--as-one` only as somebody who sees everything.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from config.launcher.folders import ROOT, STATE_VARIABLE, state_folder
from config.launcher.servers import running_servers
from config.launcher.testing import SERVER_VARIABLES
from tests.bench.sizes import SMALLEST

FOLDER = ROOT / ".bench-scale"
DATABASE = "scale"
MARKER = "cases.json"
BYTES_A_CASE = 120_000
"""With indexes, while they are built: more than is left of it afterwards."""


def main() -> int:
    options = _read_options()
    if options.smallest:
        return _measure(options)
    for name in SERVER_VARIABLES:
        os.environ.pop(name, None)
    os.environ[STATE_VARIABLE] = str(FOLDER)
    marker = FOLDER / MARKER
    if not marker.is_file() or json.loads(marker.read_text()) > options.cases:
        shutil.rmtree(FOLDER, ignore_errors=True)
    _require_room(options.cases)
    try:
        with (
            state_folder() as folders,
            running_servers(folders, durable=False) as servers,
        ):
            os.environ.update(servers)
            os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings_test"
            os.environ["CASEFILE_TEST_FOLDER"] = str(folders.data)
            _make_database(servers["DATABASE_URL"])
            code = _measure(options, marker)
    finally:
        if not options.keep:
            shutil.rmtree(FOLDER, ignore_errors=True)
    return code


def _read_options() -> Any:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--compare", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--as-one", action="store_true")
    parser.add_argument(SMALLEST, action="store_true")
    options = parser.parse_args()
    if options.smallest:
        options.cases, options.only, options.as_one = 40, "^case: tab", True
    return options


def _require_room(cases: int) -> None:
    """Refuse to use more than half of what the disk has left."""
    free = shutil.disk_usage(ROOT).free
    if cases * BYTES_A_CASE > free // 2:
        most = free // 2 // BYTES_A_CASE
        sys.exit(
            f"{cases:,} cases would take more than half of the {free // 2**30} GB that "
            f"the disk has left. Ask for at most {most:,}."
        )


def _make_database(url: str) -> None:
    """Make the bench's own database on its server, where it is not there yet."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as server:
        found = server.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
        ).fetchone()
        if found is None:
            server.execute(f'CREATE DATABASE "{DATABASE}"')
    parts = urlsplit(url)
    os.environ["DATABASE_URL"] = urlunsplit(parts._replace(path=f"/{DATABASE}"))


def _grant_reading_role() -> None:
    """Let auditors read as they do in production: under a role of their own."""
    from django.conf import settings
    from django.db import connection, transaction

    from evidence.database.reading_role import grant_reading_role

    owner = connection.settings_dict["USER"]
    with transaction.atomic(), connection.cursor() as cursor:
        grant_reading_role(cursor, settings.DATABASE_READ_ROLE, to=owner)


def _measure(options: Any, marker: Path | None = None) -> int:
    import django

    django.setup()
    from django.core.management import call_command

    from tests.bench.scale import report
    from tests.bench.scale.filling import fill, read_sizes, read_unused
    from tests.bench.scale.running import ask_all

    logging.disable(logging.CRITICAL)  # clocks of the templates, and every 404
    call_command("migrate", verbosity=0)
    _grant_reading_role()
    started = time.perf_counter()

    def say(text: str) -> None:
        print(f"{time.perf_counter() - started:7.1f} s  {text}", flush=True)

    filled = fill(cases=options.cases, say=say)
    if marker is not None:
        marker.write_text(json.dumps(options.cases))
    sizes = read_sizes()
    figures = ask_all(only=options.only, as_one=options.as_one, say=say)
    document = {
        "cases": filled["cases"],
        "made": filled,
        "sizes": sizes,
        "unused": read_unused(),
        "figures": [figure.document() for figure in figures],
    }
    if options.out:
        options.out.write_text(json.dumps(document, indent=1))
    report.print_all(document)
    if options.compare:
        report.print_changes(json.loads(options.compare.read_text()), document)
    return int(any(figure.status >= 500 for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
