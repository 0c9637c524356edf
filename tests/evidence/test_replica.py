"""A real streaming replica: what is read from it, and what happens without it."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.test import Client
from pytest_django import Settings
from pytest_django.plugin import DjangoDbBlocker

from config.environment import read_replica
from config.parts import REPLICA
from evidence.accounts.tokens import create_token
from evidence.database import replica as module
from evidence.database.errors import ReadsOnly
from evidence.database.horizon import read_horizon
from evidence.database.reading import (
    Purpose,
    begin_reading,
    end_reading,
    own,
    written_for_reader,
)
from evidence.database.replica import LOOK_SECONDS, ReplicaWrapper, Watch
from evidence.models import NotedRead, TokenScope
from incidents.models import Incident, Team
from tests.factories import make_incident
from tests.replicas import Replica, primary_url, running_replica, wait_for

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]
CASES = "/admin/incidents/incident/"
API = "/api/v1/incidents/"
NAME = "REPLICA_DATABASE_URL"


@pytest.fixture(scope="module")
def server(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Replica]:
    with django_db_blocker.unblock(), running_replica() as found:
        yield found


@pytest.fixture
def use(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], None]]:
    """Read from the server at this address from here on."""

    def begin(url: str) -> None:
        monkeypatch.setenv(NAME, url)
        forget_replica()
        settings.REPLICA_DATABASE = read_replica(NAME)
        assert settings.REPLICA_DATABASE is not None
        settings.REPLICA_DATABASE |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
        settings.REPLICA_MAX_LAG_SECONDS = 30
        monkeypatch.setattr(module, "watch", Watch())

    settings.READINESS_SECONDS = 0
    settings.READINESS_PARTS = (REPLICA,)
    settings.METRICS_COLLECTORS = ["evidence.metrics.ReplicaCollector"]
    settings.METRICS_ALLOWED = ["127.0.0.0/8"]
    yield begin
    end_reading()
    forget_replica()


@pytest.fixture
def replica(server: Replica, use: Callable[[str], None]) -> Replica:
    use(server.url())
    server.catch_up()
    return server


def forget_replica() -> None:
    held = own()
    if held.replica is not None:
        held.replica.close()
        held.replica = None


def ask(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def readiness() -> tuple[str, str]:
    response = Client().get("/readyz")
    assert response.status_code == 200, response.content
    part = response.json()["parts"]["replica"]
    return part["status"], part["detail"]


def metrics() -> dict[str, float]:
    lines = Client().get("/metrics").content.decode().splitlines()
    pairs = (line.split(" ") for line in lines if line.startswith("casefile_replica"))
    return {name: float(value) for name, value in pairs}


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def token_of(person: User) -> dict[str, str]:
    _, secret = create_token(
        user=person, name="pull", scopes=[TokenScope.READ], days=1, actor=None
    )
    return {"authorization": f"Bearer {secret}"}


def test_what_may_lag_is_read_there_under_the_reading_role(
    replica: Replica, settings: Settings, auditor: User
) -> None:
    replica.catch_up()
    begin_reading(may_lag=True)
    assert ask("SELECT pg_is_in_recovery()")
    assert ask("SELECT current_user") == settings.DATABASE_READ_ROLE
    assert User.objects.get(pk=auditor.pk).password == ""
    end_reading()
    assert not ask("SELECT pg_is_in_recovery()")
    assert ask("SELECT current_user") != settings.DATABASE_READ_ROLE


@pytest.mark.usefixtures("replica")
def test_what_may_not_lag_is_read_from_the_primary() -> None:
    begin_reading()
    assert not ask("SELECT pg_is_in_recovery()")


@pytest.mark.usefixtures("replica")
def test_transaction_that_is_open_goes_on_at_the_primary() -> None:
    with transaction.atomic():
        begin_reading(may_lag=True)
        assert not ask("SELECT pg_is_in_recovery()")
        end_reading()


@pytest.mark.usefixtures("replica")
def test_a_write_there_is_refused_as_under_the_role() -> None:
    begin_reading(may_lag=True)
    with pytest.raises(ReadsOnly):
        Team.objects.create(name="planted")
    # It was no fault of the replica.
    assert ask("SELECT pg_is_in_recovery()")


def test_what_has_a_purpose_is_written_at_the_primary(replica: Replica) -> None:
    with replica.held_back():
        begin_reading(may_lag=True)
        with written_for_reader(Purpose.OWN_SETTINGS):
            Team.objects.create(name="on purpose")
        assert ask("SELECT pg_is_in_recovery()")
        assert not Team.objects.exists()
        end_reading()
        assert Team.objects.exists()


def test_auditors_pages_are_read_there_and_noted_at_the_primary(
    replica: Replica, auditor: User, responder: User
) -> None:
    reading, writing = signed_in(auditor), signed_in(responder)
    make_incident(title="Long known")
    with replica.held_back():
        make_incident(title="Just now")
        noted = NotedRead.objects.count()
        page = reading.get(CASES).content.decode()
        assert "Long known" in page
        assert "Just now" not in page
        assert NotedRead.objects.count() == noted + 1
        assert "Just now" in writing.get(CASES).content.decode()
    wait_for(lambda: "Just now" in reading.get(CASES).content.decode())


def test_lists_and_streams_of_a_reading_token_are_read_there(
    replica: Replica, auditor: User
) -> None:
    headers = token_of(auditor)
    known = make_incident()
    with replica.held_back():
        make_incident()
        listed = Client().get(API, headers=headers).json()["results"]
        assert [row["id"] for row in listed] == [known.pk]
        response = Client().get(
            API, headers={**headers, "accept": "application/x-ndjson"}
        )
        assert response.status_code == 200
        lines = b"".join(response).splitlines()
        assert len([line for line in lines if b'"reference"' in line]) == 1
    assert not isinstance(own(), ReplicaWrapper)


def test_who_sent_something_is_shown_it(replica: Replica, auditor: User) -> None:
    client = signed_in(auditor)
    with replica.held_back():
        make_incident(title="Just now")
        assert "Just now" not in client.get(CASES).content.decode()
        client.post("/admin/incidents/notification/preferences/", {})
        assert "Just now" in client.get(CASES).content.decode()


def pull(headers: dict[str, str], since: str = "") -> tuple[set[int], str]:
    response = Client().get(API, {"modified_since": since}, headers=headers)
    assert response.status_code == 200, response.content
    body = response.json()
    return {row["id"] for row in body["results"]}, body["as_of"]


def test_a_late_commit_is_in_the_next_pull_from_the_replica(
    replica: Replica, auditor: User
) -> None:
    headers = token_of(auditor)
    late, early = make_incident(), make_incident()
    rename = f"UPDATE {Incident._meta.db_table} SET title = %s WHERE id = %s"
    with psycopg.connect(primary_url()) as slow:
        slow.execute(rename, ["Begun first, committed last", late.pk])
        Incident.objects.filter(pk=early.pk).update(title="Committed before")
        with replica.held_back():
            # Nobody but the primary knows of it: both pulls are the replica's.
            make_incident()
            seen, as_of = pull(headers)
            assert seen == {late.pk, early.pk}
        slow.commit()
    with replica.held_back():
        unseen = make_incident()
        found, _ = pull(headers, as_of)
        assert late.pk in found
        assert unseen.pk not in found


def ahead_of_the_replica() -> str:
    """Return a horizon that the primary might give out if nobody else wrote."""
    now = read_horizon()
    return replace(now, number=now.newest).encode()


def test_a_pull_never_falls_behind_what_the_primary_gave_out(
    replica: Replica, auditor: User
) -> None:
    """The horizon is the primary's; the replica has not got what was seen by it."""
    headers = token_of(auditor)
    make_incident()
    with replica.held_back():
        make_incident()
        as_of = ahead_of_the_replica()
        later = make_incident()
        assert pull(headers, as_of)[0] == {later.pk}


def test_a_page_is_never_older_than_the_first_page(
    replica: Replica, auditor: User
) -> None:
    """Else the next reading would begin after what neither of the pages had."""
    headers = token_of(auditor)
    known = [make_incident().pk for _ in range(2)]
    with replica.held_back():
        newest = make_incident()
        asked = {"modified_since": "", "page_size": "1", "ordering": "id"}
        first = Client().get(API, asked, headers=headers).json()
        assert [row["id"] for row in first["results"]] == known[:1]
        second = Client().get(first["next"], headers=headers).json()
        assert second["next"] is None, "the replica knows two cases"
        # As though the first page had been read at the primary.
        ahead = first["next"].replace(first["as_of"], ahead_of_the_replica())
        second = Client().get(ahead, headers=headers).json()
        third = Client().get(second["next"], headers=headers).json()
        assert [row["id"] for row in third["results"]] == [newest.pk]


def test_horizon_is_of_the_same_place_on_both(replica: Replica) -> None:
    at_primary = read_horizon()
    replica.catch_up()
    begin_reading(may_lag=True)
    at_replica = read_horizon()
    assert ask("SELECT pg_is_in_recovery()")
    assert at_replica.place == at_primary.place
    assert at_replica.number >= at_primary.number


def test_the_replica_and_its_lag_are_shown(replica: Replica) -> None:
    wait_for(lambda: readiness() == ("ok", "in use: it has all that the primary has"))
    assert metrics()["casefile_replica_in_use"] == 1
    assert metrics()["casefile_replica_lag_seconds"] < 30
    assert replica.ask("SELECT pg_is_in_recovery()")


def test_a_replica_that_lags_too_far_is_not_read_from(
    replica: Replica, auditor: User, settings: Settings
) -> None:
    client = signed_in(auditor)
    settings.REPLICA_MAX_LAG_SECONDS = 1
    with replica.held_back():
        make_incident(title="Just now")
        wait_for(lambda: readiness()[0] == "warning")
        assert "too far behind" in readiness()[1]
        assert metrics()["casefile_replica_in_use"] == 0
        assert metrics()["casefile_replica_lag_seconds"] > 1
        assert "Just now" in client.get(CASES).content.decode()
    wait_for(lambda: readiness()[0] == "ok")


@pytest.mark.usefixtures("replica")
def test_an_idle_primary_is_not_lagged_behind(settings: Settings) -> None:
    settings.REPLICA_MAX_LAG_SECONDS = 1
    time.sleep(2.5)
    wait_for(lambda: readiness()[0] == "ok")


def test_a_replica_that_is_away_is_told_and_the_primary_answers(
    replica: Replica, auditor: User, caplog: pytest.LogCaptureFixture
) -> None:
    client = signed_in(auditor)
    make_incident(title="Long known")
    replica.catch_up()
    assert "Long known" in client.get(CASES).content.decode()
    replica.stop()
    try:
        with caplog.at_level(logging.WARNING):
            make_incident(title="Just now")
            response = client.get(CASES)
            assert response.status_code == 200
            assert "Just now" in response.content.decode()
            wait_for(lambda: readiness()[0] == "failing")
        assert "away" in readiness()[1]
        assert "the primary" in readiness()[1]
        assert metrics()["casefile_replica_in_use"] == 0
        lag = metrics()["casefile_replica_lag_seconds"]
        assert math.isnan(lag), "nobody can tell"
        assert "replica away" in caplog.text
    finally:
        replica.start()
    wait_for(lambda: readiness()[0] == "ok")


def test_a_replica_that_hangs_is_not_waited_for(
    replica: Replica, auditor: User
) -> None:
    client = signed_in(auditor)
    assert client.get(CASES).status_code == 200
    # It is asked again whether it answers.
    time.sleep(LOOK_SECONDS)
    with replica.hanging():
        resumed = threading.Timer(60, replica.go_on)
        resumed.start()
        make_incident(title="Just now")
        assert "Just now" in client.get(CASES).content.decode()
        assert readiness()[0] == "failing"
        # Who had waited would have waited for this.
        assert resumed.is_alive()
        resumed.cancel()
    wait_for(lambda: readiness()[0] == "ok")


def read_until_the_session_ends(replica: Replica) -> None:
    """Begin to read one case from the replica, and have it end that session."""
    make_incident()
    replica.catch_up()
    begin_reading(may_lag=True)
    number = ask("SELECT pg_backend_pid()")
    replica.ask(f"SELECT pg_terminate_backend({number})")


def test_session_that_is_ended_within_a_request_goes_on_at_the_primary(
    replica: Replica, settings: Settings
) -> None:
    read_until_the_session_ends(replica)
    assert Incident.objects.count() == 1
    assert not ask("SELECT pg_is_in_recovery()")
    assert ask("SELECT current_user") == settings.DATABASE_READ_ROLE
    # To its end, and what is written in between does not bring it back.
    with written_for_reader(Purpose.OWN_SETTINGS):
        Team.objects.create(name="on purpose")
    assert Team.objects.exists()
    end_reading()
    begin_reading(may_lag=True)
    assert ask("SELECT pg_is_in_recovery()")


def test_rows_that_are_read_in_chunks_are_asked_of_the_primary_too(
    replica: Replica,
) -> None:
    read_until_the_session_ends(replica)
    assert len(list(Incident.objects.iterator(chunk_size=1))) == 1


@pytest.fixture
def planted(replica: Replica) -> Iterator[Callable[[str], None]]:
    """Carry statements out at the primary; what they make is dropped at the end."""

    def run(statement: str) -> None:
        with psycopg.connect(primary_url(), autocommit=True) as asked:
            asked.execute(statement)

    yield run
    end_reading()
    run("DROP TABLE IF EXISTS planted")


MAKE = "CREATE TABLE planted (n int); GRANT SELECT ON planted TO PUBLIC"


def test_a_table_that_the_replica_has_not_got_yet_is_read_at_the_primary(
    replica: Replica, planted: Callable[[str], None]
) -> None:
    with replica.held_back():
        planted(MAKE)
        begin_reading(may_lag=True)
        assert ask("SELECT pg_is_in_recovery()")
        assert ask("SELECT count(*) FROM planted") == 0
        assert not ask("SELECT pg_is_in_recovery()")


def test_what_the_replay_cancels_is_answered_by_the_primary(
    replica: Replica, planted: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    """A lock that is replayed waits for no reader: tests/replicas.py has it so."""
    planted(MAKE)
    replica.catch_up()
    begin_reading(may_lag=True)
    locking = threading.Timer(0.5, planted, ["TRUNCATE planted"])
    locking.start()
    with caplog.at_level(logging.WARNING):
        # Holds its table's lock while it sleeps.
        assert ask("SELECT count(*) FROM (SELECT pg_sleep(3)) AS w, planted") == 0
    assert "conflict with recovery" in caplog.text
    assert not ask("SELECT pg_is_in_recovery()")
    locking.join()


@pytest.mark.parametrize("name", ["", "postgres"])
def test_an_address_of_no_replica_is_told_and_not_read_from(
    name: str, server: Replica, use: Callable[[str], None], auditor: User
) -> None:
    client = signed_in(auditor)
    use(server.url(name) if name else primary_url())
    make_incident(title="Just now")
    assert "Just now" in client.get(CASES).content.decode()
    state, detail = readiness()
    assert state == "failing"
    assert ("another database" if name else "it is a primary") in detail


def test_nobody_else_meets_it(replica: Replica) -> None:
    """No second database of Django's: nothing to migrate, to flush or to test."""
    assert list(connections) == ["default"]
    assert replica.url() not in str(connections["default"].settings_dict)


def test_a_promoted_replica_is_read_from_no_more(
    server: Replica, use: Callable[[str], None], auditor: User
) -> None:
    """The last of this file: it never follows again."""
    use(server.url())
    client = signed_in(auditor)
    wait_for(lambda: readiness()[0] == "ok")
    server.ask("SELECT pg_promote()")
    wait_for(lambda: readiness()[0] == "failing")
    assert "one that was promoted" in readiness()[1]
    make_incident(title="Just now")
    assert "Just now" in client.get(CASES).content.decode()
