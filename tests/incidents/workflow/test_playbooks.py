"""Each playbook against what the runbook says must be in it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

import incidents
from incidents.workflow.incident_states import ItemKind, Severity
from incidents.workflow.phases import Phase
from incidents.workflow.playbook_document import (
    PlaybookDocument,
    PlaybookItem,
    parse_playbook,
)

FOLDER = Path(incidents.__file__).parent / "playbooks"
CODES = ("INC-1", "INC-2", "INC-3", "INC-4", "INC-5", "INC-6")

TITLES = {
    "INC-1": "Unauthorized Capability Use",
    "INC-2": "Secret Exposure",
    "INC-3": "Ledger Integrity Failure",
    "INC-4": "Scanner Bypass",
    "INC-5": "Quarantine Escape",
    "INC-6": "Resource Quota Abuse",
}
CATEGORIES = {
    "INC-1": "policy_violation",
    "INC-2": "secret_exposure",
    "INC-3": "ledger_integrity",
    "INC-4": "scanner_bypass",
    "INC-5": "quarantine_escape",
    "INC-6": "quota_breach",
}
REFERENCES = {
    "INC-1": ("INV-001", "policy precedence chain"),
    "INC-2": ("INV-009", "secret broker coverage"),
    "INC-3": ("INV-010", "ledger integrity"),
    "INC-4": ("SLO-02", "scanner detection >= 95%"),
    "INC-5": ("T4", "runtime abuse escalation"),
    "INC-6": ("SLO-14", "runtime overhead <= 3%"),
}
EXPLAIN = "pi --explain-extension-policy"
COMMANDS = {
    "INC-1": {
        EXPLAIN,
        "cargo test --test policy_profile_hardening -- --nocapture",
        "cargo test --test capability_denial_matrix -- --nocapture",
    },
    "INC-2": set(),
    "INC-3": set(),
    "INC-4": {"cargo test --test install_time_security_scanner -- --nocapture"},
    "INC-5": set(),
    "INC-6": set(),
}
SHARED_COMMANDS = {
    EXPLAIN,
    "pi --no-extensions",
    "cargo test --test security_conformance_benign -- --nocapture",
}
# Words of the runbook that a playbook has to spell as they are.
WORDS = {
    "INC-1": (
        "`extension_id`",
        "`capability`",
        "`method`",
        "`call_id`",
        "`deny_caps`",
        "override",
        "Deny decision",
        "`dispatch_host_call_shared()`",
        "`required_capability_for_host_call_static()`",
        "`--explain-extension-policy`",
        "Critical bead",
        "`capability_denial_matrix.rs`",
    ),
    "INC-2": (
        "26 exact names",
        "11 suffixes",
        "2 prefixes",
        "`*_API_KEY`",
        "`*_SECRET`",
        "`disclosure_allowlist`",
        "`SecretBrokerPolicy.enabled`",
        "`secret_broker_enabled`",
        "`env.read`",
        "`exec`",
        "`http`",
        "`name_hash`",
        "`secret_broker`",
        "blocklist",
    ),
    "INC-3": (
        "`verify_runtime_risk_ledger_artifact()`",
        "`RuntimeRiskLedgerVerificationReport`",
        "`chain_valid: false`",
        "`verification_errors`",
        "`ledger_hash`",
        "`prev_ledger_hash`",
        "`risk_ledger`",
        "OOM",
        "untrusted",
        "bead",
        "full security audit",
    ),
    "INC-4": (
        "`process.binding`",
        "`eval`",
        "`Function()`",
        "`require('child_process')`",
        "`CompatibilityScanner`",
        "`forbidden`",
        "`flagged`",
        "`safe`",
        "`require(variable)`",
        "`eval('rm' + ' -rf')`",
        "base64",
        "unicode escape",
        "prototype pollution",
        "compat ledger",
        "`install_time_security_scanner.rs`",
    ),
    "INC-5": (
        "`ExtensionTrustTracker`",
        "Unknown -> Probation -> Trusted / Quarantined",
        "Quarantined -> Active",
        "audit metadata",
        "`is_hostcall_allowed_for_trust()`",
    ),
    "INC-6": (
        "`drain_quota_breach_events()`",
        "extension_id",
        "limit",
        "actual",
        "timestamp",
        "`max_memory_mb: 256`",
        "`ExtensionOverride.quota`",
        "OOM",
    ),
}
SHARED_WORDS = (
    "`IncidentBundleFilter`",
    "`IncidentBundleRedactionPolicy`",
    "`start_ms`",
    "`end_ms`",
    "`alert_categories`",
    "`min_severity`",
    "`bundle_hash`",
    "`verify_incident_evidence_bundle()`",
    "`pi.security.incident_evidence_bundle.v1`",
    '`"profile": "safe"`',
    '`"allowDangerous": false`',
    '`"alpha": 0.01`',
    '`"windowSize": 128`',
    '`"failClosed": true`',
    '`"enabled": false`',
    '{"extensionPolicy": {"profile": "safe", "allowDangerous": false}}',
    '{"extensionRisk": {"enabled": false, "enforce": true, "alpha": 0.01, '
    '"windowSize": 128, "failClosed": true}}',
    "`redact_params_hash`",
    "`redact_context_hash`",
    "`redact_args_shape_hash`",
    "`redact_command_hash`",
    "`redact_name_hash`",
    "`redact_remediation`",
    "runtime risk ledger",
    "security alerts",
    "hostcall telemetry",
    "exec mediation log",
    "secret broker log",
    "quota breach events",
    "risk replay",
    "summary statistics",
)
# The items in which the runbook prints the command that explains the policy: taking
# the snapshot, proving a rollback, and what a class says of its own.
EXPLAINED = {"snapshot-configuration", "rollback-verified"}
EXPLAINED_BY_CLASS = {
    "INC-1": {"policy-explanation", "check-policy-path", "remediation"},
}
FIVE_STEPS = ("bundle_hash", "ledger_chain", "summary_counts", "schema", "redaction")
ARTIFACTS = {
    "INC-1": {
        "policy-violation-alert",
        "denied-call-ledger-entry",
        "policy-explanation",
    },
    "INC-2": {"secret-broker-entry", "secret-exposure-alert", "secret-broker-bundle"},
    "INC-3": {
        "ledger-verification-report",
        "ledger-verification-errors",
        "risk-ledger-bundle",
    },
    "INC-4": {"scanner-results", "extension-source", "executed-code-evidence"},
    "INC-5": {"trust-history", "kill-switch-events", "quarantined-extension-alerts"},
    "INC-6": {"quota-breach-events", "resource-telemetry", "quota-breach-alert"},
}
CHOICES = {
    "INC-1": {
        "fix-policy-configuration": "if policy misconfiguration",
        "fix-dispatch-bypass": "if bypass bug",
    },
    "INC-2": {
        "rotate-credential": "",
        "extend-blocklist": "if not already covered",
        "verify-exec-mediation": "if exposure was via `exec`",
    },
    "INC-3": {
        "investigate-corruption": "if corruption",
        "security-audit": "if tampering",
    },
    "INC-4": {"add-scanner-pattern": "", "add-scanner-regression-test": ""},
    "INC-5": {
        "fix-state-machine": "if state machine bug",
        "investigate-promotion": "if promotion was unauthorized",
    },
    "INC-6": {"tighten-quota": "", "raise-quota": "if legitimate high usage"},
}
# How many questions of its own each class asks.
INVESTIGATIONS = {
    "INC-1": 4,
    "INC-2": 4,
    "INC-3": 4,
    "INC-4": 4,
    "INC-5": 3,
    "INC-6": 3,
}
SHARED_KEYS = (
    "kill-extension",
    "verify-isolation",
    "disable-all-extensions",
    "export-evidence-bundle",
    "snapshot-configuration",
    "verify-bundle-hash",
    "verify-ledger-chain",
    "verify-summary-counts",
    "verify-schema",
    "verify-redaction",
    "forensic-replay",
    "root-cause",
    "rollback-verified",
    "write-postmortem",
    "review-postmortem",
    "archive-artifacts",
)


@cache
def load(code: str) -> PlaybookDocument:
    path = FOLDER / f"{code.lower()}.yaml"
    return parse_playbook(path.read_text(encoding="utf-8"), file_name=path.name)


def texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for member in value.values() for text in texts(member)]
    if isinstance(value, list):
        return [text for member in value for text in texts(member)]
    return []


def commands(playbook: PlaybookDocument) -> set[str]:
    found = {command for item in playbook.checklist for command in item.commands}
    for item in playbook.checklist:
        found.update(command for choice in item.choices for command in choice.commands)
    return found


def test_there_is_one_file_for_each_class() -> None:
    names = sorted(path.name for path in FOLDER.iterdir())
    assert names == [f"{code.lower()}.yaml" for code in CODES]


@pytest.mark.parametrize("code", CODES)
class TestEachPlaybook:
    def test_carries_its_code_title_and_category(self, code: str) -> None:
        playbook = load(code)
        assert playbook.code == code
        assert playbook.title == TITLES[code]
        assert playbook.alert_category == CATEGORIES[code]

    def test_names_its_reference(self, code: str) -> None:
        playbook = load(code)
        (reference,) = playbook.references
        assert (reference.id, reference.text.lower()) == (
            REFERENCES[code][0],
            REFERENCES[code][1].lower(),
        )
        (remediation,) = (i for i in playbook.checklist if i.key == "remediation")
        assert reference in remediation.references

    def test_has_every_command_and_no_other(self, code: str) -> None:
        assert commands(load(code)) == COMMANDS[code] | SHARED_COMMANDS

    def test_prints_the_explaining_command_where_the_runbook_does(
        self, code: str
    ) -> None:
        found = {
            item.key
            for item in load(code).checklist
            if EXPLAIN in item.commands
            or any(EXPLAIN in choice.commands for choice in item.choices)
        }
        assert found == EXPLAINED | EXPLAINED_BY_CLASS.get(code, set())

    def test_says_of_one_rollback_all_that_the_runbook_does(self, code: str) -> None:
        item = next(i for i in load(code).checklist if i.key == "rollback-verified")
        text = " ".join(item.details)
        for member in ("enabled", "enforce", "alpha", "windowSize", "failClosed"):
            assert f'"{member}": ' in text
        assert '"profile": "permissive"' in text

    def test_verifies_in_the_runbooks_five_steps(self, code: str) -> None:
        items = load(code).items(Phase.VERIFY)
        assert tuple(i.expects.report_step for i in items) == FIVE_STEPS

    def test_spells_every_name_and_figure_exactly(self, code: str) -> None:
        # Line breaks inside a sentence are the layout's.
        text = " ".join("\n".join(texts(load(code).as_dict())).split())
        missing = [w for w in (*WORDS[code], *SHARED_WORDS) if w not in text]
        assert missing == []

    def test_expects_its_artifacts_in_collect(self, code: str) -> None:
        own = {
            item.key
            for item in load(code).items(Phase.COLLECT)
            if item.kind is ItemKind.ARTIFACT and item.key not in SHARED_KEYS
        }
        assert own == ARTIFACTS[code]

    def test_offers_its_remediations(self, code: str) -> None:
        offered = {
            choice.key: choice.condition
            for item in load(code).checklist
            for choice in item.choices
        }
        assert offered == CHOICES[code]

    def test_asks_its_investigation_steps(self, code: str) -> None:
        own = [
            item
            for item in load(code).items(Phase.ANALYZE)
            if item.kind is ItemKind.INVESTIGATION and item.key not in SHARED_KEYS
        ]
        assert len(own) == INVESTIGATIONS[code]
        assert all(item.required for item in own)

    def test_has_the_runbooks_targets(self, code: str) -> None:
        targets = {
            target.phase: (target.target_seconds, target.counts_from)
            for target in load(code).phases
        }
        assert targets == {
            Phase.DETECT: (0, "detection"),
            Phase.CONTAIN: (5 * 60, "detection"),
            Phase.COLLECT: (15 * 60, "detection"),
            Phase.VERIFY: (30 * 60, "detection"),
            Phase.ANALYZE: (2 * 3600, "detection"),
            Phase.REMEDIATE: (None, "previous_phase"),
            Phase.POSTMORTEM: (24 * 3600, "previous_phase"),
        }

    def test_shares_the_general_workflow_word_for_word(self, code: str) -> None:
        def shared(playbook: PlaybookDocument) -> list[PlaybookItem]:
            return [i for i in playbook.checklist if i.key in SHARED_KEYS]

        assert [item.key for item in shared(load(code))] == list(SHARED_KEYS)
        assert shared(load(code)) == shared(load("INC-1"))

    def test_lists_items_in_the_order_of_the_phases(self, code: str) -> None:
        positions = [item.phase.position for item in load(code).checklist]
        assert positions == sorted(positions)

    def test_checks_every_step_of_the_report(self, code: str) -> None:
        steps = [
            item.expects.report_step
            for item in load(code).items(Phase.VERIFY)
            if item.expects is not None
        ]
        assert steps == [
            "bundle_hash",
            "ledger_chain",
            "summary_counts",
            "schema",
            "redaction",
        ]


def test_rotating_the_credential_is_immediate_and_required() -> None:
    terms = {
        choice.key: (choice.term, choice.required)
        for item in load("INC-2").checklist
        for choice in item.choices
    }
    assert terms == {
        "rotate-credential": ("immediate", True),
        "extend-blocklist": ("short_term", False),
        "verify-exec-mediation": ("long_term", False),
    }


def test_tampering_makes_the_case_critical() -> None:
    severities = {
        choice.key: choice.sets_severity
        for item in load("INC-3").checklist
        for choice in item.choices
    }
    assert severities == {
        "investigate-corruption": None,
        "security-audit": Severity.CRITICAL,
    }


def test_only_for_ledger_failures_is_the_failed_report_the_finding() -> None:
    assert [load(c).failed_verification_is_finding for c in CODES] == [
        False,
        False,
        True,
        False,
        False,
        False,
    ]
