"""The runtime's record: kept as evidence, replayed, and never our own state."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User

from evidence.models import Channel, EvidenceKind
from incidents.findings import answer_all
from incidents.models import Incident
from incidents.services.findings.reading import load_case
from policy.errors import PolicyRefused
from policy.models import Extension, KillSwitch, RuntimeHistoryImport, TrustTransition
from policy.rules.trust_replay import TrustFindingCode
from policy.services.runtime_histories import import_runtime_history
from tests.policy.samples import reach_remediate

E = "ext.weather"


def move(start: str, end: str, **members: Any) -> dict[str, Any]:
    return {
        "extension": E,
        "from": start,
        "to": end,
        "reason": "r",
        "operator": "op",
        "acknowledged": True,
        "time": "2026-03-10T12:00:00Z",
    } | members


def switch(event: str, **members: Any) -> dict[str, Any]:
    return {
        "event": f"kill_switch_{event}",
        "extension": E,
        "reason": "r",
        "operator": "op",
        "acknowledged": True,
        "time": "2026-03-10T12:00:00Z",
    } | members


def load(
    incident: Incident, actor: User | None, *lines: object
) -> RuntimeHistoryImport:
    data = b"\n".join(
        line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines
    )
    return import_runtime_history(
        incident_id=incident.pk,
        data=data,
        original_name="trust.jsonl",
        channel=Channel.ADMIN,
        actor=actor,
    )


QUARANTINED = move("unknown", "quarantined")
ILLEGAL = {
    TrustFindingCode.QUARANTINE_ESCAPE: [QUARANTINED, move("quarantined", "active")],
    TrustFindingCode.MOVE_DOES_NOT_EXIST: [move("unknown", "trusted")],
    TrustFindingCode.PROMOTION_UNDER_KILL_SWITCH: [
        switch("activated"),
        move("quarantined", "probation"),
    ],
    TrustFindingCode.PROMOTION_WITHOUT_AUDIT_METADATA: [
        QUARANTINED,
        move("quarantined", "probation", acknowledged=False),
    ],
    TrustFindingCode.MOVE_WITHOUT_AUDIT_METADATA: [
        move("unknown", "probation", operator="")
    ],
    TrustFindingCode.ACTIVATION_WITHOUT_AUDIT_METADATA: [
        switch("activated", reason="")
    ],
    TrustFindingCode.LIFT_WITHOUT_AUDIT_METADATA: [
        switch("activated"),
        switch("lifted", acknowledged=False),
    ],
    TrustFindingCode.LIFT_WITHOUT_ACTIVATION: [switch("lifted")],
    TrustFindingCode.LIFT_TOO_EARLY: [switch("activated"), switch("lifted")],
    TrustFindingCode.FROM_STATE_MISMATCH: [
        move("unknown", "probation"),
        move("trusted", "quarantined"),
    ],
    TrustFindingCode.TIME_GOES_BACK: [
        move("unknown", "probation"),
        move("probation", "quarantined", time="2026-03-10T11:00:00Z"),
    ],
    TrustFindingCode.LOOKALIKE_NAME: [
        move("unknown", "probation"),
        move("unknown", "probation", extension=f"{E} "),
    ],
}


def test_every_kind_of_illegal_move_is_tried() -> None:
    assert set(ILLEGAL) == set(TrustFindingCode)


@pytest.mark.parametrize("code", ILLEGAL, ids=str)
def test_an_illegal_move_is_listed_with_line_time_and_reason(
    incident: Incident, responder: User, code: TrustFindingCode
) -> None:
    row = load(incident, responder, *ILLEGAL[code])
    found = [finding for finding in row.findings if finding["code"] == code]
    assert found
    assert found[0]["line"] == len(ILLEGAL[code])
    assert found[0]["at"].startswith("2026-03-10T1")
    assert found[0]["message"]


def test_it_never_becomes_our_own_state(incident: Incident, responder: User) -> None:
    load(incident, responder, QUARANTINED, switch("activated"))
    assert Extension.objects.get(extension_id=E).trust_state == "unknown"
    assert not TrustTransition.objects.exists()
    assert not KillSwitch.objects.exists()


def test_a_lift_after_remediate_is_not_early(
    incident: Incident, responder: User
) -> None:
    reach_remediate(incident)
    later = {"time": "2100-01-01T00:00:00Z"}
    row = load(incident, responder, switch("activated"), switch("lifted", **later))
    assert row.findings == []


def test_the_record_is_evidence_and_faulty_lines_are_named(
    incident: Incident, responder: User
) -> None:
    row = load(incident, responder, b"{not json", QUARANTINED, {"extension": E})
    assert row.item.kind == EvidenceKind.LOG
    assert row.record_count == 1
    assert row.faults[0]["line"] == 1
    assert row.fault_count == len(row.faults)


def test_hostile_texts_are_stored_safely(incident: Incident, responder: User) -> None:
    row = load(
        incident,
        responder,
        move("quarantined", "active", extension="x\x00" * 900, operator="o\x00"),
    )
    row.refresh_from_db()
    assert row.findings[0]["operator"] == "o\ufffd"


def test_the_escape_is_a_finding_of_the_case(
    incident: Incident, responder: User
) -> None:
    load(incident, responder, *ILLEGAL[TrustFindingCode.QUARANTINE_ESCAPE])
    answers = answer_all(load_case(incident)[0].read()[0], ["INC-5"])
    found = {one.question.key for one in answers if one.verdict == "found"}
    assert found == {"moves-without-promotion"}


def test_the_same_record_twice_is_one(incident: Incident, responder: User) -> None:
    first = load(incident, responder, move("pending", "acknowledged"))
    with pytest.raises(PolicyRefused, match="taken in already") as caught:
        load(incident, responder, move("pending", "acknowledged"))
    assert caught.value.code == "history_known"
    assert list(RuntimeHistoryImport.objects.all()) == [first]
