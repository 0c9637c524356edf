"""Resource quotas: what is in force, and what a change does.

Guarantees: the quota in force is the extension's own where it has one, else the
profile's. Raising one takes documentation, changing one a reason.
"""

from __future__ import annotations

from enum import StrEnum

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
