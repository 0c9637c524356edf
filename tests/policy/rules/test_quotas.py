"""Quotas in force, changes of them, and breaches grouped."""

import pytest

from policy.rules.errors import QuotaError
from policy.rules.precedence import (
    ExtensionOverride,
    ExtensionPolicy,
    ExtensionQuota,
    resolve_policy,
)
from policy.rules.quotas import (
    QuotaChange,
    classify_quota_change,
    decide_quota_change,
    effective_max_memory_mb,
    has_own_quota,
)

POLICY = resolve_policy(
    ExtensionPolicy(
        per_extension={
            "small": ExtensionOverride(quota=ExtensionQuota(128)),
            "plain": ExtensionOverride(deny=frozenset({"ui"})),
        }
    )
)


@pytest.mark.parametrize(
    ("extension", "quota_mb", "own"),
    [("small", 128, True), ("plain", 256, False), ("other", 256, False)],
)
def test_own_quota_is_in_force_else_the_default(extension, quota_mb, own):
    assert effective_max_memory_mb(POLICY, extension) == quota_mb
    assert has_own_quota(POLICY, extension) is own


def test_default_quota_is_in_force_for_all_extensions():
    assert effective_max_memory_mb(POLICY, None) == 256


@pytest.mark.parametrize(
    ("proposed_mb", "change"),
    [(255, "tighten"), (256, "unchanged"), (257, "raise"), (1, "tighten")],
)
def test_change_is_named(proposed_mb, change):
    assert classify_quota_change(current_mb=256, proposed_mb=proposed_mb) is (
        QuotaChange(change)
    )


@pytest.mark.parametrize("proposed_mb", [0, -1, True])
def test_quota_of_nothing_is_refused(proposed_mb):
    with pytest.raises(QuotaError, match="at least 1 MB"):
        classify_quota_change(current_mb=256, proposed_mb=proposed_mb)


@pytest.mark.parametrize(
    ("proposed_mb", "reason", "documentation", "codes"),
    [
        (128, "misbehaves", "", ()),
        (512, "big repos", "https://tickets.example/7", ()),
        (512, "big repos", "  ", ("documentation_missing",)),
        (128, " ", "", ("reason_missing",)),
        (256, "no change", "", ("quota_unchanged",)),
        (512, "", "", ("reason_missing", "documentation_missing")),
    ],
)
def test_raising_needs_documentation_and_any_change_a_reason(
    proposed_mb, reason, documentation, codes
):
    decision = decide_quota_change(
        current_mb=256,
        proposed_mb=proposed_mb,
        reason=reason,
        documentation=documentation,
    )
    assert decision.codes == codes
