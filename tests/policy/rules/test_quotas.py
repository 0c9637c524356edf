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
    summarise_breaches,
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


def breach(ts_ms, extension="greedy", resource="memory_mb", limit=256, actual=300):
    return {
        "ts_ms": ts_ms,
        "extension_id": extension,
        "resource": resource,
        "limit": limit,
        "actual": actual,
    }


def test_breaches_are_grouped_with_how_often_and_over_how_long():
    report = summarise_breaches(
        [
            breach(5_000, actual=300),
            breach(1_000, actual=512),
            breach(9_000, limit=128, actual=192),
            breach(2_000, resource="api_calls", limit=10, actual=11),
            breach(3_000, extension="calm"),
        ]
    )
    first, *others = report.summaries
    assert (first.extension_id, first.resource, first.count) == (
        "greedy",
        "memory_mb",
        3,
    )
    assert first.limits == (128, 256)
    assert (first.latest_limit, first.peak_actual, first.worst_ratio) == (128, 512, 2)
    assert (first.first_ts_ms, first.last_ts_ms, first.duration_ms) == (
        1_000,
        9_000,
        8_000,
    )
    assert [(s.extension_id, s.resource, s.duration_ms) for s in others] == [
        ("calm", "memory_mb", 0),
        ("greedy", "api_calls", 0),
    ]
    assert report.unreadable == ()


def test_unreadable_breaches_are_counted_and_not_dropped_in_silence():
    whole = breach(1_000)
    broken = [{**whole, name: None} for name in whole]
    report = summarise_breaches([whole, *broken, {**whole, "actual": True}])
    assert report.unreadable == (1, 2, 3, 4, 5, 6)
    assert [summary.count for summary in report.summaries] == [1]


def test_a_limit_of_zero_has_no_ratio():
    (summary,) = summarise_breaches([breach(1, limit=0)]).summaries
    assert summary.worst_ratio is None


def test_no_breaches_give_an_empty_report():
    assert summarise_breaches([]).summaries == ()
