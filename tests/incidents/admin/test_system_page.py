"""The page System: what an administrator sees at night, and what can be tried again."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest
from celery import current_app
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from config.heartbeat import write_heartbeat
from config.launcher.folders import ROOT
from evidence.errors import EvidenceConflict, PermissionRefused
from evidence.models import AuditEntry, VerificationRequest, WorkState
from evidence.queue.names import QueueName
from evidence.queue.sending import send_now
from evidence.queue.signs import ended_key, failed_key
from evidence.services.repeats import find_given_up, repeat_work
from tests.brokers import broker_that, count_visits
from tests.evidence.helpers import read_vector, receive
from tests.factories import make_incident

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
PLAN = "incidents.plan_reminders"
NAME_KINDS = """
import django; django.setup()
from django.urls import get_resolver
get_resolver().url_patterns
from evidence.models import QueuedWork
from evidence.queue.running import registered_kinds
print(sorted(kind.model.__name__ for kind in registered_kinds()))
print(sorted(model.__name__ for model in QueuedWork.__subclasses__()))
"""


@pytest.fixture(autouse=True)
def fresh_reports(settings: Settings) -> None:
    settings.READINESS_SECONDS = 0


@pytest.fixture
def given_up() -> VerificationRequest:
    item = receive(make_incident().pk, read_vector("plain"))
    VerificationRequest.objects.update(
        state=WorkState.GAVE_UP,
        failure="it took longer than 600 s",
        finished_at=timezone.now(),
    )
    return item.verification_requests.get()


def open_page(client: Client, person: User) -> str:
    client.force_login(person)
    page = client.get(reverse("admin:incidents_incident_system"))
    assert page.status_code == 200
    return page.content.decode()


@pytest.mark.parametrize("role", ["responder", "reviewer", "auditor", "outsider"])
def test_the_page_is_for_administrators(
    client: Client, request: pytest.FixtureRequest, role: str
) -> None:
    client.force_login(request.getfixturevalue(role))
    assert client.get(reverse("admin:incidents_incident_system")).status_code == 404
    assert client.post(reverse("admin:incidents_incident_repeat_work")).status_code in (
        403,
        404,
    )


def test_every_part_is_shown_and_none_is_green_that_was_not_checked(
    client: Client, administrator: User, settings: Settings
) -> None:
    text = open_page(client, administrator)
    for part in settings.READINESS_PARTS:
        assert part.title in text
    assert "no worker has taken from clocks" in text
    assert "no run has, as far as is known" in text


def test_queues_show_their_length_their_age_and_their_worker(
    client: Client, administrator: User
) -> None:
    current_app.control.purge()
    receive(make_incident().pk, read_vector("plain"))
    send_now("evidence.verify_item", [0], queue=QueueName.SMALL)
    write_heartbeat([QueueName.SMALL])
    text = open_page(client, administrator)
    row = text.split(f'<th scope="row">{QueueName.SMALL}</th>')[1].split("</tr>")[0]
    cells = re.findall(r"<td>(.*?)</td>", row, re.DOTALL)
    assert cells[2] == "2"
    assert "<time" in cells[3]
    assert text.count("A worker takes from it") == 1
    assert text.count("No worker</span>") == len(QueueName) - 1


def test_a_scheduled_task_shows_its_last_good_end_and_its_last_fault(
    client: Client, administrator: User
) -> None:
    cache.set(ended_key(PLAN), time.time() - 60)
    assert "OperationalError" not in open_page(client, administrator)
    cache.set(failed_key(PLAN), (time.time(), "OperationalError"))
    assert "OperationalError" in open_page(client, administrator)


@pytest.mark.parametrize(
    "fault", ["refuses", pytest.param("hangs", marks=pytest.mark.slow)]
)
def test_the_page_answers_while_the_broker(
    client: Client, administrator: User, fault: str
) -> None:
    with broker_that(fault):
        text = open_page(client, administrator)
    assert text.count("the queue cannot be asked") == len(QueueName)


def test_the_page_waits_once_for_a_broker_that_hangs_and_not_for_every_queue(
    client: Client, administrator: User, settings: Settings
) -> None:
    settings.READINESS_PARTS = ()
    with broker_that("hangs") as broker:
        assert "the queue cannot be asked" in open_page(client, administrator)
        assert 0 < count_visits(broker) <= 2


def test_what_was_given_up_says_why_and_is_tried_again(
    client: Client, administrator: User, given_up: VerificationRequest
) -> None:
    assert "it took longer than 600 s" in open_page(client, administrator)
    answer = client.post(
        reverse("admin:incidents_incident_repeat_work"),
        {"work": "evidence.verificationrequest", "pk": given_up.pk},
        follow=True,
    )
    assert "It is queued again." in answer.content.decode()
    newest = VerificationRequest.objects.latest("pk")
    assert (newest.item, newest.state) == (given_up.item, WorkState.QUEUED)
    assert newest.requested_by == administrator
    entry = AuditEntry.objects.get(action="work.repeated")
    assert entry.after == {"repeats": given_up.pk}
    assert find_given_up() == []


def test_nothing_is_tried_again_twice(
    administrator: User, given_up: VerificationRequest
) -> None:
    again = {"work_type": "evidence.verificationrequest", "pk": given_up.pk}
    repeat_work(**again, actor=administrator)
    with pytest.raises(EvidenceConflict, match="asked for again"):
        repeat_work(**again, actor=administrator)
    assert VerificationRequest.objects.count() == 2


def test_who_does_not_keep_the_installation_repeats_nothing(
    auditor: User, given_up: VerificationRequest
) -> None:
    with pytest.raises(PermissionRefused):
        repeat_work(
            work_type="evidence.verificationrequest", pk=given_up.pk, actor=auditor
        )


@pytest.mark.parametrize("pk", ["", "x", "9" * 30, "4711", "-1"])
def test_an_address_of_no_work_is_told(
    client: Client, administrator: User, pk: str
) -> None:
    client.force_login(administrator)
    answer = client.post(
        reverse("admin:incidents_incident_repeat_work"),
        {"work": "evidence.exportrequest", "pk": pk},
        follow=True,
    )
    assert "There is no such piece of work." in answer.content.decode()


@pytest.mark.live
def test_every_kind_of_work_can_be_repeated() -> None:
    """In a process that has loaded what the web loads, and no task."""
    done = subprocess.run(
        [sys.executable, "-c", NAME_KINDS],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    known, all_of_them = done.stdout.splitlines()
    assert known == all_of_them
