"""Workers that are killed while they decide: nothing lost, nothing twice, in order."""

from __future__ import annotations

import random
import time

import pytest

from evidence.audit.history import list_streams, verify_stream
from incidents.models import Alert, Incident
from tests.incidents.alerts.samples import NOON_MS, alert_document, make_rules, receive
from tests.incidents.alerts.test_waiting import accept
from tests.live import LiveWorker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.live]
GROUPS = ("ext.a", "ext.b", "ext.c")
KILLS = 2
ROUNDS = 40


def send(round_number: int) -> None:
    for name in GROUPS:
        moment = NOON_MS + round_number
        accept(f"{name}-{round_number:03}", extension_id=name, ts_ms=moment)


def test_worker_that_is_killed_loses_and_doubles_nothing(
    live_worker: LiveWorker,
) -> None:
    make_rules()
    numbers = random.Random(3)
    for kill in range(KILLS):
        for number in range(ROUNDS):
            send(kill * ROUNDS + number)
        time.sleep(numbers.uniform(0.2, 0.9))
        live_worker.kill()
        # What was sent just before it is killed waits, and is in front of this one.
        send(900 + kill)
        for name in GROUPS:
            document = alert_document(f"{name}-answered-{kill}", extension_id=name)
            assert receive(document)[0].row.decision == "joined"
            ahead = Alert.objects.filter(extension__extension_id=name).waiting()
            assert not ahead.exists()
        live_worker.start()
    send(999)
    live_worker.wait_for(lambda: not Alert.objects.waiting().exists(), seconds=60)
    require_each_once()


def require_each_once() -> None:
    assert Incident.objects.count() == len(GROUPS)
    rows = Alert.objects.prefetch_related("assignments")
    assert rows.count() == len(GROUPS) * (KILLS * (ROUNDS + 2) + 1)
    assert all(row.incident_id and row.assignments.count() == 1 for row in rows)
    opened = rows.filter(decision="opened").values_list("alert_id", flat=True)
    assert sorted(opened) == [f"{name}-000" for name in GROUPS]
    for name in GROUPS:
        moves = rows.filter(extension__extension_id=name).order_by("assignments__pk")
        keys = list(moves.values_list("pk", flat=True))
        assert keys == sorted(keys)
    assert not [stream for stream in list_streams() if verify_stream(stream)]
