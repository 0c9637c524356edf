"""How late a breach is told: `python -m tests.bench.bench_reminders`.

Before real workers, a real scheduler and a mail server on loopback: cases that breach
within two minutes, the same cases at one moment, and a few of them while bundles wait
to be verified; a number after the module's name chooses one of these. Each case owes
three messages: a warning and the breach to its lead, and the breach to the reviewer.
Prints a Markdown table: how long after its moment a message went out, what is missing
and what came twice. Ends with code 1 where anything is. In the smallest size this
process plans and sends by itself.
"""

from __future__ import annotations

import datetime as dt
import gzip
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import django
from django.core.management import call_command

from config.launcher.folders import ROOT
from config.launcher.processes import start_process
from tests.bench.sizes import choose, is_smallest
from tests.incidents.notifications.sinks import Sink, run_mail_sink

MESSAGES_A_CASE = 3
STARTED_BEFORE = dt.timedelta(seconds=100)
"""Of CONTAIN's five minutes: less than half is left, more than a fifth."""
PATIENCE_SECONDS = 900.0


@dataclass(frozen=True)
class Burst:
    """What happens: how many cases breach, within how long, before how many bundles."""

    cases: int
    spread: dt.timedelta
    bundles: int = 0


BURSTS = (
    Burst(choose(2_000, 3), dt.timedelta(minutes=2)),
    Burst(choose(2_000, 3), dt.timedelta(0)),
    Burst(choose(20, 1), dt.timedelta(minutes=2), choose(1_000, 2)),
)


def main() -> int:
    django.setup()
    call_command("migrate", verbosity=0)
    print("\n### From its moment until a message went out\n")
    print(
        "| Cases | Breach within | Bundles waiting | Messages | Missing | Twice "
        "| Median | 95th | Slowest | Last breach told | A second | Load |"
    )
    print(f"|{' ---: |' * 12}")
    with run_mail_sink() as sink:
        return max([measure(burst, sink) for burst in chosen()])


def chosen() -> Sequence[Burst]:
    """Return the bursts that are named by their places, such as `1 3`, or all."""
    places = [int(word) for word in sys.argv[1:] if word.isdigit()]
    return [BURSTS[place - 1] for place in places] or BURSTS


def measure(burst: Burst, sink: Sink) -> int:
    """Let the cases breach, wait for the mail, print a row; 1 where it is not whole."""
    from incidents.models import Notification

    newest = Notification.objects.order_by("-pk").values_list("pk", flat=True).first()
    rows = Notification.objects.filter(pk__gt=newest or 0, phase__phase="contain")
    received = len(sink.accepted)
    put_bundles(burst.bundles)
    if is_smallest():
        make_cases(burst)
        send_here(sink)
    else:
        run(sink, burst, rows)
    late = [(row.finished_at - row.owed_at).total_seconds() for row in went_out(rows)]
    twice = sum(count > 1 for count in Counter(sink.accepted[received:]).values())
    missing = MESSAGES_A_CASE * burst.cases - len(late)
    print(f"| {' | '.join(describe(burst, rows, late, missing, twice))} |", flush=True)
    silence()
    return int(bool(missing or twice))


def describe(
    burst: Burst, rows: Any, late: Sequence[float], missing: int, twice: int
) -> list[str]:
    """Return the cells of a row."""
    ranked = sorted(late) or [0.0]
    moments = sorted(row.finished_at for row in went_out(rows))
    seconds = (moments[-1] - moments[0]).total_seconds() if moments else 0.0
    breaches = went_out(rows.filter(kind="breach")).order_by("owed_at")
    last = breaches.last()
    figures = (
        statistics.median(ranked),
        ranked[int(len(ranked) * 0.95)],
        ranked[-1],
        (last.finished_at - last.owed_at).total_seconds() if last else 0.0,
    )
    return [
        *(f"{burst.cases:,}", f"{burst.spread.seconds} s", f"{burst.bundles:,}"),
        *(f"{len(late):,}", str(missing), str(twice)),
        *(f"{figure:.1f} s" for figure in figures),
        f"{len(late) / seconds:.0f}" if seconds else "n.a.",
        f"{os.getloadavg()[0]:.0f}",
    ]


def went_out(rows: Any) -> Any:
    return rows.filter(state="sent")


def make_cases(burst: Burst) -> None:
    """Open the cases, as rows."""
    from django.utils import timezone

    from evidence.accounts.access import Role
    from tests.factories import make_incident, make_user
    from tests.incidents.notifications.making import copy_case

    if not _has_reviewer():
        make_user(Role.REVIEWER)
    lead, now = make_user(), timezone.now()
    due_at = now + STARTED_BEFORE
    case = make_incident(
        actor=lead, lead=lead, detected_at=due_at - dt.timedelta(minutes=5), now=now
    )
    copy_case(case, burst.cases, spread=burst.spread)
    stop_clocks(case)


def stop_clocks(case: Any) -> None:
    """Let a case that others are copied from never breach."""
    from incidents.models import IncidentPhase

    running = IncidentPhase.objects.filter(cycle__incident=case, completed_at=None)
    running.update(due_at=None)


def _has_reviewer() -> bool:
    from incidents.services.notifications.recipients import people_with

    return people_with("review_incident").exists()


def put_bundles(count: int) -> None:
    """Have bundles of 10,000 calls wait: one file, as evidence of so many cases."""
    from evidence.models import EvidenceItem, VerificationRequest
    from evidence.services.verification import (
        queue_verifications,
        request_verifications,
    )
    from incidents.models import Incident
    from tests.evidence.helpers import receive
    from tests.factories import make_incident
    from tests.incidents.notifications.making import copy_case

    if not count:
        return
    case = make_incident()
    stop_clocks(case)
    path = Path(ROOT) / "tests/data/vectors/big.json.gz"
    item = receive(case.pk, gzip.decompress(path.read_bytes()), "big.json")
    copy_case(case, count)
    copies = Incident.objects.filter(pk__gt=case.pk).order_by("-pk")[:count]
    values = {
        field.attname: getattr(item, field.attname)
        for field in EvidenceItem._meta.concrete_fields
        if field.attname not in ("id", "incident_id")
    }
    EvidenceItem.objects.bulk_create(
        EvidenceItem(**values | {"incident_id": copy.pk}) for copy in copies
    )
    items = EvidenceItem.objects.exclude(pk=item.pk)
    request_verifications(item_ids=items.values_list("pk", flat=True), actor=None)
    waiting = VerificationRequest.objects.filter(state="queued")
    queue_verifications(request_ids=list(waiting.values_list("pk", flat=True)))


def run(sink: Sink, burst: Burst, rows: Any) -> None:
    """Let workers and the scheduler work until all went out, or nobody believes it.

    The cases come once every worker is up: what a start takes is no delay.
    """
    forget_workers()
    with TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "EMAIL_URL": f"smtp://127.0.0.1:{sink.port}",
            "BEAT_SCHEDULE_FILE": f"{folder}/beat",
            "LOG_LEVEL": "ERROR",
        }
        _work_off(burst, rows, environment)


def _work_off(burst: Burst, rows: Any, environment: dict[str, str]) -> None:
    expected = MESSAGES_A_CASE * burst.cases
    workers = start_process(
        "workers", [sys.executable, "-m", "config.workers"], environment=environment
    )
    try:
        wait_for_workers()
        make_cases(burst)
        deadline = time.monotonic() + PATIENCE_SECONDS
        ended = rows.exclude(finished_at=None)
        while ended.count() < expected and time.monotonic() < deadline:
            time.sleep(1)
    finally:
        workers.stop()


def forget_workers() -> None:
    """Forget those of the burst before: they are not the ones to wait for."""
    from django.core.cache import cache

    from evidence.queue.names import QueueName
    from evidence.queue.signs import BEAT_KEY, seen_key

    cache.delete_many([BEAT_KEY, *map(seen_key, QueueName)])


def wait_for_workers() -> None:
    """Return once a worker of every queue was heard, and beat."""
    from config.health import check_beat, check_workers
    from evidence.errors import HealthFailure, HealthWarning

    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            check_workers()
            check_beat()
        except (HealthFailure, HealthWarning):
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return


def send_here(sink: Sink) -> None:
    """Plan and send in this process: the warnings, then the breaches."""
    from django.conf import settings
    from django.utils import timezone

    from incidents.services.notifications.delivery import deliver_notifications
    from incidents.services.notifications.reminders import follow_clocks

    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
    now = timezone.now()
    for seconds in range(0, 241, 10):
        moment = now + dt.timedelta(seconds=seconds)
        follow_clocks(now=moment)
        deliver_notifications(now=moment)


def silence() -> None:
    """Let the cases of this measurement remind no more."""
    from incidents.models import ReminderCursor

    ReminderCursor.objects.update(next_at=None)


if __name__ == "__main__":
    sys.exit(main())
