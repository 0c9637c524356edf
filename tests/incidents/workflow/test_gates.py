"""The gate matrix: every condition missing, met and waived."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.workflow.conditions import (
    ANSWERED_IN,
    ITEM_OF_CONDITION,
    UNWAIVABLE,
    ConditionKey,
    OpenItem,
    Waiver,
)
from incidents.workflow.errors import ConditionError
from incidents.workflow.gate_facts import (
    BundleFact,
    ChoiceFact,
    GateFacts,
    ItemFact,
    PostmortemFact,
    SnapshotFact,
    Statement,
)
from incidents.workflow.gates import condition_keys, evaluate_gate
from incidents.workflow.incident_states import ItemKind, ItemState, RemediationKind
from incidents.workflow.phases import PHASE_ORDER, Phase

ANNA = "Anna Responder"
BRUNO = "Bruno Reviewer"
SAID = Statement(ANNA, "I looked, and it holds.")


def make_item(**fields: object) -> ItemFact:
    item = ItemFact(
        key="identify-call",
        kind=ItemKind.INVESTIGATION,
        phase=Phase.ANALYZE,
        required=True,
        state=ItemState.DONE,
        text="Identify the call.",
    )
    return replace(item, **fields)  # type: ignore[arg-type]


def items_of(phase: Phase, state: ItemState) -> tuple[ItemFact, ItemFact]:
    """Return two required items of a phase, the first in this state."""
    first = make_item(key=f"{phase}-first", phase=phase, state=state)
    return first, make_item(key=f"{phase}-second", phase=phase)


SIGNED = PostmortemFact(
    is_written=True,
    author=ANNA,
    signed_by=BRUNO,
    signature_is_current=True,
    artifacts_archived=True,
)
ROTATED = RemediationKind.CREDENTIAL_ROTATED
CHOSEN = ChoiceFact("rotate", "Rotate it.", required=True, chosen=True)
# Every gate passes on these.
FACTS = GateFacts(
    extension_ids=("node-tools",),
    kill_switched=frozenset({"node-tools"}),
    kill_confirmed=frozenset({"node-tools"}),
    isolation=SAID,
    bundles=(BundleFact("first.json", valid=True, chain_valid=True),),
    snapshots=(SnapshotFact("settings.json"),),
    root_cause=SAID,
    replay_viewed=SAID,
    items=tuple(
        item for phase in ANSWERED_IN for item in items_of(phase, ItemState.DONE)
    ),
    actions=(ROTATED,),
    choices=(CHOSEN,),
    postmortem=SIGNED,
)
# For each condition, the ways in which it fails: the facts, and words of the detail.
FAILING: dict[ConditionKey, list[tuple[GateFacts, str]]] = {
    ConditionKey.EXTENSION_KILLED: [
        (replace(FACTS, kill_switched=frozenset()), "node-tools"),
        (replace(FACTS, kill_switched=frozenset({"another"})), "node-tools"),
        (
            replace(FACTS, extension_ids=("node-tools", "pi-weather")),
            "other means stated: pi-weather",
        ),
        (replace(FACTS, extension_ids=()), "names no extension"),
        (
            replace(FACTS, kill_confirmed=frozenset()),
            "ordered, not confirmed: node-tools",
        ),
        (
            replace(
                FACTS,
                extension_ids=("node-tools", "pi-weather"),
                kill_confirmed=frozenset(),
            ),
            "other means stated: pi-weather; ordered, not confirmed: node-tools",
        ),
        (
            replace(
                FACTS, kill_switched=frozenset(), killed_otherwise=Statement("", "so")
            ),
            "node-tools",
        ),
        (
            replace(
                FACTS, kill_switched=frozenset(), killed_otherwise=Statement(ANNA, " ")
            ),
            "node-tools",
        ),
    ],
    ConditionKey.ISOLATION_VERIFIED: [
        (replace(FACTS, isolation=None), "nobody has said how"),
        (replace(FACTS, isolation=Statement("", "It is.")), "nobody has said how"),
        (replace(FACTS, isolation=Statement(ANNA, "")), "nobody has said how"),
    ],
    ConditionKey.BUNDLE_STORED: [
        (replace(FACTS, bundles=()), "attach an incident evidence bundle"),
    ],
    ConditionKey.CONFIGURATION_SNAPSHOT: [
        (replace(FACTS, snapshots=()), "take a snapshot"),
    ],
    ConditionKey.REPORTS_CURRENT: [
        (replace(FACTS, bundles=()), "no bundle to verify"),
        (
            replace(FACTS, bundles=(*FACTS.bundles, BundleFact("late.json"))),
            "no current report: late.json",
        ),
    ],
    ConditionKey.FAILURES_EXPLAINED: [
        (
            replace(FACTS, bundles=(BundleFact("bad.json", False, False),)),
            "not explained: bad.json",
        ),
        (
            replace(
                FACTS,
                bundles=(
                    BundleFact("a.json", False, False, SAID),
                    BundleFact("b.json", False, False, Statement("", "Known.")),
                    BundleFact("c.json", False, False, Statement(ANNA, " ")),
                ),
            ),
            "not explained: b.json; c.json",
        ),
    ],
    ConditionKey.ROOT_CAUSE_WRITTEN: [
        (replace(FACTS, root_cause=None), "which control failed"),
        (replace(FACTS, root_cause=Statement(ANNA, "\n")), "which control failed"),
    ],
    ConditionKey.REPLAY_VIEWED: [
        (replace(FACTS, replay_viewed=None), "open the forensic replay"),
    ],
    ConditionKey.ACTION_PROVEN: [
        (replace(FACTS, actions=()), "record an action"),
    ],
    ConditionKey.REMEDIATION_CHOSEN: [
        (replace(FACTS, choices=()), "choose a remediation"),
        (replace(FACTS, choices=(replace(CHOSEN, chosen=None),)), "Rotate it."),
        (replace(FACTS, choices=(replace(CHOSEN, chosen=False),)), "Rotate it."),
        (
            replace(
                FACTS,
                choices=(
                    replace(CHOSEN, chosen=None),
                    ChoiceFact("other", "Another.", chosen=True),
                ),
            ),
            "required and not chosen: Rotate it.",
        ),
        (
            replace(FACTS, choices=(ChoiceFact("other", "Another.", chosen=False),)),
            "choose a remediation",
        ),
    ],
    ConditionKey.POSTMORTEM_WRITTEN: [
        (replace(FACTS, postmortem=replace(SIGNED, is_written=False)), "write the"),
    ],
    ConditionKey.POSTMORTEM_SIGNED: [
        (replace(FACTS, postmortem=replace(SIGNED, signed_by="")), "has to sign"),
        (replace(FACTS, postmortem=replace(SIGNED, signed_by=ANNA)), "somebody else"),
        (
            replace(FACTS, postmortem=replace(SIGNED, signature_is_current=False)),
            f"edited after {BRUNO} signed",
        ),
    ],
    ConditionKey.ARTIFACTS_ARCHIVED: [
        (
            replace(FACTS, postmortem=replace(SIGNED, artifacts_archived=False)),
            "archive",
        ),
    ],
    **{
        key: [
            (
                replace(FACTS, items=items_of(phase, ItemState.OPEN)),
                "1 of 2 open: Identify the call.",
            )
        ]
        for phase, key in ANSWERED_IN.items()
    },
}
PHASE_OF = {key: phase for phase in PHASE_ORDER for key in condition_keys(phase)}
CASES = [
    pytest.param(key, facts, words, id=f"{key}-{number}")
    for key, ways in FAILING.items()
    for number, (facts, words) in enumerate(ways)
]


def waiver(key: ConditionKey) -> Waiver:
    return Waiver(key, by=BRUNO, reason="The machine is gone.")


def test_matrix_covers_every_condition() -> None:
    assert set(FAILING) == set(ConditionKey) == set(PHASE_OF)


def test_conditions_of_each_phase_are_the_runbooks() -> None:
    counts = [len(condition_keys(phase)) for phase in PHASE_ORDER]
    assert counts == [0, 3, 3, 3, 3, 3, 4]


@pytest.mark.parametrize("phase", PHASE_ORDER)
def test_gate_passes_where_everything_holds(phase: Phase) -> None:
    result = evaluate_gate(phase, FACTS)
    assert result.passed
    assert result.decision.allowed
    assert [c.met for c in result.conditions] == [True] * len(result.conditions)
    assert all(c.detail and c.anchor and c.text for c in result.conditions)


def test_detection_passes_by_itself() -> None:
    assert evaluate_gate(Phase.DETECT, GateFacts()).passed


@pytest.mark.parametrize("phase", PHASE_ORDER[1:])
def test_nothing_passes_on_an_empty_case(phase: Phase) -> None:
    assert not evaluate_gate(phase, GateFacts()).passed


@pytest.mark.parametrize(("key", "facts", "words"), CASES)
class TestEachCondition:
    def test_missing_refuses_and_names_it(
        self, key: ConditionKey, facts: GateFacts, words: str
    ) -> None:
        result = evaluate_gate(PHASE_OF[key], facts)
        assert not result.passed
        assert key in [condition.key for condition in result.failed]
        (condition,) = (c for c in result.conditions if c.key == key)
        assert words in condition.detail
        refusals = {r.code: r.message for r in result.decision.refusals}
        assert refusals[key] == f"{condition.text}: {condition.detail}"

    def test_waiving_another_condition_does_not_help(
        self, key: ConditionKey, facts: GateFacts, words: str
    ) -> None:
        phase = PHASE_OF[key]
        others = {other for other in condition_keys(phase) if other != key} - UNWAIVABLE
        result = evaluate_gate(phase, facts, waivers=map(waiver, others))
        assert key in [c.key for c in result.failed]


@pytest.mark.parametrize(
    ("key", "facts", "words"),
    [case for case in CASES if case.values[0] not in UNWAIVABLE],
)
def test_waived_passes_and_still_shows(
    key: ConditionKey, facts: GateFacts, words: str
) -> None:
    phase = PHASE_OF[key]
    failed = [c.key for c in evaluate_gate(phase, facts).failed]
    result = evaluate_gate(phase, facts, waivers=[waiver(key) for key in failed])
    assert result.passed
    assert [c.key for c in result.waived] == failed
    (condition,) = (c for c in result.conditions if c.key == key)
    assert not condition.met
    assert condition.waiver == waiver(key)
    assert words in condition.detail


@pytest.mark.parametrize("phase", PHASE_ORDER)
def test_waiving_any_subset_leaves_the_rest_in_the_way(phase: Phase) -> None:
    keys = [key for key in condition_keys(phase) if key not in UNWAIVABLE]
    # An empty case fails all but the failures that it has none of.
    failing = {c.key for c in evaluate_gate(phase, GateFacts()).failed}
    for size in range(len(keys) + 1):
        for chosen in combinations(keys, size):
            result = evaluate_gate(
                phase, GateFacts(), waivers=[waiver(key) for key in chosen]
            )
            assert {c.key for c in result.failed} == failing - set(chosen)


class TestWaiver:
    @pytest.mark.parametrize(("by", "reason"), [("", "x"), (BRUNO, ""), (BRUNO, " ")])
    def test_needs_a_name_and_a_reason(self, by: str, reason: str) -> None:
        with pytest.raises(ConditionError, match="reviewer's name and a reason"):
            Waiver(ConditionKey.BUNDLE_STORED, by=by, reason=reason)

    @pytest.mark.parametrize("key", sorted(UNWAIVABLE))
    def test_of_the_postmortem_is_refused(self, key: ConditionKey) -> None:
        with pytest.raises(ConditionError, match="cannot be waived"):
            waiver(key)
        conditions = evaluate_gate(Phase.POSTMORTEM, GateFacts()).conditions
        assert not any(condition.is_waivable for condition in conditions)

    def test_of_another_gate_is_refused(self) -> None:
        with pytest.raises(ConditionError, match="CONTAIN has no condition bundle"):
            evaluate_gate(
                Phase.CONTAIN, FACTS, waivers=[waiver(ConditionKey.BUNDLE_STORED)]
            )

    def test_of_a_condition_that_holds_counts_as_met(self) -> None:
        key = ConditionKey.BUNDLE_STORED
        result = evaluate_gate(Phase.COLLECT, FACTS, waivers=[waiver(key)])
        assert result.passed
        assert result.waived == ()


class TestOtherWaysToMeet:
    def test_extension_killed_by_stated_means(self) -> None:
        facts = replace(FACTS, kill_switched=frozenset(), killed_otherwise=SAID)
        killed, *_ = evaluate_gate(Phase.CONTAIN, facts).conditions
        assert killed.met
        assert killed.detail == f"stated by {ANNA}: {SAID.text}"

    def test_order_without_confirmation_goes_on_only_with_a_reason_that_shows(
        self,
    ) -> None:
        ordered = replace(FACTS, kill_confirmed=frozenset())
        refused, *_ = evaluate_gate(Phase.CONTAIN, ordered).conditions
        assert (refused.met, refused.is_ordered) == (False, True)
        stated = replace(ordered, killed_otherwise=SAID)
        killed, *_ = evaluate_gate(Phase.CONTAIN, stated).conditions
        assert (killed.met, killed.is_ordered) == (True, True)
        assert killed.detail == (
            f"ordered, not confirmed: node-tools; stated by {ANNA}: {SAID.text}"
        )

    def test_confirmation_rests_on_no_order(self) -> None:
        killed, *_ = evaluate_gate(Phase.CONTAIN, FACTS).conditions
        assert (killed.met, killed.is_ordered) == (True, False)
        assert killed.detail == "kill switch confirmed for node-tools"

    def test_failed_bundle_explained_by_name(self) -> None:
        bad = BundleFact("bad.json", False, True, SAID)
        assert evaluate_gate(Phase.VERIFY, replace(FACTS, bundles=(bad,))).passed

    @pytest.mark.parametrize(
        ("is_finding", "chain_valid", "passes"),
        [(True, False, True), (False, False, False), (True, True, False)],
    )
    def test_broken_chain_explains_itself_in_a_ledger_case(
        self, is_finding: bool, chain_valid: bool, passes: bool
    ) -> None:
        facts = replace(
            FACTS,
            bundles=(BundleFact("bad.json", False, chain_valid),),
            failed_verification_is_finding=is_finding,
        )
        assert evaluate_gate(Phase.VERIFY, facts).passed is passes

    def test_report_is_still_needed_in_a_ledger_case(self) -> None:
        facts = replace(
            FACTS,
            bundles=(BundleFact("new.json"),),
            failed_verification_is_finding=True,
        )
        failed = evaluate_gate(Phase.VERIFY, facts).failed
        assert [c.key for c in failed] == [ConditionKey.REPORTS_CURRENT]

    @pytest.mark.parametrize(
        "state", [ItemState.DONE, ItemState.NOT_APPLICABLE, ItemState.FAILED]
    )
    def test_any_answer_counts(self, state: ItemState) -> None:
        facts = replace(FACTS, items=(make_item(state=state),))
        assert evaluate_gate(Phase.ANALYZE, facts).passed

    @pytest.mark.parametrize("phase", ANSWERED_IN)
    @pytest.mark.parametrize("kind", ItemKind)
    def test_required_item_of_any_kind_holds_up_its_phase_and_no_other(
        self, phase: Phase, kind: ItemKind
    ) -> None:
        item = make_item(key="asked", phase=phase, kind=kind, state=ItemState.OPEN)
        facts = replace(FACTS, items=(item,))
        refusing = [other for other in Phase if not evaluate_gate(other, facts).passed]
        assert refusing == [phase]
        (failed,) = evaluate_gate(phase, facts).failed
        assert failed.key == ANSWERED_IN[phase]
        assert failed.open_items == (OpenItem("asked", "Identify the call."),)

    @pytest.mark.parametrize("phase", ANSWERED_IN)
    def test_item_that_is_not_required_holds_nothing_up(self, phase: Phase) -> None:
        item = make_item(phase=phase, state=ItemState.OPEN, required=False)
        assert evaluate_gate(phase, replace(FACTS, items=(item,))).passed

    @pytest.mark.parametrize("key", ITEM_OF_CONDITION)
    def test_item_with_a_condition_of_its_own_is_asked_for_once(
        self, key: ConditionKey
    ) -> None:
        phase = PHASE_OF[key]
        item = make_item(key=ITEM_OF_CONDITION[key], phase=phase, state=ItemState.OPEN)
        assert evaluate_gate(phase, replace(FACTS, items=(item,))).passed

    @pytest.mark.parametrize("key", ITEM_OF_CONDITION)
    def test_its_answer_taken_back_holds_its_phase_up(self, key: ConditionKey) -> None:
        phase = PHASE_OF[key]
        item = make_item(
            key=ITEM_OF_CONDITION[key],
            phase=phase,
            state=ItemState.OPEN,
            is_taken_back=True,
        )
        (failed,) = evaluate_gate(phase, replace(FACTS, items=(item,))).failed
        assert failed.key == ANSWERED_IN[phase]

    def test_containment_asks_for_no_boxes_of_its_own(self) -> None:
        facts = replace(FACTS, items=())
        keys = [
            condition.key
            for condition in evaluate_gate(Phase.CONTAIN, facts).conditions
        ]
        assert keys == [
            ConditionKey.EXTENSION_KILLED,
            ConditionKey.ISOLATION_VERIFIED,
        ]

    def test_any_choice_will_do_where_none_is_required(self) -> None:
        facts = replace(
            FACTS,
            choices=(
                ChoiceFact("a", "A.", chosen=False),
                ChoiceFact("b", "B.", chosen=True),
            ),
        )
        assert evaluate_gate(Phase.REMEDIATE, facts).passed


def test_long_lists_are_cut() -> None:
    ids = tuple(f"ext-{number}" for number in range(9))
    facts = replace(FACTS, extension_ids=ids)
    detail = evaluate_gate(Phase.CONTAIN, facts).failed[0].detail
    assert detail.endswith("ext-4; and 4 more")


@given(st.lists(st.sampled_from(["valid", "invalid", "none", "explained"]), max_size=6))
def test_verify_passes_only_with_every_bundle_accounted_for(kinds: list[str]) -> None:
    bundles = {
        "valid": BundleFact("v", True, True),
        "invalid": BundleFact("i", False, False),
        "none": BundleFact("n"),
        "explained": BundleFact("e", False, False, SAID),
    }
    facts = replace(FACTS, bundles=tuple(bundles[kind] for kind in kinds))
    accounted = bool(kinds) and set(kinds) <= {"valid", "explained"}
    assert evaluate_gate(Phase.VERIFY, facts).passed is accounted


def test_items_of_conditions_are_in_every_playbook() -> None:
    from tests.incidents.workflow.test_playbooks import CODES, load

    for code in CODES:
        keys = {item.key for item in load(code).checklist}
        assert set(ITEM_OF_CONDITION.values()) <= keys
