"""The door that pruning goes through, by raw SQL and as the application's own role."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from evidence.accounts.access import Role
from evidence.audit.records.checking import find_record_faults
from evidence.models import ReplayStep, Tombstone, TombstoneKind, WorkState
from incidents.models import Alert, CaseHold, Incident, PruneRun
from incidents.services.lifecycle.holds import place_hold
from incidents.services.pruning import running
from incidents.services.pruning.running import run_pruning
from tests.evidence.helpers import without_triggers
from tests.evidence.test_database_role import app_role, become
from tests.factories import make_user
from tests.incidents.pruning.cases import approve, ask, make_archived, prune
from tests.live import ROOT, LiveWorker

pytestmark = pytest.mark.long

__all__ = ("app_role",)


def refuse(statement: str, *parameters: object, match: str) -> None:
    with (
        pytest.raises(DatabaseError, match=match),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement, parameters)


def write_stone(case: Incident, **columns: Any) -> Tombstone:
    """Write a tombstone of an alert's document by hand, as whoever is connected."""
    alert = Alert.objects.filter(incident=case).first()
    assert alert is not None
    archive = case.archives.get()
    facts = {
        "incident": case,
        "request": case.prune_requests.get(),
        "kind": TombstoneKind.ALERT_DOCUMENT,
        "row_key": alert.pk,
        "row_count": 1,
        "size_bytes": 1,
        "sha256_hex": alert.document_sha256,
        "archive": archive,
        "archive_sha256_hex": archive.sha256_hex,
        "pruned_at": timezone.now(),
        "requested_by": make_user(Role.ADMINISTRATOR),
        "approved_by": make_user(Role.REVIEWER),
    }
    with transaction.atomic():
        return Tombstone.objects.create(**{**facts, **columns})


def begin(incident: Incident) -> PruneRun:
    """Approve pruning and have the run say that a worker is at it."""
    run = approve(ask(incident))
    PruneRun.objects.filter(pk=run.pk).update(state=WorkState.RUNNING)
    return run


@pytest.mark.django_db(transaction=True)
def test_the_role_deletes_no_step_and_empties_no_document_but_by_a_tombstone(
    app_role: str,
) -> None:
    incident = make_archived()
    begin(incident)
    call_command("grant_app_role", app_role)
    become(app_role)
    refuse("DELETE FROM evidence_replaystep", match="permission denied")
    refuse("UPDATE evidence_replaystep SET trusted = true", match="permission denied")
    refuse("TRUNCATE evidence_replaystep", match="permission denied")
    refuse("UPDATE incidents_alert SET document = NULL", match="keeps its document")
    refuse("UPDATE incidents_alert SET document = '{}'", match="keeps its document")
    refuse("DELETE FROM incidents_alert", match="Cannot delete")
    refuse("SELECT casefile_prune_replay(1)", match="no rows")
    stone = write_stone(incident)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE incidents_alert SET document = NULL WHERE id = %s", [stone.row_key]
        )
    # The one that the tombstone names, and no other.
    refuse("UPDATE incidents_alert SET document = NULL", match="keeps its document")
    refuse("DELETE FROM evidence_tombstone", match="permission denied")
    refuse("UPDATE evidence_tombstone SET row_count = 9", match="permission denied")


@pytest.mark.django_db(transaction=True)
def test_a_role_without_the_right_does_not_run_what_deletes_a_replay(
    app_role: str,
) -> None:
    """Whatever else it was given by hand; the application's role keeps the right."""
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {app_role}")
        cursor.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {app_role}")
    become(app_role)
    refuse("SELECT casefile_prune_replay(1)", match="permission denied for function")
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
    # As a database that was restored gives it to everybody again.
    with connection.cursor() as cursor:
        cursor.execute("GRANT EXECUTE ON FUNCTION casefile_prune_replay TO PUBLIC")
    call_command("grant_app_role", app_role)
    assert find_functions_of_all() == []
    become(app_role)
    refuse("SELECT casefile_prune_replay(1)", match="no rows")


def find_functions_of_all() -> list[str]:
    """Return what runs with its owner's rights and may be run by everybody."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname FROM pg_proc WHERE prosecdef "
            "AND pronamespace = 'public'::regnamespace "
            "AND has_function_privilege('public', oid, 'EXECUTE')"
        )
        return [name for (name,) in cursor.fetchall()]


@pytest.mark.django_db
def test_nothing_with_its_owners_rights_is_run_by_everybody() -> None:
    assert find_functions_of_all() == []


@pytest.mark.django_db(transaction=True)
def test_the_migration_leaves_the_right_to_who_writes_tombstones(app_role: str) -> None:
    """An update works on between `migrate` and `grant_app_role`."""
    frozen = import_module("evidence.migrations.0022_who_may_prune_replays")
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT INSERT ON evidence_tombstone TO {app_role}")
        cursor.execute(frozen.GIVE_BACK)
        cursor.execute(frozen.TAKE_FROM_ALL)
        cursor.execute(
            "SELECT has_function_privilege(%s, 'casefile_prune_replay(bigint)', "
            "'EXECUTE')",
            [app_role],
        )
        assert cursor.fetchone() == (True,)
    assert find_functions_of_all() == []


@pytest.mark.django_db(transaction=True)
def test_the_role_deletes_no_entry_of_the_history_pruned_or_not(app_role: str) -> None:
    incident = make_archived()
    prune(incident)
    call_command("grant_app_role", app_role)
    become(app_role)
    for statement in (
        "DELETE FROM evidence_auditentry",
        "UPDATE evidence_auditentry SET reason = ''",
        "TRUNCATE evidence_auditentry CASCADE",
        "DELETE FROM evidence_logleaf",
        "DELETE FROM evidence_recordedrow",
    ):
        refuse(statement, match="permission denied")


@pytest.mark.django_db
def test_the_tables_owner_deletes_no_entry_and_no_step_that_was_not_pruned() -> None:
    make_archived()
    refuse("DELETE FROM evidence_auditentry", match="Cannot update or delete")
    refuse("DELETE FROM evidence_replaystep", match="was not pruned")
    refuse("UPDATE evidence_replaystep SET trusted = true", match="Cannot update")


@pytest.mark.django_db
def test_no_tombstone_without_an_approved_request_that_is_being_carried_out() -> None:
    incident = make_archived()
    request = ask(incident)
    with pytest.raises(DatabaseError, match="without an approved request"):
        write_stone(incident)
    run = approve(request)
    with pytest.raises(DatabaseError, match="without an approved request"):
        write_stone(incident)
    run_pruning(run_id=run.pk)
    with pytest.raises(DatabaseError, match="without an approved request"):
        write_stone(incident)


@pytest.mark.django_db
def test_no_tombstone_for_another_case_archive_person_row_or_digest() -> None:
    other, incident = make_archived(), make_archived()
    begin(incident)
    alert = Alert.objects.filter(incident=other).first()
    assert alert is not None
    for columns in (
        {"incident": other},
        {"archive": other.archives.get()},
        {"archive_sha256_hex": "0" * 64},
        {"approved_by": make_user(Role.ADMINISTRATOR)},
        {"row_key": alert.pk},
        {"sha256_hex": "0" * 64},
        {"kind": TombstoneKind.REPLAY},
    ):
        with pytest.raises(DatabaseError, match=r"approved request|no such"):
            write_stone(incident, **columns)


@pytest.mark.django_db
def test_no_tombstone_while_a_hold_stands() -> None:
    incident = make_archived()
    begin(incident)
    place_hold(actor=make_user(), incident_id=incident.pk, reason="A court asked.")
    with pytest.raises(DatabaseError, match="is on hold"):
        write_stone(incident)


@pytest.mark.django_db(transaction=True)
def test_a_hold_placed_in_mid_run_stops_the_next_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Placed on another connection, while the run is in the middle of a step."""
    monkeypatch.setattr(running, "ALERTS_AT_ONCE", 1)
    incident = make_archived(alerts=3)
    run = approve(ask(incident))
    responder = make_user()
    real, waiting = running._bury, []

    def place() -> None:
        try:
            place_hold(actor=responder, incident_id=incident.pk, reason="A court.")
        finally:
            connection.close()

    def bury_beside(alerts: list[Alert], stone: dict[str, Any]) -> None:
        real(alerts, stone)
        if not waiting:
            waiting.append(threading.Thread(target=place))
            waiting[0].start()
            # It waits for the case, which this step has locked, and is first in line.
            wait_until_blocked(waiting[0])

    monkeypatch.setattr(running, "_bury", bury_beside)
    ended = run_pruning(run_id=run.pk)
    waiting[0].join()
    assert ended is not None
    assert ended.state == WorkState.FAILED
    assert "on hold" in ended.failure
    assert CaseHold.objects.get().released_at is None
    gone = Alert.objects.filter(document__isnull=True).count()
    assert gone == Tombstone.objects.filter(kind="alert_document").count() < 3
    assert list(find_record_faults()) == []


def wait_until_blocked(thread: threading.Thread) -> None:
    """Return once another connection waits for a lock; fail where it ended before."""
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    while thread.is_alive():
        with connection.cursor() as cursor:
            cursor.execute(query)
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    raise AssertionError("nobody waited for the case")


@pytest.mark.live
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_leaves_whole_steps_and_the_next_goes_on(
    evidence_folder: Path,
) -> None:
    incident = make_archived(alerts=3)
    run = approve(ask(incident))
    worker = LiveWorker(evidence_folder, Path(os.devnull))
    done = subprocess.run(
        [sys.executable, "-m", "tests.incidents.pruning.killed", str(run.pk)],
        cwd=ROOT,
        env={
            **os.environ,
            **worker.variables(),
            "LOG_KEY_FILE": f"{evidence_folder}.log-key",
        },
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert Tombstone.objects.filter(kind="replay").count() == 1
    assert Alert.objects.filter(document__isnull=True).count() == 0
    assert not ReplayStep.objects.exists()
    while (ended := run_pruning(run_id=run.pk)) is None:
        pass
    assert ended.state == WorkState.DONE
    assert Tombstone.objects.count() == 4
    assert list(find_record_faults()) == []


@pytest.mark.django_db
def test_what_went_past_the_triggers_is_found_by_verify_records() -> None:
    incident = make_archived()
    without_triggers("UPDATE incidents_alert SET document = NULL")
    assert {"row_changed", "pruned_without_tombstone"} <= codes()
    prune(incident)


@pytest.mark.django_db
def test_steps_deleted_with_a_forged_record_and_no_tombstone_are_found() -> None:
    make_archived()
    without_triggers("DELETE FROM evidence_replaystep")
    assert "row_missing" in codes()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO evidence_recordedrow (table_name, row_key, operation, "
            "recorded_at, role, program) SELECT table_name, row_key, 'delete', now(), "
            "role, program FROM evidence_recordedrow "
            "WHERE table_name = 'evidence_replaystep'"
        )
    assert "pruned_without_tombstone" in codes()


@pytest.mark.django_db
def test_steps_put_back_after_pruning_are_found() -> None:
    incident = make_archived()
    step = ReplayStep.objects.first()
    assert step is not None
    prune(incident)
    step.pk = None
    step.save(force_insert=True)
    assert "there_in_spite_of_tombstone" in codes()


def codes() -> set[str]:
    return {fault.code for fault in find_record_faults()}
