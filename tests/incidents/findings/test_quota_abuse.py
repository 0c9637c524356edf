"""INC-6: limit against actual, how often, how long, and what it did to others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from incidents.findings import FindingSeverity, find_quota_abuse
from policy.rules.precedence import ExtensionOverride, ExtensionQuota
from tests.incidents.findings.bundles import START_MS, by_key, load_vector, make_bundle
from tests.incidents.findings.test_capability_use import SAFE

OWN = replace(
    SAFE,
    per_extension={
        "node-tools": ExtensionOverride(quota=ExtensionQuota(max_memory_mb=128))
    },
)


def make_breach(**members: Any) -> dict[str, Any]:
    breach = {
        "ts_ms": START_MS,
        "extension_id": "node-tools",
        "resource": "max_memory_mb",
        "limit": 256,
        "actual": 300,
    }
    return {**breach, **members}


def make_call(extension_id: str, **members: Any) -> dict[str, Any]:
    return {
        "extension_id": extension_id,
        "ts_ms": START_MS,
        "latency_ms": 10,
        "memory_mb": 50,
        **members,
    }


def test_breaches_are_told_by_resource_with_limit_peak_and_duration() -> None:
    bundle = make_bundle(
        quota_breaches=[
            make_breach(),
            make_breach(ts_ms=START_MS + 90_000, actual=400),
            make_breach(resource="max_hostcalls_per_minute", limit=600, actual=601),
        ]
    )
    found = by_key(find_quota_abuse(bundle))
    memory = found["breach:max_memory_mb"]
    assert memory.title == "node-tools breached max_memory_mb 2 times"
    assert memory.detail == (
        "Limit 256, peak 400 (1.56 times the limit at worst), over 90 s."
    )
    assert memory.evidence_refs == ("$.quota_breaches[0]", "$.quota_breaches[1]")
    calls = found["breach:max_hostcalls_per_minute"]
    assert calls.title.endswith("1 time")
    assert calls.evidence_refs == ("$.quota_breaches[2]",)


@pytest.mark.parametrize(
    ("actual", "severity"),
    [(511, FindingSeverity.WARNING), (512, FindingSeverity.ERROR)],
)
def test_twice_the_limit_weighs_more(actual: int, severity: FindingSeverity) -> None:
    bundle = make_bundle(quota_breaches=[make_breach(actual=actual)])
    assert by_key(find_quota_abuse(bundle))["breach:max_memory_mb"].severity is severity


def test_records_that_cannot_be_read_are_pointed_at() -> None:
    bundle = make_bundle(
        quota_breaches=[
            make_breach(limit="much"),
            make_breach(),
            make_breach(ts_ms=None),
        ]
    )
    found = by_key(find_quota_abuse(bundle))
    assert found["unreadable-breaches"].evidence_refs == (
        "$.quota_breaches[0]",
        "$.quota_breaches[2]",
    )
    assert found["breach:max_memory_mb"].evidence_refs == ("$.quota_breaches[1]",)


def test_no_breach_is_an_answer() -> None:
    assert "no-breach" in by_key(find_quota_abuse(make_bundle()))


def test_peak_memory_is_told_against_the_quota() -> None:
    bundle = make_bundle(
        hostcall_telemetry=[
            make_call("node-tools", memory_mb=120),
            make_call("node-tools", memory_mb=130.5),
            make_call("pi-weather", memory_mb=200),
        ]
    )
    plain = by_key(find_quota_abuse(bundle))["memory-peak"]
    assert plain.severity is FindingSeverity.INFO
    assert plain.detail == "pi-weather: 200 MB; node-tools: 130.5 MB"
    assert plain.evidence_refs[1] == "$.hostcall_telemetry[1].memory_mb"
    over = by_key(find_quota_abuse(bundle, policy=OWN))["memory-peak"]
    assert over.severity is FindingSeverity.WARNING
    assert "node-tools: 130.5 MB of 128 MB (own quota)" in over.detail
    assert "pi-weather: 200 MB of 256 MB (default quota)" in over.detail


def test_limit_is_compared_with_the_configured_one() -> None:
    bundle = make_bundle(
        quota_breaches=[
            make_breach(),
            make_breach(extension_id="pi-weather"),
            make_breach(resource="max_hostcalls_per_minute"),
        ]
    )
    found = find_quota_abuse(bundle, policy=OWN)
    asked = [f for f in found if f.playbook_item == "verify-quota-configuration"]
    assert {f.key: f.detail for f in asked} == {
        "limit-not-as-configured": "The breach was measured against 256 MB; the "
        "snapshot gives 128 MB (own quota).",
        "limit-as-configured": "The breach was measured against 256 MB; the "
        "snapshot gives 256 MB (default quota).",
    }


def test_latency_of_others_near_the_breach_is_compared() -> None:
    bundle = make_bundle(
        quota_breaches=[make_breach()],
        hostcall_telemetry=[
            make_call("node-tools", latency_ms=9999),
            make_call("pi-weather", ts_ms=START_MS - 1, latency_ms=10),
            make_call("pi-weather", ts_ms=START_MS, latency_ms=40),
            make_call("pi-weather", ts_ms=START_MS + 60_000, latency_ms=60),
            make_call("pi-weather", ts_ms=START_MS + 60_001, latency_ms=20),
        ],
    )
    assert by_key(find_quota_abuse(bundle))["impact-on-others"].detail == (
        "Median 50 ms over 2 calls within 60 s after a breach, 15 ms over 2 calls "
        "otherwise."
    )


def test_vector_breaches_are_all_counted() -> None:
    document, _ = load_vector("plain")
    found = find_quota_abuse(document)
    breaches = [f for f in found if f.key.startswith("breach:")]
    assert sum(f.count for f in breaches) == len(document["quota_breaches"])
