"""INC-5: what did a quarantined extension do, and how did it get out?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from incidents.findings.finding import Finding, FindingSeverity, counted, listed, refs
from incidents.findings.records import (
    ALL_EXTENSIONS,
    Extensions,
    Record,
    alert_finding,
    call_text,
    ledger_entries,
    untrusted_note,
)
from policy.rules.trust_replay import TrustFinding, TrustFindingCode

# The reason code that the runtime gives a call of an extension in quarantine.
QUARANTINE_TRIGGER = "quarantined_extension"
_KILL_SWITCH_CODES = frozenset(
    {
        TrustFindingCode.ACTIVATION_WITHOUT_AUDIT_METADATA,
        TrustFindingCode.LIFT_WITHOUT_AUDIT_METADATA,
        TrustFindingCode.LIFT_WITHOUT_ACTIVATION,
        TrustFindingCode.LIFT_TOO_EARLY,
    }
)


@dataclass(frozen=True)
class QuarantinePeriod:
    """When an extension was quarantined; ``end_ms`` None: it still is.

    The start is inside, the end is not: at the end a valid promotion took effect.
    """

    extension_id: str
    start_ms: int
    end_ms: int | None = None

    def covers(self, extension_id: str, ts_ms: float) -> bool:
        """Return whether the extension was in quarantine at the moment."""
        ended = self.end_ms is not None and ts_ms >= self.end_ms
        return (
            extension_id == self.extension_id and ts_ms >= self.start_ms and not ended
        )


def find_quarantine_escape(
    bundle: Mapping[str, Any],
    *,
    quarantines: Iterable[QuarantinePeriod] = (),
    trust_findings: Iterable[TrustFinding] = (),
    ledger_report: Mapping[str, Any] | None = None,
    extension_ids: Extensions = ALL_EXTENSIONS,
) -> list[Finding]:
    """Answer INC-5 from a bundle, the trust history, and the replay of the runtime's.

    ``quarantines`` are periods by the trust history; without any, the runtime's own
    word in the ledger (its reason codes) is all there is.
    """
    entries = list(ledger_entries(bundle, extension_ids))
    periods = tuple(quarantines)
    return [
        alert_finding(
            bundle,
            "quarantine_escape",
            extension_ids=extension_ids,
            playbook_item="quarantined-extension-alerts",
        ),
        *_by_history(entries, periods, ledger_report),
        *_by_trigger(entries, ledger_report),
        *_refused_moves(trust_findings),
    ]


def _by_history(
    entries: list[Record],
    periods: tuple[QuarantinePeriod, ...],
    ledger_report: Mapping[str, Any] | None,
) -> Iterator[Finding]:
    if not periods:
        return
    inside = [entry for entry in entries if _is_inside(entry, periods)]
    executed = [e for e in inside if e.text("outcome") == "executed"]
    if not executed:
        yield Finding(
            key="quarantine-held",
            title="No call was executed in quarantine",
            severity=FindingSeverity.INFO,
            detail=f"{counted(len(inside), 'call')} in quarantine, none executed.",
            playbook_item="verify-trust-gate",
            count=len(inside),
        )
        return
    yield Finding(
        key="executed-in-quarantine",
        title=f"{counted(len(executed), 'call')} executed in quarantine",
        severity=FindingSeverity.CRITICAL,
        detail=f"{listed(call_text(e) for e in executed)}. "
        f"{len(inside) - len(executed)} others were not executed. "
        "is_hostcall_allowed_for_trust() lets none through."
        + untrusted_note(executed, ledger_report),
        playbook_item="verify-trust-gate",
        evidence_refs=refs(entry.path for entry in executed),
        count=len(executed),
    )


def _is_inside(entry: Record, periods: tuple[QuarantinePeriod, ...]) -> bool:
    ts_ms, extension_id = entry.number("ts_ms"), entry.text("extension_id")
    return ts_ms is not None and any(p.covers(extension_id, ts_ms) for p in periods)


def _by_trigger(
    entries: list[Record], ledger_report: Mapping[str, Any] | None
) -> Iterator[Finding]:
    executed = [
        entry
        for entry in entries
        if QUARANTINE_TRIGGER in entry.texts("triggers")
        and entry.text("outcome") == "executed"
    ]
    if not executed:
        return
    yield Finding(
        key="runtime-names-quarantine",
        title=f"{counted(len(executed), 'call')} executed that the runtime itself "
        "marked as quarantined",
        severity=FindingSeverity.CRITICAL,
        detail=listed(call_text(entry) for entry in executed)
        + "."
        + untrusted_note(executed, ledger_report),
        playbook_item="verify-trust-gate",
        evidence_refs=refs(entry.path for entry in executed),
        count=len(executed),
    )


def _refused_moves(trust_findings: Iterable[TrustFinding]) -> Iterator[Finding]:
    """Yield one finding for each kind of move that the rules refuse."""
    by_code: dict[TrustFindingCode, list[TrustFinding]] = {}
    for finding in trust_findings:
        by_code.setdefault(finding.code, []).append(finding)
    for code, group in by_code.items():
        is_switch = code in _KILL_SWITCH_CODES
        yield Finding(
            key=f"history-{code.replace('_', '-')}",
            title=f"{counted(len(group), 'record')} of the runtime's history: "
            f"{code.replace('_', ' ')}",
            severity=_severity(code, group),
            detail=listed(
                f"{f.extension or 'all extensions'}, line {f.line}: {f.message}"
                for f in group
            ),
            playbook_item="check-kill-switch"
            if is_switch
            else "check-trust-transitions",
            evidence_refs=refs(f"line {f.line}" for f in group),
            count=len(group),
        )


def _severity(code: TrustFindingCode, group: list[TrustFinding]) -> FindingSeverity:
    if code is TrustFindingCode.QUARANTINE_ESCAPE:
        return FindingSeverity.CRITICAL
    refused = any(finding.is_refused for finding in group)
    return FindingSeverity.ERROR if refused else FindingSeverity.WARNING
