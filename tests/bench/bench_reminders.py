"""How late a breach is told: `python -m tests.bench.bench_reminders`.

Cases breach over two minutes, with and without evidence that waits to be verified,
before real workers, a real scheduler and a mail server on loopback. Prints a Markdown
table: how long after its moment a message went out, what is missing and what came
twice. Ends with code 1 where anything is. In the smallest size this process plans and
sends by itself.
"""

from __future__ import annotations

import datetime as dt
import gzip
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import django
from django.core.management import call_command

from config.launcher.folders import ROOT
from config.launcher.processes import start_process
from tests.bench.sizes import choose, is_smallest
from tests.incidents.notifications.sinks import Sink, run_mail_sink

CASES = choose(2_000, 3)
BUNDLES = choose(1_000, 1)
SPREAD = dt.timedelta(minutes=2)
LEAD_TIME = dt.timedelta(minutes=choose(3, 0))
"""From making the cases until the first of them breaches: they have to be made."""
PATIENCE_SECONDS = 900.0


def main() -> int:
    django.setup()
    call_command("migrate", verbosity=0)
    print(f"\n### {CASES:,} cases that breach within {SPREAD.seconds} s\n")
    print("| Evidence waiting | Messages | Missing | Twice | Median | 95th | Slowest |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    with run_mail_sink() as sink:
        return max(measure(bundles, sink) for bundles in (0, BUNDLES))


def measure(bundles: int, sink: Sink) -> int:
    """Let the cases breach, wait for the mail, print a row; 1 where it is not whole."""
    from incidents.models import Notification

    known = set(Notification.objects.values_list("pk", flat=True))
    cases = make_cases(bundles)
    expected = 2 * cases  # the lead of each, and the reviewer
    run(sink, lambda: count_sent(known) >= expected)
    rows = Notification.objects.filter(kind="breach").exclude(pk__in=known)
    late = [
        (row.finished_at - row.owed_at).total_seconds()
        for row in rows.filter(state="sent")
        if row.finished_at
    ]
    twice = sum(count > 1 for count in Counter(sink.accepted).values())
    missing = expected - len(late)
    ranked = sorted(late) or [0.0]
    figures = (statistics.median(ranked), ranked[int(len(ranked) * 0.95)], ranked[-1])
    seconds = " | ".join(f"{figure:.1f} s" for figure in figures)
    counts = f"{bundles:,} | {len(late):,} | {missing} | {twice}"
    print(f"| {counts} | {seconds} |", flush=True)
    silence()
    return int(bool(missing or twice))


def make_cases(bundles: int) -> int:
    """Open the cases, put the bundles into the queue, and return how many cases."""
    from django.utils import timezone

    from evidence.accounts.access import Role
    from tests.evidence.helpers import receive
    from tests.factories import make_incident, make_playbooks, make_user

    make_user(Role.REVIEWER)
    lead, version = make_user(), make_playbooks()["INC-2"]
    now = timezone.now()
    for number in range(CASES):
        moment = now - dt.timedelta(minutes=5) + LEAD_TIME + SPREAD * (number / CASES)
        case = make_incident(
            playbook_version=version, actor=lead, lead=lead, detected_at=moment, now=now
        )
    path = Path(ROOT) / "tests/data/vectors/big.json.gz"
    bundle = gzip.decompress(path.read_bytes())
    for number in range(bundles):
        receive(case.pk, bundle + b" " * number, f"{number}.json")
    return CASES


def run(sink: Sink, is_done: Callable[[], bool]) -> None:
    """Let workers and the scheduler work until it is done, or nobody believes it."""
    if is_smallest():
        send_here(sink)
        return
    workers = start_process(
        "workers",
        [sys.executable, "-m", "config.workers"],
        environment={
            **os.environ,
            "EMAIL_URL": f"smtp://127.0.0.1:{sink.port}",
            "LOG_LEVEL": "ERROR",
        },
    )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_done() and time.monotonic() < deadline:
            time.sleep(1)
    finally:
        workers.stop()


def send_here(sink: Sink) -> None:
    """Plan and send in this process, once."""
    from django.conf import settings
    from django.utils import timezone

    from incidents.services.notifications.delivery import deliver_notifications
    from incidents.services.notifications.reminders import plan_reminders

    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
    later = timezone.now() + SPREAD
    plan_reminders(now=later)
    deliver_notifications(now=later)


def count_sent(known: set[int]) -> int:
    """Return how many breaches went out of this measurement."""
    from incidents.models import Notification

    rows = Notification.objects.filter(kind="breach", state="sent")
    return rows.exclude(pk__in=known).count()


def silence() -> None:
    """Let the cases of this measurement remind no more."""
    from incidents.models import ReminderCursor

    ReminderCursor.objects.update(next_at=None)


if __name__ == "__main__":
    sys.exit(main())
