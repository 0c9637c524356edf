"""Every single change of a recorded column that went past Casefile is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from psycopg import sql

from evidence.audit.records.checking import (
    accept_records,
    check_records,
    find_record_faults,
    read_records_health,
)
from evidence.audit.records.comparing import compare_table
from evidence.audit.records.installing import find_unrecorded_tables
from evidence.audit.records.seals import find_broken_seals, seal_records
from evidence.audit.records.tables import RecordedTable, find_recorded_tables
from evidence.errors import HealthFailure, HealthWarning
from evidence.models import AuditEntry, EvidenceItem, RecordedRow
from incidents.models import Incident, Notification
from incidents.services.notifications.notices import notify_changed_records
from tests.evidence.helpers import without_triggers
from tests.factories import make_evidence, make_incident
from tests.pages.world import make_everything

pytestmark = pytest.mark.django_db
TABLES = {table.name: table for table in find_recorded_tables()}
OTHER_VALUES = """
    SELECT attname, format_type(atttypid, NULL), NOT attnotnull FROM pg_attribute
     WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
       AND attgenerated = '' ORDER BY attnum
"""
CHANGES = {
    "text": "{c} || 'x'",
    "character varying": "CASE WHEN {c} = 'x' THEN 'y' ELSE 'x' END",
    "boolean": "NOT {c}",
    "integer": "{c} + 1",
    "smallint": "{c} + 1",
    "bigint": "{c} + 1",
    "double precision": "{c} + 0.25",
    "timestamp with time zone": "{c} + interval '1 microsecond'",
    "date": "{c} + 1",
    "time without time zone": "{c} + interval '1 second'",
    "jsonb": "jsonb_build_array({c})",
    "inet": "'203.0.113.78'",
    "uuid": "'00000000-0000-4000-8000-00000000cafe'",
    "bytea": "{c} || '\\x00'",
    "numeric": "{c} + 1",
}
"""Another value of each type; NULL becomes one, in a column that may be NULL."""
FROM_NULL = {
    "text": "'x'",
    "character varying": "'x'",
    "boolean": "true",
    "timestamp with time zone": "now()",
    "date": "current_date",
    "time without time zone": "'12:00'",
    "jsonb": "'{}'",
    "inet": "'203.0.113.77'",
    "uuid": "'00000000-0000-4000-8000-00000000beef'",
    "bytea": "'\\x00'",
}


def faults_of(table: RecordedTable) -> list[Any]:
    with connection.cursor() as cursor:
        return list(compare_table(cursor, table))


def columns_of(table: RecordedTable) -> list[tuple[str, str, bool]]:
    with connection.cursor() as cursor:
        cursor.execute(OTHER_VALUES, [f'public."{table.name}"'])
        found = cursor.fetchall()
    kept_out = {*table.left_out, "id"}
    return [one for one in found if one[0] not in kept_out]


class Undone(Exception):
    """Takes a change back: each is found on its own."""


def found_by(table: RecordedTable, change: Callable[[], None]) -> list[Any]:
    """Make a change, and return what is found of it; the change is taken back."""
    found: list[Any] = []
    try:
        with transaction.atomic():
            change()
            found = faults_of(table)
            raise Undone
    except Undone:
        return found


def change_of(table: RecordedTable, column: str, kind: str) -> Callable[[], None]:
    base = kind.partition("(")[0]
    template = CHANGES.get(base, "{c}")
    if base.endswith("[]"):
        template = "array_append({c}, NULL)"
    quoted = f'"{column}"'
    empty = "'{}'" if base.endswith("[]") else FROM_NULL.get(base, "1")
    value = f"(CASE WHEN {quoted} IS NULL THEN {empty}::{kind} ELSE ("
    value += template.format(c=quoted) + f")::{kind} END)"
    key = "id" if table.is_grouped else table.key
    statement = (
        f'UPDATE "{table.name}" SET {quoted} = {value} '
        f'WHERE "{key}" = (SELECT min("{key}") FROM "{table.name}")'
    )
    return lambda: without_constraints(statement)


def without_constraints(statement: str) -> None:
    """Run SQL as a superuser who stops at nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement)
        cursor.execute("SET session_replication_role = DEFAULT")


@pytest.fixture
def world() -> None:
    """Fill every table, and drop the checks that would refuse a strange value."""
    make_everything()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint"
            " WHERE contype IN ('c', 'u', 'f')"
            " AND connamespace = 'public'::regnamespace"
        )
        for table, name in cursor.fetchall():
            cursor.execute(
                sql.SQL("ALTER TABLE {} DROP CONSTRAINT {} CASCADE").format(
                    sql.SQL(table), sql.Identifier(name)
                )
            )
        cursor.execute(
            "SELECT indexrelid::regclass::text FROM pg_index"
            " JOIN pg_class ON pg_class.oid = indexrelid"
            " WHERE indisunique AND NOT indisprimary"
            " AND relnamespace = 'public'::regnamespace"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(sql.SQL("DROP INDEX {}").format(sql.SQL(name)))
        for table in TABLES.values():
            fill_if_empty(cursor, table)


def fill_if_empty(cursor: Any, table: RecordedTable) -> None:
    """Insert a row of made-up values, past every trigger but the recording."""
    cursor.execute(f'SELECT EXISTS (SELECT FROM "{table.name}")')
    if cursor.fetchone()[0]:
        return
    cursor.execute(
        f'ALTER TABLE "{table.name}" DISABLE TRIGGER USER,'
        f" ENABLE TRIGGER casefile_recorded"
    )
    cursor.execute(OTHER_VALUES, [f'public."{table.name}"'])
    columns = [(name, kind) for name, kind, _ in cursor.fetchall() if name != "id"]
    names = ", ".join(f'"{name}"' for name, _ in columns)
    values = ", ".join(
        f"""({"'{}'" if kind.endswith("[]") else FROM_NULL.get(kind, "1")})::{kind}"""
        for _, kind in columns
    )
    cursor.execute(f'INSERT INTO "{table.name}" ({names}) VALUES ({values})')


def test_every_single_change_of_a_recorded_column_is_found(world: None) -> None:
    assert list(find_record_faults()) == []
    missed, tried = [], 0
    for table in TABLES.values():
        for column, kind, _ in columns_of(table):
            if column == table.key:
                continue
            tried += 1
            faults = found_by(table, change_of(table, column, kind))
            if not any(column in fault.columns for fault in faults):
                missed.append((table.name, column, kind))
    assert missed == []
    assert tried > 500


def test_every_row_that_is_taken_away_or_added_is_found(world: None) -> None:
    missed = []
    for table in TABLES.values():
        key = "id" if table.is_grouped else table.key
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT max("{key}")::text FROM "{table.name}"')
            newest = cursor.fetchone()[0]
        gone = f'DELETE FROM "{table.name}" WHERE "{key}"::text = \'{newest}\''
        if not found_by(table, lambda gone=gone: without_constraints(gone)):
            missed.append(("taken away", table.name))
        forgotten = (
            "DELETE FROM evidence_recordedrow WHERE table_name = "
            f"'{table.name}' AND row_key = (SELECT \"{table.key}\"::text FROM "
            f'"{table.name}" LIMIT 1)'
        )
        if not found_by(table, lambda one=forgotten: without_constraints(one)):
            missed.append(("added", table.name))
    assert missed == []


def test_every_table_of_the_apps_is_recorded() -> None:
    with connection.cursor() as cursor:
        assert find_unrecorded_tables(cursor) == []
    assert {"auth_user", "auth_user_groups", "auth_group"} <= set(TABLES)
    assert "incidents_incident_extensions" in TABLES
    assert len(TABLES) > 60


@pytest.fixture
def item() -> EvidenceItem:
    return make_evidence(make_incident())


CHANGED_BY_A_SUPERUSER = {
    "an item's digest": (
        "UPDATE evidence_evidenceitem SET sha256_hex = repeat('0', 64)",
        "evidence_evidenceitem",
        "sha256_hex",
    ),
    "a report's outcome": (
        "UPDATE evidence_verificationreport SET outcome = 'failed'",
        "evidence_verificationreport",
        "outcome",
    ),
    "a custody row": (
        "UPDATE evidence_custodyevent SET actor_name = 'nobody'",
        "evidence_custodyevent",
        "actor_name",
    ),
    "a phase's completion": (
        "UPDATE incidents_incidentphase SET completed_at = now()"
        " WHERE started_at IS NOT NULL AND completed_at IS NULL",
        "incidents_incidentphase",
        "completed_at",
    ),
    "a timeline text": (
        "UPDATE incidents_timelineentry SET body = 'Nothing happened.'",
        "incidents_timelineentry",
        "body",
    ),
    "a step of a replay": (
        "UPDATE evidence_replaystep SET risk_score = 0 WHERE index = 1",
        "evidence_replaystep",
        "risk_score",
    ),
    "a person's rights": (
        "UPDATE auth_user SET is_superuser = true",
        "auth_user",
        "is_superuser",
    ),
}


@pytest.mark.parametrize("what", CHANGED_BY_A_SUPERUSER)
def test_a_change_past_the_triggers_is_found_by_name(
    what: str, item: EvidenceItem, responder: Any
) -> None:
    statement, table, column = CHANGED_BY_A_SUPERUSER[what]
    without_triggers(statement)
    code, out = verify()
    assert code == 1
    assert f"is not as it was written: {column}" in out
    assert f"({table})" in out


def verify(*words: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("verify_records", *words, stdout=out)
    except SystemExit as ending:
        return int(ending.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_what_casefile_writes_holds(item: EvidenceItem) -> None:
    code, out = verify()
    assert (code, "everything is as it was written" in out) == (0, True)


def test_differences_as_json(item: EvidenceItem) -> None:
    without_triggers("UPDATE evidence_evidenceitem SET size_bytes = 1")
    line = json.loads(verify("--json")[1].splitlines()[0])
    assert (line["code"], line["columns"]) == ("row_changed", ["size_bytes"])
    assert (line["table"], line["key"]) == ("evidence_evidenceitem", str(item.pk))


def test_an_entry_of_the_history_without_its_row_is_found(item: EvidenceItem) -> None:
    without_triggers("DELETE FROM evidence_recordedrow")
    without_triggers("DELETE FROM incidents_timelineentry")
    without_triggers("DELETE FROM evidence_evidenceitem")
    lost = [one for one in find_record_faults() if one.code == "entry_without_row"]
    assert ("evidence_evidenceitem", str(item.pk)) in {
        (one.table, one.key) for one in lost
    }


def test_another_program_with_its_triggers_on_is_named(item: EvidenceItem) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL application_name = 'psql'")
        cursor.execute("UPDATE incidents_incident SET title = 'Nothing'")
        cursor.execute("SET LOCAL application_name = 'casefile'")
    code, out = verify()
    assert code == 1
    assert "with psql, not by Casefile" in out


def test_a_recording_that_is_switched_off_is_found(item: EvidenceItem) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "ALTER TABLE evidence_evidenceitem DISABLE TRIGGER casefile_recorded"
        )
    assert [one.code for one in find_record_faults()] == ["recording_off"]


def test_a_sealed_record_that_is_changed_is_found(item: EvidenceItem) -> None:
    assert seal_records() > 10
    assert seal_records() == 0
    assert list(find_broken_seals()) == []
    # The row and its record, so that both agree.
    without_triggers(
        "UPDATE evidence_recordedrow SET role = 'somebody' WHERE id = "
        "(SELECT max(id) - 3 FROM evidence_recordedrow)"
    )
    (fault,) = find_broken_seals()
    assert fault.code == "seal_broken"


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM evidence_recordedrow WHERE id = "
        "(SELECT max(id) - 3 FROM evidence_recordedrow)",
        "DELETE FROM evidence_recordedrow",
        "UPDATE evidence_recordedrow SET columns = '{}'",
        "UPDATE evidence_recordedrow SET id = id + 1000000 WHERE id = "
        "(SELECT max(id) - 3 FROM evidence_recordedrow)",
    ],
)
def test_sealed_records_that_are_gone_or_emptied_are_found(
    item: EvidenceItem, statement: str
) -> None:
    seal_records()
    without_triggers(statement)
    assert "seal_broken" in {one.code for one in find_record_faults()}


def test_what_was_found_out_is_accepted_with_a_reason(item: EvidenceItem) -> None:
    without_triggers("UPDATE evidence_evidenceitem SET source = 'a colleague'")
    without_triggers("DELETE FROM evidence_kindchange")
    without_triggers("UPDATE incidents_timelineentry SET body = 'x'")
    assert verify()[0] == 1
    code, out = verify("--accept", "Restored by hand, see the minutes of Monday")
    assert code == 0, out
    assert AuditEntry.objects.get(action="records.accepted").reason.startswith("Rest")
    assert verify()[0] == 0


def test_acceptance_needs_a_reason(item: EvidenceItem) -> None:
    with pytest.raises(Exception, match="Say why"):
        accept_records(reason=" ", actor=None)


def test_probe_and_people_are_told(
    item: EvidenceItem, reviewer: Any, auditor: Any, responder: Any
) -> None:
    with pytest.raises(HealthWarning, match="not checked yet"):
        read_records_health()
    check_records(actor=None)
    assert read_records_health().startswith("hold, checked ")
    without_triggers("UPDATE incidents_timelineentry SET body = 'x'")
    check, _ = check_records(actor=None)
    with pytest.raises(HealthFailure, match=f"record check {check.pk} found"):
        read_records_health()
    notify_changed_records(check_id=check.pk)
    rows = Notification.objects.filter(key=f"record-check:{check.pk}")
    assert {row.recipient for row in rows} == {reviewer, auditor}


def test_rows_of_an_older_version_are_noted_when_it_is_updated(
    item: EvidenceItem,
) -> None:
    from evidence.audit.records.installing import install_recording

    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("DROP TRIGGER casefile_recorded ON incidents_incident")
    without_triggers(
        "DELETE FROM evidence_recordedrow WHERE table_name = 'incidents_incident'"
    )
    install_recording()
    assert faults_of(TABLES["incidents_incident"]) == []
    noted = RecordedRow.objects.filter(table_name="incidents_incident")
    assert {one.operation for one in noted} == {"noted"}
    Incident.objects.update(title="Changed by Casefile")
    assert faults_of(TABLES["incidents_incident"]) == []
