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

from evidence.accounts.access import Role
from incidents.models import Incident
from policy.models import (
    Extension,
    KillSwitch,
    KillSwitchLift,
    LiftRequest,
    PolicySnapshot,
    PromotionRequest,
    QuotaChange,
    Rollback,
    RollbackProof,
    TrustTransition,
)
from policy.rules.rollback import OverrideChoice, RiskChoice
from policy.rules.trust import TrustState
from policy.services.extensions import note_version
from policy.services.kill_switches import activate_kill_switch
from policy.services.lifts import request_lift
from policy.services.promotions import request_promotion
from policy.services.rollbacks import approve_rollback, propose_safe_defaults
from policy.services.trust import demote_extension
from tests.factories import make_incident, make_user
from tests.policy.samples import PERMISSIVE, SAFE, make_extension, take

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
    with pytest.raises(REFUSED, match="promotion_decided_by_second_person"):
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


@pytest.fixture
def lift_request(
    incident: Incident, extension: Extension, responder: User, reviewer: User
) -> LiftRequest:
    """Return a request by a reviewer to lift what a responder ordered."""
    switch = activate_kill_switch(
        incident_id=incident.pk, extension_pk=extension.pk, reason="r", actor=responder
    )
    return request_lift(kill_switch_id=switch.pk, reason="r", actor=reviewer)


def decide(request: LiftRequest | PromotionRequest, state: str, by: User) -> None:
    execute(
        f"UPDATE {request._meta.db_table} SET state = %s, decided_at = now(),"
        " decided_by_id = %s WHERE id = %s",
        state,
        by.pk,
        request.pk,
    )


@pytest.fixture
def third(db: None) -> User:
    return make_user(Role.REVIEWER, "third")


@pytest.mark.parametrize("state", ["pending", "withdrawn", "declined"])
def test_a_kill_switch_is_lifted_by_no_request_but_an_approved_one(
    lift_request: LiftRequest, third: User, state: str
) -> None:
    if state != "pending":
        decide(lift_request, state, third)
    with pytest.raises(REFUSED, match="no approved request to lift"):
        insert_lift(lift_request.kill_switch, lift_request, third)


def test_a_lift_is_by_who_asked_and_who_approved(
    lift_request: LiftRequest, third: User
) -> None:
    decide(lift_request, "approved", third)
    other = make_user(Role.REVIEWER, "fourth")
    with pytest.raises(REFUSED, match="no approved request to lift"):
        insert_lift(lift_request.kill_switch, lift_request, other)
    lift_request.requested_by = other
    with pytest.raises(REFUSED, match="no approved request to lift"):
        insert_lift(lift_request.kill_switch, lift_request, third)
    lift_request.refresh_from_db()
    insert_lift(lift_request.kill_switch, lift_request, third)


def test_a_lift_request_is_of_its_own_kill_switch(
    lift_request: LiftRequest, incident: Incident, responder: User, third: User
) -> None:
    other = activate_kill_switch(
        incident_id=incident.pk,
        extension_pk=make_extension("ext.second").pk,
        reason="r",
        actor=responder,
    )
    decide(lift_request, "approved", third)
    with pytest.raises(REFUSED, match="no approved request to lift"):
        insert_lift(other, lift_request, third)
    insert_lift(lift_request.kill_switch, lift_request, third)


def test_who_asks_for_a_lift_does_not_approve_it(lift_request: LiftRequest) -> None:
    for state in ("approved", "declined"):
        with pytest.raises(REFUSED, match="lift_request_decided_by_second_person"):
            decide(lift_request, state, lift_request.requested_by)
    decide(lift_request, "withdrawn", lift_request.requested_by)


def test_a_withdrawn_request_is_not_approved_later(
    lift_request: LiftRequest, third: User
) -> None:
    decide(lift_request, "withdrawn", lift_request.requested_by)
    with pytest.raises(REFUSED):
        decide(lift_request, "approved", third)
    with pytest.raises(REFUSED):
        execute("UPDATE policy_liftrequest SET state = 'pending', decided_at = NULL")


def test_an_approved_lift_lifts(lift_request: LiftRequest, third: User) -> None:
    decide(lift_request, "approved", third)
    with pytest.raises(REFUSED, match="its kill switch has to be lifted"):
        execute("SET CONSTRAINTS ALL IMMEDIATE")
    insert_lift(lift_request.kill_switch, lift_request, third)


@pytest.fixture
def promotion(calm: Extension, responder: User) -> PromotionRequest:
    insert_move(calm, "unknown", "quarantined")
    return request_promotion(
        extension_pk=calm.pk,
        to_state=TrustState.PROBATION,
        reason="r",
        actor=responder,
    )


def promote(request: PromotionRequest, approver: User, **fields: Any) -> None:
    insert_move(
        fields.pop("extension", request.extension),
        "quarantined",
        "probation",
        requested_by=fields.pop("requested_by", request.requested_by),
        approved_by=approver,
        request=request,
    )


@pytest.mark.parametrize("state", ["pending", "withdrawn", "declined"])
def test_no_promotion_but_by_an_approved_request(
    promotion: PromotionRequest, reviewer: User, state: str
) -> None:
    if state != "pending":
        decide(promotion, state, reviewer)
    with pytest.raises(REFUSED, match="no approved request to move"):
        promote(promotion, reviewer)


def test_a_promotion_is_of_its_extension_and_by_its_people(
    promotion: PromotionRequest, reviewer: User, third: User
) -> None:
    decide(promotion, "approved", reviewer)
    other = make_extension("ext.second")
    insert_move(other, "unknown", "quarantined")
    with pytest.raises(REFUSED, match="no approved request to move"):
        promote(promotion, reviewer, extension=other)
    with pytest.raises(REFUSED, match="no approved request to move"):
        promote(promotion, third)
    with pytest.raises(REFUSED, match="no approved request to move"):
        promote(promotion, reviewer, requested_by=third)
    promote(promotion, reviewer)


def test_a_promotion_names_the_request_that_was_approved(
    calm: Extension, responder: User, reviewer: User
) -> None:
    insert_move(calm, "unknown", "quarantined")
    with pytest.raises(REFUSED, match="no approved request to move"):
        insert_move(
            calm,
            "quarantined",
            "probation",
            requested_by=responder,
            approved_by=reviewer,
        )


def test_an_approved_promotion_moves(
    promotion: PromotionRequest, reviewer: User
) -> None:
    decide(promotion, "approved", reviewer)
    with pytest.raises(REFUSED, match="its move has to be made"):
        execute("SET CONSTRAINTS ALL IMMEDIATE")
    promote(promotion, reviewer)


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
        ("after = '{}'", "Cannot update rows"),
        ("reason = 'other'", "Cannot update rows"),
        ("requested_by_id = NULL", "Cannot update rows"),
        ("state = 'approved'", "rollback_(waits_or_is_decided|decided_by_second)"),
        (
            "state = 'approved', decided_at = now(), decided_by_id = requested_by_id",
            "rollback_decided_by_second_person",
        ),
        (
            "state = 'declined', decided_at = now(), decided_by_id = requested_by_id",
            "rollback_decided_by_second_person",
        ),
        (
            "state = 'approved', decided_at = now()",
            "rollback_decided_by_second_person",
        ),
        ("state = 'nonsense'", "Invalid transition"),
        ("state = 'applied', decided_at = now()", "Invalid transition"),
        ("state = 'verified', decided_at = now()", "Invalid transition"),
        ("state = 'closed', decided_at = now()", "Invalid transition"),
    ],
)
def test_a_rollback_is_not_bent(rollback: Rollback, change: str, rule: str) -> None:
    with pytest.raises(REFUSED, match=rule):
        execute(f"UPDATE policy_rollback SET {change}")


@pytest.fixture
def approved(rollback: Rollback, reviewer: User) -> Rollback:
    return approve_rollback(rollback_id=rollback.pk, actor=reviewer)


def insert_proof(rollback: Rollback, snapshot: PolicySnapshot, **fields: Any) -> None:
    with transaction.atomic():
        RollbackProof.objects.create(
            rollback=rollback,
            snapshot=snapshot,
            command_output="ok",
            given_at=timezone.now(),
            given_by=rollback.requested_by,
            **fields,
        )


@pytest.mark.parametrize("state", ["verified", "applied"])
def test_a_rollback_is_not_proved_without_a_proof(
    approved: Rollback, state: str
) -> None:
    with pytest.raises(REFUSED, match="its newest proof does not show it"):
        execute("UPDATE policy_rollback SET state = %s", state)


def test_a_rollback_with_deviations_is_not_verified(
    approved: Rollback, incident: Incident
) -> None:
    insert_proof(approved, take(incident, SAFE), deviations=[{"subject": "exec"}])
    with pytest.raises(REFUSED, match="its newest proof does not show it"):
        execute("UPDATE policy_rollback SET state = 'verified'")
    execute("UPDATE policy_rollback SET state = 'applied'")


def test_a_good_proof_of_old_does_not_outlive_a_bad_one(
    approved: Rollback, incident: Incident
) -> None:
    insert_proof(approved, take(incident, SAFE))
    insert_proof(approved, take(incident, SAFE), deviations=[{"subject": "exec"}])
    with pytest.raises(REFUSED, match="its newest proof does not show it"):
        execute("UPDATE policy_rollback SET state = 'verified'")


def test_a_proof_is_of_the_case_and_later_than_the_approval(
    approved: Rollback, incident: Incident
) -> None:
    with pytest.raises(REFUSED, match="is no proof of rollback"):
        insert_proof(approved, approved.snapshot)
    with pytest.raises(REFUSED, match="is no proof of rollback"):
        insert_proof(approved, take(make_incident(), SAFE))


def test_a_proposal_takes_no_proof(rollback: Rollback, incident: Incident) -> None:
    with pytest.raises(REFUSED, match="is no proof of rollback"):
        insert_proof(rollback, take(incident, SAFE))


@pytest.mark.parametrize(
    "change",
    [
        "decided_at = now() - interval '1 year'",
        "decided_by_id = NULL",
        "decision_reason = 'because'",
    ],
)
def test_a_decision_stays_as_it_was_made(approved: Rollback, change: str) -> None:
    with pytest.raises(REFUSED, match="Cannot update rows"):
        execute(f"UPDATE policy_rollback SET {change}")


def test_an_approved_rollback_is_not_proposed_or_withdrawn_again(
    approved: Rollback,
) -> None:
    for state in ("proposed", "withdrawn", "declined"):
        with pytest.raises(REFUSED, match="Invalid transition"):
            execute("UPDATE policy_rollback SET state = %s", state)


def test_a_rollback_is_closed_with_who_when_and_why(
    approved: Rollback, responder: User
) -> None:
    with pytest.raises(REFUSED, match="rollback_closed_with_reason"):
        execute("UPDATE policy_rollback SET state = 'closed', closed_at = now()")
    execute(
        "UPDATE policy_rollback SET state = 'closed', closed_at = now(),"
        " closed_by_id = %s, closing_reason = 'r'",
        responder.pk,
    )
    with pytest.raises(REFUSED):
        execute("UPDATE policy_rollback SET closing_reason = 'other'")


def copy_of(table: str, **changes: str) -> str:
    """Return the SQL that inserts a table's rows again, but for the changes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_name = %s AND column_name <> 'id'",
            [table],
        )
        names = [row[0] for row in cursor.fetchall()]
    values = ", ".join(changes.get(name, name) for name in names)
    return f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table}"


@pytest.mark.parametrize("state", ["approved", "verified", "withdrawn"])
def test_no_request_starts_decided(rollback: Rollback, state: str) -> None:
    statement = copy_of(
        "policy_rollback",
        state=f"'{state}'",
        decided_at="now()",
        decided_by_id="NULL",
    )
    with pytest.raises(REFUSED, match="Cannot insert rows"):
        execute(statement)


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
