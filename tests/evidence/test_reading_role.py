"""The role that auditors read under: what it is given, and what happens without it."""

from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.urls import path
from pytest_django import Settings

from config.urls import urlpatterns as own_patterns
from evidence.accounts.tokens import create_token
from evidence.checks import check_reading_role
from evidence.database.errors import ReadingRoleMissing, ReadsOnly
from evidence.database.reading import (
    Purpose,
    begin_reading,
    end_reading,
    own,
    reading,
    written_for_reader,
)
from evidence.database.reading_role import (
    drop_reading_views,
    find_reading_faults,
    read_role_health,
    renew_reading_views,
)
from evidence.errors import HealthFailure, HealthWarning
from evidence.models import TokenScope
from incidents.models import Team
from tests.factories import make_incident

READER = django_settings.DATABASE_READ_ROLE
MISSING = "casefile_nobody_made_this"


def current_user() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        return str(cursor.fetchone()[0])


def write_view(request: Any) -> Any:
    """A page with the fault that everything here is about: it writes when read."""
    Team.objects.create(name="planted")
    raise AssertionError("a request that only reads has written")


urlpatterns = [
    path("admin/planted/", admin.site.admin_view(write_view)),
    path("api/v1/planted/", write_view),
    *own_patterns,
]


@pytest.mark.django_db
@pytest.mark.urls(__name__)
def test_write_planted_in_a_page_is_refused_and_changes_nothing(auditor: User) -> None:
    client = Client()
    client.force_login(auditor)
    with transaction.atomic():
        response = client.get("/admin/planted/")
        transaction.set_rollback(True)
    assert response.status_code == 403
    assert "Nothing was changed" in response.content.decode()
    assert not Team.objects.filter(name="planted").exists()
    assert current_user() != READER


@pytest.mark.django_db
@pytest.mark.parametrize("table", ["incidents_incident", "evidence_auditentry"])
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {} SELECT * FROM {} LIMIT 1",
        "UPDATE {} SET id = id",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "SELECT * FROM {} FOR UPDATE",
        "ALTER TABLE {} DISABLE TRIGGER ALL",
    ],
)
def test_role_writes_nothing(statement: str, table: str) -> None:
    make_incident()
    with (
        pytest.raises(ReadsOnly) as caught,
        transaction.atomic(),
        reading(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.replace("{}", table))
    cause = caught.value.__cause__
    assert cause is not None
    assert isinstance(cause.__cause__, psycopg.errors.InsufficientPrivilege)
    assert (caught.value.code, caught.value.status) == ("reads_only", 403)
    assert current_user() != READER


@pytest.mark.django_db
def test_role_reads_no_secret(auditor: User) -> None:
    _, secret = create_token(
        user=auditor, name="t", scopes=[TokenScope.READ], days=1, actor=None
    )
    assert secret
    kept = ("SELECT password FROM auth_user", "SELECT digest FROM evidence_apitoken")
    with reading(), connection.cursor() as cursor:
        for statement in kept:
            cursor.execute(statement)
            assert set(cursor.fetchall()) == {("",)}
    closed = (
        "SELECT password FROM public.auth_user",
        "SELECT digest FROM public.evidence_apitoken",
        "SELECT sealed_url FROM public.incidents_webhookchannel",
        "SELECT session_data FROM django_session",
        "SELECT username FROM axes_accessfailurelog",
    )
    for statement in closed:
        with (
            pytest.raises(ReadsOnly),
            transaction.atomic(),
            reading(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


@pytest.mark.django_db
def test_only_a_named_purpose_writes_and_what_follows_only_reads() -> None:
    with reading():
        with written_for_reader(Purpose.CUSTODY):
            Team.objects.create(name="on purpose")
            assert current_user() != READER
        assert current_user() == READER
        assert Team.objects.filter(name="on purpose").exists()
    assert current_user() != READER


@pytest.mark.django_db
def test_role_is_taken_again_after_a_purpose_that_failed() -> None:
    with reading():
        with (
            pytest.raises(Team.DoesNotExist),
            written_for_reader(Purpose.CUSTODY),
            transaction.atomic(),
        ):
            Team.objects.get(name="nobody")
        assert current_user() == READER
        with pytest.raises(ZeroDivisionError), written_for_reader(Purpose.CUSTODY):
            _ = 1 / 0
        assert current_user() == READER


@pytest.mark.django_db(transaction=True)
def test_connection_made_anew_reads_only_too() -> None:
    with reading():
        connection.close()
        assert current_user() == READER
    assert current_user() != READER


@pytest.mark.django_db(transaction=True)
def test_rolling_back_neither_keeps_nor_loses_the_role() -> None:
    with reading():
        with transaction.atomic():
            current_user()
            transaction.set_rollback(True)
        assert current_user() == READER
    with transaction.atomic():
        begin_reading()
        end_reading()
        transaction.set_rollback(True)
    assert current_user() != READER


@pytest.mark.django_db(transaction=True)
def test_broken_connection_is_not_left_with_the_role() -> None:
    begin_reading()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    with psycopg.connect(
        connection.connection.info.dsn,
        autocommit=True,
        password=connection.connection.info.password,
    ) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
    end_reading()
    assert own().reads_as == ""
    connection.close()
    assert current_user() != READER


@pytest.mark.django_db
def test_without_the_role_auditors_are_refused_and_others_are_not(
    settings: Settings, auditor: User, responder: User
) -> None:
    settings.DATABASE_READ_ROLE = MISSING
    client = Client(raise_request_exception=False)
    client.force_login(auditor)
    response = client.get("/admin/incidents/incident/")
    assert response.status_code == 503
    assert "grant_app_role" in response.content.decode()
    answer = client.get("/api/v1/incidents/")
    assert (answer.status_code, answer.json()["code"]) == (503, "reading_role_missing")
    client.force_login(responder)
    assert client.get("/admin/incidents/incident/").status_code == 200
    with pytest.raises(ReadingRoleMissing), reading():
        raise AssertionError("nothing may be read")


@pytest.mark.django_db
def test_token_that_only_reads_is_refused_without_the_role(
    settings: Settings, responder: User
) -> None:
    _, secret = create_token(
        user=responder, name="t", scopes=[TokenScope.READ], days=1, actor=None
    )
    settings.DATABASE_READ_ROLE = MISSING
    headers = {"Authorization": f"Bearer {secret}"}
    answer = Client().get("/api/v1/incidents/", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "reading_role_missing")


@pytest.mark.django_db
def test_health_tells_what_is_wrong_with_the_role(settings: Settings) -> None:
    assert READER in read_role_health()
    assert find_reading_faults(READER) == []
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT DELETE ON incidents_incident TO {READER}")
        cursor.execute(f"GRANT SELECT (password) ON auth_user TO {READER}")
        cursor.execute(f"REVOKE SELECT ON incidents_team FROM {READER}")
    with pytest.raises(HealthFailure) as told:
        read_role_health()
    for words in (
        "may write incidents_incident",
        "auth_user (password)",
        "may not read incidents_team",
    ):
        assert words in str(told.value)
    assert {error.id for error in check_reading_role(None, ["default"])} == {
        "evidence.E004"
    }
    settings.DATABASE_READ_ROLE = MISSING
    with pytest.raises(HealthFailure, match="no role casefile_nobody_made_this"):
        read_role_health()
    settings.DATABASE_READ_ROLE = ""
    with pytest.raises(HealthWarning, match="which can write"):
        read_role_health()
    assert [each.id for each in check_reading_role(None, ["default"])] == [
        "evidence.W001"
    ]


@pytest.mark.django_db
def test_granting_makes_the_role_and_takes_back_what_was_given_by_hand(
    settings: Settings,
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE casefile_app_under_test")
        cursor.execute(f"GRANT DELETE ON incidents_incident TO {READER}")
    call_command("grant_app_role", "casefile_app_under_test")
    assert find_reading_faults(READER) == []
    settings.DATABASE_READ_ROLE = "casefile_second_reader"
    call_command("grant_app_role", "casefile_app_under_test")
    assert find_reading_faults("casefile_second_reader") == []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_has_role('casefile_app_under_test', %s, 'MEMBER')",
            ["casefile_second_reader"],
        )
        assert cursor.fetchone() == (True,)


@pytest.mark.django_db
def test_owner_who_may_make_no_role_is_told_what_to_do(settings: Settings) -> None:
    settings.DATABASE_READ_ROLE = MISSING
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE casefile_app_under_test")
        cursor.execute("CREATE ROLE casefile_owner_under_test")
        cursor.execute("SELECT current_user, current_database()")
        owner, database = cursor.fetchone()
        cursor.execute(f"GRANT {owner} TO casefile_owner_under_test")
        cursor.execute("SET ROLE casefile_owner_under_test")
    with pytest.raises(CommandError, match=f"CREATE ROLE {MISSING} NOLOGIN; GRANT"):
        call_command("grant_app_role", "casefile_app_under_test")
    assert database


@pytest.mark.django_db
def test_views_do_not_stand_in_the_way_of_a_migration() -> None:
    assert drop_reading_views()
    assert not drop_reading_views()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE auth_user ALTER COLUMN password TYPE text")
    renew_reading_views(READER)
    assert find_reading_faults(READER) == []
