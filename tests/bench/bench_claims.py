"""How quickly messages are claimed: `python -m tests.bench.bench_claims`.

A burst of messages waits; they are claimed in batches as a worker claims them, composed
and all, by this one process. The planner knows of the burst, or has statistics of an
empty table, or of one in which nothing waits: what a burst that came since leaves it
with. Prints a Markdown table.
"""

from __future__ import annotations

import datetime as dt
import os
import time

import django
import psutil
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from tests.bench.sizes import choose

WAITING = choose(46_000, 60)
CLAIMED = choose(3_000, 20)
TABLE = "incidents_notification"


def main() -> None:
    django.setup()
    call_command("migrate", verbosity=0)
    print(f"\n### Claiming, of {WAITING:,} messages that wait\n")
    print(
        "| Statistics | Claimed | A second | Processor, ms each "
        "| PostgreSQL's, ms each | A second that these allow | Load |"
    )
    print(f"| --- |{' ---: |' * 6}")
    run(f"ALTER TABLE {TABLE} SET (autovacuum_enabled = off)")
    make_first()
    run(f"ANALYZE {TABLE}")
    make_burst(1)
    measure("of an almost empty table")
    run(
        f"UPDATE {TABLE} SET state = 'sent', finished_at = now()"
        " WHERE state IN ('pending', 'sending')"
    )
    run(f"ANALYZE {TABLE}")
    make_burst(2)
    measure("of a table in which nothing waits")
    run(f"ANALYZE {TABLE}")
    measure("of the burst")


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def make_first() -> None:
    """Have one case breach: its messages are what the others are copies of."""
    from evidence.accounts.access import Role
    from incidents.services.notifications.reminders import follow_clocks
    from tests.factories import NOON, make_incident, make_user

    make_user(Role.REVIEWER)
    lead = make_user()
    make_incident(actor=lead, lead=lead, detected_at=NOON, now=NOON)
    follow_clocks(now=NOON + dt.timedelta(minutes=4))
    follow_clocks(now=NOON + dt.timedelta(minutes=6))


def make_burst(number: int) -> None:
    """Let so many messages wait, as rows."""
    from incidents.models import Notification

    names = [field.column for field in Notification._meta.concrete_fields]
    values = {name: f'"{name}"' for name in names if name != "id"}
    values |= {"key": f"key || ':{number}:' || n", "state": "'pending'"}
    # The row that is copied may have been claimed meanwhile, until later.
    values |= {"next_try_at": "send_at"}
    values |= {"attempts": "0", "attempts_left": "5", "finished_at": "NULL"}
    values |= {"subject": "''", "body": "''"}
    columns = ", ".join(f'"{name}"' for name in values)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {TABLE} ({columns}) SELECT {', '.join(values.values())}"
            f" FROM (SELECT * FROM {TABLE} WHERE kind = 'breach' ORDER BY id LIMIT 1)"
            " AS one, generate_series(1, %s) AS n",
            [WAITING],
        )


def measure(statistics: str) -> None:
    """Claim until so many are claimed, and print a row."""
    from evidence.queue.holding import Holding
    from incidents.services.notifications.claims import claim_batch
    from incidents.services.notifications.delivery import ROWS_A_SENDER
    from tests.factories import NOON

    most = ROWS_A_SENDER * settings.NOTIFICATION_SENDERS
    now, claimed = NOON + dt.timedelta(minutes=7), 0
    started, used, served = time.perf_counter(), time.process_time(), backend_seconds()
    while claimed < CLAIMED:
        with Holding() as holding:
            rows = claim_batch(most, holding, now=now)
        assert rows is not None, "nothing waits any more"
        claimed += len(rows)
    seconds = time.perf_counter() - started
    used, served = time.process_time() - used, backend_seconds() - served
    print(
        f"| {statistics} | {claimed:,} | {claimed / seconds:,.0f} "
        f"| {1000 * used / claimed:.2f} | {1000 * served / claimed:.2f} "
        f"| {claimed / (used + served):,.0f} | {os.getloadavg()[0]:.0f} |",
        flush=True,
    )


def backend_seconds() -> float:
    """Return the processor time of the process that serves this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
