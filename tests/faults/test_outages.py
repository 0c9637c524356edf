"""The broker away and emptied, and no worker for half an hour: all is told once."""

from __future__ import annotations

import os
import time

import pytest
import redis

from config.queues import TASK_QUEUES
from tests.faults.conftest import Counted
from tests.faults.counting import (
    DOUBLE_REPORTS,
    UPLOADS,
    ask_while,
    count_told,
    count_verified,
    is_well,
    read_messages,
    require_history_holds,
    upload_many,
    wait_until_told,
)
from tests.faults.installation import Installation

pytestmark = pytest.mark.faults
BROKER_AWAY_SECONDS = int(os.environ.get("FAULTS_BROKER_SECONDS", "75"))
"""300 in a whole run, `make faults FULL=1`: five minutes. After one, all who ask the
broker have failed, waited and begun to ask again, as they do until it is back."""
WORKERS_AWAY_MINUTES = 30
REALLY_AWAY = "FAULTS_WORKERS_REALLY_AWAY" in os.environ
"""In a whole run, the half hour passes, and beat itself sends what piles up. Otherwise
the cases are half an hour old, and beat's messages of that time are sent at once."""
CASES = 20
CONTAIN_SECONDS = 300
# What beat would have sent meanwhile, sent by its own schedule.
SEND_AS_BEAT = """
from celery import current_app
for entry in current_app.conf.beat_schedule.values():
    every = entry["schedule"]
    if isinstance(every, float):
        for _ in range(int(%d / every)):
            current_app.send_task(entry["task"])
"""


def let_beat_send(casefile: Installation, seconds: float) -> None:
    """Leave beat alone for so long: it sends, and nobody takes."""
    casefile.start_workers("beat")
    time.sleep(seconds)
    casefile.kill_workers()


def count_waiting(casefile: Installation) -> int:
    """Return how many tasks are in the broker's queues."""
    with redis.Redis.from_url(casefile.environment["REDIS_URL"]) as broker:
        return sum(broker.llen(queue.name) for queue in TASK_QUEUES)


@pytest.fixture(autouse=True, scope="module")
def workers(casefile: Installation) -> None:
    casefile.start_workers()
    casefile.wait(lambda: is_well(casefile), seconds=120)


@pytest.mark.promise(
    f"broker away for {BROKER_AWAY_SECONDS} s, and empty when it is back",
    "uploads are taken, sign-in answers; what fell due meanwhile is told once, all is "
    "verified within a minute of its return, none twice",
)
def test_a_broker_that_was_away_costs_no_message_and_no_report(
    casefile: Installation, counted: Counted
) -> None:
    reference = casefile.open_case("broker away")
    half = BROKER_AWAY_SECONDS / 2
    cases = casefile.open_cases(
        CASES, title="due meanwhile", opened_seconds_ago=CONTAIN_SECONDS - half
    )
    casefile.stop_valkey()
    back_at = time.monotonic() + BROKER_AWAY_SECONDS
    answers = upload_many(casefile, reference, "away", patiently=True)
    others = ask_while(casefile, lambda: time.monotonic() < back_at)
    ready = casefile.get("/readyz")
    casefile.restart_valkey()
    told = wait_until_told(casefile, cases, seconds=120)
    after = told + casefile.wait(
        lambda: count_verified(casefile, reference) == UPLOADS, seconds=120
    )
    messages = read_messages(casefile)
    doubled = casefile.count(DOUBLE_REPORTS)
    require_history_holds(casefile)
    counted(
        f"{len(answers)} uploads taken, {others}; {CASES} breaches told {told:.0f} s "
        f"after, {UPLOADS} items verified {after:.0f} s after, {doubled} twice; "
        f"{messages}"
    )
    assert {answer.status for answer in answers} == {201}
    assert ready.status == 200
    assert ready.json()["parts"]["broker"]["status"] == "failing"
    others.require_unheld()
    messages.require_each_once()
    assert doubled == 0
    assert after < 60 * casefile.slowness


@pytest.mark.promise(
    f"no worker for {WORKERS_AWAY_MINUTES} minutes, while beat went on sending"
    f"{', in real time' if REALLY_AWAY else ''}",
    "what fell due meanwhile is told once, and late is said; nothing expired",
)
def test_workers_that_were_away_tell_everything_once(
    casefile: Installation, counted: Counted
) -> None:
    reference = casefile.open_case("workers away")
    casefile.kill_workers()
    seconds = WORKERS_AWAY_MINUTES * 60
    # Their clocks begin and run out while nobody is there to see it.
    cases = casefile.open_cases(
        CASES,
        title="breached meanwhile",
        opened_seconds_ago=0 if REALLY_AWAY else seconds,
    )
    answers = upload_many(casefile, reference, "alone", patiently=True)
    if REALLY_AWAY:
        let_beat_send(casefile, seconds)
    else:
        casefile.manage("shell", "-v", "0", "-c", code=SEND_AS_BEAT % seconds)
    told_before = count_told(casefile, "breach", cases)
    waiting = count_waiting(casefile)
    casefile.start_workers()
    started = casefile.wait(lambda: is_well(casefile), seconds=120)
    told = wait_until_told(casefile, cases, seconds=180)
    casefile.wait(lambda: count_verified(casefile, reference) == UPLOADS, seconds=180)
    messages = read_messages(casefile)
    late = casefile.count(
        "SELECT count(*) FROM incidents_notification AS message JOIN"
        " incidents_incident AS case_ ON case_.id = message.incident_id"
        " WHERE message.kind = 'breach' AND message.was_late"
        " AND case_.reference = ANY(%s)",
        cases,
    )
    doubled = casefile.count(DOUBLE_REPORTS)
    require_history_holds(casefile)
    counted(
        f"{waiting} tasks waited; {CASES} breaches told {told:.0f} s "
        f"after the workers were well (up in {started:.0f} s), {late} messages say "
        f"that they are late; {len(answers)} items verified, {doubled} twice; "
        f"{messages}"
    )
    assert {answer.status for answer in answers} == {201}
    assert told_before == 0
    assert waiting > WORKERS_AWAY_MINUTES * 10, "beat did not send meanwhile"
    assert late >= CASES
    messages.require_each_once()
    assert doubled == 0
