"""The application's database role can add to history, and do nothing else to it."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg import sql

from evidence.accounts.access import Role
from evidence.accounts.people import (
    change_own_password,
    change_roles,
    create_person,
)
from evidence.checks import check_database_role, find_append_only_tables
from evidence.format import serialize_document
from evidence.models import Channel, EvidenceItem
from evidence.services import (
    receive_evidence,
    request_export,
    request_verification,
)
from evidence.simulation import simulate_document
from incidents.models import Incident
from tests.factories import make_incident, make_user

ROLE = "casefile_role_under_test"
ROOT = Path(__file__).resolve().parents[2]
LOCKED = re.compile(r"(\w+)\.objects\s*\.select_for_update")


@pytest.fixture
def app_role(transactional_db: None) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {ROLE}")
    yield ROLE
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
        cursor.execute(f"DROP OWNED BY {ROLE}")
        cursor.execute(f"DROP ROLE {ROLE}")


def receive_bundle(incident: Incident) -> EvidenceItem:
    item, _ = receive_evidence(
        incident_id=incident.pk,
        stream=io.BytesIO(serialize_document(simulate_document(calls=5))),
        original_name="bundle.json",
        channel=Channel.COMMAND,
        actor=None,
    )
    return item


def become(role: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))


def may(role: str, table: str, right: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege(%s, %s, %s)", [role, table, right])
        return bool(cursor.fetchone()[0])


def test_role_gets_what_the_application_needs_and_no_more(app_role: str) -> None:
    call_command("grant_app_role", app_role)
    tables = find_append_only_tables()
    assert "evidence_auditentry" in tables
    for table in tables:
        rights = {
            right
            for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
            if may(app_role, table, right)
        }
        assert rights == {"SELECT", "INSERT"}, table
    assert may(app_role, "incidents_incident", "UPDATE")
    assert not may(app_role, "incidents_incident", "TRUNCATE")
    assert not may(app_role, "django_migrations", "INSERT")


READ_ONLY = (
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
    "auth_user_user_permissions",
)


@pytest.mark.parametrize("table", READ_ONLY)
def test_role_reads_what_roles_may_do_and_never_writes_it(
    app_role: str, table: str
) -> None:
    call_command("grant_app_role", app_role)
    rights = [
        verb for verb in ("INSERT", "UPDATE", "DELETE") if may(app_role, table, verb)
    ]
    assert rights == []
    assert may(app_role, table, "SELECT")
    become(app_role)
    for statement in (
        f"DELETE FROM {table}",
        f"INSERT INTO {table} SELECT * FROM {table} LIMIT 1",
        f"UPDATE {table} SET id = id",
    ):
        with (
            connection.connection.cursor() as cursor,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            cursor.execute(statement)


def test_role_can_do_what_administrators_do(app_role: str) -> None:
    administrator = make_user(Role.ADMINISTRATOR)
    person = make_user(Role.RESPONDER)
    call_command("grant_app_role", app_role)
    become(app_role)
    change_roles(
        actor=administrator, person_id=person.pk, roles=[Role.AUDITOR], reason="r"
    )
    change_own_password(actor=person, password="a-Long-enough-one-7")
    made = create_person(
        actor=administrator,
        username="newcomer",
        roles=[Role.RESPONDER],
        password="a-Long-enough-one-8",
    )
    assert made.groups.get().name == Role.RESPONDER


def test_granting_again_takes_back_what_was_given_by_hand(app_role: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT UPDATE, TRUNCATE ON evidence_auditentry TO {app_role}")
    call_command("grant_app_role", app_role)
    assert not may(app_role, "evidence_auditentry", "UPDATE")
    assert not may(app_role, "evidence_auditentry", "TRUNCATE")


def test_a_role_that_does_not_exist_is_refused(db: None) -> None:
    with pytest.raises(CommandError, match="a role that exists"):
        call_command("grant_app_role", "nobody_made_this")


def test_check_reports_a_superuser(db: None) -> None:
    assert [found.id for found in check_database_role(None, ["default"])] == [
        "evidence.E001"
    ]


def test_check_reports_a_role_that_can_change_history(app_role: str) -> None:
    call_command("grant_app_role", app_role)
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT DELETE ON evidence_auditentry TO {app_role}")
    become(app_role)
    found = check_database_role(None, ["default"])
    assert [error.id for error in found] == ["evidence.E002"]
    assert "evidence_auditentry" in found[0].msg
    assert "grant_app_role" in (found[0].hint or "")


def test_check_is_content_with_the_granted_role(app_role: str) -> None:
    call_command("grant_app_role", app_role)
    become(app_role)
    assert check_database_role(None, ["default"]) == []


def test_granted_role_is_stopped_by_the_database_itself(app_role: str) -> None:
    call_command("grant_app_role", app_role)
    become(app_role)
    for statement in (
        "UPDATE evidence_auditentry SET action = 'x'",
        "DELETE FROM evidence_auditentry",
        "TRUNCATE evidence_auditentry",
        "ALTER TABLE evidence_auditentry DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
    ):
        with (
            connection.connection.cursor() as cursor,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            cursor.execute(statement)


def test_no_service_locks_rows_that_the_role_may_not_change() -> None:
    """PostgreSQL locks a row only for a role that may update it."""
    append_only = {
        model.__name__
        for model in apps.get_models()
        if getattr(model, "append_only", False)
    }
    assert "EvidenceItem" in append_only
    locked = {
        (path.relative_to(ROOT).as_posix(), name)
        for app in ("evidence", "policy", "incidents")
        for path in (ROOT / app).rglob("*.py")
        for name in LOCKED.findall(path.read_text())
    }
    assert len(locked) > 10
    assert not {(path, name) for path, name in locked if name in append_only}


def test_role_can_ask_for_verification_and_export(app_role: str) -> None:
    item = receive_bundle(make_incident())
    call_command("grant_app_role", app_role)
    become(app_role)
    request_verification(item_id=item.pk, actor=None)
    request_export(item_id=item.pk, filter={}, redaction={}, actor=None)
