"""Kill switches: states, lifts, and what the runtime must run."""

import json
from itertools import product

import pytest

from policy.rules.errors import KillSwitchError
from policy.rules.kill_switch import (
    KillSwitchScope,
    KillSwitchState,
    LiftFacts,
    decide_lift,
    is_active,
    require_kill_switch_move,
    runtime_instruction,
)
from policy.rules.precedence import Verdict, evaluate_all
from policy.rules.settings_document import SettingsSnapshot, parse_settings

MOVES = {("ordered", "confirmed"), ("ordered", "lifted"), ("confirmed", "lifted")}


@pytest.mark.parametrize(
    ("from_state", "to_state"), list(product(KillSwitchState, KillSwitchState))
)
def test_every_pair_of_states_is_a_move_or_is_refused(from_state, to_state):
    if (from_state, to_state) in MOVES:
        require_kill_switch_move(from_state, to_state)
    else:
        with pytest.raises(KillSwitchError, match=f"cannot become {to_state}"):
            require_kill_switch_move(from_state, to_state)


def test_an_order_without_confirmation_is_active():
    assert [is_active(state) for state in KillSwitchState] == [True, True, False]


def make_facts(**changes):
    fields = {
        "state": KillSwitchState.CONFIRMED,
        "activated_by": "rita",
        "requested_by": "rosa",
        "reason": "the fix is in",
        "approved_by": "ravi",
        "approver_is_reviewer": True,
    }
    return LiftFacts(**(fields | changes))


@pytest.mark.parametrize("state", ["ordered", "confirmed"])
def test_a_standing_switch_is_lifted_with_all_that_it_needs(state):
    assert decide_lift(make_facts(state=KillSwitchState(state))).allowed


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state": KillSwitchState.LIFTED}, "already_lifted"),
        ({"requested_by": ""}, "actor_missing"),
        ({"reason": " "}, "reason_missing"),
        ({"approved_by": None}, "reviewer_missing"),
        ({"approver_is_reviewer": False}, "reviewer_missing"),
        ({"requested_by": "ravi"}, "reviewer_is_requester"),
        ({"activated_by": "ravi"}, "reviewer_is_activator"),
        ({"case_before_remediate": True}, "case_before_remediate"),
        ({"case_before_remediate": True, "exception": " "}, "case_before_remediate"),
    ],
)
def test_a_lift_is_refused_for_what_it_lacks(changes, code):
    assert decide_lift(make_facts(**changes)).codes == (code,)


def test_an_approval_counts_for_nothing_until_it_is_known_to_be_a_reviewers():
    facts = LiftFacts(
        KillSwitchState.ORDERED, "rita", "rosa", "fixed", approved_by="ravi"
    )
    assert decide_lift(facts).codes == ("reviewer_missing",)


def test_a_reviewers_exception_lets_a_lift_come_before_remediate():
    facts = make_facts(case_before_remediate=True, exception="wrong extension killed")
    assert decide_lift(facts).allowed


def test_killing_everything_is_the_runbooks_command():
    instruction = runtime_instruction(KillSwitchScope.ALL)
    assert instruction.command == "pi --no-extensions"
    assert instruction.settings_patch is None


@pytest.mark.parametrize("profile", ["safe", "balanced", "permissive"])
def test_patch_for_one_extension_denies_it_every_capability(profile):
    """The patch is applied as RFC 7396 has it, and read back as the runtime would."""
    instruction = runtime_instruction(KillSwitchScope.EXTENSION, "left-pad")
    settings = {
        "extensionPolicy": {
            "profile": profile,
            "allowDangerous": True,
            "perExtension": {"left-pad": {"mode": "permissive", "allow": ["exec"]}},
        }
    }
    merged = merge_patch(settings, instruction.settings_patch)
    snapshot = SettingsSnapshot(parse_settings(json.dumps(merged).encode()))
    decisions = evaluate_all(snapshot.effective, "left-pad").values()
    assert {d.decision for d in decisions} == {Verdict.DENY}
    assert {d.reason.value for d in decisions} == {"extension_deny"}
    assert not snapshot.settings.faults


def merge_patch(target, patch):
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def test_instruction_for_one_extension_states_its_limits():
    instruction = runtime_instruction(KillSwitchScope.EXTENSION, "left-pad")
    assert "no command that unloads a single extension" in instruction.limits
    assert "pi --no-extensions" in instruction.limits


def test_a_kill_switch_of_one_extension_needs_the_extension():
    with pytest.raises(KillSwitchError, match="The extension to stop is missing"):
        runtime_instruction(KillSwitchScope.EXTENSION)
