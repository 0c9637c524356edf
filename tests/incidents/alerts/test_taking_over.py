"""An original takes over what its duplicates hold: alerts and evidence, in one go."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from evidence.accounts.access import PermissionRefused
from evidence.models import AuditEntry, Channel, CustodyKind, EvidenceKind
from evidence.services.taking_over import Door
from incidents.errors import (
    IncidentClosed,
    ReasonMissing,
    TransitionError,
)
from incidents.models import Alert, Incident
from incidents.services.alerts.taking_over import (
    TakenOver,
    find_leftovers,
    take_over,
)
from incidents.services.gates.late_evidence import find_late
from incidents.services.lifecycle.closing import close_as_duplicate, reopen_incident
from incidents.workflow.phases import Phase
from tests.factories import (
    NOON,
    close_false_alarm,
    make_evidence,
    make_incident,
    make_snapshot,
)
from tests.incidents.alerts.samples import make_rules, receive_one
from tests.incidents.services.test_phases import reach
from tests.shared import share

_kept, rules, _django_db_helper, evidence_folder = share(make_rules)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rules"), pytest.mark.long]
LATER = NOON + dt.timedelta(hours=1)
LATEST = NOON + dt.timedelta(hours=2)


def make_original() -> Incident:
    """Return a case that no alert joins by itself."""
    return make_incident(extension_ids=("ext.other",))


def make_copy(original: Incident, reviewer: User, **fields: Any) -> Incident:
    """Return a duplicate of a case, with an alert and a bundle of its own."""
    alert = receive_one(**{"alert_id": f"alert-of-{original.pk}", **fields})
    copy = alert.incident
    assert copy is not None
    make_evidence(copy)
    duplicate(copy, original, reviewer)
    return copy


def duplicate(copy: Incident, original: Incident, reviewer: User) -> None:
    close_as_duplicate(
        actor=reviewer,
        incident_id=copy.pk,
        original=original.reference,
        reason="the same call",
        now=LATER,
    )


def take(copy: Incident, actor: User, **values: Any) -> TakenOver:
    return take_over(
        **{
            "actor": actor,
            "duplicate_id": copy.pk,
            "reason": "one story",
            "door": Door(Channel.ADMIN, "192.0.2.7"),
            "now": LATEST,
            **values,
        }
    )


def lines(incident: Incident) -> str:
    return "\n".join(incident.timeline.values_list("body", flat=True))


def test_alerts_and_evidence_come_over_in_one_go(reviewer: User) -> None:
    original = make_original()
    copy = make_copy(original, reviewer)
    taken = take(copy, reviewer)
    assert str(taken) == (
        f"{original.reference} took over 1 alert and 1 item of evidence."
    )
    assert Alert.objects.get().incident == original
    (item,) = original.evidence_items.all()
    (source,) = copy.evidence_items.all()
    assert item.sha256_hex == source.sha256_hex
    assert (item.kind, item.original_name) == (EvidenceKind.BUNDLE, "plain.json")
    assert (item.received_at, item.received_by) == (LATEST, reviewer)


def test_custody_of_both_says_where_the_bytes_came_from(reviewer: User) -> None:
    original = make_original()
    copy = make_copy(original, reviewer)
    take(copy, reviewer)
    receipt = original.evidence_items.get().custody_events.get(
        kind=CustodyKind.RECEIVED
    )
    assert receipt.detail == (
        f"taken over from {copy.reference}, which received it on "
        "2026-03-10 12:00 UTC from system"
    )
    assert (receipt.actor, receipt.ip_address) == (reviewer, "192.0.2.7")
    left = copy.evidence_items.get().custody_events.get(kind=CustodyKind.TAKEN_OVER)
    assert original.reference in left.detail


def test_no_byte_is_copied_and_the_new_item_is_verified_for_itself(
    reviewer: User, evidence_folder: Any
) -> None:
    original = make_original()
    copy = make_copy(original, reviewer)
    before = {path for path in evidence_folder.rglob("*") if path.is_file()}
    take(copy, reviewer)
    assert {path for path in evidence_folder.rglob("*") if path.is_file()} == before
    item = original.evidence_items.get()
    assert item.verification_requests.count() == 1
    assert not item.reports.exists()


def test_both_timelines_and_histories_tell_of_it(reviewer: User) -> None:
    original = make_original()
    copy = make_copy(original, reviewer)
    take(copy, reviewer)
    assert f"1 item of evidence taken over from {copy.reference}" in lines(original)
    assert f"{original.reference} took over 1 item of evidence" in lines(copy)
    for case in (original, copy):
        stream = AuditEntry.objects.filter(stream=f"incident:{case.pk}")
        assert stream.filter(action="alerts.moved", reason="one story").count() == 1
        entry = stream.get(action="evidence.taken_over")
        assert (entry.after["from"], entry.after["to"]) == (
            copy.reference,
            original.reference,
        )
        assert "one story" in lines(case)


def test_evidence_that_comes_over_after_verify_is_late(reviewer: User) -> None:
    original = make_original()
    reach(original, Phase.ANALYZE)
    copy = make_copy(original, reviewer)
    take(copy, reviewer)
    item = original.evidence_items.get()
    late = find_late([item])
    assert late == {item.pk: "Late: after VERIFY was complete"}


def test_what_a_person_said_it_is_comes_over_too(reviewer: User) -> None:
    original, copy = make_original(), make_original()
    make_snapshot(copy)
    duplicate(copy, original, reviewer)
    take(copy, reviewer)
    assert original.evidence_items.get().kind == EvidenceKind.POLICY_SNAPSHOT


def test_what_the_original_holds_already_stays_one_item(reviewer: User) -> None:
    original = make_original()
    make_evidence(original)
    copy = make_copy(original, reviewer)
    taken = take(copy, reviewer)
    assert (len(taken.alerts), len(taken.evidence)) == (1, 0)
    assert original.evidence_items.count() == 1


def test_nothing_is_taken_over_twice(reviewer: User) -> None:
    original = make_original()
    copy = make_copy(original, reviewer)
    take(copy, reviewer)
    assert find_leftovers(original) == []
    with pytest.raises(TransitionError, match="nothing is left") as refused:
        take(copy, reviewer)
    assert refused.value.code == "nothing_to_take_over"


def test_duplicate_of_a_duplicate_gives_to_the_case_at_the_end(reviewer: User) -> None:
    original, middle = make_original(), make_original()
    copy = make_copy(middle, reviewer)
    duplicate(middle, original, reviewer)
    assert [leftover.duplicate for leftover in find_leftovers(original)] == [copy]
    assert take(copy, reviewer).original == original
    assert not middle.evidence_items.exists()


def test_closed_original_takes_nothing(reviewer: User) -> None:
    original = make_original()
    copy = make_copy(original, reviewer)
    close_false_alarm(original)
    assert find_leftovers(Incident.objects.get(pk=copy.pk)) == []
    with pytest.raises(IncidentClosed, match="reopen it"):
        take(copy, reviewer)
    assert Alert.objects.get().incident == copy
    assert not original.evidence_items.exists()


def test_case_that_is_no_duplicate_gives_nothing(reviewer: User) -> None:
    original = make_original()
    copy = make_copy(original, reviewer)
    reopen_incident(
        actor=reviewer, incident_id=copy.pk, reason="it was real", now=LATER
    )
    with pytest.raises(TransitionError, match="no duplicate") as refused:
        take(copy, reviewer)
    assert refused.value.code == "not_a_duplicate"


def test_reason_is_asked_for(reviewer: User) -> None:
    copy = make_copy(make_original(), reviewer)
    with pytest.raises(ReasonMissing):
        take(copy, reviewer, reason=" ")


@pytest.mark.parametrize(
    "role", ["responder", "auditor", "machine", "administrator", "outsider"]
)
def test_only_a_reviewer_takes_over(
    request: pytest.FixtureRequest, reviewer: User, role: str
) -> None:
    copy = make_copy(make_original(), reviewer)
    with pytest.raises(PermissionRefused):
        take(copy, request.getfixturevalue(role))


class TestPage:
    @staticmethod
    def page(client: Client, case: Incident) -> str:
        return client.get(
            f"/admin/incidents/incident/{case.pk}/change/"
        ).content.decode()

    def test_both_cases_offer_it_until_it_is_done(
        self, client: Client, reviewer: User
    ) -> None:
        original = make_original()
        copy = make_copy(original, reviewer)
        client.force_login(reviewer)
        offer = f"{copy.reference}: 1 alert and 1 item of evidence"
        assert offer in self.page(client, original)
        assert offer in self.page(client, copy)
        answer = client.post(
            f"/admin/incidents/incident/{original.pk}/do/take-over/",
            {"duplicate": copy.pk, "reason": "one story"},
            follow=True,
        )
        assert "took over 1 alert and 1 item of evidence" in answer.content.decode()
        assert "Take over from a duplicate" not in self.page(client, original)
        assert "Give to the original" not in self.page(client, copy)

    def test_duplicate_gives_from_its_own_page(
        self, client: Client, reviewer: User
    ) -> None:
        original = make_original()
        copy = make_copy(original, reviewer)
        client.force_login(reviewer)
        client.post(
            f"/admin/incidents/incident/{copy.pk}/do/take-over/",
            {"duplicate": copy.pk, "reason": "one story"},
        )
        assert original.evidence_items.count() == 1

    def test_case_of_another_is_no_choice(self, client: Client, reviewer: User) -> None:
        copy, stranger = make_copy(make_original(), reviewer), make_original()
        client.force_login(reviewer)
        answer = client.post(
            f"/admin/incidents/incident/{stranger.pk}/do/take-over/",
            {"duplicate": copy.pk, "reason": "one story"},
        )
        assert "Select a valid choice" in answer.content.decode()
        assert not stranger.evidence_items.exists()

    def test_responder_is_not_offered_it(
        self, client: Client, reviewer: User, responder: User
    ) -> None:
        original = make_original()
        copy = make_copy(original, reviewer)
        client.force_login(responder)
        assert "Take over from a duplicate" not in self.page(client, original)
        answer = client.post(
            f"/admin/incidents/incident/{original.pk}/do/take-over/",
            {"duplicate": copy.pk, "reason": "one story"},
        )
        assert answer.status_code == 403
