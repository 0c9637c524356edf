"""Every single change of a recorded column that went past Casefile is found."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

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

pytestmark = [pytest.mark.django_db, pytest.mark.long]
TABLES = {table.name: table for table in find_recorded_tables()}


def faults_of(table: RecordedTable) -> list[Any]:
    with connection.cursor() as cursor:
        return list(compare_table(cursor, table))


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


OFF = (
    "DISABLE TRIGGER casefile_recorded",
    "DISABLE TRIGGER casefile_recorded_added",
)
WEAKER = (
    "AFTER DELETE ON evidence_evidenceitem FOR EACH ROW",
    "AFTER UPDATE OF source OR DELETE ON evidence_evidenceitem FOR EACH ROW",
    "AFTER UPDATE OR DELETE ON evidence_evidenceitem FOR EACH ROW WHEN (false)",
)


@pytest.mark.parametrize("change", OFF)
def test_a_recording_that_is_switched_off_is_found(
    change: str, item: EvidenceItem
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE evidence_evidenceitem {change}")
    assert [one.code for one in find_record_faults()] == ["recording_off"]


@pytest.mark.parametrize("when", WEAKER)
def test_a_recording_that_sees_less_is_found(when: str, item: EvidenceItem) -> None:
    table = TABLES["evidence_evidenceitem"]
    arguments = ", ".join(f"'{word}'" for word in (table.key, *table.left_out))
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            f"CREATE OR REPLACE TRIGGER casefile_recorded {when}"
            f" EXECUTE FUNCTION casefile_record_row({arguments})"
        )
    assert [one.code for one in find_record_faults()] == ["recording_off"]


BETWEEN = r"""
    SELECT tgrelid::regclass::text, tgname FROM pg_trigger
      JOIN pg_proc ON pg_proc.oid = tgfoid
     WHERE NOT tgisinternal AND tgtype & 1 = 1 AND tgtype & 4 = 4 AND tgtype & 66 = 0
       AND prosrc ~* ('\mupdate\s+(public\.)?"?' || tgrelid::regclass)
"""
"""Called after each inserted row, not before or instead, and changes its own table."""


def test_nothing_changes_a_row_between_its_insert_and_its_record() -> None:
    """A trigger of rows runs first: what it changed would be recorded before them."""
    with connection.cursor() as cursor:
        cursor.execute(BETWEEN)
        assert cursor.fetchall() == []


def test_rows_of_one_insert_are_recorded_as_rows_one_by_one(item: EvidenceItem) -> None:
    """Held against each other by the comparison, whose hashing is its own."""
    make_incident()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO auth_group (name) SELECT 'g' || n FROM generate_series(1, 9) n"
            " ON CONFLICT DO NOTHING"
        )
        cursor.execute(
            "INSERT INTO auth_group (name) VALUES ('g1') ON CONFLICT (name)"
            " DO UPDATE SET name = 'h1'"
        )
    assert faults_of(TABLES["auth_group"]) == []
    found = RecordedRow.objects.filter(table_name="auth_group").order_by("-id")
    assert [one.operation for one in found[:10]] == ["update", *["insert"] * 9]
    assert len({one.row_key for one in found[1:10]}) == 9


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
        cursor.execute("DROP TRIGGER casefile_recorded_added ON incidents_incident")
    without_triggers(
        "DELETE FROM evidence_recordedrow WHERE table_name = 'incidents_incident'"
    )
    install_recording()
    assert faults_of(TABLES["incidents_incident"]) == []
    noted = RecordedRow.objects.filter(table_name="incidents_incident")
    assert {one.operation for one in noted} == {"noted"}
    Incident.objects.update(title="Changed by Casefile")
    assert faults_of(TABLES["incidents_incident"]) == []


def test_the_recording_of_an_older_version_is_replaced() -> None:
    from evidence.audit.records.installing import install_recording

    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER casefile_recorded_added ON auth_group")
        cursor.execute(
            "CREATE OR REPLACE TRIGGER casefile_recorded"
            " AFTER INSERT OR UPDATE OR DELETE ON auth_group"
            " FOR EACH ROW EXECUTE FUNCTION casefile_record_row('id')"
        )
        assert find_unrecorded_tables(cursor) == [TABLES["auth_group"]]
        install_recording()
        assert find_unrecorded_tables(cursor) == []
        cursor.execute("INSERT INTO auth_group (name) VALUES ('of today') RETURNING id")
        [key] = cursor.fetchone()
    rows = RecordedRow.objects.filter(table_name="auth_group", row_key=str(key))
    assert [one.operation for one in rows] == ["insert"]
    assert faults_of(TABLES["auth_group"]) == []
