"""Each service with each role: who may, and who is refused before anything happens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from evidence.errors import PermissionRefused
from evidence.models import AuditEntry, Channel
from policy.errors import PolicyError
from policy.rules.rollback import OverrideChoice, RiskChoice
from policy.rules.trust import TrustState
from policy.services import (
    extensions,
    kill_switches,
    lifts,
    promotions,
    quotas,
    rollbacks,
    runtime_histories,
    scans,
    snapshots,
    trust,
)

WHY = {"reason": "Because."}
WORK = {"responder", "reviewer"}
REVIEW = {"reviewer"}
SERVICES: dict[str, tuple[Callable[[User], object], set[str]]] = {
    "demote": (
        lambda who: trust.demote_extension(extension_pk=0, actor=who, **WHY),
        WORK,
    ),
    "move": (
        lambda who: trust.move_trust(
            extension_pk=0, to_state=TrustState.PROBATION, actor=who, **WHY
        ),
        WORK,
    ),
    "request promotion": (
        lambda who: promotions.request_promotion(
            extension_pk=0, to_state=TrustState.PROBATION, actor=who, **WHY
        ),
        WORK,
    ),
    "withdraw promotion": (
        lambda who: promotions.withdraw_promotion(request_id=0, actor=who),
        WORK,
    ),
    "approve promotion": (
        lambda who: promotions.approve_promotion(request_id=0, actor=who),
        REVIEW,
    ),
    "decline promotion": (
        lambda who: promotions.decline_promotion(request_id=0, actor=who, **WHY),
        REVIEW,
    ),
    "activate": (
        lambda who: kill_switches.activate_kill_switch(
            incident_id=0, extension_pk=0, actor=who, **WHY
        ),
        WORK,
    ),
    "kill all": (
        lambda who: kill_switches.activate_kill_all(
            incident_id=0, typed_reference="", actor=who, **WHY
        ),
        WORK,
    ),
    "confirm": (
        lambda who: kill_switches.confirm_kill_switch(
            kill_switch_id=0, means="Seen.", actor=who
        ),
        WORK | {"machine"},
    ),
    "request lift": (
        lambda who: lifts.request_lift(kill_switch_id=0, actor=who, **WHY),
        WORK,
    ),
    "withdraw lift": (lambda who: lifts.withdraw_lift(request_id=0, actor=who), WORK),
    "approve lift": (lambda who: lifts.approve_lift(request_id=0, actor=who), REVIEW),
    "decline lift": (
        lambda who: lifts.decline_lift(request_id=0, actor=who, **WHY),
        REVIEW,
    ),
    "take snapshot": (
        lambda who: snapshots.take_snapshot(
            incident_id=0,
            source=snapshots.SnapshotSource(settings=b"not json"),
            channel=Channel.ADMIN,
            actor=who,
        ),
        WORK | {"machine"},
    ),
    "propose safe defaults": (
        lambda who: rollbacks.propose_safe_defaults(
            snapshot_id=0,
            risk=RiskChoice.DISABLED,
            overrides=OverrideChoice.KEEP,
            actor=who,
            **WHY,
        ),
        WORK,
    ),
    "propose earlier": (
        lambda who: rollbacks.propose_earlier_snapshot(
            snapshot_id=0, target_snapshot_id=0, actor=who, **WHY
        ),
        WORK,
    ),
    "approve rollback": (
        lambda who: rollbacks.approve_rollback(rollback_id=0, actor=who),
        REVIEW,
    ),
    "decline rollback": (
        lambda who: rollbacks.decline_rollback(rollback_id=0, actor=who, **WHY),
        REVIEW,
    ),
    "withdraw rollback": (
        lambda who: rollbacks.withdraw_rollback(rollback_id=0, actor=who),
        WORK,
    ),
    "close rollback": (
        lambda who: rollbacks.close_rollback(rollback_id=0, actor=who, **WHY),
        WORK,
    ),
    "apply rollback": (
        lambda who: rollbacks.apply_rollback(
            rollback_id=0, proof_snapshot_id=0, command_output="ok", actor=who
        ),
        WORK,
    ),
    "change quota": (
        lambda who: quotas.record_quota_change(
            extension_pk=0, to_mb=1, actor=who, **WHY
        ),
        WORK,
    ),
    "scan": (lambda who: scans.request_scan(item_id=0, actor=who), WORK),
    "import history": (
        lambda who: runtime_histories.import_runtime_history(
            incident_id=0,
            data=b" " * (33 * 1024 * 1024),
            original_name="h.jsonl",
            channel=Channel.ADMIN,
            actor=who,
        ),
        WORK,
    ),
    "note extension": (
        lambda who: extensions.add_extension(extension_id="", actor=who),
        WORK,
    ),
    "edit extension": (
        lambda who: extensions.edit_extension(
            extension_pk=0, actor=who, name="", publisher="", notes=""
        ),
        WORK,
    ),
}
ROLES = ("responder", "reviewer", "auditor", "administrator", "machine", "outsider")


@pytest.mark.parametrize("role", ROLES)
def test_services_ask_for_the_permission_first(
    role: str, request: pytest.FixtureRequest
) -> None:
    """The rows do not exist: who may act is refused for that, others before it."""
    actor = request.getfixturevalue(role)
    for service, allowed in SERVICES.values():
        expected = PolicyError if role in allowed else PermissionRefused
        with pytest.raises(expected):
            service(actor)
    assert not AuditEntry.objects.filter(object_type__startswith="policy.").exists()
