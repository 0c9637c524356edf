"""INC-5: calls in quarantine or under a kill switch, moves and lifts out of order."""

from __future__ import annotations

from typing import Any

import pytest

from tests.incidents.findings.bundles import (
    CLEAR,
    FOUND,
    START_MS,
    UNKNOWN,
    ask,
    calls,
    corrupted,
    entry,
    make_bundle,
    redacted,
    verdicts,
    without,
)

STOPPED, MOVES, LIFTS = (
    "executed-while-stopped",
    "moves-without-promotion",
    "kill-switch-lifts",
)


def at(second: float) -> int:
    return START_MS + int(second * 1000)


def move(
    from_state: str, to_state: str, second: float, **members: Any
) -> dict[str, Any]:
    return {
        "extension": "ext",
        "from": from_state,
        "to": to_state,
        "reason": "looked at",
        "operator": "rita",
        "acknowledged": True,
        "time": at(second),
        **members,
    }


def switch(second: float, *, activated: bool, **members: Any) -> dict[str, Any]:
    return {
        "extension": "ext",
        "activated": activated,
        "reason": "incident",
        "operator": "rita",
        "acknowledged": True,
        "time": at(second),
        **members,
    }


QUARANTINE = move("probation", "quarantined", 2.5)
PROMOTION = move("quarantined", "probation", 4.5)
CALLS = make_bundle([entry(n) for n in range(1, 7)])


def test_calls_in_quarantine_are_found_and_those_before_and_after_are_not() -> None:
    answers = ask("INC-5", CALLS, history=[QUARANTINE, PROMOTION])
    found = answers[STOPPED]
    assert found.verdict is FOUND
    assert calls(found) == {"call-3", "call-4"}
    assert "ext executed 2 calls in quarantine" in found.sentence
    assert "the first, ext: read, by fs, call call-3" in found.sentence
    assert answers[MOVES].verdict is CLEAR


@pytest.mark.parametrize("moment", [3.0, 4.0])
def test_a_call_at_the_very_moment_is_not_found(moment: float) -> None:
    history = [move("probation", "quarantined", 3), move("quarantined", "probation", 4)]
    assert ask("INC-5", CALLS, history=history)[STOPPED].verdict is CLEAR


def test_blocked_calls_and_other_extensions_are_clear() -> None:
    entries = [
        entry(n, outcome="blocked", triggers=["quarantined_extension"])
        for n in range(1, 7)
    ]
    answers = ask("INC-5", make_bundle(entries), history=[QUARANTINE])
    assert set(verdicts(answers).values()) == {CLEAR}
    other = {**QUARANTINE, "extension": "another"}
    assert ask("INC-5", CALLS, history=[other])[STOPPED].verdict is CLEAR


@pytest.mark.parametrize(
    ("way_out", "words"),
    [
        (move("quarantined", "active", 4.5), "resumed execution"),
        (move("quarantined", "trusted", 4.5), "left quarantine"),
        (move("quarantined", "probation", 4.5, acknowledged=False), "acknowledgement"),
        (move("quarantined", "probation", 4.5, operator=""), "operator"),
        (move("quarantined", "probation", 4.5, reason=None), "reason"),
        (move("probation", "active", 4.5), "resumed execution"),
        (move("probation", "trusted", 4.5), "only way out"),
    ],
)
def test_a_way_out_without_valid_promotion_is_found_and_ends_nothing(
    way_out: dict[str, Any], words: str
) -> None:
    answers = ask("INC-5", CALLS, history=[QUARANTINE, way_out])
    assert answers[MOVES].verdict is FOUND
    assert words in answers[MOVES].sentence
    assert "without a valid promotion" in answers[MOVES].sentence
    assert calls(answers[STOPPED]) == {"call-3", "call-4", "call-5", "call-6"}


@pytest.mark.parametrize(
    "history",
    [
        [move("unknown", "probation", 1), move("probation", "trusted", 2)],
        [move("unknown", "probation", 1, reason="")],
        [move("trusted", "quarantined", 9, reason="", operator="", acknowledged=False)],
        [move("probation", "active", 2)],
    ],
)
def test_lawful_moves_and_demotions_are_clear(history: list[dict[str, Any]]) -> None:
    answers = ask("INC-5", CALLS, history=history)
    assert set(verdicts(answers).values()) == {CLEAR}


def test_a_jump_to_trusted_is_found() -> None:
    answers = ask("INC-5", CALLS, history=[move("unknown", "trusted", 1)])
    assert answers[MOVES].verdict is FOUND
    assert answers[STOPPED].verdict is CLEAR


@pytest.mark.parametrize("extension", ["ext", None, "*"])
def test_calls_under_a_kill_switch_are_found(extension: str | None) -> None:
    history = [
        switch(2.5, activated=True, extension=extension),
        switch(4.5, activated=False, extension=extension),
    ]
    answers = ask("INC-5", CALLS, history=history)
    assert calls(answers[STOPPED]) == {"call-3", "call-4"}
    assert "under a kill switch" in answers[STOPPED].sentence
    assert answers[LIFTS].verdict is CLEAR


@pytest.mark.parametrize("missing", ["reason", "operator", "acknowledged"])
def test_a_lift_without_its_metadata_is_found_and_ends_nothing(missing: str) -> None:
    lift = {**switch(4.5, activated=False), missing: None}
    answers = ask("INC-5", CALLS, history=[switch(2.5, activated=True), lift])
    assert answers[LIFTS].verdict is FOUND
    assert answers[LIFTS].pointers[0].as_dict()["line"] == 2
    assert "ext" in answers[LIFTS].sentence
    assert calls(answers[STOPPED]) == {"call-3", "call-4", "call-5", "call-6"}


def test_without_a_history_only_the_runtimes_own_mark_is_found() -> None:
    answers = ask("INC-5", CALLS)
    assert set(verdicts(answers).values()) == {UNKNOWN}
    marked = make_bundle([entry(1, triggers=["quarantined_extension"])])
    assert ask("INC-5", marked)[STOPPED].verdict is FOUND


@pytest.mark.parametrize("lines", [[], [{"extension": "ext", "from": "unknown"}]])
def test_an_empty_or_faulty_history_is_unknown(lines: list[dict[str, Any]]) -> None:
    answers = ask("INC-5", CALLS, history=lines)
    assert set(verdicts(answers).values()) == {UNKNOWN}


def test_lines_out_of_order_are_read_by_their_time() -> None:
    answers = ask("INC-5", CALLS, history=[PROMOTION, QUARANTINE])
    assert calls(answers[STOPPED]) == {"call-3", "call-4"}


def test_untrusted_and_missing_ledgers_are_unknown_and_redaction_changes_nothing() -> (
    None
):
    broken = ask("INC-5", corrupted(CALLS, 1), history=[QUARANTINE])
    assert broken[STOPPED].verdict is UNKNOWN
    gone = ask("INC-5", without(CALLS, "risk_ledger"), history=[QUARANTINE])
    assert gone[STOPPED].verdict is UNKNOWN
    hidden = ask("INC-5", redacted(CALLS), history=[QUARANTINE])
    assert calls(hidden[STOPPED]) == {"call-3", "call-4", "call-5", "call-6"}
