"""What writing a history entry costs: `python -m tests.bench.bench_entries`.

Starts PostgreSQL in a folder of its own and writes entries, each in a transaction that
commits, in turns with a bare row of the same columns and indexes. The history log must
cost a writer nothing: entries are written while it lags behind, right after it caught
up, and while another process gives out places in it without a pause.

Prints a Markdown table of the time that nine of ten take longer than, which other work
on the machine disturbs least. Ends with code 1 where an entry costs more than 5 %
more once the log has caught up than where it lags. What the process beside adds is
printed and not judged: it takes a core, and the database's time.
"""

from __future__ import annotations

import os
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tests.bench.database import run_with_database
from tests.bench.sizes import choose

ROUNDS = choose(40, 2)
AT_ONCE = choose(50, 3)
MOST = choose(1.05, float("inf"))
GROW = "--grow"
BARE = "a bare row"
BEHIND = "an entry, the log behind"
CAUGHT_UP = "an entry, the log caught up"
BESIDE = "an entry, the log growing beside"
BARE_ROW = """
    INSERT INTO bench_bare (stream, sequence, recorded_at, actor_name, action,
        object_type, object_id, object_label, reason, after, previous_hash, entry_hash)
    VALUES ('bare', %s, now(), 'somebody', 'bench.written', 'auth.user', '1',
        'somebody', 'Measured.', to_jsonb(%s::text), repeat('0', 64), %s)
"""


def main() -> int:
    if GROW in sys.argv[1:]:
        return _grow_until_told()
    return run_with_database("tests.bench.bench_entries", _measure)


def _measure() -> int:
    from evidence.audit.log.growing import grow_log

    write, write_bare = _writer(), _bare_writer()
    taken: dict[str, list[float]] = {}
    for number in range(ROUNDS):
        turns: list[tuple[str, Callable[[], object]]] = [
            (BARE, write_bare),
            (BEHIND, write),
            (CAUGHT_UP, write),
        ]
        # The one that comes first differs: caches warm up for who comes later.
        for name, act in turns if number % 2 else [turns[0], turns[2], turns[1]]:
            if name == CAUGHT_UP:
                grow_log()
            else:
                write()
            taken.setdefault(name, []).extend(_times(act))
    with _growing_beside():
        for _ in range(ROUNDS):
            taken.setdefault(BESIDE, []).extend(_times(write))
    tenths = {name: statistics.quantiles(found, n=10) for name, found in taken.items()}
    return _report({name: found[0] for name, found in tenths.items()})


def _times(act: Callable[[], object]) -> Iterator[float]:
    for _ in range(AT_ONCE):
        start = time.perf_counter()
        act()
        yield time.perf_counter() - start


def _writer() -> Callable[[], object]:
    """Return what writes one entry and commits it, as a service does."""
    from django.db import transaction

    from evidence.audit.history import record_entry
    from tests.conftest import make_user

    person = make_user("somebody", "responder")

    def write() -> Any:
        with transaction.atomic():
            return record_entry(
                action="bench.written",
                actor=person,
                obj=person,
                reason="Measured.",
                after={"state": "written", "note": "x" * 200},
            )

    return write


def _bare_writer() -> Callable[[], object]:
    """Return what adds a row as long as an entry, neither chained nor hashed."""
    from django.db import connection, transaction

    numbers = count(1)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE bench_bare (LIKE evidence_auditentry INCLUDING ALL)"
        )

    def write() -> None:
        number = next(numbers)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(BARE_ROW, [number, "x" * 230, f"{number:064d}"])

    return write


@contextmanager
def _growing_beside() -> Iterator[None]:
    """Let another process grow the log, again and again, until the block ends."""
    from django.db import connection

    name = connection.settings_dict["NAME"]
    url = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))
    command = [sys.executable, "-m", "tests.bench.bench_entries", GROW]
    with subprocess.Popen(
        command,
        env={**os.environ, "DATABASE_URL": url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"growing\n"
        try:
            yield
        finally:
            child.communicate()


def _grow_until_told() -> int:
    """Grow the log until standard input ends."""
    import django

    django.setup()
    from evidence.audit.log.growing import grow_log

    grow_log()
    print("growing", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        grow_log()
    return 0


def _report(found: dict[str, float]) -> int:
    print("| written | ms | of a bare row |")
    print("| --- | ---: | ---: |")
    for name, seconds in found.items():
        print(f"| {name} | {1000 * seconds:.2f} | {seconds / found[BARE]:.2f} |")
    return int(found[CAUGHT_UP] > MOST * found[BEHIND])


if __name__ == "__main__":
    sys.exit(main())
