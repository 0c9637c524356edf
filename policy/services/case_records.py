"""What the findings of a case ask of policy: its newest policy, trust, and scans."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from policy.models import KillSwitchLift, ScanEntry, ScanReport, TrustTransition
from policy.rules.precedence import EffectivePolicy
from policy.rules.trust import TrustState
from policy.rules.trust_replay import TrustFinding, TrustFindingCode
from policy.scanner.comparison import Miss
from policy.scanner.errors import SourceRefusedError
from policy.scanner.report import FileReport, SourceReport
from policy.scanner.report_entries import Classification, Entry
from policy.services.concerned_cases import (
    remediate_reached_at,
)
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


def newest_scan(incident: Any) -> SourceReport | None:
    """Return what the newest scan of the case's sources found; None where none is.

    Read back from the rows that were stored: what it says of files that have no entry,
    and of the line-based scanner's own findings, is left out.
    """
    reports = ScanReport.objects.filter(item__incident=incident).select_related("item")
    report = reports.order_by("-id").first()
    if report is None:
        return None
    name = report.item.original_name
    if report.refusal_code:
        refused = SourceRefusedError(report.refusal_code, report.refusal)
        return SourceReport(name, refused=refused)
    rows = [(row, _entry_of(row)) for row in report.entries.order_by("position")]
    stored = FileReport(
        path=name,
        size_bytes=report.item.size_bytes,
        language=None,
        classification=Classification(report.classification),
        entries=tuple(entry for _, entry in rows),
        line_findings=(),
        misses=tuple(
            _miss_of(row, entry) for row, entry in rows if row.is_missed_by_line_scanner
        ),
    )
    return SourceReport(name, files=(stored,))


def _entry_of(row: ScanEntry) -> Entry:
    return Entry(
        file=row.file,
        line=row.line,
        column=row.column,
        rule=row.rule,
        classification=Classification(row.classification),
        excerpt=row.excerpt,
        why=row.why,
        family=row.family,
        techniques=tuple(row.techniques),
        suggested_pattern=row.suggested_pattern,
        regression_test_idea=row.regression_test_idea,
        end_line=row.line,
    )


def _miss_of(row: ScanEntry, entry: Entry) -> Miss:
    return Miss(
        entry=entry,
        line_scanner_said=Classification(row.line_scanner_said),
        family=row.family,
        what=row.form,
        suggested_pattern=row.suggested_pattern,
        regression_test_idea=row.regression_test_idea,
    )


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
