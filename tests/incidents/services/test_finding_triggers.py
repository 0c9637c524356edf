"""Whatever the findings read has them answered anew, by itself, once it changes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import pytest

from evidence.models import Channel, EvidenceKind
from incidents.models import Finding, Incident
from incidents.services.findings.gathering import (
    current_findings,
    gather_findings,
)
from policy.models import Extension
from policy.services.case_records import own_record
from policy.services.kill_switches import (
    activate_kill_all,
    activate_kill_switch,
    confirm_kill_switch,
)
from policy.services.runtime_histories import import_runtime_history
from policy.services.scans import request_scan, run_scan
from policy.services.trust import demote_extension
from tests.factories import make_evidence, make_incident, make_user
from tests.incidents.alerts.samples import make_rules, receive_one
from tests.incidents.findings.bundles import SAFE, START_MS, entry, make_bundle
from tests.incidents.services.readings import is_up_to_date
from tests.policy.samples import take

pytestmark = [pytest.mark.django_db, pytest.mark.long]
TASK = "incidents.gather_findings"
CALLS = json.dumps(make_bundle([entry(n) for n in range(1, 7)])).encode()
Capture = Callable[..., AbstractContextManager[list[Any]]]
Watch = Callable[[Incident], AbstractContextManager[None]]


def moment(second: float) -> dt.datetime:
    milliseconds = START_MS + int(second * 1000)
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)


@pytest.fixture
def recomputed(django_capture_on_commit_callbacks: Capture) -> Watch:
    """Fail unless what is done inside queues this case, and is read by the worker."""

    @contextmanager
    def watch(incident: Incident) -> Iterator[None]:
        gather_findings(incident_id=incident.pk)
        assert is_up_to_date(incident)
        with django_capture_on_commit_callbacks() as callbacks:
            yield
        queued = [one.args for one in callbacks if isinstance(one, partial)]
        assert (TASK, [incident.pk]) in queued
        assert not is_up_to_date(incident)
        assert gather_findings(incident_id=incident.pk) > 0

    return watch


@pytest.fixture
def incident() -> Incident:
    case = make_incident(playbook="INC-5", extension_ids=("ext",), now=moment(0))
    make_evidence(case, content=CALLS, name="bundle.json")
    return case


@pytest.fixture
def extension(incident: Incident) -> Extension:
    return incident.extensions.get()


def answer(incident: Incident, code: str, key: str) -> Finding:
    return next(row for row in current_findings(incident, code=code) if row.key == key)


def stopped(incident: Incident) -> Finding:
    return answer(incident, "INC-5", "executed-while-stopped")


def test_a_report(incident: Incident, recomputed: Watch) -> None:
    with recomputed(incident):
        make_evidence(incident, content=CALLS + b"\n", name="again.json")
    assert set(stopped(incident).inputs) == {"bundle.json", "again.json"}


def test_a_snapshot(incident: Incident, recomputed: Watch) -> None:
    with recomputed(incident):
        take(incident, SAFE)
    assert answer(incident, "INC-1", "executed-against-policy").verdict != "unknown"


def test_a_scan(incident: Incident, recomputed: Watch) -> None:
    source = make_evidence(
        incident,
        content=b"require('child_process').exec('id');\n",
        name="ext.js",
        kind=EvidenceKind.EXTENSION_SOURCE,
        verified=False,
    )
    request = request_scan(item_id=source.pk, actor=make_user())
    with recomputed(incident):
        assert run_scan(request_id=request.pk)
    assert answer(incident, "INC-4", "forbidden-uses").verdict == "found"


def test_an_imported_history(incident: Incident, recomputed: Watch) -> None:
    move = {"extension": "ext", "from": "probation", "to": "quarantined"}
    line = {**move, "reason": "r", "operator": "o", "time": START_MS + 2500}
    with recomputed(incident):
        import_runtime_history(
            incident_id=incident.pk,
            data=json.dumps(line).encode(),
            original_name="trust.jsonl",
            channel=Channel.ADMIN,
            actor=make_user(),
        )
    assert stopped(incident).verdict == "found"


def test_our_own_quarantine(
    incident: Incident, extension: Extension, recomputed: Watch
) -> None:
    with recomputed(incident):
        demote_extension(
            extension_pk=extension.pk, reason="r", actor=None, now=moment(2.5)
        )
    found = stopped(incident)
    assert found.verdict == "found"
    assert {one["call_id"] for one in found.pointers} == {
        f"call-{n}" for n in (3, 4, 5, 6)
    }
    assert "in quarantine since" in found.sentence
    assert "Casefile's own record" in found.inputs


def test_a_quarantine_that_another_case_ordered(
    incident: Incident, extension: Extension, recomputed: Watch
) -> None:
    other = make_incident(extension_ids=("ext",))
    with recomputed(incident):
        demote_extension(
            extension_pk=extension.pk,
            reason="r",
            actor=None,
            incident_id=other.pk,
            now=moment(2.5),
        )
    assert stopped(incident).verdict == "found"


def test_our_own_kill_switch(
    incident: Incident, extension: Extension, recomputed: Watch
) -> None:
    who = make_user()
    switch = activate_kill_switch(
        incident_id=incident.pk,
        extension_pk=extension.pk,
        reason="r",
        actor=who,
        now=moment(4.5),
    )
    assert own_record(incident).stops == ()
    with recomputed(incident):
        confirm_kill_switch(
            kill_switch_id=switch.pk,
            means="pi --no-extensions",
            actor=who,
            effective_at=moment(5.5),
            now=moment(7),
        )
    stops = {str(stop.kind): stop.started_at for stop in own_record(incident).stops}
    assert stops == {"quarantine": moment(5.5), "kill switch": moment(5.5)}
    found = stopped(incident)
    assert found.verdict == "found"
    # call-5 was executed between the order and its effect: nobody had to block it.
    assert {one["call_id"] for one in found.pointers} == {"call-6"}


def test_calls_after_an_order_that_nobody_confirmed_are_not_known_to_be_escapes(
    incident: Incident, extension: Extension, recomputed: Watch
) -> None:
    with recomputed(incident):
        activate_kill_switch(
            incident_id=incident.pk,
            extension_pk=extension.pk,
            reason="r",
            actor=make_user(),
            now=moment(2.5),
        )
    said = stopped(incident)
    assert said.verdict == "unknown"
    assert "is not confirmed: whether calls had to be blocked since" in said.sentence


def test_a_quarantine_before_the_order_counts_from_its_own_move(
    incident: Incident, extension: Extension
) -> None:
    demote_extension(extension_pk=extension.pk, reason="r", actor=None, now=moment(2.5))
    activate_kill_switch(
        incident_id=incident.pk,
        extension_pk=extension.pk,
        reason="r",
        actor=make_user(),
        now=moment(4.5),
    )
    (stop,) = own_record(incident).stops
    assert (stop.kind, stop.started_at) == ("quarantine", moment(2.5))


def test_a_kill_all_of_another_case_counts_once_it_is_confirmed(
    recomputed: Watch,
) -> None:
    who, first = make_user(), make_incident(extension_ids=("first",))
    switch = activate_kill_all(
        incident_id=first.pk,
        typed_reference=first.reference,
        reason="r",
        actor=who,
        now=moment(2),
    )
    # It is seen for the first time long after its calls: no quarantine covers them.
    late = make_incident(playbook="INC-5", extension_ids=("ext",), now=moment(60))
    make_evidence(late, content=CALLS, name="bundle.json")
    gather_findings(incident_id=late.pk)
    assert stopped(late).verdict != "found"
    with recomputed(late):
        confirm_kill_switch(
            kill_switch_id=switch.pk,
            means="pi --no-extensions",
            actor=who,
            effective_at=moment(4.5),
            now=moment(70),
        )
    found = stopped(late)
    assert found.verdict == "found"
    assert "under a kill switch for all extensions since" in found.sentence
    assert {one["call_id"] for one in found.pointers} == {"call-5", "call-6"}


def test_an_alert_that_joins(django_capture_on_commit_callbacks: Capture) -> None:
    """No answer rests on an alert by itself; what it proves of the checklist does."""
    make_rules()
    case = receive_one().incident
    assert case is not None
    make_evidence(case, content=CALLS, name="bundle.json")
    gather_findings(incident_id=case.pk)
    with django_capture_on_commit_callbacks() as callbacks:
        assert receive_one("alert-2").incident == case
    queued = [one.args for one in callbacks if isinstance(one, partial)]
    assert (TASK, [case.pk]) in queued
