"""INC-6: breaches with their figures, the limit in force, and what others had of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.incidents.findings.bundles import (
    CLEAR,
    FOUND,
    SAFE,
    START_MS,
    UNKNOWN,
    ask,
    corrupted,
    entry,
    make_bundle,
    redacted,
    telemetry,
    verdicts,
    without,
)

BREACHES, LIMIT, IMPACT = "breaches", "limit-as-configured", "impact-on-others"


def breach(
    actual: Any = 300.5, limit: Any = 256, second: int = 3, **members: Any
) -> Any:
    return {
        "ts_ms": START_MS + second * 1000,
        "extension_id": "ext",
        "resource": "max_memory_mb",
        "limit": limit,
        "actual": actual,
        **members,
    }


def bundle_of(*breaches: Any, **members: Any) -> dict[str, Any]:
    return make_bundle(quota_breaches=list(breaches), **members)


def test_a_breach_is_found_with_its_figures() -> None:
    events = [breach(257, second=2), breach(640.25, second=4)]
    found = ask("INC-6", bundle_of(*events), settings=SAFE)[BREACHES]
    assert found.verdict is FOUND
    assert [pointer.index for pointer in found.pointers] == [0, 1]
    for words in ("ext", "max_memory_mb 2 times", "limit 256", "640.25", "over 2 s"):
        assert words in found.sentence
    assert "2.50 times the limit" in found.sentence


@pytest.mark.parametrize("actual", [256, 256.0, 255.9, 0])
def test_at_the_limit_or_below_is_clear(actual: float) -> None:
    answers = ask("INC-6", bundle_of(breach(actual)), settings=SAFE)
    assert set(verdicts(answers).values()) == {CLEAR}


@pytest.mark.parametrize(
    "broken",
    [
        breach("300"),
        breach(limit=None),
        breach(actual=True),
        breach(ts_ms="x"),
        breach(resource=7),
        "no record",
    ],
)
def test_a_record_that_cannot_be_read_is_unknown(broken: Any) -> None:
    found = ask("INC-6", bundle_of(broken), settings=SAFE)[BREACHES]
    assert found.verdict is UNKNOWN
    both = ask("INC-6", bundle_of(broken, breach()), settings=SAFE)[BREACHES]
    assert both.verdict is FOUND
    assert "cannot be read" in both.sentence


def test_any_resource_counts() -> None:
    event = breach(101, 100, resource="api_calls")
    answers = ask("INC-6", bundle_of(event))
    assert answers[BREACHES].verdict is FOUND
    assert "api_calls" in answers[BREACHES].sentence
    assert answers[LIMIT].verdict is CLEAR


def test_an_alert_by_itself_is_not_found() -> None:
    alert = {"ts_ms": 1, "category": "quota_breach", "extension_id": "ext"}
    answers = ask("INC-6", make_bundle(security_alerts=[alert]), settings=SAFE)
    assert set(verdicts(answers).values()) == {CLEAR}


def own_quota(limit: int) -> dict[str, Any]:
    override = {"ext": {"quota": {"maxMemoryMb": limit}}}
    return {"extensionPolicy": {"profile": "safe", "perExtension": override}}


@pytest.mark.parametrize(
    ("given", "verdict"),
    [(SAFE, CLEAR), (own_quota(256), CLEAR), (own_quota(128), FOUND), (None, UNKNOWN)],
)
def test_the_limit_is_held_against_the_one_in_force(
    given: Any, verdict: object
) -> None:
    answers = ask("INC-6", bundle_of(breach()), settings=given)
    assert answers[LIMIT].verdict is verdict
    if verdict is FOUND:
        assert "against 256, in force is 128" in answers[LIMIT].sentence


@pytest.mark.parametrize(("memory", "verdict"), [(129, FOUND), (128, CLEAR)])
def test_telemetry_above_the_quota_in_force_is_found_without_an_event(
    memory: int, verdict: object
) -> None:
    call = entry(1)
    bundle = make_bundle([call], hostcall_telemetry=[telemetry(call, memory_mb=memory)])
    assert ask("INC-6", bundle, settings=own_quota(128))[BREACHES].verdict is verdict
    assert ask("INC-6", bundle)[BREACHES].verdict is CLEAR


def with_others(latency: int, outcome: str = "executed") -> dict[str, Any]:
    seen = []
    for second in range(1, 21):
        call = entry(second, extension_id="other", call_id=f"o-{second}")
        during = 8 <= second <= 14
        seen.append(
            telemetry(
                call,
                latency_ms=latency if during else 10,
                outcome=outcome if during else "executed",
            )
        )
    events = [breach(second=8), breach(second=14)]
    return bundle_of(*events, hostcall_telemetry=seen)


@pytest.mark.parametrize(
    ("latency", "outcome", "verdict"),
    [
        (10, "executed", CLEAR),
        (15, "executed", CLEAR),  # exactly half as slow again
        (40, "executed", FOUND),
        (10, "failed", FOUND),
    ],
)
def test_what_others_suffered_is_told_with_sample_sizes(
    latency: int, outcome: str, verdict: object
) -> None:
    found = ask("INC-6", with_others(latency, outcome), settings=SAFE)[IMPACT]
    assert found.verdict is verdict
    assert "before median 10 ms over 7 calls, 0 failed" in found.sentence
    assert f"during median {latency} ms over 7 calls" in found.sentence
    assert "after median 10 ms over 6 calls" in found.sentence


def test_untrusted_missing_and_redacted() -> None:
    bundle = bundle_of(breach())
    assert ask("INC-6", corrupted(bundle, 1))[BREACHES].verdict is UNKNOWN
    assert ask("INC-6", corrupted(bundle, 4))[BREACHES].verdict is FOUND
    gone = ask("INC-6", without(bundle, "quota_breaches"))
    assert gone[BREACHES].verdict is UNKNOWN
    hidden = ask("INC-6", redacted(bundle), settings=SAFE)
    assert verdicts(hidden) == verdicts(ask("INC-6", bundle, settings=SAFE))
    no_telemetry = ask("INC-6", without(bundle, "hostcall_telemetry"), settings=SAFE)
    assert no_telemetry[IMPACT].verdict is UNKNOWN
    assert no_telemetry[BREACHES].verdict is FOUND
