"""Trust: who may move it, what stands against it, and what history keeps."""

import datetime as dt

import pytest
from django.contrib.auth.models import User

from evidence.models import AuditEntry
from incidents.models import Incident
from policy.errors import PolicyRefused, TrustTransitionError
from policy.models import Extension, RequestState
from policy.rules.trust import TrustState
from policy.services.kill_switches import activate_kill_switch
from policy.services.promotions import (
    approve_promotion,
    decline_promotion,
    request_promotion,
    withdraw_promotion,
)
from policy.services.trust import demote_extension, move_trust, trust_state_at
from tests.factories import NOON
from tests.policy.samples import make_extension


@pytest.fixture
def calm(db: None) -> Extension:
    """An extension without a case."""
    return make_extension("ext.calm")


def quarantine(extension: Extension, actor: User) -> None:
    demote_extension(extension_pk=extension.pk, reason="It misbehaves.", actor=actor)


def ask_probation(extension: Extension, actor: User, **fields: object) -> int:
    request = request_promotion(
        extension_pk=extension.pk,
        to_state=TrustState.PROBATION,
        reason="It was fixed.",
        actor=actor,
        **fields,  # type: ignore[arg-type]
    )
    return request.pk


def test_demotion_is_immediate_and_takes_one_person(
    calm: Extension, responder: User
) -> None:
    quarantine(calm, responder)
    calm.refresh_from_db()
    assert calm.trust_state == TrustState.QUARANTINED
    move = calm.trust_transitions.get()
    assert (move.from_state, move.to_state) == ("unknown", "quarantined")
    assert move.requested_by == responder
    assert move.approved_by is None


def test_a_move_is_in_the_streams_of_extension_and_case(
    incident: Incident, extension: Extension, responder: User
) -> None:
    demote_extension(
        extension_pk=extension.pk,
        reason="It misbehaves.",
        actor=responder,
        incident_id=incident.pk,
    )
    entries = AuditEntry.objects.filter(action="trust.moved")
    assert set(entries.values_list("stream", flat=True)) == {
        f"incident:{incident.pk}",
        "extension:ext.weather",
    }
    assert {entry.before["trust_state"] for entry in entries} == {"unknown"}
    assert {entry.after["trust_state"] for entry in entries} == {"quarantined"}
    assert {entry.reason for entry in entries} == {"It misbehaves."}


def test_unknown_becomes_probation_by_one_person(
    calm: Extension, responder: User
) -> None:
    move_trust(
        extension_pk=calm.pk,
        to_state=TrustState.PROBATION,
        reason="Looked at.",
        actor=responder,
    )
    calm.refresh_from_db()
    assert calm.trust_state == TrustState.PROBATION


def test_quarantined_to_trusted_is_no_move(calm: Extension, responder: User) -> None:
    quarantine(calm, responder)
    with pytest.raises(TrustTransitionError, match="can only become probation"):
        request_promotion(
            extension_pk=calm.pk,
            to_state=TrustState.TRUSTED,
            reason="Please.",
            actor=responder,
        )


def test_a_promotion_is_not_made_by_one_person(calm: Extension, reviewer: User) -> None:
    quarantine(calm, reviewer)
    with pytest.raises(PolicyRefused, match="which a reviewer approves"):
        move_trust(
            extension_pk=calm.pk,
            to_state=TrustState.PROBATION,
            reason="I say so.",
            actor=reviewer,
        )


def test_a_reviewer_who_did_not_ask_approves(
    calm: Extension, responder: User, reviewer: User
) -> None:
    quarantine(calm, responder)
    request_id = ask_probation(calm, responder)
    move = approve_promotion(request_id=request_id, actor=reviewer)
    calm.refresh_from_db()
    assert calm.trust_state == TrustState.PROBATION
    assert (move.requested_by, move.approved_by) == (responder, reviewer)


def test_the_requester_cannot_approve_even_as_superuser(
    calm: Extension, reviewer: User
) -> None:
    reviewer.is_superuser = True
    reviewer.save()
    quarantine(calm, reviewer)
    request_id = ask_probation(calm, reviewer)
    with pytest.raises(PolicyRefused, match="somebody other than who asked"):
        approve_promotion(request_id=request_id, actor=reviewer)
    calm.refresh_from_db()
    assert calm.trust_state == TrustState.QUARANTINED


def test_an_active_kill_switch_stands_against_promotion(
    incident: Incident, extension: Extension, responder: User, reviewer: User
) -> None:
    activate_kill_switch(
        incident_id=incident.pk,
        extension_pk=extension.pk,
        reason="Stop it.",
        actor=responder,
    )
    request_id = ask_probation(extension, responder)
    with pytest.raises(PolicyRefused, match="kill switch is active") as refused:
        approve_promotion(
            request_id=request_id, actor=reviewer, exception="The case is harmless."
        )
    assert refused.value.code == "kill_switch_active"


def test_an_open_case_stands_against_promotion_unless_excepted(
    incident: Incident, extension: Extension, responder: User, reviewer: User
) -> None:
    quarantine(extension, responder)
    request_id = ask_probation(extension, responder)
    with pytest.raises(PolicyRefused, match=incident.reference):
        approve_promotion(request_id=request_id, actor=reviewer)
    move = approve_promotion(
        request_id=request_id, actor=reviewer, exception="Another version."
    )
    assert move.exception == "Another version."


def test_trusted_needs_a_reviewer(
    calm: Extension, responder: User, reviewer: User
) -> None:
    move_trust(
        extension_pk=calm.pk,
        to_state=TrustState.PROBATION,
        reason="Looked at.",
        actor=responder,
    )
    with pytest.raises(PolicyRefused, match="a promotion"):
        move_trust(
            extension_pk=calm.pk,
            to_state=TrustState.TRUSTED,
            reason="Fine.",
            actor=responder,
        )
    request = request_promotion(
        extension_pk=calm.pk,
        to_state=TrustState.TRUSTED,
        reason="Fine for months.",
        actor=responder,
    )
    approve_promotion(request_id=request.pk, actor=reviewer)
    calm.refresh_from_db()
    assert calm.trust_state == TrustState.TRUSTED


def test_one_promotion_waits_at_a_time(calm: Extension, responder: User) -> None:
    quarantine(calm, responder)
    ask_probation(calm, responder)
    with pytest.raises(PolicyRefused, match="requested already"):
        ask_probation(calm, responder)


def test_a_declined_promotion_says_why_and_stays_decided(
    calm: Extension, responder: User, reviewer: User
) -> None:
    quarantine(calm, responder)
    request_id = ask_probation(calm, responder)
    with pytest.raises(PolicyRefused, match="A reason is missing"):
        decline_promotion(request_id=request_id, actor=reviewer, reason=" ")
    declined = decline_promotion(
        request_id=request_id, actor=reviewer, reason="Not yet."
    )
    assert declined.state == RequestState.DECLINED
    with pytest.raises(PolicyRefused, match="declined already"):
        approve_promotion(request_id=request_id, actor=reviewer)


def test_only_the_requester_withdraws(
    calm: Extension, responder: User, reviewer: User
) -> None:
    quarantine(calm, responder)
    request_id = ask_probation(calm, responder)
    with pytest.raises(PolicyRefused, match="only who asked"):
        withdraw_promotion(request_id=request_id, actor=reviewer)
    withdrawn = withdraw_promotion(request_id=request_id, actor=responder)
    assert withdrawn.state == RequestState.WITHDRAWN


def test_a_demotion_ends_a_request_that_waits(calm: Extension, responder: User) -> None:
    move_trust(
        extension_pk=calm.pk,
        to_state=TrustState.PROBATION,
        reason="Looked at.",
        actor=responder,
    )
    request = request_promotion(
        extension_pk=calm.pk,
        to_state=TrustState.TRUSTED,
        reason="Fine.",
        actor=responder,
    )
    quarantine(calm, responder)
    request.refresh_from_db()
    assert request.state == RequestState.WITHDRAWN
    assert "quarantined" in request.decision_reason


def test_the_state_at_any_past_moment(
    calm: Extension, responder: User, reviewer: User
) -> None:
    hour = dt.timedelta(hours=1)
    demote_extension(
        extension_pk=calm.pk, reason="Bad.", actor=responder, now=NOON + hour
    )
    request_id = ask_probation(calm, responder, now=NOON + 2 * hour)
    approve_promotion(request_id=request_id, actor=reviewer, now=NOON + 3 * hour)
    moments = [NOON, NOON + hour, NOON + 2.5 * hour, NOON + 3 * hour]
    states = [trust_state_at(calm, moment) for moment in moments]
    assert states == ["unknown", "quarantined", "quarantined", "probation"]


def test_a_reason_is_required(calm: Extension, responder: User) -> None:
    with pytest.raises(PolicyRefused, match="A reason is missing"):
        demote_extension(extension_pk=calm.pk, reason="  \n", actor=responder)
    assert not calm.trust_transitions.exists()
