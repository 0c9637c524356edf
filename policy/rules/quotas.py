"""Resource quotas: what is in force, what a change does, what was breached.

Guarantees: the quota in force is the extension's own where it has one, else the
profile's. Raising one takes documentation, changing one a reason. Breaches are
grouped by extension and resource, and no readable breach is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from policy.rules.decisions import Decision, decide
from policy.rules.errors import QuotaError
from policy.rules.precedence import EffectivePolicy


class QuotaChange(StrEnum):
    """What a proposed quota does to the one in force."""

    UNCHANGED = "unchanged"
    TIGHTEN = "tighten"
    RAISE = "raise"


def effective_max_memory_mb(policy: EffectivePolicy, extension: str | None) -> int:
    """Return the memory quota in force for an extension, in MB."""
    override = policy.per_extension.get(extension) if extension is not None else None
    own = override.quota.max_memory_mb if override else None
    return policy.max_memory_mb if own is None else own


def has_own_quota(policy: EffectivePolicy, extension: str) -> bool:
    """Return whether the quota in force is the extension's own."""
    override = policy.per_extension.get(extension)
    return override is not None and override.quota.max_memory_mb is not None


def classify_quota_change(*, current_mb: int, proposed_mb: int) -> QuotaChange:
    """Return whether a proposed memory quota tightens or raises; raise QuotaError.

    A quota is a whole number of MB above zero.
    """
    if isinstance(proposed_mb, bool) or proposed_mb < 1:
        raise QuotaError(
            "The quota has to be at least 1 MB. Give a whole number above 0."
        )
    if proposed_mb == current_mb:
        return QuotaChange.UNCHANGED
    return QuotaChange.TIGHTEN if proposed_mb < current_mb else QuotaChange.RAISE


def decide_quota_change(
    *, current_mb: int, proposed_mb: int, reason: str, documentation: str
) -> Decision:
    """Decide whether a quota change may be recorded; raise QuotaError on a bad figure.

    `documentation` is the reference that shows the use to be legitimate.
    """
    change = classify_quota_change(current_mb=current_mb, proposed_mb=proposed_mb)
    return decide(
        [
            (
                change is not QuotaChange.UNCHANGED,
                "quota_unchanged",
                f"The quota is {current_mb} MB already; give another figure.",
            ),
            (
                bool(reason.strip()),
                "reason_missing",
                "A change of quota needs a reason; say why.",
            ),
            (
                change is not QuotaChange.RAISE or bool(documentation.strip()),
                "documentation_missing",
                "Raising a quota needs documentation of the legitimate use; link it.",
            ),
        ]
    )


@dataclass(frozen=True)
class BreachSummary:
    """The breaches of one resource by one extension.

    `limits` are the distinct limits that were breached, in rising order;
    `worst_ratio` is the highest actual over its limit, None where a limit is 0.
    """

    extension_id: str
    resource: str
    count: int
    limits: tuple[float, ...]
    latest_limit: float
    peak_actual: float
    worst_ratio: float | None
    first_ts_ms: int
    last_ts_ms: int

    @property
    def duration_ms(self) -> int:
        """Time from the first breach to the last; 0 where there is one only."""
        return self.last_ts_ms - self.first_ts_ms


@dataclass(frozen=True)
class BreachReport:
    """All breaches, worst first; and the indexes of records that cannot be read."""

    summaries: tuple[BreachSummary, ...]
    unreadable: tuple[int, ...]


@dataclass(frozen=True)
class _Breach:
    ts_ms: int
    extension_id: str
    resource: str
    limit: float
    actual: float


def summarise_breaches(records: Iterable[Mapping[str, Any]]) -> BreachReport:
    """Group the `quota_breaches` records of docs/evidence-format.md section 3."""
    groups: defaultdict[tuple[str, str], list[_Breach]] = defaultdict(list)
    unreadable = []
    for index, record in enumerate(records):
        breach = _read_breach(record)
        if breach is None:
            unreadable.append(index)
        else:
            groups[breach.extension_id, breach.resource].append(breach)
    summaries = [_summarise(group) for group in groups.values()]
    summaries.sort(key=lambda s: (-s.count, s.extension_id, s.resource))
    return BreachReport(tuple(summaries), tuple(unreadable))


def _read_breach(record: Mapping[str, Any]) -> _Breach | None:
    names = (record.get("extension_id"), record.get("resource"))
    numbers = (record.get("ts_ms"), record.get("limit"), record.get("actual"))
    if not all(isinstance(name, str) for name in names):
        return None
    if not all(_is_number(number) for number in numbers):
        return None
    return _Breach(
        ts_ms=int(record["ts_ms"]),
        extension_id=record["extension_id"],
        resource=record["resource"],
        limit=record["limit"],
        actual=record["actual"],
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _summarise(group: list[_Breach]) -> BreachSummary:
    ratios = [breach.actual / breach.limit for breach in group if breach.limit]
    latest = max(group, key=lambda breach: breach.ts_ms)
    return BreachSummary(
        extension_id=latest.extension_id,
        resource=latest.resource,
        count=len(group),
        limits=tuple(sorted({breach.limit for breach in group})),
        latest_limit=latest.limit,
        peak_actual=max(breach.actual for breach in group),
        worst_ratio=max(ratios) if len(ratios) == len(group) else None,
        first_ts_ms=min(breach.ts_ms for breach in group),
        last_ts_ms=latest.ts_ms,
    )
