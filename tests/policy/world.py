"""A case with a little of everything that the policy pages show."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.utils import timezone

from evidence.models import Channel, EvidenceKind
from evidence.simulation import simulate_document
from incidents.models import Incident
from policy.models import (
    Extension,
    KillSwitch,
    PolicySnapshot,
    Rollback,
    RuntimeHistoryImport,
    ScanReport,
)
from policy.rules.rollback import OverrideChoice, RiskChoice
from policy.rules.trust import TrustState
from policy.services.kill_switches import activate_kill_switch
from policy.services.lifts import request_lift
from policy.services.promotions import request_promotion
from policy.services.quotas import record_quota_change
from policy.services.readings import run_reading, take_up_evidence
from policy.services.rollbacks import propose_safe_defaults
from policy.services.runtime_histories import import_runtime_history
from policy.services.scans import request_scan, run_scan
from tests.factories import make_evidence, make_incident
from tests.policy.samples import PERMISSIVE, SAFE, take

EVASIVE = b"const p = 'child_' + 'process';\nrequire(p).exec('id');\neval('1');\n"


@dataclass(frozen=True)
class World:
    """What the pages are about."""

    incident: Incident
    extension: Extension
    switch: KillSwitch
    snapshot: PolicySnapshot
    earlier: PolicySnapshot
    rollback: Rollback
    scan: ScanReport
    history: RuntimeHistoryImport


def make_world(responder: User) -> World:
    """Return a case with what every policy page shows, done by this person."""
    document = simulate_document(calls=120, seed=1, scenario="inc-6")
    culprit = document["quota_breaches"][0]["extension_id"]
    incident = make_incident(playbook="INC-6", extension_ids=(culprit,))
    extension = incident.extensions.get()
    bundle = make_evidence(
        incident,
        content=json.dumps(document).encode(),
        name="bundle.json",
        kind=EvidenceKind.BUNDLE,
    )
    take_up_evidence()
    run_reading(reading_id=bundle.policy_readings.get().pk)
    an_hour_ago = timezone.now() - dt.timedelta(hours=1)
    override = {"extensionPolicy": {"perExtension": {culprit: {"deny": ["http"]}}}}
    earlier = take(incident, SAFE, captured_at=an_hour_ago - dt.timedelta(hours=1))
    snapshot = take(
        incident,
        {"extensionPolicy": PERMISSIVE["extensionPolicy"] | override["extensionPolicy"]}
        | {"apiKey": "sk-" + "a1b2" * 8, "extensionRisk": {"colour": 1}},
        captured_at=an_hour_ago,
        actor=responder,
    )
    switch = activate_kill_switch(
        incident_id=incident.pk,
        extension_pk=extension.pk,
        reason="It eats memory.",
        actor=responder,
    )
    request_lift(kill_switch_id=switch.pk, reason="Fixed.", actor=responder)
    request_promotion(
        extension_pk=extension.pk,
        to_state=TrustState.PROBATION,
        reason="Fixed in 1.3.",
        actor=responder,
    )
    record_quota_change(
        extension_pk=extension.pk, to_mb=128, reason="It swaps.", actor=responder
    )
    source = make_evidence(
        incident,
        content=EVASIVE,
        name="index.js",
        kind=EvidenceKind.EXTENSION_SOURCE,
        verified=False,
    )
    report = run_scan(request_id=request_scan(item_id=source.pk, actor=responder).pk)
    assert report is not None
    return World(
        incident=incident,
        extension=extension,
        switch=switch,
        snapshot=snapshot,
        earlier=earlier,
        rollback=propose_safe_defaults(
            snapshot_id=snapshot.pk,
            risk=RiskChoice.SCORING_DEFAULTS,
            overrides=OverrideChoice.KEEP_TIGHTENING,
            reason="Everything is allowed.",
            actor=responder,
        ),
        scan=report,
        history=import_runtime_history(
            incident_id=incident.pk,
            data=b'{"extension":"e","from":"quarantined","to":"active","time":1}\n{',
            original_name="trust.jsonl",
            channel=Channel.ADMIN,
            actor=responder,
        ),
    )
