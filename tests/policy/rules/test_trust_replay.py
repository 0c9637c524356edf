"""The runtime's record replayed: every illegal move is found, no legal one is."""

import gzip
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policy.rules.errors import DocumentError
from policy.rules.runtime_history import (
    MAX_HISTORY_BYTES,
    MAX_LINE_BYTES,
    MAX_LINES,
    RuntimeState,
    parse_runtime_history,
)
from policy.rules.trust import TrustState, can_move
from policy.rules.trust_replay import ExtensionTrustTracker, replay_runtime_history

START_MS = 1_760_000_000_000
START = datetime(2025, 10, 9, 8, 53, 20, tzinfo=UTC)


def move(from_state, to_state, extension="ext", **changes):
    return {
        "extension": extension,
        "from": from_state,
        "to": to_state,
        "reason": "reviewed",
        "operator": "rita",
        "acknowledged": True,
    } | changes


def kill(extension="ext", **changes):
    return {
        "event": "kill_switch_activated",
        "extension": extension,
        "reason": "incident",
        "operator": "rita",
        "acknowledged": True,
    } | changes


def lift(extension="ext", **changes):
    return kill(extension) | {"event": "kill_switch_lifted"} | changes


def to_bytes(lines):
    timed = (
        {"time": START_MS + 1000 * index} | line for index, line in enumerate(lines)
    )
    return "\n".join(map(json.dumps, timed)).encode()


def replay(*lines, **options):
    history = parse_runtime_history(to_bytes(lines))
    assert history.faults == ()
    findings = replay_runtime_history(history.records, **options)
    return [(finding.line, finding.code.value) for finding in findings]


def test_a_lawful_history_has_no_findings():
    assert not replay(
        move("Unknown", "Probation"),
        move("Probation", "Active"),
        move("Active", "Trusted"),
        move("Trusted", "Active"),
        kill(),
        move("Trusted", "Quarantined"),
        lift(),
        move("Quarantined", "Probation"),
        move("Probation", "Active"),
    )


@pytest.mark.parametrize(
    ("from_state", "to_state"), list(product(TrustState, TrustState))
)
def test_every_pair_of_states_is_found_where_the_rules_have_no_such_move(
    from_state, to_state
):
    found = replay(move(from_state, to_state))
    if from_state is to_state or can_move(from_state, to_state):
        assert found == []
    elif from_state is TrustState.QUARANTINED:
        assert found == [(1, "quarantine_escape")]
    else:
        assert found == [(1, "move_does_not_exist")]


def test_quarantined_to_active_without_a_promotion_is_an_escape():
    history = parse_runtime_history(
        to_bytes([move("Trusted", "Quarantined"), move("Quarantined", "Active")])
    )
    (finding,) = replay_runtime_history(history.records)
    assert finding.code.value == "quarantine_escape"
    assert (finding.line, finding.extension, finding.operator) == (2, "ext", "rita")
    assert finding.at == START + timedelta(seconds=1)
    assert finding.from_state is RuntimeState.QUARANTINED
    assert finding.to_state is RuntimeState.ACTIVE
    assert finding.is_refused
    assert "without a valid promotion" in finding.message


def test_a_promotion_that_the_rules_refuse_does_not_excuse_what_follows():
    assert replay(
        move("Trusted", "Quarantined"),
        move("Quarantined", "Probation", acknowledged=False),
        move("Probation", "Active"),
        move("Active", "Trusted"),
    ) == [
        (2, "promotion_without_audit_metadata"),
        (3, "quarantine_escape"),
        (4, "quarantine_escape"),
    ]


@pytest.mark.parametrize("missing", ["reason", "operator"])
@pytest.mark.parametrize("value", [None, "", "  "])
@pytest.mark.parametrize(
    ("from_state", "to_state", "code"),
    [
        ("unknown", "probation", "move_without_audit_metadata"),
        ("trusted", "quarantined", "move_without_audit_metadata"),
        ("probation", "trusted", "promotion_without_audit_metadata"),
        ("quarantined", "probation", "promotion_without_audit_metadata"),
    ],
)
def test_a_move_without_reason_or_operator_is_found(
    missing, value, from_state, to_state, code
):
    assert replay(move(from_state, to_state, **{missing: value})) == [(1, code)]


def test_demotion_needs_no_acknowledgement():
    assert replay(move("trusted", "quarantined", acknowledged=False)) == []


def test_promotion_while_a_kill_switch_is_active_is_found():
    found = replay(
        kill(), move("Quarantined", "Probation"), move("Probation", "Active")
    )
    assert found == [(2, "promotion_under_kill_switch"), (3, "quarantine_escape")]


@pytest.mark.parametrize("scope", [None, "*"])
def test_killing_all_quarantines_extensions_seen_before_and_after(scope):
    assert replay(
        move("unknown", "probation", "old"),
        kill(scope),
        move("probation", "active", "old"),
        move("unknown", "active", "new"),
    ) == [(3, "quarantine_escape"), (4, "quarantine_escape")]


@pytest.mark.parametrize("missing", ["reason", "operator", "acknowledged"])
def test_lift_without_audit_metadata_is_found(missing):
    bare = {key: value for key, value in lift().items() if key != missing}
    assert replay(kill(), bare) == [(2, "lift_without_audit_metadata")]


def test_activation_without_audit_metadata_is_found():
    assert replay(kill(operator="")) == [(1, "activation_without_audit_metadata")]


def test_lift_without_an_activation_is_found():
    assert replay(lift()) == [(1, "lift_without_activation")]
    assert replay(kill(None), lift("ext")) == [(2, "lift_without_activation")]
    assert replay(kill(None), lift(None), lift(None)) == [
        (3, "lift_without_activation")
    ]


@pytest.mark.parametrize(
    ("allowed_from", "found"),
    [
        (None, [(2, "lift_too_early")]),
        (START + timedelta(milliseconds=1001), [(2, "lift_too_early")]),
        (START + timedelta(milliseconds=1000), []),
    ],
)
@pytest.mark.parametrize("scope", ["ext", None])
def test_lift_before_the_case_reached_remediate_is_found(allowed_from, found, scope):
    lines = kill(scope), lift(scope)
    assert replay(*lines, lift_allowed_from={"ext": allowed_from}) == found


def test_lift_that_names_a_state_is_judged_as_a_move():
    found = replay(kill(), lift(**{"from": "Quarantined", "to": "Active"}))
    assert found == [(2, "quarantine_escape")]


def test_a_missing_move_and_time_running_back_are_noted_and_not_refusals():
    history = parse_runtime_history(
        to_bytes(
            [
                move("unknown", "probation"),
                move("trusted", "quarantined", time=START_MS - 1),
            ]
        )
    )
    findings = replay_runtime_history(history.records)
    assert [f.code.value for f in findings] == ["time_goes_back", "from_state_mismatch"]
    assert not any(finding.is_refused for finding in findings)


def test_lines_of_the_same_time_are_in_order():
    same = {"time": START_MS}
    first, second = move("unknown", "probation"), move("probation", "quarantined")
    assert replay(first | same, second | same) == []


def test_a_line_that_changes_nothing_is_held_against_nobody():
    assert replay(move("trusted", "trusted", operator="", reason="")) == []


def test_a_record_may_begin_with_a_running_extension():
    assert replay(move("Active", "Quarantined")) == []


def test_running_without_having_started_is_a_missing_move():
    found = replay(move("unknown", "probation"), move("Active", "Quarantined"))
    assert found == [(2, "from_state_mismatch")]


def test_a_second_way_out_of_quarantine_needs_its_own_acknowledgement():
    found = replay(
        move("quarantined", "probation"),
        move("quarantined", "probation", acknowledged=False),
    )
    assert found == [
        (2, "from_state_mismatch"),
        (2, "promotion_without_audit_metadata"),
    ]


def test_activation_needs_no_acknowledgement():
    assert replay(kill(acknowledged=False)) == []


def test_extensions_do_not_mix():
    assert not replay(
        move("unknown", "quarantined", "a"), move("unknown", "active", "b")
    )


@pytest.mark.parametrize("claimed", ["trusted", "probation", "active"])
def test_an_extension_first_seen_after_a_kill_all_is_still_in_quarantine(claimed):
    found = replay(kill(None), lift(None), move(claimed, "active", "late"))
    assert found == [(3, "quarantine_escape")]


def test_an_extension_that_is_new_after_a_kill_all_begins_unknown():
    assert not replay(
        kill(None),
        lift(None),
        move("unknown", "probation", "new"),
        move("probation", "trusted", "new"),
        move("quarantined", "probation", "old"),
    )


def test_a_record_that_begins_with_a_lift_knows_of_a_quarantine_before_it():
    begun = [(1, "lift_without_activation")]
    for scope in ("ext", None):
        assert replay(lift(scope), move("trusted", "active")) == [
            *begun,
            (2, "quarantine_escape"),
        ]
        assert replay(lift(scope), move("quarantined", "probation")) == begun


@pytest.mark.parametrize("claimed", ["probation", "unknown", "active"])
def test_a_move_that_starts_elsewhere_promotes_nobody_out_of_quarantine(claimed):
    found = replay(
        kill(), lift(), move(claimed, "probation"), move("probation", "trusted")
    )
    assert (3, "quarantine_escape") in found
    assert (4, "quarantine_escape") in found


def test_a_move_that_ends_where_it_starts_promotes_nobody():
    found = replay(
        move("unknown", "probation"),
        move("probation", "trusted", acknowledged=False),
        move("trusted", "trusted"),
    )
    assert found == [
        (2, "promotion_without_audit_metadata"),
        (3, "move_does_not_exist"),
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [("x", "x "), ("x", "X"), ("x", "\tx"), ("x", "х"), ("tool-l", "tool-I")],
)
def test_names_that_look_alike_are_noted_once(first, second):
    found = replay(
        move("unknown", "probation", first),
        move("unknown", "probation", second),
        move("probation", "trusted", second),
        kill(first),
    )
    assert found == [(2, "lookalike_name")]


def test_a_lookalike_is_named_with_the_line_it_looks_like():
    lines = [move("unknown", "probation", "x"), kill("x\u200b")]
    history = parse_runtime_history(to_bytes(lines))
    (finding,) = replay_runtime_history(history.records)
    assert not finding.is_refused
    assert "“x⟨U+200B⟩” is not “x” of line 1" in finding.message


@pytest.mark.parametrize("name", ["", " ", "\t\n", " *", "* "])
@pytest.mark.parametrize("make", [kill, lift])
def test_white_space_names_no_extension_and_not_all(make, name):
    history = parse_runtime_history(to_bytes([make(name), make(None), make("*")]))
    assert [
        (line_fault.line, line_fault.fault.path) for line_fault in history.faults
    ] == [(1, "$.extension")]
    assert [record.extension for record in history.records] == [None, None]


@pytest.mark.parametrize("name", ["", "  ", "*", None])
def test_a_move_names_its_extension(name):
    history = parse_runtime_history(to_bytes([move("unknown", "probation", name)]))
    assert [line_fault.fault.path for line_fault in history.faults] == ["$.extension"]
    assert history.records == ()


lawless_moves = st.builds(
    move,
    st.sampled_from(RuntimeState),
    st.sampled_from(RuntimeState),
    acknowledged=st.booleans(),
    operator=st.sampled_from(["rita", ""]),
)
lines = st.lists(lawless_moves | st.just(kill()) | st.just(lift()), max_size=25)


@given(lines)
def test_the_rules_never_leave_quarantine_but_by_an_acknowledged_promotion(history):
    tracker = ExtensionTrustTracker()
    before = tracker.state_by_rules("ext")
    for index, record in enumerate(parse_runtime_history(to_bytes(history)).records):
        findings = tracker.observe(record)
        after = tracker.state_by_rules("ext")
        if index and before is TrustState.QUARANTINED and after is not before:
            assert after is TrustState.PROBATION
            assert record.acknowledged
            assert record.operator
            assert not any(finding.is_refused for finding in findings)
        if index and after is TrustState.TRUSTED and before is not after:
            assert before is TrustState.PROBATION
            assert record.acknowledged
        before = after


# --- reading the record


def faults_of(*raw):
    history = parse_runtime_history(b"\n".join(raw))
    found = [(f.line, f.fault.path, f.fault.code) for f in history.faults]
    return found, [record.line for record in history.records]


GOOD = json.dumps(move("unknown", "probation", time=START_MS)).encode()


def test_faulty_lines_are_named_and_the_others_are_read():
    found, read = faults_of(
        GOOD,
        b"",
        b"{",
        b"[]",
        GOOD[:-1] + b', "from": "trusted"}',
        GOOD.replace(b"unknown", b"angry"),
        GOOD.replace(b'"ext"', b'""'),
        GOOD.replace(b'"time"', b'"when"'),
        GOOD.replace(str(START_MS).encode(), b'"2025-10-09T08:53:20"'),
        GOOD.replace(b'"rita"', b"5"),
        b'{"event": "party", "time": 1}',
        GOOD,
    )
    assert read == [1, 10, 12]
    assert [(line, path) for line, path, _ in found if line != 3] == [
        (4, "$"),
        (5, "$.from"),
        (6, "$.from"),
        (7, "$.extension"),
        (8, "$.time"),
        (9, "$.time"),
        (10, "$.operator"),
        (11, "$.event"),
    ]
    assert [line for line, _, _ in found].count(3) == 1


@pytest.mark.parametrize(
    "time",
    [START_MS, "2025-10-09T08:53:20Z", "2025-10-09T10:53:20+02:00"],
)
def test_time_is_milliseconds_or_rfc_3339(time):
    (record,) = parse_runtime_history(
        json.dumps(move("unknown", "probation", time=time)).encode()
    ).records
    assert record.at == START


@pytest.mark.parametrize("time", [10**15 * 9, True, None, "soon", 1.5, "1e400"])
def test_other_times_are_faults(time):
    data = json.dumps(move("unknown", "probation", time=time)).encode()
    history = parse_runtime_history(data)
    assert history.records == ()
    assert {fault.fault.path for fault in history.faults} == {"$.time"}


def test_longer_names_are_read_too():
    line = {
        "extension_id": "ext",
        "previous_state": "Trusted",
        "new_state": "Quarantined",
        "ts_ms": START_MS,
        "activated": True,
        "operator": "rita",
        "reason": "incident",
    }
    (record,) = parse_runtime_history(json.dumps(line).encode()).records
    assert record.event.value == "kill_switch_activated"
    assert (record.extension, record.at) == ("ext", START)
    assert record.to_state is RuntimeState.QUARANTINED


def test_one_meaning_under_two_names_is_a_fault():
    line = move("unknown", "probation", time=START_MS) | {"to_state": "trusted"}
    history = parse_runtime_history(json.dumps(line).encode())
    assert history.records == ()
    assert [f.fault.code for f in history.faults] == ["duplicate"]


def test_a_record_that_is_too_large_is_refused():
    for data in (b" " * (MAX_HISTORY_BYTES + 1), b"\n" * MAX_LINES):
        with pytest.raises(DocumentError, match="Import it in parts"):
            parse_runtime_history(data)
    assert parse_runtime_history(b"\n" * (MAX_LINES - 1)).faults == ()


def test_a_line_that_is_too_long_or_packed_costs_no_other():
    """What a line unpacks to may be a thousand times its size, and lines are many."""
    long = b'{"reason":"' + b"x" * MAX_LINE_BYTES + b'"}'
    packed = gzip.compress(b'{"reason":"%s"}' % (b"x" * 100), mtime=0)
    assert b"\n" not in packed
    fine = to_bytes([move("Trusted", "Quarantined")])
    history = parse_runtime_history(b"\n".join([long, packed, fine]))
    said = [(fault.line, fault.fault.code) for fault in history.faults]
    assert said == [(1, "too_large"), (2, "not_utf8")]
    assert [record.line for record in history.records] == [3]


@given(st.binary(max_size=300))
@example(b"\x1f\x8b\x08")
def test_no_bytes_make_reading_raise_but_a_damaged_wrapping(data):
    with suppress(DocumentError):
        parse_runtime_history(data)
