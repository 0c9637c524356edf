"""Hostile material under low limits: a real worker gives it up, says why, and goes on.

A PDF of the longest texts needs less memory than the lowest limit: it has its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import current_app
from django.test import Client
from django.urls import reverse

from evidence.accounts.access import Role
from evidence.format.redaction import REDACTION_FLAGS
from evidence.models import Outcome, QueuedWork, WorkState
from evidence.queue.names import QueueName
from evidence.services import request_export, request_verification
from incidents.services.archives.requests import request_archive
from incidents.services.findings.gathering import queue_findings
from incidents.services.postmortems.pdfs import request_pdf
from incidents.workflow.postmortem import SECTIONS
from policy.services.readings import take_up_evidence
from tests.bench import hostile_material as material
from tests.evidence.helpers import read_vector, receive
from tests.factories import make_evidence, make_incident, make_user
from tests.incidents.postmortem.cases import make_postmortem, submit, write
from tests.live import LiveWorker

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
REDACTION = dict.fromkeys(REDACTION_FLAGS, True)
TEXT = "\U0001f600" * 20_000
LEAST_MEMORY = {"TASK_MEMORY_MB": "64"}


@pytest.fixture
def worker(
    transactional_db: None, evidence_folder: Path, tmp_path: Path
) -> Iterator[LiveWorker]:
    """Give a worker that may take 64 MiB for a task; a test starts it."""
    worker = LiveWorker(evidence_folder, tmp_path / "worker.log", LEAST_MEMORY)
    try:
        yield worker
    finally:
        worker.stop()


def is_over(work: QueuedWork) -> bool:
    work.refresh_from_db()
    return work.state not in (WorkState.QUEUED, WorkState.RUNNING)


def require_goes_on(worker: LiveWorker) -> None:
    """Fail unless the same processes of the worker do the next piece of work."""
    following = receive(make_incident().pk, read_vector("plain"))
    worker.wait_for(following.reports.exists, seconds=120)
    assert following.reports.get().outcome == Outcome.VERIFIED
    assert "WorkerLostError" not in worker.log.read_text()


def test_what_needs_too_much_memory_is_given_up_and_says_so_on_its_page(
    worker: LiveWorker, client: Client
) -> None:
    reviewer = make_user(Role.REVIEWER)
    case = make_incident()
    # Verified here, where there is room: without that, nobody reads it further.
    hostile = material.in_bundle(material.repeated(b"{}", 9_000_000))
    item = make_evidence(case, content=hostile, name="bundle.json")
    take_up_evidence()
    asked: dict[str, QueuedWork] = {
        "verification": request_verification(item_id=item.pk, actor=None),
        "reading": item.policy_readings.get(),
        "export": request_export(
            item_id=item.pk, filter={}, redaction=REDACTION, actor=None
        ),
        "archive": request_archive(
            incident_id=case.pk, actor=reviewer, redaction=REDACTION
        ),
    }
    worker.start()
    for work in asked.values():
        worker.wait_for(lambda work=work: is_over(work), seconds=300)
    for name, work in asked.items():
        assert work.state == WorkState.GAVE_UP, (name, work.failure)
        assert "it needed more than 64 MiB of memory" in work.failure, name
    client.force_login(reviewer)
    page = client.get(reverse("admin:evidence_evidenceitem_change", args=[item.pk]))
    assert "it needed more than 64 MiB of memory" in page.content.decode()
    require_goes_on(worker)


def test_what_would_end_its_process_is_given_up_at_the_first_try(
    worker: LiveWorker,
) -> None:
    """orjson ends by a signal where memory runs out over one object of very many."""
    case = make_incident()
    content = material.names(3_000_000)
    item = make_evidence(case, content=content, name="bundle.json")
    take_up_evidence()
    asked: dict[str, QueuedWork] = {
        "verification": request_verification(item_id=item.pk, actor=None),
        "reading": item.policy_readings.get(),
        "export": request_export(
            item_id=item.pk, filter={}, redaction=REDACTION, actor=None
        ),
        "archive": request_archive(
            incident_id=case.pk, actor=make_user(Role.REVIEWER), redaction=REDACTION
        ),
    }
    worker.start()
    for name, work in asked.items():
        worker.wait_for(lambda work=work: is_over(work), seconds=300)
        assert (work.state, work.attempts) == (WorkState.GAVE_UP, 1), name
        assert "it needed more than 64 MiB of memory" in work.failure, name
    require_goes_on(worker)


@pytest.mark.parametrize(
    "content",
    [
        material.repeated(b"{}", 9_000_000),
        # Ends its process by a signal instead of raising MemoryError.
        b"{" + b",".join(b'"%08x":1' % number for number in range(900_000)) + b"}",
    ],
    ids=["empty objects", "one object of all members"],
)
def test_what_cannot_be_looked_into_is_said_where_the_answers_would_stand(
    worker: LiveWorker, client: Client, content: bytes
) -> None:
    # Verified here, where there is room: without that, nobody looks into it.
    case = make_incident()
    hostile = material.in_bundle(content)
    item = make_evidence(case, content=hostile, name="bundle.json")
    current_app.control.purge()
    queue_findings(case.pk)
    worker.start()
    worker.wait_for(case.evidence_readings.exists, seconds=300)
    (problem,) = case.evidence_readings.get().problems
    assert "given up: it needed more than 64 MiB of memory" in problem
    client.force_login(make_user(Role.REVIEWER))
    page = client.get(reverse("admin:evidence_evidenceitem_change", args=[item.pk]))
    assert problem in page.content.decode()
    require_goes_on(worker)


def test_what_takes_too_long_is_given_up_and_says_so(worker: LiveWorker) -> None:
    """The limit of the kind's task, shortened by the message to a second."""
    worker.environment = {}
    texts = {section.key: TEXT for section in SECTIONS}
    version = submit(write(make_postmortem(), **texts))
    case = make_incident()
    item = receive(case.pk, material.coded(4_000_000))
    asked: dict[str, QueuedWork] = {
        "evidence.export_bundle": request_export(
            item_id=item.pk, filter={}, redaction=REDACTION, deep=True, actor=None
        ),
        "incidents.make_archive": request_archive(
            incident_id=case.pk,
            actor=make_user(Role.REVIEWER),
            redaction=REDACTION,
            deep=True,
        ),
        "incidents.make_pdf": request_pdf(
            actor=make_user(Role.REVIEWER), version_id=version.pk
        ),
    }
    current_app.control.purge()
    for task, work in asked.items():
        current_app.send_task(
            task, [work.pk], queue=QueueName.LARGE, soft_time_limit=1, time_limit=60
        )
    worker.start()
    for task, work in asked.items():
        worker.wait_for(lambda work=work: is_over(work), seconds=120)
        assert work.state == WorkState.GAVE_UP, task
        assert "it took longer than 1 s" in work.failure, task
    require_goes_on(worker)
