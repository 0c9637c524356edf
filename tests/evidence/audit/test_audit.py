import datetime as dt
import json
import threading
from decimal import Decimal
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from evidence.accounts.access import Role
from evidence.audit.chain import entry_hash
from evidence.audit.history import (
    entry_document,
    plain_json,
    record_entry,
    stream_documents,
    verify_stream,
)
from evidence.audit.history_checks import check_history
from evidence.models import AuditEntry, HistoryCheck, NotedHead
from tests.evidence.helpers import without_triggers
from tests.factories import NOON, make_incident, make_user

STREAM = "extension:ext.weather"


def write(count=1, stream=STREAM, **fields):
    """Append entries and return the last one."""
    person = make_user(Role.RESPONDER)
    with transaction.atomic():
        for number in range(count):
            (entry,) = record_entry(
                streams=[stream],
                action="thing.done",
                actor=person,
                obj=person,
                **{"after": {"number": number}, **fields},
            )
    return entry


def codes(stream=STREAM):
    return [(fault.sequence, fault.code) for fault in verify_stream(stream)]


def test_entries_form_a_chain_from_one(db):
    write(3)
    first, second, third = AuditEntry.objects.filter(stream=STREAM).order_by("id")
    assert [first.sequence, second.sequence, third.sequence] == [1, 2, 3]
    assert first.previous_hash is None
    assert second.previous_hash == first.entry_hash
    assert third.entry_hash == entry_hash(entry_document(third))
    assert codes() == []


def test_entry_needs_the_transaction_of_its_change(transactional_db):
    person = make_user(Role.RESPONDER)
    with pytest.raises(transaction.TransactionManagementError, match="inside"):
        record_entry(action="thing.done", actor=person, obj=person)


def test_refused_change_leaves_no_entry(db):
    write()
    with transaction.atomic():
        write()
        transaction.set_rollback(True)
    assert write().sequence == 2
    assert codes() == []


def test_several_streams_are_written_in_one_order(db):
    person = make_user(Role.RESPONDER)
    entries = record_entry(
        streams=["system", STREAM, STREAM], action="x.y", actor=person, obj=person
    )
    assert [entry.stream for entry in entries] == [STREAM, "system"]


def test_system_is_named_where_nobody_acted(db):
    person = make_user(Role.RESPONDER)
    (entry,) = record_entry(action="x.y", actor=None, obj=person)
    assert (entry.actor, entry.actor_name) == (None, "system")


@pytest.mark.parametrize(
    "value",
    [
        Role.RESPONDER,
        "nul\x00 half\ud800",
        -0.0,
        1.0,
        0.1,
        1e-7,
        2**60,
        1e300,
        float("inf"),
        NOON,
        NOON.date(),
        UUID(int=7),
        Decimal("1.50"),
        ("a", 1),
        pytest.param({"b", "a"}, id="set"),
        {1: {"x": [None, True]}},
    ],
    ids=repr,
)
def test_value_hashes_the_same_after_the_database(db, value):
    write(after={"value": value}, reason="why\x00")
    assert codes() == []
    stored = AuditEntry.objects.get(stream=STREAM).after["value"]
    assert json.dumps(stored) == json.dumps(plain_json(value))


def test_value_that_is_no_json_is_a_mistake_of_the_caller(db):
    with pytest.raises(TypeError, match="User has to be given as an ID"):
        write(after={"who": make_user(Role.RESPONDER)})


def test_two_writers_at_once_leave_no_gap_and_no_fork(transactional_db):
    person = make_user(Role.RESPONDER)
    gate = threading.Barrier(2)
    errors: list[Exception] = []

    def work(name: str) -> None:
        try:
            gate.wait(10)
            for number in range(50):
                with transaction.atomic():
                    record_entry(
                        streams=[STREAM, "system"],
                        action=f"{name}.wrote",
                        actor=person,
                        obj=person,
                        after={"number": number},
                    )
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    for stream in (STREAM, "system"):
        rows = AuditEntry.objects.filter(stream=stream)
        sequences = list(rows.order_by("sequence").values_list("sequence", flat=True))
        assert sequences == list(range(1, 101))
        assert codes(stream) == []
        assert {entry.action for entry in rows} == {"a.wrote", "b.wrote"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE evidence_auditentry SET reason = 'other'",
        "DELETE FROM evidence_auditentry",
        "TRUNCATE evidence_auditentry CASCADE",
    ],
)
def test_database_refuses_to_alter_history(db, statement):
    write()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with (
            pytest.raises(DatabaseError, match=r"append-only|Cannot"),
            transaction.atomic(),
        ):
            cursor.execute(statement)
    assert codes() == []


@pytest.mark.parametrize(
    ("sequence", "previous"), [(4, "last"), (2, "last"), (3, None), (3, "f" * 64)]
)
def test_database_refuses_a_gap_and_a_fork(db, sequence, previous):
    last = write(2)
    entry = AuditEntry(
        stream=STREAM,
        sequence=sequence,
        recorded_at=NOON,
        actor_name="intruder",
        action="x.y",
        object_type="x",
        object_id="1",
        object_label="x",
        previous_hash=last.entry_hash if previous == "last" else previous,
        entry_hash="0" * 64,
    )
    with (
        pytest.raises(DatabaseError, match=r"does not continue it|duplicate key"),
        transaction.atomic(),
    ):
        entry.save(force_insert=True)


TAMPERED = {
    "recorded_at": NOON - dt.timedelta(days=1),
    "actor_name": "somebody",
    "actor_id": None,
    "action": "thing.undone",
    "object_type": "auth.group",
    "object_id": "999",
    "object_label": "other",
    "reason": "another reason",
    "before": '{"x": 1}',
    "after": '{"number": 7}',
}


@pytest.mark.parametrize("column", TAMPERED)
def test_changing_any_field_is_found(db, column):
    write(3)
    without_triggers(
        f"UPDATE evidence_auditentry SET {column} = %s"
        " WHERE stream = %s AND sequence = 2",
        TAMPERED[column],
        STREAM,
    )
    assert codes() == [(2, "hash_mismatch")]


def test_every_column_is_covered_by_a_tampering_test():
    columns = {field.attname for field in AuditEntry._meta.concrete_fields}
    chained = {"id", "stream", "sequence", "previous_hash", "entry_hash"}
    assert set(TAMPERED) == columns - chained


@pytest.mark.parametrize("column", ["previous_hash", "entry_hash"])
def test_changing_a_hash_is_found(db, column):
    write(3)
    without_triggers(
        f"UPDATE evidence_auditentry SET {column} = %s"
        " WHERE stream = %s AND sequence = 2",
        "0" * 64,
        STREAM,
    )
    assert (2, "hash_mismatch") in codes()


def test_removing_and_moving_an_entry_is_found(db):
    write(3)
    without_triggers(
        "UPDATE evidence_auditentry SET stream = 'system' "
        "WHERE stream = %s AND sequence = 2",
        STREAM,
    )
    assert codes() == [(3, "sequence_gap"), (3, "link_mismatch")]
    assert (2, "sequence_gap") in codes("system")


def test_number_that_no_double_equals_is_a_fault_and_no_crash(db):
    write(2)
    without_triggers(
        "UPDATE evidence_auditentry SET after = '9007199254740993' "
        "WHERE stream = %s AND sequence = 1",
        STREAM,
    )
    assert codes() == [(1, "hash_mismatch")]


def test_cutting_off_the_newest_entries_is_found_by_the_noted_head(db):
    write(3)
    assert check_history(actor=None).is_passing
    write(1)
    without_triggers(
        "DELETE FROM evidence_auditentry WHERE stream = %s AND sequence >= 3", STREAM
    )
    assert codes() == [(3, "head_lost")]
    check = check_history(actor=None)
    assert check.fault_count == 1
    assert check.faults[0]["code"] == "head_lost"


def test_removing_a_whole_stream_is_found_by_the_noted_head(db):
    write(3)
    check_history(actor=None)
    without_triggers("DELETE FROM evidence_auditentry WHERE stream = %s", STREAM)
    (fault,) = check_history(actor=None).faults
    assert (fault["stream"], fault["code"]) == (STREAM, "head_lost")


def test_check_notes_each_head_once_and_records_itself(db, auditor):
    write(3)
    first = check_history(actor=auditor)
    check_history(actor=auditor)
    heads = NotedHead.objects.filter(stream=STREAM)
    assert [(head.sequence, head.check_run) for head in heads] == [(3, first)]
    assert first.requested_by == auditor
    assert AuditEntry.objects.filter(action="history.checked").count() == 2


def test_broken_stream_has_no_head_noted(db):
    write(3)
    without_triggers(
        "UPDATE evidence_auditentry SET reason = 'x' WHERE stream = %s", STREAM
    )
    check = check_history(actor=None)
    assert check.fault_count == 3
    assert not NotedHead.objects.filter(stream=STREAM).exists()


# --- The commands -------------------------------------------------------------------


def run(capsys, *arguments, **options):
    """Run a command; return (exit code, what it wrote)."""
    try:
        call_command(*arguments, **options)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except CommandError as error:
        code = error.returncode
    return code, capsys.readouterr().out


def test_verify_audit_tells_a_whole_history_from_a_changed_one(db, capsys):
    write(3)
    code, output = run(capsys, "verify_audit")
    assert code == 0
    assert "1 stream" in output
    without_triggers(
        "UPDATE evidence_auditentry SET reason = 'x' "
        "WHERE stream = %s AND sequence = 2",
        STREAM,
    )
    code, output = run(capsys, "verify_audit", "--stream", STREAM)
    assert code == 1
    assert f"{STREAM} #2 hash_mismatch" in output
    code, output = run(capsys, "verify_audit", "--json")
    (line,) = [json.loads(line) for line in output.splitlines()]
    assert line["faults"][0]["code"] == "hash_mismatch"


def test_verify_audit_of_no_stream_is_no_success(db, capsys):
    code, _ = run(capsys, "verify_audit", "--stream", "incident:4711")
    assert code == 2


def test_exported_history_is_verified_from_its_file_alone(db, capsys, tmp_path):
    incident = make_incident()
    write(3)
    path = tmp_path / "history.jsonl"
    run(capsys, "export_audit", "-o", str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    code, output = run(capsys, "verify_audit", "--file", str(path))
    assert code == 0
    lines = path.read_text().splitlines()
    heads = json.loads(lines[-1])["heads"]
    assert heads[STREAM]["sequence"] == 3
    assert f"incident:{incident.pk}" in heads

    changed = [line.replace('"thing.done"', '"thing.gone"') for line in lines]
    path.write_text("\n".join(changed))
    code, output = run(capsys, "verify_audit", "--file", str(path))
    assert code == 1
    assert "hash_mismatch" in output


def test_export_with_its_last_entries_cut_off_is_found(db, capsys, tmp_path):
    write(3)
    path = tmp_path / "history.jsonl"
    run(capsys, "export_audit", "--stream", STREAM, "-o", str(path))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], lines[-1]]))
    code, output = run(capsys, "verify_audit", "--file", str(path))
    assert code == 1
    assert "head_lost" in output
    path.write_text("\n".join(lines[:2]))
    code, output = run(capsys, "verify_audit", "--file", str(path))
    assert code == 1
    assert "heads_missing" in output


def test_database_is_held_against_the_heads_of_an_earlier_export(db, capsys, tmp_path):
    write(3)
    path = tmp_path / "history.jsonl"
    run(capsys, "export_audit", "-o", str(path))
    write(1)
    assert run(capsys, "verify_audit", "--heads", str(path))[0] == 0
    without_triggers(
        "DELETE FROM evidence_auditentry WHERE stream = %s AND sequence >= 3", STREAM
    )
    assert run(capsys, "verify_audit")[0] == 0
    code, output = run(capsys, "verify_audit", "--heads", str(path))
    assert code == 1
    assert f"{STREAM} #3 head_lost" in output
    path.write_text("\n".join(path.read_text().splitlines()[:2]))
    assert run(capsys, "verify_audit", "--heads", str(path))[0] == 2


@pytest.mark.parametrize("content", ["", "no json", '{"schema": "other"}', "[1]"])
def test_file_that_is_no_export_is_refused(db, capsys, tmp_path, content):
    path = tmp_path / "history.jsonl"
    path.write_text(content)
    code, _ = run(capsys, "verify_audit", "--file", str(path))
    assert code == 2


def test_documents_of_a_stream_come_in_order(db):
    write(5)
    sequences = [document["sequence"] for document in stream_documents(STREAM)]
    assert sequences == [1, 2, 3, 4, 5]
    assert HistoryCheck.objects.count() == 0
