"""Evidence to ask questions of: small bundles, sealed as a runtime would."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from evidence.format import (
    BUNDLE_SCHEMA,
    IncidentBundleFilter,
    IncidentBundleRedactionPolicy,
    build_bundle,
    seal_bundle,
    seal_ledger_entries,
)
from incidents.findings import Answer, CaseEvidence, answer_all, inputs
from incidents.findings.finding import Verdict

START_MS = 1_787_000_000_000
FOUND, CLEAR, UNKNOWN = Verdict.FOUND, Verdict.CLEAR, Verdict.UNKNOWN
NO_FILTER = IncidentBundleFilter()
NOTHING = IncidentBundleRedactionPolicy.none()
SAFE: dict[str, Any] = {"extensionPolicy": {"profile": "safe"}}


def entry(number: int = 1, **members: Any) -> dict[str, Any]:
    """Return an executed, allowed `read` of `ext`; the chain is added later."""
    return {
        "sequence": number,
        "ts_ms": START_MS + number * 1000,
        "extension_id": "ext",
        "call_id": f"call-{number}",
        "capability": "read",
        "method": "fs",
        "params_hash": f"{number:064x}",
        "policy_decision": "allow",
        "policy_reason": "default_caps",
        "risk_score": 0.1,
        "selected_action": "allow",
        "outcome": "executed",
        "triggers": [],
        **members,
    }


def telemetry(of: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return the telemetry of a ledger entry's call."""
    return {
        "ts_ms": of["ts_ms"],
        "extension_id": of["extension_id"],
        "call_id": of["call_id"],
        "capability": of["capability"],
        "method": of["method"],
        "required_capability": of["capability"],
        "params_hash": of["params_hash"],
        "args_shape_hash": "a" * 64,
        "latency_ms": 10,
        "outcome": of["outcome"],
        "memory_mb": 50,
        **members,
    }


def make_bundle(
    entries: list[dict[str, Any]] | None = None,
    *,
    prev_ledger_hash: str | None = None,
    filter: IncidentBundleFilter = NO_FILTER,
    redaction: IncidentBundleRedactionPolicy = NOTHING,
    generated_at_ms: int = START_MS + 600_000,
    **sections: list[Any],
) -> dict[str, Any]:
    """Return a sealed bundle; without telemetry given, each call has its own."""
    calls = entries if entries is not None else [entry(n) for n in range(1, 6)]
    document = {
        "schema": BUNDLE_SCHEMA,
        "generated_at_ms": generated_at_ms,
        "filter": NO_FILTER.as_dict(),
        "redaction": NOTHING.as_dict(),
        "risk_ledger": seal_ledger_entries(calls, prev_ledger_hash=prev_ledger_hash),
        "security_alerts": [],
        "hostcall_telemetry": [telemetry(call) for call in calls],
        "exec_mediation": [],
        "secret_broker": [],
        "quota_breaches": [],
        "risk_replay": None,
        "summary": {},
        "bundle_hash": "",
        **sections,
    }
    return build_bundle(
        document, filter=filter, redaction=redaction, generated_at_ms=generated_at_ms
    )


def redacted(bundle: dict[str, Any], *flags: str) -> dict[str, Any]:
    """Return the bundle with these flags set; none means all six."""
    policy = (
        IncidentBundleRedactionPolicy(**dict.fromkeys(flags, True))
        if flags
        else IncidentBundleRedactionPolicy.full()
    )
    return build_bundle(
        bundle,
        filter=NO_FILTER,
        redaction=policy,
        generated_at_ms=bundle["generated_at_ms"],
    )


def corrupted(bundle: dict[str, Any], index: int) -> dict[str, Any]:
    """Return the bundle with one entry gone bad where it lies, sealed again."""
    document = json.loads(json.dumps(bundle))
    document["risk_ledger"]["entries"][index]["params_hash"] = "f" * 64
    return seal_bundle(document)


def without(bundle: dict[str, Any], section: str) -> dict[str, Any]:
    """Return the bundle without a section, its hash made again."""
    document = {name: value for name, value in bundle.items() if name != section}
    if section == "risk_ledger":
        return document
    return seal_bundle(document)


def read(
    *bundles: dict[str, Any],
    settings: dict[str, Any] | None = None,
    explanation: dict[str, Any] | None = None,
    history: list[dict[str, Any]] | None = None,
    source: str | None = None,
) -> CaseEvidence:
    """Return documents as evidence: bundle-1.json and so on, each with its digest."""

    def digest(data: bytes) -> str:
        return sha256(data).hexdigest()

    documents = []
    for number, bundle in enumerate(bundles, start=1):
        data = json.dumps(bundle).encode()
        name = f"bundle-{number}.json"
        documents.append(inputs.read_evidence(name, data, digest(data)))
    explained = None
    if explanation is not None:
        data = json.dumps(explanation).encode()
        explained = inputs.read_explanation("explanation.json", data, digest(data))
    policies: tuple[Any, ...] = ()
    if settings is not None:
        data = json.dumps(settings).encode()
        word = explained.document if explained else None
        policies = (
            inputs.read_policy("settings.json", data, digest(data), explanation=word),
        )
    elif explained is not None:
        policies = inputs.policy_of(explained)
    histories: tuple[Any, ...] = ()
    if history is not None:
        data = "\n".join(map(json.dumps, history)).encode()
        histories = (inputs.read_history("history.jsonl", data, digest(data)),)
    scanned = None
    if source is not None:
        data = source.encode()
        scanned = inputs.read_source("ext.js", data, digest(data))
    return inputs.with_names(
        CaseEvidence(
            documents=tuple(documents),
            policies=policies,
            explanation=explained,
            histories=histories,
            source=scanned,
        )
    )


def ask(code: str, *bundles: dict[str, Any], **facts: Any) -> dict[str, Answer]:
    """Return the answers of a class by their question."""
    found = answer_all(read(*bundles, **facts), [code])
    answers = {finding.question.key: finding for finding in found}
    assert len(answers) == len(found), "a question has one answer"
    return answers


def verdicts(answers: dict[str, Answer]) -> dict[str, Verdict]:
    return {key: finding.verdict for key, finding in answers.items()}


def calls(finding: Answer, section: str | None = None) -> set[str | None]:
    """Return the calls that an answer points at."""
    return {
        pointer.call_id
        for pointer in finding.pointers
        if section in (None, pointer.section)
    }
