"""The sweep for findings looks at every case, in as few queries for many as for few."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from evidence.models import Channel, EvidenceItem
from evidence.queue.children import ChildKilled
from incidents.models import Incident
from incidents.services.findings.gathering import (
    gather_findings,
    look_again,
    sweep_findings,
)
from incidents.services.findings.reading import readable_report_keys, readable_reports
from incidents.services.findings.state import cases_behind, state_keys
from policy.services.runtime_histories import import_runtime_history
from tests.factories import make_evidence, make_incident, make_user
from tests.incidents.findings.bundles import entry, make_bundle
from tests.incidents.notifications.making import copy_case

pytestmark = [pytest.mark.django_db, pytest.mark.long]
CALLS = json.dumps(make_bundle([entry(n) for n in range(1, 7)])).encode()
Capture = Callable[..., AbstractContextManager[list[Any]]]


def make_read_case() -> Incident:
    case = make_incident(playbook="INC-5", extension_ids=("ext",))
    make_evidence(case, content=CALLS, name="bundle.json")
    gather_findings(incident_id=case.pk)
    return case


def copy_with_evidence(count: int) -> list[Incident]:
    """Open cases as rows, each with an item that no worker has read."""
    case = make_incident()
    item = make_evidence(case, content=CALLS, name="bundle.json", verified=False)
    copy_case(case, count)
    copies = list(Incident.objects.filter(pk__gt=case.pk).order_by("pk"))
    values = {
        field.attname: getattr(item, field.attname)
        for field in EvidenceItem._meta.concrete_fields
        if field.attname not in ("id", "incident_id")
    }
    EvidenceItem.objects.bulk_create(
        EvidenceItem(**values | {"incident_id": copy.pk}) for copy in copies
    )
    return [case, *copies]


def test_oldest_case_is_found_behind_however_many_newer_ones(
    django_capture_on_commit_callbacks: Capture,
) -> None:
    oldest, *newer = copy_with_evidence(210)
    with django_capture_on_commit_callbacks() as callbacks:
        assert sweep_findings() == 1 + len(newer)
    queued = [one.args for one in callbacks if isinstance(one, partial)]
    assert ("incidents.gather_findings", [oldest.pk]) in queued


def test_pages_leave_nobody_out() -> None:
    cases = [case.pk for case in copy_with_evidence(4)]
    for at_once in (1, 2, 3, 5, 6):
        assert list(cases_behind(at_once=at_once)) == cases


def test_what_was_read_is_not_behind_and_what_came_since_is() -> None:
    first, second = make_read_case(), make_read_case()
    assert list(cases_behind()) == []
    make_evidence(second, content=CALLS + b"\n", name="again.json")
    assert list(cases_behind()) == [second.pk]
    assert first.pk in state_keys([first.pk, second.pk])


def test_closed_cases_and_cases_without_evidence_are_left_alone() -> None:
    make_incident()
    case, *_ = copy_with_evidence(0)
    assert list(cases_behind()) == [case.pk]


def test_one_case_has_the_digest_that_it_has_among_many() -> None:
    cases = [make_read_case().pk, make_read_case().pk, make_incident().pk]
    together = state_keys(cases)
    assert together == {pk: state_keys([pk])[pk] for pk in cases}
    assert len(set(together.values())) == len(cases)


def test_digest_and_reader_see_the_same_reports() -> None:
    case = make_read_case()
    make_evidence(case, content=CALLS + b" ", name="waits.json", verified=False)
    make_evidence(case, content=b"{}", name="broken.json")
    read = [report.pk for report in readable_reports(case)]
    assert read
    assert readable_report_keys([case.pk]) == {case.pk: read}


def test_queries_do_not_grow_with_the_cases() -> None:
    make_read_case()
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            sweep_findings()
        counts.append(len(queries))
        make_read_case()
        make_read_case()
    assert counts[0] == counts[1]


def test_evidence_that_takes_too_much_memory_is_given_up_and_not_asked_for_again(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every bundle of a case is held at once, so that many small ones are much.

    The limit itself is tried on a worker, in `make slow`: where memory runs out inside
    of a library that is written in C, it may end the whole process, and this one runs
    the other tests too.
    """

    def run_out(*args: object) -> None:
        raise MemoryError

    monkeypatch.setattr("incidents.services.findings.gathering.load_case", run_out)
    case = make_incident(playbook="INC-5", extension_ids=("ext",))
    document = make_bundle([entry(n) for n in range(1, 7)])
    data = json.dumps(document).encode()
    item = make_evidence(case, content=data, name="bundle.json")
    settings.TASK_MEMORY_MB = 64
    gather_findings(incident_id=case.pk)
    (problem,) = case.evidence_readings.get().problems
    assert "given up: it needed more than 64 MiB of memory" in problem
    assert list(cases_behind()) == []
    client.force_login(make_user())
    page = client.get(reverse("admin:evidence_evidenceitem_change", args=[item.pk]))
    assert problem in page.content.decode()


def test_evidence_that_takes_too_long_is_given_up_while_it_is_answered_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run_out(*args: object) -> None:
        raise SoftTimeLimitExceeded  # As a worker's pool raises it, wherever it is.

    monkeypatch.setattr("incidents.services.findings.gathering.answer_all", run_out)
    case = make_read_case()
    (problem,) = case.evidence_readings.get().problems
    assert "given up: it took longer than" in problem
    assert list(cases_behind()) == []


def test_a_reading_that_somebody_ended_is_tried_again_before_it_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def be_killed(*args: object, **options: object) -> None:
        raise ChildKilled("its process was killed")

    case = make_incident()
    make_evidence(case, content=b"{}", name="bundle.json")
    with monkeypatch.context() as patch:
        patch.setattr("incidents.services.findings.gathering.run_apart", be_killed)
        with pytest.raises(ChildKilled):
            gather_findings(incident_id=case.pk, is_last_try=False)
        assert not case.evidence_readings.exists()
        gather_findings(incident_id=case.pk)
    (problem,) = case.evidence_readings.get().problems
    assert problem.endswith("given up: its process was killed")
    assert list(cases_behind()) == []


def test_what_kept_a_reading_from_its_answers_is_tried_again_when_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run_out(*args: object) -> None:
        raise MemoryError

    case = make_incident()
    data = json.dumps(make_bundle([entry(n) for n in range(1, 7)])).encode()
    make_evidence(case, content=data, name="bundle.json")
    with monkeypatch.context() as patch:
        patch.setattr("incidents.services.findings.gathering.load_case", run_out)
        gather_findings(incident_id=case.pk)
    assert gather_findings(incident_id=case.pk) == 0
    assert look_again(case) is None
    assert gather_findings(incident_id=case.pk, again=True) > 0
    newest = case.evidence_readings.first()
    assert newest is not None
    assert newest.problems == []
    assert look_again(case) == newest
    assert gather_findings(incident_id=case.pk, again=True) == 0
    assert case.evidence_readings.count() == 2


def test_a_record_that_is_too_long_by_now_costs_no_other_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was taken in under another limit; the sweep must not ask for ever."""
    case = make_read_case()
    line = b'{"extension":"a","from":"unknown","to":"trusted","time":1}\n'
    import_runtime_history(
        incident_id=case.pk,
        data=line * 3,
        original_name="trust.jsonl",
        channel=Channel.ADMIN,
        actor=make_user(),
    )
    monkeypatch.setattr("policy.rules.runtime_history.MAX_LINES", 2)
    gather_findings(incident_id=case.pk)
    (problem,) = case.evidence_readings.latest("pk").problems
    assert "trust.jsonl could not be read: The record has 4 lines" in problem
    assert list(cases_behind()) == []
