"""The JSON Schema of a playbook document, ``casefile.playbook.v1``.

``playbook.schema.json`` beside this module is the same schema for editors; a test
holds the two together. docs/playbooks.md explains each member.
"""

from __future__ import annotations

from typing import Any

from incidents.workflow.incident_states import ItemKind, RemediationKind, Severity
from incidents.workflow.phases import Phase

SCHEMA_NAME = "casefile.playbook.v1"

EVIDENCE_KINDS = (
    "bundle",
    "ledger",
    "policy_snapshot",
    "policy_explanation",
    "scan_result",
    "extension_source",
    "log",
    "other",
)
BUNDLE_SECTIONS = (
    "risk_ledger",
    "security_alerts",
    "hostcall_telemetry",
    "exec_mediation",
    "secret_broker",
    "quota_breaches",
    "risk_replay",
)
REPORT_STEPS = (
    "bundle_hash",
    "ledger_chain",
    "summary_counts",
    "schema",
    "redaction",
)
RECORD_KINDS = ("trust_transition", "kill_switch")

# Python's "$" matches before a last line feed as well, ECMAScript's does not; this
# end means the same to both.
_END = r"$(?!\n)"
KEY_PATTERN = "^[a-z][a-z0-9]*(-[a-z0-9]+)*" + _END
# A slug of this length fits every key column and a URL fragment.
KEY_MAX_LENGTH = 64
CODE_PATTERN = "^[A-Z][A-Z0-9]{1,9}-[1-9][0-9]{0,5}" + _END
CATEGORY_PATTERN = "^[a-z][a-z0-9_]*" + _END
# Ten years: beyond that a target is a typing error.
TARGET_SECONDS_MAX = 10 * 366 * 86_400

_TEXT = {"type": "string", "minLength": 1, "maxLength": 2000, "pattern": r"\S"}
_TEXTS = {"type": "array", "items": _TEXT, "maxItems": 50}
_KEY = {"type": "string", "pattern": KEY_PATTERN, "maxLength": KEY_MAX_LENGTH}
# Not the schema False: jsonschema leaves the member's name out of its path.
_ABSENT: dict[str, Any] = {"not": {}}
_CATEGORY = {"type": "string", "pattern": CATEGORY_PATTERN, "maxLength": 64}


def _object(required: dict[str, Any], optional: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object with these members and no others."""
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


_REFERENCE = _object(
    {"id": {"type": "string", "pattern": r"^\S{1,40}" + _END}, "text": _TEXT}, {}
)
_REFERENCES = {"type": "array", "items": _REFERENCE, "maxItems": 50}

_PHASE = _object(
    {
        "target_seconds": {
            "type": ["integer", "null"],
            "minimum": 0,
            "maximum": TARGET_SECONDS_MAX,
        },
        "counts_from": {"enum": ["detection", "previous_phase"]},
        "actions": _TEXT,
    },
    {},
)

_EXPECTS: dict[str, Any] = {
    **_object(
        {},
        {
            "evidence_kind": {
                "type": "array",
                "items": {"enum": list(EVIDENCE_KINDS)},
                "minItems": 1,
                "uniqueItems": True,
            },
            "bundle_section": {"enum": list(BUNDLE_SECTIONS)},
            "policy_decision": {"enum": ["allow", "prompt", "deny"]},
            "alert_category": _CATEGORY,
            "alert_of_extension": {"const": True},
            "record": {"enum": list(RECORD_KINDS)},
            "chain_valid": {"type": "boolean"},
            "verification_errors": {"type": "boolean"},
            "report_step": {"enum": list(REPORT_STEPS)},
        },
    ),
    "minProperties": 1,
}

_CHOICE = _object(
    {
        "key": _KEY,
        "text": _TEXT,
        "action": {"enum": [action.value for action in RemediationKind]},
    },
    {
        "condition": _TEXT,
        "term": {"enum": ["immediate", "short_term", "long_term"]},
        "required": {"type": "boolean"},
        "sets_severity": {"enum": [severity.value for severity in Severity]},
        "commands": _TEXTS,
    },
)

_ITEM: dict[str, Any] = {
    **_object(
        {
            "key": _KEY,
            "kind": {"enum": [kind.value for kind in ItemKind]},
            "phase": {"enum": [phase.value for phase in Phase]},
            "required": {"type": "boolean"},
            "text": _TEXT,
        },
        {
            "details": _TEXTS,
            "commands": _TEXTS,
            "references": _REFERENCES,
            "expects": _EXPECTS,
            "choices": {
                "type": "array",
                "items": _CHOICE,
                "minItems": 1,
                "maxItems": 50,
            },
        },
    ),
    "allOf": [
        {
            "if": {
                "properties": {"kind": {"const": "artifact"}},
                "required": ["kind"],
            },
            "then": {"required": ["expects"]},
        },
        {
            "if": {
                "properties": {"kind": {"const": "remediation"}},
                "required": ["kind"],
            },
            "then": {
                "required": ["choices"],
                "properties": {"phase": {"const": "remediate"}},
            },
            "else": {"properties": {"choices": _ABSENT}},
        },
        {
            "if": {
                "properties": {"kind": {"enum": ["investigation", "remediation"]}},
                "required": ["kind"],
            },
            "then": {"properties": {"expects": _ABSENT}},
        },
    ],
}

PLAYBOOK_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": f"urn:{SCHEMA_NAME.replace('.', ':')}",
    "title": "Casefile playbook",
    **_object(
        {
            "schema": {"const": SCHEMA_NAME},
            "code": {"type": "string", "pattern": CODE_PATTERN},
            "title": {**_TEXT, "maxLength": 120},
            "alert_category": _CATEGORY,
            "default_severity": {"enum": [severity.value for severity in Severity]},
            "summary": _TEXT,
            "symptoms": {**_TEXTS, "minItems": 1},
            "phases": _object({phase.value: _PHASE for phase in Phase}, {}),
            "checklist": {
                "type": "array",
                "items": _ITEM,
                "minItems": 1,
                "maxItems": 200,
            },
        },
        {
            "failed_verification_is_finding": {"type": "boolean"},
            "references": _REFERENCES,
        },
    ),
}
