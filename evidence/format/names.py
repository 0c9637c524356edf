"""The names and figures of the format: schemas, sections, members, flags, categories.

Nothing here decides anything; docs/evidence-format.md has the same names by section.
"""

from __future__ import annotations

from enum import StrEnum

LEDGER_SCHEMA = "pi.security.runtime_risk_ledger.v1"
BUNDLE_SCHEMA = "pi.security.incident_evidence_bundle.v1"
PLACEHOLDER = "[REDACTED]"

# Sections of records, as the bundle's table lists them, apart from the ledger.
RECORD_SECTIONS = (
    "security_alerts",
    "hostcall_telemetry",
    "exec_mediation",
    "secret_broker",
    "quota_breaches",
)
COUNTED_SECTIONS = ("risk_ledger", *RECORD_SECTIONS, "risk_replay")


class Section(StrEnum):
    """The sections of a bundle that hold records."""

    RISK_LEDGER = "risk_ledger"
    SECURITY_ALERTS = "security_alerts"
    HOSTCALL_TELEMETRY = "hostcall_telemetry"
    EXEC_MEDIATION = "exec_mediation"
    SECRET_BROKER = "secret_broker"  # noqa: S105 - the name of a section
    QUOTA_BREACHES = "quota_breaches"
    RISK_REPLAY = "risk_replay"


class Category(StrEnum):
    """Alert categories that have a playbook; other names are kept as they are."""

    POLICY_VIOLATION = "policy_violation"
    SECRET_EXPOSURE = "secret_exposure"  # noqa: S105 - the name of a category
    LEDGER_INTEGRITY = "ledger_integrity"
    SCANNER_BYPASS = "scanner_bypass"
    QUARANTINE_ESCAPE = "quarantine_escape"
    QUOTA_BREACH = "quota_breach"


class Severity(StrEnum):
    """Alert severities, from least to greatest."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


SEVERITY_RANK = {severity.value: rank for rank, severity in enumerate(Severity)}

POLICY_DECISIONS = frozenset({"allow", "prompt", "deny"})
SELECTED_ACTIONS = frozenset({"allow", "harden", "deny", "terminate"})
BLOCKING_ACTIONS = frozenset({"deny", "terminate"})
OUTCOMES = frozenset({"executed", "blocked", "failed"})

STEP_MEMBERS = (
    "sequence",
    "ts_ms",
    "extension_id",
    "call_id",
    "capability",
    "method",
    "policy_decision",
    "policy_reason",
    "risk_score",
    "selected_action",
    "outcome",
    "triggers",
)
ENTRY_MEMBERS = (*STEP_MEMBERS, "params_hash", "prev_ledger_hash", "ledger_hash")

# Which members each flag replaces, by section, in the order of section 5's table.
REDACTED_MEMBERS: dict[str, tuple[tuple[str, str], ...]] = {
    "redact_params_hash": (
        ("risk_ledger", "params_hash"),
        ("hostcall_telemetry", "params_hash"),
    ),
    "redact_context_hash": (("security_alerts", "context_hash"),),
    "redact_args_shape_hash": (("hostcall_telemetry", "args_shape_hash"),),
    "redact_command_hash": (("exec_mediation", "command_hash"),),
    "redact_name_hash": (("secret_broker", "name_hash"),),
    "redact_remediation": (("security_alerts", "remediation"),),
}
REDACTION_FLAGS = tuple(REDACTED_MEMBERS)

_RECORD_MEMBERS = {
    *ENTRY_MEMBERS,
    *("ts_ms", "alert_id", "category", "severity", "reason_codes", "summary"),
    *("remediation", "context_hash", "required_capability", "args_shape_hash"),
    *("latency_ms", "memory_mb", "command_hash", "command_class", "risk_tier"),
    *("decision", "reason", "name_hash", "exposure_path", "redacted", "resource"),
    *("limit", "actual", "index", "trusted"),
}
_DOCUMENT_MEMBERS = {
    *("schema", "generated_at_ms", "filter", "redaction", "bundle_hash", "counts"),
    *("start_ms", "end_ms", "extension_id", "alert_categories", "min_severity"),
    *("entry_count", "head_ledger_hash", "tail_ledger_hash", "entries", "steps"),
    *("source_tail_ledger_hash", "step_count", "trusted_steps", "summary"),
    *("distinct_extensions", "peak_risk_score", "blocked_count", "first_ts_ms"),
    *("last_ts_ms", "ledger_chain_valid", *REDACTION_FLAGS, *COUNTED_SECTIONS),
}
# Every member name that the format itself spells: it gives nothing away.
FORMAT_MEMBERS = frozenset(_RECORD_MEMBERS | _DOCUMENT_MEMBERS)
