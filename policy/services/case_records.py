"""What the findings of a case ask of policy: its newest policy, trust, and scans."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from policy.models import KillSwitchLift, ScanReport, TrustTransition
from policy.rules.precedence import EffectivePolicy
from policy.rules.trust import TrustState
from policy.rules.trust_replay import TrustFinding, TrustFindingCode
from policy.services.cases import remediate_reached_at
from policy.services.runtime_histories import finding_from_json
from policy.services.snapshots import newest_snapshot, read_snapshot


@dataclass(frozen=True)
class Quarantine:
    """When our own record had an extension in quarantine; `ended_at` None: it has."""

    extension_id: str
    started_at: dt.datetime
    ended_at: dt.datetime | None


def effective_policy(incident: Any) -> EffectivePolicy | None:
    """Return the policy of the case's newest snapshot; None where it has none."""
    snapshot = newest_snapshot(incident_id=incident.pk)
    return read_snapshot(snapshot).effective if snapshot else None


def quarantines(incident: Any) -> list[Quarantine]:
    """Return the quarantines of the case's extensions by our own trust history."""
    moves = TrustTransition.objects.filter(
        extension__in=incident.extensions.all()
    ).select_related("extension")
    found: list[Quarantine] = []
    began: dict[str, dt.datetime] = {}
    for move in moves.order_by("id"):
        name = move.extension.extension_id
        if move.to_state == TrustState.QUARANTINED:
            began[name] = move.moved_at
        elif name in began:
            found.append(Quarantine(name, began.pop(name), move.moved_at))
    return found + [Quarantine(name, start, None) for name, start in began.items()]


def trust_findings(incident: Any) -> list[TrustFinding]:
    """Return what the imported histories and our own lifts show against the rules."""
    imported = [
        finding_from_json(stored)
        for row in incident.runtime_histories.order_by("id")
        for stored in row.findings
    ]
    return imported + early_lifts(incident)


def early_lifts(incident: Any) -> list[TrustFinding]:
    """Return our own lifts that came before the case reached REMEDIATE.

    Each was let through by a reviewer's stated exception, and is a finding all the
    same. `line` is the kill switch's number: there is no file.
    """
    reached_at = remediate_reached_at(incident)
    lifts = KillSwitchLift.objects.filter(
        kill_switch__incident=incident
    ).select_related("kill_switch__extension", "approved_by")
    return [
        _early_lift(lift)
        for lift in lifts.order_by("id")
        if reached_at is None or lift.lifted_at < reached_at
    ]


def newest_scan(incident: Any) -> ScanReport | None:
    """Return the newest scan report of the case's sources; None where none is."""
    reports = ScanReport.objects.filter(item__incident=incident)
    return reports.order_by("-id").first()


def _early_lift(lift: KillSwitchLift) -> TrustFinding:
    switch = lift.kill_switch
    return TrustFinding(
        code=TrustFindingCode.LIFT_TOO_EARLY,
        line=switch.pk,
        at=lift.lifted_at,
        extension=switch.extension.extension_id if switch.extension else None,
        from_state=None,
        to_state=None,
        operator=lift.approved_by.get_username(),
        message=f"Kill switch {switch.pk} was lifted here before the case reached "
        f"REMEDIATE; the reviewer's exception: {lift.exception or 'none'}.",
    )
