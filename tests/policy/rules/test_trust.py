"""Trust states: every pair, every requirement, and no way round a second person."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.rules.errors import TrustTransitionError
from policy.rules.trust import (
    CAPABILITIES_BY_TRUST,
    TransitionFacts,
    TrustChange,
    TrustState,
    can_move,
    decide_transition,
    is_hostcall_allowed_for_trust,
    needs_reviewer,
    require_transition,
    state_at,
)

ALLOWED = {
    ("unknown", "probation"),
    ("probation", "trusted"),
    ("unknown", "quarantined"),
    ("probation", "quarantined"),
    ("trusted", "quarantined"),
    ("quarantined", "probation"),
}
CAPABILITIES = [
    "read",
    "write",
    "http",
    "events",
    "session",
    "ui",
    "exec",
    "env",
    "tool",
    "log",
]


def make_facts(from_state, to_state, **changes):
    fields = {
        "reason": "reviewed the code",
        "requested_by": "rita",
        "approved_by": "ravi",
        "approver_is_reviewer": True,
    }
    return TransitionFacts(
        TrustState(from_state), TrustState(to_state), **(fields | changes)
    )


@pytest.mark.parametrize(
    ("from_state", "to_state"), list(product(TrustState, TrustState))
)
def test_every_pair_of_states_is_a_move_or_is_refused(from_state, to_state):
    if (from_state, to_state) in ALLOWED:
        require_transition(from_state, to_state)
    else:
        with pytest.raises(TrustTransitionError, match=f"and not {to_state}"):
            require_transition(from_state, to_state)
        decision = decide_transition(make_facts(from_state, to_state))
        assert "move_does_not_exist" in decision.codes


def test_quarantined_to_trusted_in_one_step_is_refused_by_name():
    with pytest.raises(
        TrustTransitionError, match="quarantined can only become probation"
    ):
        require_transition(TrustState.QUARANTINED, TrustState.TRUSTED)


@pytest.mark.parametrize(("from_state", "to_state"), sorted(ALLOWED))
def test_every_move_is_allowed_with_all_that_it_needs(from_state, to_state):
    assert decide_transition(make_facts(from_state, to_state)).allowed


@pytest.mark.parametrize("from_state", ["unknown", "probation", "trusted"])
def test_demotion_needs_one_person_and_nothing_else(from_state):
    facts = make_facts(
        from_state,
        "quarantined",
        approved_by=None,
        approver_is_reviewer=False,
        kill_switch_active=True,
        open_cases=("SEC-INC-2026-0001",),
    )
    assert decide_transition(facts).allowed


@pytest.mark.parametrize(("from_state", "to_state"), sorted(ALLOWED))
def test_every_move_needs_a_reason_and_an_actor(from_state, to_state):
    facts = make_facts(from_state, to_state, reason="  ", requested_by="")
    assert {"reason_missing", "actor_missing"} <= set(decide_transition(facts).codes)


PROMOTIONS = [("quarantined", "probation"), ("probation", "trusted")]


@pytest.mark.parametrize(("from_state", "to_state"), PROMOTIONS)
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"approved_by": None}, "reviewer_missing"),
        ({"approved_by": " "}, "reviewer_missing"),
        ({"approver_is_reviewer": False}, "reviewer_missing"),
        ({"approved_by": "rita"}, "second_person_missing"),
        ({"approved_by": " rita "}, "second_person_missing"),
        ({"kill_switch_active": True}, "kill_switch_active"),
    ],
)
def test_promotion_is_refused_for_what_it_lacks(from_state, to_state, changes, code):
    decision = decide_transition(make_facts(from_state, to_state, **changes))
    assert decision.codes == (code,)


def test_an_approval_counts_for_nothing_until_it_is_known_to_be_a_reviewers():
    facts = TransitionFacts(
        TrustState.PROBATION, TrustState.TRUSTED, "fine", "rita", approved_by="ravi"
    )
    assert decide_transition(facts).codes == ("reviewer_missing",)


@pytest.mark.parametrize(("from_state", "to_state"), PROMOTIONS)
def test_open_case_bars_every_promotion_unless_an_exception_is_stated(
    from_state, to_state
):
    facts = {"open_cases": ("SEC-INC-2026-0007",)}
    refused = decide_transition(make_facts(from_state, to_state, **facts))
    assert refused.codes == ("open_case",)
    assert "SEC-INC-2026-0007" in refused.refusals[0].message
    excepted = facts | {"open_case_exception": "false alarm, being closed"}
    assert decide_transition(make_facts(from_state, to_state, **excepted)).allowed


def test_every_refusal_is_listed_at_once():
    facts = make_facts(
        "quarantined",
        "probation",
        reason="",
        approved_by="rita",
        approver_is_reviewer=False,
        kill_switch_active=True,
        open_cases=("SEC-INC-2026-0001",),
    )
    assert decide_transition(facts).codes == (
        "reason_missing",
        "reviewer_missing",
        "second_person_missing",
        "kill_switch_active",
        "open_case",
    )


PEOPLE = ["rita", "ravi", "", None]
moves = st.builds(
    lambda to, **fields: (to, fields),
    st.sampled_from(TrustState),
    reason=st.sampled_from(["because", ""]),
    requested_by=st.sampled_from(["rita", "ravi", ""]),
    approved_by=st.sampled_from(PEOPLE),
    approver_is_reviewer=st.booleans(),
    kill_switch_active=st.booleans(),
    open_cases=st.sampled_from([(), ("SEC-INC-2026-0001",)]),
    open_case_exception=st.sampled_from(["", "stated"]),
)


@given(st.lists(moves, max_size=30))
def test_no_sequence_of_moves_gets_round_the_rules(attempts):
    """Whatever is tried in whatever order: each step taken is one the facts have."""
    state = TrustState.UNKNOWN
    for target, fields in attempts:
        facts = TransitionFacts(from_state=state, to_state=target, **fields)
        if not decide_transition(facts).allowed:
            continue
        assert (state, target) in ALLOWED
        assert (state, target) != ("quarantined", "trusted")
        assert fields["reason"]
        assert fields["requested_by"]
        if state is TrustState.QUARANTINED or target is TrustState.TRUSTED:
            assert fields["approved_by"] not in (None, "", fields["requested_by"])
            assert fields["approver_is_reviewer"]
            assert not fields["kill_switch_active"]
            assert not fields["open_cases"] or fields["open_case_exception"]
        state = target


def test_the_moves_with_a_second_person_are_the_two_promotions():
    needing = {
        (a, b)
        for a, b in product(TrustState, TrustState)
        if can_move(a, b) and needs_reviewer(a, b)
    }
    assert needing == set(PROMOTIONS)


@pytest.mark.parametrize(
    ("state", "allowed"),
    [
        ("quarantined", []),
        ("unknown", ["log"]),
        ("probation", ["read", "http", "events", "session", "ui", "tool", "log"]),
        ("trusted", CAPABILITIES),
    ],
)
def test_each_state_lets_through_what_the_table_says(state, allowed):
    state = TrustState(state)
    through = [c for c in CAPABILITIES if is_hostcall_allowed_for_trust(state, c)]
    assert through == allowed
    assert CAPABILITIES_BY_TRUST[state] == set(allowed)


@pytest.mark.parametrize("state", TrustState)
def test_unknown_names_pass_only_where_policy_has_the_word(state):
    is_trusted = state is TrustState.TRUSTED
    assert is_hostcall_allowed_for_trust(state, "teleport") is is_trusted
    assert not is_hostcall_allowed_for_trust(state, " ")
    assert is_hostcall_allowed_for_trust(state, "EXEC") is is_trusted


NOW = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
HISTORY = [
    TrustChange(NOW, TrustState.UNKNOWN, TrustState.PROBATION),
    TrustChange(NOW + HOUR, TrustState.PROBATION, TrustState.TRUSTED),
    TrustChange(NOW + HOUR, TrustState.TRUSTED, TrustState.QUARANTINED),
]


@pytest.mark.parametrize(
    ("moment", "state"),
    [
        (NOW - timedelta(microseconds=1), TrustState.UNKNOWN),
        (NOW, TrustState.PROBATION),
        (NOW + HOUR - timedelta(microseconds=1), TrustState.PROBATION),
        (NOW + HOUR, TrustState.QUARANTINED),
        (NOW + 99 * HOUR, TrustState.QUARANTINED),
    ],
)
def test_state_at_a_past_moment(moment, state):
    assert state_at(HISTORY, moment) is state


def test_state_of_an_empty_history_is_unknown():
    assert state_at([], NOW) is TrustState.UNKNOWN
