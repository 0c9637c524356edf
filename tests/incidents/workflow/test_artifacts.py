"""Whether an artifact is the one expected."""

from __future__ import annotations

import pytest

from incidents.workflow.artifacts import ArtifactFacts, match_artifact
from incidents.workflow.playbook_document import Expectation
from tests.incidents.workflow.test_playbooks import CODES, load

EXTENSIONS = frozenset({"node-tools"})
BUNDLE = ArtifactFacts(
    evidence_kind="bundle",
    bundle_sections=frozenset({"risk_ledger", "secret_broker"}),
    policy_decisions=frozenset({"allow", "deny"}),
    chain_valid=False,
    has_verification_errors=True,
)
ALERT = ArtifactFacts(alert_category="secret_exposure", extension_ids=EXTENSIONS)


@pytest.mark.parametrize(
    ("expects", "facts", "refusal"),
    [
        (Expectation(evidence_kind=("bundle",)), BUNDLE, None),
        (Expectation(evidence_kind=("log", "bundle")), BUNDLE, None),
        (
            Expectation(evidence_kind=("log", "other")),
            BUNDLE,
            "log or other, and this is of kind bundle",
        ),
        (
            Expectation(evidence_kind=("log",)),
            ALERT,
            "kind log, and this is no evidence",
        ),
        (
            Expectation(evidence_kind=("bundle",), bundle_section="secret_broker"),
            BUNDLE,
            None,
        ),
        (
            Expectation(evidence_kind=("bundle",), bundle_section="quota_breaches"),
            BUNDLE,
            "quota_breaches section is empty",
        ),
        (
            Expectation(evidence_kind=("bundle", "log"), bundle_section="risk_ledger"),
            ArtifactFacts(evidence_kind="log"),
            None,
        ),
        (Expectation(policy_decision="deny"), BUNDLE, None),
        (Expectation(policy_decision="prompt"), BUNDLE, "policy decision prompt"),
        (Expectation(chain_valid=False), BUNDLE, None),
        (Expectation(chain_valid=True), BUNDLE, "whose hash chain holds"),
        (Expectation(chain_valid=False), ALERT, "whose hash chain is broken"),
        (Expectation(verification_errors=True), BUNDLE, None),
        (Expectation(verification_errors=False), BUNDLE, "without errors"),
        (Expectation(alert_category="secret_exposure"), ALERT, None),
        (Expectation(alert_category="quota_breach"), ALERT, "category quota breach"),
        (Expectation(alert_category="quota_breach"), BUNDLE, "category quota breach"),
        (Expectation(alert_of_extension=True), ALERT, None),
        (Expectation(alert_of_extension=True), BUNDLE, "an extension of this case"),
        (
            Expectation(alert_of_extension=True),
            ArtifactFacts(alert_category="x", extension_ids=frozenset({"other"})),
            "an extension of this case",
        ),
        (Expectation(record="kill_switch"), ArtifactFacts(record="kill_switch"), None),
        (
            Expectation(record="kill_switch"),
            ALERT,
            "it takes the record of a kill switch",
        ),
    ],
)
def test_artifact_matches_or_says_what_differs(
    expects: Expectation, facts: ArtifactFacts, refusal: str | None
) -> None:
    decision = match_artifact(expects, facts, case_extensions=EXTENSIONS)
    assert decision.allowed is (refusal is None)
    if refusal is not None:
        assert refusal in decision.refusals[0].message


@pytest.mark.parametrize("code", CODES)
def test_nothing_is_accepted_for_an_expected_artifact_of_a_playbook(code: str) -> None:
    for item in load(code).checklist:
        if item.kind == "artifact":
            assert item.expects is not None
            decision = match_artifact(
                item.expects, ArtifactFacts(), case_extensions=EXTENSIONS
            )
            assert not decision.allowed, item.key
