"""What the database itself refuses, tried past every service by raw rows and SQL."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import (
    DatabaseError,
    IntegrityError,
    InternalError,
    ProgrammingError,
    connection,
    transaction,
)
from django.utils import timezone

from incidents.models import Incident
from policy.models import (
    Extension,
    KillSwitch,
    KillSwitchLift,
    LiftRequest,
    PromotionRequest,
    QuotaChange,
    Rollback,
    TrustTransition,
)
from policy.rules.rollback import OverrideChoice, RiskChoice
from policy.services.extensions import note_version
from policy.services.kill_switches import activate_kill_switch
from policy.services.lifts import request_lift
from policy.services.rollbacks import propose_safe_defaults
from policy.services.trust import demote_extension
from tests.policy.samples import PERMISSIVE, make_extension, take

REFUSED = (IntegrityError, InternalError, ProgrammingError, DatabaseError)


@pytest.fixture
def calm(db: None) -> Extension:
    return make_extension("ext.calm")


def insert_move(extension: Extension, start: str, end: str, **fields: Any) -> None:
    with transaction.atomic():
        TrustTransition.objects.create(
            extension=extension,
            from_state=start,
            to_state=end,
            reason=fields.pop("reason", "r"),
            moved_at=timezone.now(),
            requested_by_name="somebody",
            **fields,
        )
        Extension.objects.filter(pk=extension.pk).update(trust_state=end)


def execute(statement: str, *values: object) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_no_row_leaps_from_quarantined_to_trusted(
    calm: Extension, responder: User, reviewer: User
) -> None:
    insert_move(calm, "unknown", "quarantined")
    with pytest.raises(REFUSED, match="trust_move_exists"):
        insert_move(
            calm,
            "quarantined",
            "trusted",
            requested_by=responder,
            approved_by=reviewer,
        )


def test_no_promotion_without_an_approver(calm: Extension, responder: User) -> None:
    insert_move(calm, "unknown", "quarantined")
    with pytest.raises(REFUSED, match="trust_promotion_has_approver"):
        insert_move(calm, "quarantined", "probation", requested_by=responder)


def test_requester_is_not_approver(calm: Extension, reviewer: User) -> None:
    insert_move(calm, "unknown", "quarantined")
    with pytest.raises(REFUSED, match="trust_approver_is_second_person"):
        insert_move(
            calm,
            "quarantined",
            "probation",
            requested_by=reviewer,
            approved_by=reviewer,
        )


def test_a_move_continues_the_history(calm: Extension) -> None:
    with pytest.raises(REFUSED, match="is unknown: a move cannot start at"):
        insert_move(calm, "probation", "quarantined")


def test_no_promotion_under_a_kill_switch(
    incident: Incident, extension: Extension, responder: User, reviewer: User
) -> None:
    activate_kill_switch(
        incident_id=incident.pk, extension_pk=extension.pk, reason="r", actor=responder
    )
    with pytest.raises(REFUSED, match="a kill switch is active"):
        insert_move(
            extension,
            "quarantined",
            "probation",
            requested_by=responder,
            approved_by=reviewer,
        )


def test_a_move_has_a_reason(calm: Extension) -> None:
    with pytest.raises(REFUSED, match="trust_move_has_reason"):
        insert_move(calm, "unknown", "quarantined", reason="")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE policy_trusttransition SET reason = 'other'",
        "DELETE FROM policy_trusttransition",
        "TRUNCATE policy_trusttransition CASCADE",
    ],
)
def test_history_is_append_only(
    calm: Extension, responder: User, statement: str
) -> None:
    demote_extension(extension_pk=calm.pk, reason="r", actor=responder)
    with pytest.raises(REFUSED):
        execute(statement)


@pytest.mark.parametrize("table", ["killswitch", "policysnapshot", "quotabreach"])
def test_records_are_not_emptied(db: None, table: str) -> None:
    with pytest.raises(REFUSED, match="append-only"):
        execute(f"TRUNCATE policy_{table} CASCADE")


def test_the_requester_approves_no_promotion_row(
    calm: Extension, responder: User
) -> None:
    request = PromotionRequest.objects.create(
        extension=calm,
        to_state="probation",
        reason="r",
        requested_at=timezone.now(),
        requested_by=responder,
    )
    with pytest.raises(REFUSED, match="promotion_approved_by_second_person"):
        execute(
            "UPDATE policy_promotionrequest SET state = 'approved', "
            "decided_by_id = %s, decided_at = now() WHERE id = %s",
            responder.pk,
            request.pk,
        )


def insert_lift(switch: KillSwitch, request: LiftRequest, approver: User) -> None:
    with transaction.atomic():
        KillSwitchLift.objects.create(
            kill_switch=switch,
            request=request,
            reason="r",
            lifted_at=timezone.now(),
            requested_by=request.requested_by,
            approved_by=approver,
        )


def test_neither_requester_nor_activator_lifts(
    incident: Incident, extension: Extension, responder: User, reviewer: User
) -> None:
    switch = activate_kill_switch(
        incident_id=incident.pk, extension_pk=extension.pk, reason="r", actor=responder
    )
    request = request_lift(kill_switch_id=switch.pk, reason="r", actor=reviewer)
    with pytest.raises(REFUSED, match="lift_approver_is_second_person"):
        insert_lift(switch, request, reviewer)
    with pytest.raises(REFUSED, match="another must lift it"):
        insert_lift(switch, request, responder)


def test_a_kill_switch_names_what_it_stops(incident: Incident, responder: User) -> None:
    with pytest.raises(REFUSED, match="kill_switch_names_its_extension"):
        KillSwitch.objects.create(
            scope="extension",
            reason="r",
            incident=incident,
            ordered_at=timezone.now(),
            ordered_by=responder,
        )


@pytest.fixture
def rollback(incident: Incident, responder: User) -> Rollback:
    return propose_safe_defaults(
        snapshot_id=take(incident, PERMISSIVE).pk,
        risk=RiskChoice.UNCHANGED,
        overrides=OverrideChoice.KEEP,
        reason="r",
        actor=responder,
    )


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("after = '{}'", "plan_is_fixed"),
        ("reason = 'other'", "plan_is_fixed"),
        ("state = 'approved'", "rollback_approved_before_applied"),
        ("decided_by_id = proposed_by_id", "rollback_decided_by_second_person"),
        ("state = 'nonsense'", "rollback_state_known"),
    ],
)
def test_a_rollback_is_not_bent(rollback: Rollback, change: str, rule: str) -> None:
    with pytest.raises(REFUSED):
        execute(f"UPDATE policy_rollback SET {change}")
    assert rule


def test_a_rollback_is_not_verified_without_proof(
    rollback: Rollback, reviewer: User
) -> None:
    with pytest.raises(REFUSED, match="rollback_verified_by_snapshot"):
        execute(
            "UPDATE policy_rollback SET state = 'verified', decided_by_id = %s",
            reviewer.pk,
        )


def test_a_rollback_is_not_deleted(rollback: Rollback) -> None:
    with pytest.raises(REFUSED):
        execute("DELETE FROM policy_rollback")


def test_raising_a_quota_has_documentation(calm: Extension, responder: User) -> None:
    with pytest.raises(REFUSED, match="quota_raise_has_documentation"):
        QuotaChange.objects.create(
            extension=calm,
            from_mb=256,
            to_mb=512,
            reason="r",
            changed_at=timezone.now(),
            changed_by=responder,
        )


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM policy_extension",
        "UPDATE policy_extension SET extension_id = 'ext.other'",
        "UPDATE policy_extension SET first_seen_at = now()",
        "UPDATE policy_extension SET first_seen_in = 'elsewhere'",
        "UPDATE policy_extension SET trust_state = 'trusted'",
        "UPDATE policy_extensionversion SET version = '9'",
        "DELETE FROM policy_extensionversion",
        "TRUNCATE policy_extensionversion",
    ],
)
def test_first_mention_and_trust_of_an_extension_stay(
    calm: Extension, statement: str
) -> None:
    note_version(calm, "1.0", now=timezone.now())
    with pytest.raises(REFUSED):
        execute(statement)


def test_extension_does_not_start_trusted(db: None) -> None:
    with pytest.raises(REFUSED, match="by its newest move"):
        execute(
            "INSERT INTO policy_extension (extension_id, name, publisher, notes,"
            " trust_state, first_seen_at, first_seen_in)"
            " VALUES ('ext.new', '', '', '', 'trusted', now(), '')"
        )


def test_what_is_written_about_an_extension_can_change(calm: Extension) -> None:
    execute("UPDATE policy_extension SET name = 'Calm', notes = 'seen again'")
    calm.refresh_from_db()
    assert (calm.name, calm.trust_state) == ("Calm", "unknown")


def test_trust_state_of_an_older_move_is_refused(calm: Extension) -> None:
    insert_move(calm, "unknown", "quarantined")
    with pytest.raises(REFUSED, match="is quarantined by its newest move"):
        execute("UPDATE policy_extension SET trust_state = 'unknown'")


def test_move_that_its_extension_does_not_show_is_refused(calm: Extension) -> None:
    TrustTransition.objects.create(
        extension=calm,
        from_state="unknown",
        to_state="quarantined",
        reason="r",
        moved_at=timezone.now(),
        requested_by_name="somebody",
    )
    with pytest.raises(REFUSED, match="has to show its newest move"):
        execute("SET CONSTRAINTS ALL IMMEDIATE")
    Extension.objects.filter(pk=calm.pk).update(trust_state="quarantined")
