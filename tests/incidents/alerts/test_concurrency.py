"""Many clients at once, each on a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

import pytest
from django.contrib.auth.models import User
from django.db import connection

from evidence.audit.history import list_streams, verify_stream
from incidents.models import Alert, AlertAssignment, Incident
from incidents.services.alerts.incoming import Answer
from incidents.services.alerts.intake import lock_bucket
from incidents.services.alerts.moves import move_alerts, split_alerts
from incidents.workflow.alert_grouping import Group
from tests.incidents.alerts.samples import (
    EXTENSION,
    NOON_MS,
    alert_document,
    make_rules,
    receive,
    receive_one,
)

pytestmark = pytest.mark.django_db(transaction=True)
Result = TypeVar("Result")


@pytest.fixture(autouse=True)
def rules(transactional_db: None) -> None:
    make_rules()


def at_once(calls: list[Callable[[], Result]]) -> list[Result]:
    """Make all calls at the same moment, each in a thread with its own connection."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], Result]) -> Result:
        try:
            connection.ensure_connection()
            gate.wait(timeout=30)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [
            future.result(timeout=120)
            for future in [pool.submit(run, c) for c in calls]
        ]


def documents(client: int, count: int, **members: Any) -> list[dict[str, Any]]:
    return [
        alert_document(f"c{client}-{i}", ts_ms=NOON_MS + i, **members)
        for i in range(count)
    ]


def test_many_clients_open_one_case() -> None:
    batches = [documents(client, 5) for client in range(8)]
    answers = at_once([lambda b=b: receive(*b) for b in batches])
    assert Incident.objects.count() == 1
    assert Alert.objects.count() == 40
    decisions = [answer.row.decision for batch in answers for answer in batch]
    assert sorted(set(decisions)) == ["joined", "opened"]
    assert decisions.count("opened") == 1


def test_same_batch_from_many_clients_is_taken_in_once() -> None:
    batch = documents(0, 50)
    answers = at_once([lambda: receive(*batch) for _ in range(6)])
    assert Alert.objects.count() == 50
    created = [taken for answer in answers for taken in answer if taken.created]
    assert len(created) == 50
    rows = [[taken.row.pk for taken in answer] for answer in answers]
    assert all(client_rows == rows[0] for client_rows in rows)


def test_same_id_under_two_extensions_is_stored_once() -> None:
    groups = [Group(f"ext.{i}", "secret_exposure") for i in range(4)]
    assert len({lock_bucket(group) for group in groups}) == 4
    answers: list[list[Answer]] = at_once(
        [
            lambda g=g: receive(alert_document("same", extension_id=g.extension_id))
            for g in groups
        ]
    )
    assert Alert.objects.count() == 1
    assert sum(answer[0].created for answer in answers) == 1
    assert sum(answer[0].conflict for answer in answers) == 3
    assert Incident.objects.count() == 1


def test_batches_over_many_groups_in_opposite_orders_all_come_in() -> None:
    extensions = [f"ext.{i}" for i in range(12)]

    def batch(client: int) -> list[dict[str, Any]]:
        order = extensions if client % 2 else extensions[::-1]
        return [
            alert_document(f"c{client}-{extension_id}", extension_id=extension_id)
            for extension_id in order
        ]

    at_once([lambda c=c: receive(*batch(c)) for c in range(6)])
    assert Alert.objects.count() == 72
    assert Incident.objects.count() == 12
    assert {case.alerts.count() for case in Incident.objects.all()} == {6}
    assert sorted(Incident.objects.values_list("number", flat=True)) == list(
        range(1, 13)
    )


def test_counting_rule_opens_one_case_however_the_alerts_arrive() -> None:
    members = {"category": "policy_violation", "severity": "error"}
    at_once([lambda c=c: receive(*documents(c, 3, **members)) for c in range(6)])
    case = Incident.objects.get()
    assert case.alerts.count() == 18
    assert AlertAssignment.objects.count() == 18


def test_history_of_every_stream_holds_after_the_rush() -> None:
    at_once([lambda c=c: receive(*documents(c, 4)) for c in range(6)])
    assert list_streams()
    assert {stream: verify_stream(stream) for stream in list_streams()} == {
        stream: [] for stream in list_streams()
    }


def test_moving_by_hand_and_joining_by_rule_do_not_lose_each_other(
    responder: User,
) -> None:
    first = receive_one("a")
    other = receive_one("o", extension_id="ext.other").incident

    def move() -> object:
        return move_alerts(
            actor=responder,
            alert_ids=[first.pk],
            incident_id=other.pk,
            reason="belongs there",
        )

    at_once([move, *[lambda c=c: receive(*documents(c, 3)) for c in range(4)]])
    first.refresh_from_db()
    assert first.incident == other
    # The moved alert made its extension part of the other case: either may be joined.
    both = [first.decided_incident, other]
    assert Alert.objects.filter(incident__in=both).count() == 14
    assert AlertAssignment.objects.filter(kind="moved").count() == 1


def test_two_people_move_the_same_alert_to_two_cases(responder: User) -> None:
    alert = receive_one("a")
    targets = [receive_one(f"t{i}", extension_id=f"ext.t{i}").incident for i in (1, 2)]

    def move(pk: int) -> object:
        try:
            return move_alerts(
                actor=responder, alert_ids=[alert.pk], incident_id=pk, reason="here"
            )
        except Exception as error:
            return error

    at_once([lambda t=t: move(t.pk) for t in targets])
    alert.refresh_from_db()
    assert alert.incident in targets
    moves = alert.assignments.order_by("pk")
    assert moves.last().incident == alert.incident
    for before, after in pairwise(moves):
        assert after.previous_incident == before.incident


def test_split_alert_stays_out_while_others_come(responder: User) -> None:
    alert = receive_one("a")
    split_alerts(actor=responder, alert_ids=[alert.pk], reason="unrelated")
    at_once([lambda c=c: receive(*documents(c, 3)) for c in range(4)])
    alert.refresh_from_db()
    assert alert.incident is None
    assert {alert.extension.extension_id for alert in Alert.objects.all()} == {
        EXTENSION
    }
