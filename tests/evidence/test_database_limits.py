"""A lock not had, a query too long, a full database: one answer each, in time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path, reverse
from psycopg import errors
from pytest_django import Settings
from rest_framework.test import APIClient

from config.urls import urlpatterns as own_urls
from evidence.admin.methods import takes_forms
from evidence.database.base import INSTANT, waiting_room
from evidence.database.errors import DatabaseFull, QueryTooLong, RecordBusy
from evidence.models import EvidenceItem, TokenScope
from evidence.queue.claiming import TRANSIENT_ERRORS
from incidents.models import Incident
from incidents.services.changes import lock_incident
from tests.api.conftest import make_client
from tests.factories import make_incident
from tests.limits import short_limits

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def case() -> Incident:
    return make_incident()


@pytest.fixture
def uploader(machine: User) -> APIClient:
    return make_client(machine, TokenScope.EVIDENCE_WRITE)


@contextmanager
def held(case: Incident) -> Iterator[None]:
    """Hold the row of a case from another connection."""
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM incidents_incident WHERE id = %s FOR UPDATE", [case.pk]
            )
        yield
    finally:
        other.rollback()
        other.close()


def test_upload_to_a_case_that_is_held_is_told_to_come_back(
    case: Incident, uploader: APIClient
) -> None:
    address = f"/api/v1/evidence/a.log?incident={case.reference}"
    octets = "application/octet-stream"
    with held(case), short_limits():
        answer = uploader.put(address, data=b"x", content_type=octets)
    assert answer.status_code == 503
    assert answer.json()["code"] == "record_busy"
    assert "Somebody is changing this case" in answer.json()["detail"]
    assert int(answer["Retry-After"]) > 0
    assert not EvidenceItem.objects.exists()
    assert uploader.put(address, data=b"x", content_type=octets).status_code == 201


def test_page_of_a_case_that_is_held_says_so_and_keeps_what_was_typed(
    case: Incident, responder: User, client: Client
) -> None:
    client.force_login(responder)
    address = reverse("admin:incidents_incident_do", args=[case.pk, "write"])
    with held(case), short_limits():
        page = client.post(address, {"kind": "note", "body": "what I had written"})
    text = page.content.decode()
    assert page.status_code == 200
    assert "Somebody is changing this case" in text
    assert "what I had written" in text
    assert not case.timeline.filter(body="what I had written").exists()


def test_page_without_the_forms_framework_says_so_and_shows_what_was_typed(
    client: Client, settings: Settings
) -> None:
    settings.ROOT_URLCONF = "tests.evidence.test_database_limits"
    page = client.post("/busy/", {"reason": "because <b>", "password": "secret"})
    text = page.content.decode()
    assert page.status_code == 503
    assert int(page["Retry-After"]) > 0
    assert "<h1>" in text
    assert "Somebody is changing this case" in text
    assert "because &lt;b&gt;" in text
    assert "secret" not in text


def test_page_says_that_the_database_is_away(
    client: Client, settings: Settings
) -> None:
    settings.ROOT_URLCONF = "tests.evidence.test_database_limits"
    page = client.get("/away/")
    assert page.status_code == 503
    assert "The database does not answer" in page.content.decode()


@takes_forms
def busy_view(request: HttpRequest) -> HttpResponse:
    raise RecordBusy("Somebody is changing this case")


def away_view(request: HttpRequest) -> HttpResponse:
    raise OperationalError("connection refused at a secret address")


urlpatterns = [*own_urls, path("busy/", busy_view), path("away/", away_view)]


def test_a_lock_not_had_is_worth_another_try_for_workers(case: Incident) -> None:
    with (
        held(case),
        short_limits(),
        pytest.raises(RecordBusy) as told,
        transaction.atomic(),
    ):
        lock_incident(case.pk)
    assert isinstance(told.value, TRANSIENT_ERRORS)
    assert isinstance(told.value, OperationalError)


def test_a_query_that_takes_too_long_is_stopped_with_words() -> None:
    with (
        short_limits("statement_timeout"),
        pytest.raises(QueryTooLong, match="told to stop"),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT pg_sleep(5)")


def test_a_database_that_can_only_be_read_refuses_with_words(
    client: Client, uploader: APIClient, case: Incident
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        answer = uploader.put(
            f"/api/v1/evidence/a.log?incident={case.reference}",
            data=b"x",
            content_type="application/octet-stream",
        )
        assert client.get("/admin/login/").status_code == 200
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
    assert answer.status_code == 503
    assert answer.json()["code"] == "database_full"


def test_a_full_disk_under_the_database_is_told_as_full() -> None:
    with pytest.raises(DatabaseFull), connection.cursor() as cursor:
        cursor.execute(
            "DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE='53100'; END $$"
        )
    assert issubclass(errors.DiskFull, errors.OperationalError)


def test_only_some_threads_wait_long_for_a_case(
    case: Incident, settings: Settings
) -> None:
    settings.DATABASE_WAITERS = 1
    # The one that there is room for waits here for as long as locks are waited for.
    with held(case), waiting_room.entered(), ThreadPoolExecutor(8) as pool:
        waits = [pool.submit(lock_in_thread, case.pk) for _ in range(8)]
        refused = [isinstance(one.exception(timeout=20), RecordBusy) for one in waits]
    assert refused == [True] * 8
    assert INSTANT == "1s"
    with transaction.atomic():
        assert lock_incident(case.pk) == case


def lock_in_thread(pk: int) -> None:
    try:
        with transaction.atomic():
            lock_incident(pk)
    finally:
        connections.close_all()
