"""INC-3: the break, its diagnosis, what comes after it, and ledgers side by side."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evidence.format import IncidentBundleFilter, build_bundle, seal_bundle
from evidence.simulation import simulate_document
from tests.incidents.findings.bundles import (
    CLEAR,
    FOUND,
    NOTHING,
    START_MS,
    UNKNOWN,
    ask,
    corrupted,
    entry,
    make_bundle,
    redacted,
    verdicts,
    without,
)

BREAK, DIAGNOSIS, AFTER, AGREE = (
    "chain-break",
    "diagnosis",
    "decisions-after-break",
    "agreement",
)


def copy(document: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(document))


def sequences(finding: Any) -> set[int | None]:
    return {pointer.sequence for pointer in finding.pointers}


def test_an_intact_ledger_is_clear_and_asks_nothing_of_others() -> None:
    assert verdicts(ask("INC-3", make_bundle())) == {
        BREAK: CLEAR,
        DIAGNOSIS: CLEAR,
        AFTER: CLEAR,
    }


def test_corruption_is_told_with_place_prefix_and_what_comes_after() -> None:
    answers = ask("INC-3", corrupted(make_bundle(), 2))
    assert set(verdicts(answers).values()) == {FOUND}
    assert sequences(answers[BREAK]) == {3}
    assert "sequence 3 (hash_mismatch); 2 entries before it" in answers[BREAK].sentence
    assert "corruption" in answers[DIAGNOSIS].sentence
    assert "tampering" not in answers[DIAGNOSIS].sentence
    assert sequences(answers[AFTER]) == {3, 4, 5}
    assert "3 executed" in answers[AFTER].sentence


@pytest.mark.parametrize(
    "scenario", ["inc-3", "tampered-entry", "tampered-removed", "tampered-swapped"]
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_tampering_is_told_at_many_seeds(scenario: str, seed: int) -> None:
    document = simulate_document(calls=60, seed=seed, scenario=scenario)
    answers = ask("INC-3", document)
    assert set(verdicts(answers).values()) == {FOUND}
    assert "tampering" in answers[DIAGNOSIS].sentence
    assert "corruption" not in answers[DIAGNOSIS].sentence


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_other_scenarios_have_no_break(seed: int) -> None:
    for scenario in ("clean", "inc-1", "inc-2", "tampered-summary", "tampered-seal"):
        document = simulate_document(calls=60, seed=seed, scenario=scenario)
        answers = ask("INC-3", document)
        assert FOUND not in verdicts(answers).values(), scenario


def test_gaps_and_ring_buffers_are_no_fault() -> None:
    entries = [entry(n, extension_id="ab"[n % 2]) for n in range(1, 9)]
    whole = make_bundle(entries)
    scope = IncidentBundleFilter(extension_id="a")
    part = build_bundle(
        whole, filter=scope, redaction=NOTHING, generated_at_ms=START_MS
    )
    assert FOUND not in verdicts(ask("INC-3", part)).values()
    ring = make_bundle([entry(n) for n in range(5, 9)], prev_ledger_hash="e" * 64)
    assert set(verdicts(ask("INC-3", ring)).values()) == {CLEAR}


def test_members_of_the_ledger_that_lie_leave_every_decision_trusted() -> None:
    document = copy(make_bundle())
    document["risk_ledger"]["entry_count"] = 9
    answers = ask("INC-3", seal_bundle(document))
    assert answers[BREAK].verdict is FOUND
    assert answers[AFTER].verdict is CLEAR


def test_redacted_entries_cannot_be_proven_and_are_unknown() -> None:
    answers = ask("INC-3", redacted(make_bundle(), "redact_params_hash"))
    assert set(verdicts(answers).values()) == {UNKNOWN}
    assert "params_hash is redacted" in answers[BREAK].sentence
    for flag in ("redact_name_hash", "redact_context_hash", "redact_command_hash"):
        answers = ask("INC-3", redacted(make_bundle(), flag))
        assert set(verdicts(answers).values()) == {CLEAR}


def test_a_missing_ledger_is_unknown() -> None:
    answers = ask("INC-3", without(make_bundle(), "risk_ledger"))
    assert set(verdicts(answers).values()) == {UNKNOWN}


def test_a_ledger_by_itself_is_read_too() -> None:
    ledger = make_bundle()["risk_ledger"]
    assert set(verdicts(ask("INC-3", ledger)).values()) == {CLEAR}
    ledger["entries"][2]["risk_score"] = 0.9
    found = ask("INC-3", ledger)[BREAK]
    assert found.verdict is FOUND
    assert found.pointers[0].section == "risk_ledger"
    assert found.pointers[0].index == 2


class TestAgreement:
    entries = [entry(n) for n in range(1, 13)]

    def part(self, first: int, last: int, **members: Any) -> dict[str, Any]:
        whole = make_bundle(self.entries)["risk_ledger"]["entries"]
        link = whole[first - 2]["ledger_hash"] if first > 1 else None
        return make_bundle(
            self.entries[first - 1 : last], prev_ledger_hash=link, **members
        )

    def test_the_same_overlapping_and_longer_ledgers_agree(self) -> None:
        pairs = [
            ((1, 12), (1, 12)),
            ((1, 8), (1, 12)),
            ((1, 8), (5, 12)),
            ((1, 8), (9, 12)),
        ]
        for one, other in pairs:
            answers = ask("INC-3", self.part(*one), self.part(*other))
            assert answers[AGREE].verdict is CLEAR, (one, other)

    def test_a_ledger_by_itself_and_a_redacted_bundle_agree_with_their_source(
        self,
    ) -> None:
        whole = make_bundle(self.entries)
        for other in (whole["risk_ledger"], redacted(whole)):
            assert ask("INC-3", whole, other)[AGREE].verdict is CLEAR

    def test_nothing_in_common_is_unknown(self) -> None:
        answers = ask("INC-3", self.part(1, 4), self.part(8, 12))
        assert answers[AGREE].verdict is UNKNOWN
        assert "1 to 4" in answers[AGREE].sentence
        foreign = make_bundle(
            [entry(n, call_id=f"x-{n}", extension_id="y") for n in range(1, 13)]
        )
        answers = ask("INC-3", self.part(1, 12), foreign)
        assert answers[AGREE].verdict is UNKNOWN

    @pytest.mark.parametrize("changed", [(1, 2, 3, 4), (5, 7, 9, 11), (12,)])
    def test_entries_turned_over_and_chained_again_are_found(
        self, changed: tuple[int, ...]
    ) -> None:
        bent = [
            {**one, "outcome": "blocked"} if one["sequence"] in changed else one
            for one in self.entries
        ]
        answers = ask("INC-3", make_bundle(self.entries), make_bundle(bent))
        assert {v for k, v in verdicts(answers).items() if k != AGREE} == {CLEAR}
        found = answers[AGREE]
        assert found.verdict is FOUND
        assert sequences(found) == set(changed)
        assert {p.item for p in found.pointers} == {"bundle-1.json", "bundle-2.json"}
        assert "outcome executed and blocked" in found.sentence

    def test_a_redacted_copy_shows_the_contradiction_by_its_hashes(self) -> None:
        bent = [*self.entries[:5], {**self.entries[5], "params_hash": "b" * 64}]
        bent += self.entries[6:]
        answers = ask("INC-3", make_bundle(self.entries), redacted(make_bundle(bent)))
        assert answers[AGREE].verdict is FOUND
        assert 6 in sequences(answers[AGREE])

    def test_a_dangling_link_that_points_elsewhere_is_found(self) -> None:
        ring = make_bundle(self.entries[6:], prev_ledger_hash="d" * 64)
        answers = ask("INC-3", self.part(1, 6), ring)
        assert answers[AGREE].verdict is FOUND
        assert sequences(answers[AGREE]) == {6, 7}

    def test_a_later_bundle_that_lacks_newest_entries_is_found(self) -> None:
        earlier = self.part(1, 12, generated_at_ms=START_MS + 100_000)
        later = self.part(1, 8, generated_at_ms=START_MS + 200_000)
        answers = ask("INC-3", earlier, later)
        assert answers[AGREE].verdict is FOUND
        assert sequences(answers[AGREE]) == {9, 10, 11, 12}
        assert ask("INC-3", later, self.part(1, 12))[AGREE].verdict is CLEAR

    def test_what_a_filter_leaves_out_is_not_missing_and_what_it_hides_is(self) -> None:
        mixed = [entry(n, extension_id="ab"[n % 2]) for n in range(1, 13)]
        whole = make_bundle(mixed)
        scope = IncidentBundleFilter(extension_id="a")
        part = build_bundle(
            whole, filter=scope, redaction=NOTHING, generated_at_ms=START_MS + 700_000
        )
        assert ask("INC-3", whole, part)[AGREE].verdict is CLEAR
        kept = copy(part)
        removed = kept["risk_ledger"]["entries"].pop(2)
        kept["risk_ledger"]["entry_count"] -= 1
        answers = ask("INC-3", whole, seal_bundle(kept))
        assert answers[AGREE].verdict is FOUND
        assert sequences(answers[AGREE]) == {removed["sequence"]}

    def test_only_entries_before_a_break_are_compared(self) -> None:
        bent = [*self.entries[:9], {**self.entries[9], "outcome": "blocked"}]
        broken = corrupted(make_bundle([*bent, *self.entries[10:]]), 4)
        answers = ask("INC-3", make_bundle(self.entries), broken)
        assert answers[AGREE].verdict is UNKNOWN
        assert "only the 4 of 12" in answers[AGREE].sentence
