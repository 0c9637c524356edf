"""Pruning a closed case: what goes, what stays of it, and that all still verifies."""

from __future__ import annotations

import datetime as dt
import io
import json
import zipfile

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from evidence import storage
from evidence.accounts.access import Role
from evidence.audit.history import incident_stream, verify_stream
from evidence.audit.history_checks import check_history
from evidence.audit.log.growing import grow_log
from evidence.audit.log.keys import verifier_keys
from evidence.audit.records.checking import find_record_faults
from evidence.audit.records.seals import seal_records
from evidence.errors import CasefileError, PermissionRefused
from evidence.models import (
    AuditEntry,
    ReplayStep,
    Tombstone,
    TombstoneKind,
    VerificationReport,
    WorkState,
)
from evidence.proof.verify_archive import check_archive
from evidence.services.pruning import digest_anew
from evidence.storage.places import key_of
from incidents.errors import PruningRefused
from incidents.models import (
    Alert,
    CaseArchive,
    Incident,
    Notification,
    PruneRequest,
    PruneRun,
)
from incidents.notification_texts import path_of
from incidents.services.archives.requests import request_archive, run_archive
from incidents.services.checklists.artifacts import _policy_decisions
from incidents.services.lifecycle.closing import reopen_incident
from incidents.services.lifecycle.holds import place_hold, release_hold
from incidents.services.notifications.waiting import notify_waiting, waiting_for
from incidents.services.pruning.checking import find_tombstone_faults
from incidents.services.pruning.plan import plan_pruning
from incidents.services.pruning.requests import (
    approve_pruning,
    decline_pruning,
    lapse_pruning,
    request_pruning,
    withdraw_pruning,
)
from incidents.services.pruning.running import run_pruning
from policy.models import RequestState
from policy.services.requests import REQUEST_LIFETIME
from tests.conftest import Settings
from tests.evidence.helpers import without_triggers
from tests.factories import close_false_alarm, make_evidence, make_incident, make_user
from tests.incidents.pruning.cases import (
    add_alerts,
    approve,
    ask,
    make_archived,
    prune,
)
from tests.shared import share

pytestmark = [pytest.mark.django_db, pytest.mark.long]
_kept, incident, _django_db_helper, evidence_folder = share(make_archived)


def plan(incident: Incident) -> tuple[str, ...]:
    return plan_pruning(incident, now=timezone.now()).obstacles


def test_replays_and_alert_documents_go_and_leave_a_tombstone_each(
    incident: Incident,
) -> None:
    report = VerificationReport.objects.get(item__incident=incident)
    documents = dict(Alert.objects.values_list("pk", "document_sha256"))
    assert report.step_count > 0
    run = prune(incident)
    assert (run.state, run.left) == (WorkState.DONE, [])
    assert not ReplayStep.objects.filter(report=report).exists()
    assert not Alert.objects.filter(document__isnull=False).exists()
    archive = incident.archives.get()
    by_kind = {stone.kind: stone for stone in Tombstone.objects.all()}
    replay = by_kind[TombstoneKind.REPLAY]
    assert (replay.row_key, replay.row_count) == (report.pk, report.step_count)
    assert {stone.archive_sha256_hex for stone in by_kind.values()} == {
        archive.sha256_hex
    }
    assert (str(replay.requested_by), str(replay.approved_by)) == (
        "administrator",
        "reviewer",
    )
    assert {
        stone.row_key: stone.sha256_hex
        for stone in Tombstone.objects.filter(kind=TombstoneKind.ALERT_DOCUMENT)
    } == documents


def test_a_replay_made_anew_from_its_bundle_is_what_the_tombstone_says(
    incident: Incident,
) -> None:
    report = VerificationReport.objects.select_related("item").get()
    prune(incident)
    stone = Tombstone.objects.get(kind=TombstoneKind.REPLAY)
    anew = digest_anew(storage.read_verified(report.item.sha256_hex))
    assert (anew.count, anew.sha256_hex) == (stone.row_count, stone.sha256_hex)


def test_everything_that_verified_before_still_verifies(incident: Incident) -> None:
    seal_records()
    prune(incident)
    seal_records()
    grow_log(state_now=True)
    assert list(find_record_faults()) == []
    assert verify_stream(incident_stream(incident.pk)) == []
    assert check_history(actor=None).fault_count == 0


def test_an_archive_made_before_still_verifies_after_whole_and_redacted(
    incident: Incident, tmp_path: object
) -> None:
    redacted = request_archive(
        incident_id=incident.pk,
        actor=make_user(Role.REVIEWER),
        redaction={"redact_remediation": True},
        deep=True,
    )
    run_archive(archive_id=redacted.pk)
    prune(incident)
    made = CaseArchive.objects.filter(state=WorkState.DONE)
    assert made.count() == 2
    for archive in made:
        path = str(storage.places.local_root() / key_of(archive.sha256_hex))  # type: ignore[operator]
        assert check_archive(path, verifier_keys(), []) == []


def test_an_archive_made_again_says_what_was_pruned_and_checks_itself(
    incident: Incident,
) -> None:
    first = incident.archives.get()
    prune(incident)
    asked = request_archive(incident_id=incident.pk, actor=make_user(Role.REVIEWER))
    again = run_archive(archive_id=asked.pk)
    assert again is not None
    assert again.state == WorkState.DONE
    file = zipfile.ZipFile(io.BytesIO(storage.read_verified(again.sha256_hex)))
    top = incident.reference

    def lines(kind: str) -> list[dict[str, object]]:
        data = file.read(f"{top}/records/{kind}.ndjson").decode()
        return [json.loads(line) for line in data.splitlines()]

    alerts = [row for row in lines("alerts") if row["record"] == "incidents.alert"]
    assert [row["document"] for row in alerts] == [None, None]
    stones = [
        row for row in lines("decisions") if row["record"] == "evidence.tombstone"
    ]
    assert {stone["archive_sha256_hex"] for stone in stones} == {first.sha256_hex}
    assert {stone["sha256_hex"] for stone in stones} > {
        row["document_sha256"] for row in alerts
    }
    said = file.read(f"{top}/README.txt").decode()
    assert "What was pruned" in said
    assert first.sha256_hex in said


def test_the_history_tells_who_asked_who_approved_and_what_went(
    incident: Incident,
) -> None:
    prune(incident)
    actions = AuditEntry.objects.filter(action__startswith="pruning.")
    told = {entry.action: entry for entry in actions}
    assert told["pruning.requested"].actor_name == "administrator"
    assert told["pruning.approved"].actor_name == "reviewer"
    done = told["pruning.done"].after
    assert done["tombstones"] == 3
    assert done["archive_sha256_hex"] == incident.archives.get().sha256_hex


def test_a_second_request_finds_nothing_left(incident: Incident) -> None:
    prune(incident)
    assert "nothing to prune" in plan(incident)[0]


def test_what_came_after_the_archive_stays_and_is_named(incident: Incident) -> None:
    add_alerts(incident, 1, prefix="late")
    run = prune(incident)
    assert run.state == WorkState.DONE
    (said,) = run.left
    assert "late" in said
    assert Alert.objects.get(document__isnull=False).alert_id.startswith("late")


def test_a_report_made_after_the_archive_keeps_its_replay(incident: Incident) -> None:
    item = incident.evidence_items.get()
    from evidence.services import request_verification, run_verification

    asked = request_verification(item_id=item.pk, actor=make_user(Role.REVIEWER))
    run_verification(request_id=asked.pk)
    run = prune(incident)
    newest = VerificationReport.objects.latest("pk")
    assert newest.replay_steps.count() == newest.step_count
    assert len(run.left) == 1


# --- What is in the way ---------------------------------------------------------------


def test_it_is_off_by_default(incident: Incident, settings: Settings) -> None:
    settings.CASE_RETENTION_DAYS = 0
    with pytest.raises(PruningRefused, match="CASE_RETENTION_DAYS is not set"):
        ask(incident)


def test_the_default_keeps_everything(settings: Settings) -> None:
    from config import settings as made

    assert made.CASE_RETENTION_DAYS == 0


def test_an_open_case_is_not_pruned() -> None:
    incident = make_incident()
    make_evidence(incident)
    assert any("is open" in said for said in plan(incident))
    with pytest.raises(PruningRefused, match="Only a closed case"):
        ask(incident)


def test_a_case_is_pruned_only_once_its_time_has_passed(
    incident: Incident, settings: Settings
) -> None:
    settings.CASE_RETENTION_DAYS = 30
    assert incident.closed_at is not None
    early = incident.closed_at + dt.timedelta(days=30, seconds=-1)
    administrator = make_user(Role.ADMINISTRATOR)
    about = {"actor": administrator, "incident_id": incident.pk, "reason": "Old."}
    with pytest.raises(PruningRefused, match="can be pruned from"):
        request_pruning(now=early, **about)
    request_pruning(now=early + dt.timedelta(seconds=1), **about)


def test_a_case_without_a_whole_archive_is_not_pruned() -> None:
    incident = make_incident()
    make_evidence(incident)
    close_false_alarm(incident)
    incident.refresh_from_db()
    redacted = request_archive(
        incident_id=incident.pk,
        actor=make_user(Role.REVIEWER),
        redaction={"redact_remediation": True},
        deep=True,
    )
    run_archive(archive_id=redacted.pk)
    with pytest.raises(PruningRefused, match="no whole archive made since"):
        ask(incident)


def test_an_archive_of_an_earlier_cycle_is_not_enough(incident: Incident) -> None:
    reviewer = make_user(Role.REVIEWER)
    reopen_incident(actor=reviewer, incident_id=incident.pk, reason="More was found.")
    close_false_alarm(incident)
    incident.refresh_from_db()
    with pytest.raises(PruningRefused, match="no whole archive made since"):
        ask(incident)


def test_an_archive_that_is_under_no_checkpoint_yet_is_not_enough() -> None:
    from tests.incidents.postmortem.cases import archive_case

    incident = make_incident()
    make_evidence(incident)
    close_false_alarm(incident)
    archive_case(incident)
    incident.refresh_from_db()
    with pytest.raises(PruningRefused, match="under no checkpoint"):
        ask(incident)
    grow_log(state_now=True)
    ask(incident)


def test_every_obstacle_is_told_at_once(settings: Settings) -> None:
    incident = make_incident()
    make_evidence(incident)
    place_hold(actor=make_user(), incident_id=incident.pk, reason="A court.")
    settings.CASE_RETENTION_DAYS = 0
    with pytest.raises(PruningRefused) as refused:
        ask(incident)
    for part in ("CASE_RETENTION_DAYS", "is open", "on hold"):
        assert part in refused.value.message


def test_a_damaged_archive_stops_it_before_anything_goes(incident: Incident) -> None:
    run = approve(ask(incident))
    digest = incident.archives.get().sha256_hex
    path = storage.places.local_root() / key_of(digest)  # type: ignore[operator]
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    ended = run_pruning(run_id=run.pk)
    assert ended is not None
    assert ended.state == WorkState.FAILED
    assert "hash to" in ended.failure
    assert not Tombstone.objects.exists()


# --- Holds ----------------------------------------------------------------------------


def hold(incident: Incident) -> None:
    place_hold(actor=make_user(), incident_id=incident.pk, reason="A court asked.")


def test_a_hold_stops_the_request(incident: Incident) -> None:
    hold(incident)
    with pytest.raises(PruningRefused, match="on hold: responder put it there"):
        ask(incident)


def test_a_hold_between_request_and_decision_stops_the_approval(
    incident: Incident,
) -> None:
    request = ask(incident)
    hold(incident)
    with pytest.raises(PruningRefused, match="on hold"):
        approve(request)
    release_hold(
        actor=make_user(Role.REVIEWER), incident_id=incident.pk, reason="Done."
    )
    assert approve(request).state == WorkState.QUEUED


def test_a_hold_between_decision_and_run_stops_the_run_and_says_so(
    incident: Incident,
) -> None:
    run = approve(ask(incident))
    hold(incident)
    ended = run_pruning(run_id=run.pk)
    assert ended is not None
    assert ended.state == WorkState.FAILED
    assert "on hold: responder put it there" in ended.failure
    assert not Tombstone.objects.exists()
    entry = AuditEntry.objects.get(action="pruning.stopped")
    assert "on hold" in entry.reason


# --- Who ------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [*(r for r in Role if r != Role.ADMINISTRATOR), None])
def test_only_an_administrator_asks(incident: Incident, role: Role | None) -> None:
    with pytest.raises(PermissionRefused):
        ask(incident, make_user(role))
    assert not PruneRequest.objects.exists()


@pytest.mark.parametrize("role", [*(r for r in Role if r != Role.REVIEWER), None])
def test_only_a_reviewer_decides(incident: Incident, role: Role | None) -> None:
    request = ask(incident)
    person = make_user(role, "somebody")
    with pytest.raises(PermissionRefused):
        approve(request, person)
    with pytest.raises(PermissionRefused):
        decline_pruning(actor=person, request_id=request.pk, reason="No.")


def make_both() -> User:
    from django.contrib.auth.models import Group

    person = make_user(Role.ADMINISTRATOR, "both")
    person.groups.add(Group.objects.get(name=Role.REVIEWER))
    return User.objects.get(pk=person.pk)


def test_who_asked_does_not_approve(incident: Incident) -> None:
    both = make_both()
    request = ask(incident, both)
    with pytest.raises(CasefileError) as refused:
        approve_pruning(actor=both, request_id=request.pk)
    assert refused.value.code == "second_person_missing"
    assert not PruneRun.objects.exists()


def test_a_request_is_declined_withdrawn_or_lapses(incident: Incident) -> None:
    reviewer, administrator = make_user(Role.REVIEWER), make_user(Role.ADMINISTRATOR)
    first = ask(incident)
    decline_pruning(actor=reviewer, request_id=first.pk, reason="Not yet.")
    second = ask(incident)
    with pytest.raises(CasefileError, match="only who made it"):
        withdraw_pruning(
            actor=make_user(Role.ADMINISTRATOR, "other"), request_id=second.pk
        )
    withdraw_pruning(actor=administrator, request_id=second.pk)
    third = ask(incident)
    assert lapse_pruning(now=timezone.now() + dt.timedelta(days=8)) == 1
    states = PruneRequest.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == [
        RequestState.DECLINED,
        RequestState.WITHDRAWN,
        RequestState.LAPSED,
    ]
    with pytest.raises(CasefileError, match="lapsed"):
        approve(third)
    told = AuditEntry.objects.filter(action__startswith="pruning.")
    assert set(told.values_list("action", flat=True)) == {
        "pruning.requested",
        "pruning.declined",
        "pruning.withdrawn",
        "pruning.lapsed",
    }


def test_one_request_at_a_time_and_none_while_a_run_is_on(incident: Incident) -> None:
    request = ask(incident)
    with pytest.raises(CasefileError, match="asked for already"):
        ask(incident)
    approve(request)
    with pytest.raises(CasefileError, match="being pruned already"):
        ask(incident)


def test_a_request_needs_a_reason(incident: Incident) -> None:
    with pytest.raises(CasefileError) as refused:
        request_pruning(
            actor=make_user(Role.ADMINISTRATOR), incident_id=incident.pk, reason=" "
        )
    assert refused.value.code == "reason_missing"


# --- Tombstones held against their archives -------------------------------------------


def test_tombstones_hold_against_their_archives(incident: Incident) -> None:
    prune(incident)
    assert list(find_tombstone_faults(incident)) == []
    out = io.StringIO()
    call_command("prune_cases", "--check", incident.reference, stdout=out)
    assert "3 tombstones hold" in out.getvalue()


def test_a_tombstone_that_says_another_digest_is_found(incident: Incident) -> None:
    prune(incident)
    without_triggers("UPDATE evidence_tombstone SET sha256_hex = %s", "0" * 64)
    assert len(list(find_tombstone_faults(incident))) == 3
    with pytest.raises(CommandError, match="3 of 3 do not hold"):
        call_command("prune_cases", "--check", incident.reference, stderr=io.StringIO())


def test_the_command_lists_what_could_go_and_what_is_in_the_way(
    incident: Incident, settings: Settings
) -> None:
    settings.CASE_RETENTION_DAYS = 0
    out = io.StringIO()
    call_command("prune_cases", stdout=out)
    assert incident.reference in out.getvalue()
    assert "CASE_RETENTION_DAYS is not set" in out.getvalue()


def test_a_checklist_still_finds_what_a_pruned_replay_decided(
    incident: Incident,
) -> None:
    reports = list(VerificationReport.objects.all())
    before = _policy_decisions(reports)
    assert any(before.values())
    prune(incident)
    assert _policy_decisions(reports) == before


def test_reviewers_are_told_once_of_a_pruning_that_waits_for_them(
    incident: Incident,
) -> None:
    administrator, reviewer = make_user(Role.ADMINISTRATOR), make_user(Role.REVIEWER)
    request = ask(incident, administrator)
    key = f"waiting:pruning:{request.pk}"
    assert notify_waiting() >= 1
    told = Notification.objects.filter(key=key)
    assert {row.recipient for row in told} == {reviewer}
    message = told[0]
    assert message.headline == "Pruning a case waits for a reviewer"
    assert path_of(message).endswith(f"/prunerequest/{request.pk}/change/")
    (waiting,) = waiting_for(reviewer)
    assert (waiting.kind, waiting.about) == ("pruning", request)
    assert waiting_for(administrator) == []
    notify_waiting()
    assert told.count() == 1
    approve(request, reviewer)
    assert waiting_for(reviewer) == []


def test_a_pruning_that_lapsed_or_was_declined_is_told_to_nobody(
    incident: Incident,
) -> None:
    administrator, reviewer = make_user(Role.ADMINISTRATOR), make_user(Role.REVIEWER)
    late = ask(incident, administrator)
    assert waiting_for(reviewer, now=late.requested_at + REQUEST_LIFETIME) == []
    decline_pruning(actor=reviewer, request_id=late.pk, reason="Keep it.")
    notify_waiting()
    assert not Notification.objects.filter(key=f"waiting:pruning:{late.pk}").exists()
