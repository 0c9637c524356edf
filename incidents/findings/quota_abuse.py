"""INC-6: which quota was breached, by how much, how often, for how long?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

from incidents.findings.finding import Finding, FindingSeverity, counted, listed, refs
from incidents.findings.records import (
    ALL_EXTENSIONS,
    Extensions,
    Record,
    alert_finding,
    records,
)
from policy.rules.precedence import EffectivePolicy
from policy.rules.quotas import (
    BreachSummary,
    effective_max_memory_mb,
    has_own_quota,
    summarise_breaches,
)

MEMORY_RESOURCE = "max_memory_mb"
# Twice the limit is no longer a matter of measuring.
WORST_RATIO_ERROR = 2.0
# Calls of others this close after a breach are compared with the rest.
IMPACT_WINDOW_MS = 60_000


def find_quota_abuse(
    bundle: Mapping[str, Any],
    *,
    policy: EffectivePolicy | None = None,
    extension_ids: Extensions = ALL_EXTENSIONS,
) -> list[Finding]:
    """Answer INC-6 from a bundle, and from the quotas in force where they are known."""
    breaches = list(records(bundle, "quota_breaches", extension_ids))
    report = summarise_breaches(breach.members for breach in breaches)
    unreadable = [breaches[index] for index in report.unreadable]
    faulty = set(report.unreadable)
    readable = [breach for i, breach in enumerate(breaches) if i not in faulty]
    found = [
        alert_finding(
            bundle,
            "quota_breach",
            extension_ids=extension_ids,
            playbook_item="quota-breach-alert",
        ),
        *(_breached(summary, readable) for summary in report.summaries),
        *_unreadable(unreadable),
        *_memory_peaks(bundle, policy, extension_ids),
        *_impact_on_others(bundle, breaches),
    ]
    if policy is not None:
        found += _limits_against_policy(report.summaries, policy, readable)
    if not breaches:
        found.append(_no_breach())
    return found


def _no_breach() -> Finding:
    return Finding(
        key="no-breach",
        title="No quota breach recorded",
        severity=FindingSeverity.INFO,
        detail="The bundle's quota_breaches section has no record of these extensions.",
        playbook_item="check-breach-events",
    )


def _breached(summary: BreachSummary, breaches: list[Record]) -> Finding:
    ratio = summary.worst_ratio
    is_worse = ratio is None or ratio >= WORST_RATIO_ERROR
    own = _records_of(summary, breaches)
    over = "" if ratio is None else f" ({ratio:.2f} times the limit at worst)"
    limits = ", ".join(f"{limit:g}" for limit in summary.limits)
    return Finding(
        key=f"breach:{summary.resource}",
        title=f"{summary.extension_id} breached {summary.resource} "
        f"{counted(summary.count, 'time')}",
        severity=FindingSeverity.ERROR if is_worse else FindingSeverity.WARNING,
        detail=f"Limit {limits}, peak {summary.peak_actual:g}{over}, over "
        f"{summary.duration_ms / 1000:g} s.",
        playbook_item="check-breach-events",
        evidence_refs=refs(record.path for record in own),
        count=summary.count,
    )


def _records_of(summary: BreachSummary, breaches: list[Record]) -> list[Record]:
    wanted = (summary.extension_id, summary.resource)
    return [
        r for r in breaches if (r.text("extension_id"), r.text("resource")) == wanted
    ]


def _unreadable(breaches: list[Record]) -> Iterator[Finding]:
    if breaches:
        yield Finding(
            key="unreadable-breaches",
            title=f"{counted(len(breaches), 'breach record')} cannot be read",
            severity=FindingSeverity.WARNING,
            detail="A member is missing or of the wrong type; they are not counted.",
            playbook_item="check-breach-events",
            evidence_refs=refs(record.path for record in breaches),
            count=len(breaches),
        )


def _memory_peaks(
    bundle: Mapping[str, Any], policy: EffectivePolicy | None, extension_ids: Extensions
) -> Iterator[Finding]:
    peaks: dict[str, tuple[float, Record]] = {}
    for call in records(bundle, "hostcall_telemetry", extension_ids):
        memory, extension = call.number("memory_mb"), call.text("extension_id")
        if memory is None or (extension in peaks and peaks[extension][0] >= memory):
            continue
        peaks[extension] = (memory, call)
    if not peaks:
        return
    over = policy is not None and any(
        memory > effective_max_memory_mb(policy, extension)
        for extension, (memory, _) in peaks.items()
    )
    ordered = sorted(peaks.items(), key=lambda item: -item[1][0])
    yield Finding(
        key="memory-peak",
        title="Peak memory by extension",
        severity=FindingSeverity.WARNING if over else FindingSeverity.INFO,
        detail=listed(
            f"{extension}: {memory:g} MB{_quota_text(policy, extension)}"
            for extension, (memory, _) in ordered
        ),
        playbook_item="assess-impact",
        evidence_refs=refs(f"{call.path}.memory_mb" for _, (_, call) in ordered),
        count=len(peaks),
    )


def _quota_text(policy: EffectivePolicy | None, extension: str) -> str:
    if policy is None:
        return ""
    own = "own quota" if has_own_quota(policy, extension) else "default quota"
    return f" of {effective_max_memory_mb(policy, extension)} MB ({own})"


def _limits_against_policy(
    summaries: tuple[BreachSummary, ...],
    policy: EffectivePolicy,
    breaches: list[Record],
) -> Iterator[Finding]:
    """Yield memory breaches measured against another limit than the one in force."""
    for summary in summaries:
        if summary.resource != MEMORY_RESOURCE:
            continue
        quota = effective_max_memory_mb(policy, summary.extension_id)
        agrees = summary.latest_limit == quota
        yield Finding(
            key="limit-as-configured" if agrees else "limit-not-as-configured",
            title=f"{summary.extension_id}: the limit is "
            f"{'the' if agrees else 'not the'} configured one",
            severity=FindingSeverity.INFO if agrees else FindingSeverity.WARNING,
            detail=f"The breach was measured against {summary.latest_limit:g} MB; the "
            f"snapshot gives{_quota_text(policy, summary.extension_id)[3:]}.",
            playbook_item="verify-quota-configuration",
            evidence_refs=refs(r.path for r in _records_of(summary, breaches)),
            count=summary.count,
        )


def _impact_on_others(
    bundle: Mapping[str, Any], breaches: list[Record]
) -> Iterator[Finding]:
    """Yield how long other extensions' calls took near the breaches, and elsewhere."""
    offenders = {breach.text("extension_id") for breach in breaches}
    moments = [m for b in breaches if (m := b.number("ts_ms")) is not None]
    near: list[float] = []
    rest: list[float] = []
    for call in records(bundle, "hostcall_telemetry"):
        latency, ts_ms = call.number("latency_ms"), call.number("ts_ms")
        if latency is None or ts_ms is None or call.text("extension_id") in offenders:
            continue
        is_near = any(0 <= ts_ms - moment <= IMPACT_WINDOW_MS for moment in moments)
        (near if is_near else rest).append(latency)
    if not near or not rest:
        return
    yield Finding(
        key="impact-on-others",
        title="Latency of other extensions near the breaches",
        severity=FindingSeverity.INFO,
        detail=f"Median {median(near):g} ms over {counted(len(near), 'call')} within "
        f"{IMPACT_WINDOW_MS // 1000} s after a breach, {median(rest):g} ms over "
        f"{counted(len(rest), 'call')} otherwise.",
        playbook_item="assess-impact",
        count=len(near),
    )
