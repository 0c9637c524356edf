"""Snapshots: read strictly, redacted before they are stored, explained, compared."""

import datetime as dt
import json

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from evidence.errors import MomentRefused
from evidence.models import AuditEntry, Channel, EvidenceItem, EvidenceKind
from evidence.services.downloads import load_bytes
from evidence.stored_moments import to_ms
from incidents.models import Incident
from incidents.services.findings.reading import load_case
from incidents.services.gates.policy_facts import (
    find_configuration_snapshots,
)
from policy.errors import DocumentError
from policy.models import Extension, PolicySnapshot
from policy.rules.precedence import Verdict, evaluate
from policy.services.snapshots import SnapshotSource, read_snapshot, take_snapshot
from tests.policy.samples import PERMISSIVE, SAFE, take

TOKEN = "sk-ant-" + "a1b2c3d4" * 4


def test_a_snapshot_is_evidence_of_the_case(
    incident: Incident, responder: User
) -> None:
    snapshot = take(incident, SAFE, actor=responder)
    item = snapshot.settings_item
    assert (item.incident, item.kind) == (incident, EvidenceKind.POLICY_SNAPSHOT)
    assert json.loads(load_bytes(item)) == SAFE
    assert len(find_configuration_snapshots(incident)) == 1


def test_secrets_are_in_no_row_and_in_no_stored_byte(incident: Incident) -> None:
    settings = SAFE | {"apiKeys": {"anthropic": TOKEN}, "note": f"use {TOKEN}"}
    snapshot = take(incident, settings)
    assert TOKEN.encode() not in load_bytes(snapshot.settings_item)
    assert TOKEN not in json.dumps(snapshot.document)
    paths = {redaction["path"] for redaction in snapshot.redactions}
    assert "$.note" in paths
    entries = AuditEntry.objects.filter(action="policy_snapshot.taken")
    assert all(TOKEN not in json.dumps(entry.after) for entry in entries)


def test_the_policy_is_what_the_runtime_would_resolve(incident: Incident) -> None:
    snapshot = take(incident, PERMISSIVE, env_profile="balanced")
    policy = read_snapshot(snapshot).effective
    assert (policy.effective_profile, policy.profile_source) == ("balanced", "env")
    assert evaluate(policy, None, "ui").decision is Verdict.PROMPT


def test_faults_and_unknown_members_are_named_by_path(incident: Incident) -> None:
    snapshot = take(
        incident,
        {"extensionPolicy": {"profile": 7, "colour": "red"}},
    )
    assert [fault["path"] for fault in snapshot.faults] == ["$.extensionPolicy.profile"]
    assert [member["path"] for member in snapshot.unknown] == [
        "$.extensionPolicy.colour"
    ]


def test_a_disagreement_with_the_explanation_is_kept(incident: Incident) -> None:
    explanation = {
        "requested_profile": "safe",
        "effective_profile": "permissive",
        "profile_source": "config",
        "allow_dangerous": False,
        "mode": "permissive",
        "default_caps": [],
        "deny_caps": [],
        "dangerous_capabilities": [],
        "capability_decisions": [
            {"capability": "exec", "decision": "allow", "reason": "permissive"}
        ],
    }
    snapshot = take(incident, SAFE, explanation=explanation)
    assert snapshot.explanation_item.kind == EvidenceKind.POLICY_EXPLANATION
    paths = {disagreement["path"] for disagreement in snapshot.disagreements}
    assert "$.effective_profile" in paths
    assert "$.capability_decisions[0].decision" in paths


def test_overridden_extensions_are_known_from_then_on(incident: Incident) -> None:
    take(incident, {"extensionPolicy": {"perExtension": {"ext.new": {}}}})
    assert Extension.objects.filter(extension_id="ext.new").exists()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "malformed"),
        (b"[]", ""),
        (b'{"a": 1, "a": 2}', ""),
        (b"\xff\xfe", ""),
    ],
)
def test_what_cannot_be_read_is_refused_and_nothing_is_stored(
    incident: Incident, data: bytes, reason: str
) -> None:
    with pytest.raises(DocumentError):
        take_snapshot(
            incident_id=incident.pk,
            source=SnapshotSource(settings=data),
            channel=Channel.ADMIN,
            actor=None,
        )
    assert not PolicySnapshot.objects.exists()
    assert not EvidenceItem.objects.exists()


def test_nul_characters_do_not_stop_a_snapshot(incident: Incident) -> None:
    source = SnapshotSource(
        settings=b'{"note": "a\\u0000b", "extensionPolicy": {"pro\\u0000file": 1}}'
    )
    snapshot = take_snapshot(
        incident_id=incident.pk, source=source, channel=Channel.API, actor=None
    )
    snapshot.refresh_from_db()
    assert snapshot.document["note"] == "a\ufffdb"


def test_the_same_settings_twice_are_two_snapshots_of_one_item(
    incident: Incident,
) -> None:
    first, second = take(incident, SAFE), take(incident, SAFE)
    assert first.pk != second.pk
    assert first.settings_item == second.settings_item


def test_a_snapshot_shows_no_moment_to_come(incident: Incident) -> None:
    with pytest.raises(MomentRefused, match="moment that has passed"):
        take(incident, SAFE, captured_at=timezone.now() + dt.timedelta(hours=1))


def test_a_snapshot_shows_no_moment_before_2000(incident: Incident) -> None:
    with pytest.raises(MomentRefused, match="between 2000-01-01"):
        take(incident, SAFE, captured_at=dt.datetime(1, 1, 1, tzinfo=dt.UTC))
    assert not incident.policy_snapshots.exists()


def test_the_policy_in_force_then_answers_the_findings(incident: Incident) -> None:
    now = timezone.now()
    take(incident, SAFE, captured_at=now - dt.timedelta(minutes=1))
    take(incident, PERMISSIVE, captured_at=now - dt.timedelta(hours=1))
    evidence = load_case(incident)[0].read()[0]
    for minutes, profile in ((0, "safe"), (30, "permissive"), (90, "permissive")):
        moment = to_ms(now - dt.timedelta(minutes=minutes))
        policy = evidence.policy_at(moment)
        assert policy is not None
        assert policy.effective.effective_profile == profile
