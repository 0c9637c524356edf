"""Building a bundle from another: section 8 of docs/evidence-format.md.

Filter, redact, replay, summarise, seal, in this order. The same source, filter,
redaction and moment give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .bundle import bundle_hash, require_bundle
from .canonical import canonical_bytes
from .filters import IncidentBundleFilter
from .ledger import (
    ledger_artifact,
    verify_runtime_risk_ledger_artifact,
)
from .names import BUNDLE_SCHEMA, RECORD_SECTIONS
from .redaction import IncidentBundleRedactionPolicy, redact_records
from .replay import build_replay
from .summary import sections_of, summarise

Progress = Callable[[float], None]


def build_bundle(
    source_document: dict[str, Any],
    *,
    filter: IncidentBundleFilter,
    redaction: IncidentBundleRedactionPolicy,
    generated_at_ms: int,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return the sealed bundle; raise `DocumentRefused` where the source is none.

    The source is left as it is. Members that the format does not name are kept, those
    of the summary and the replay excepted, which are made anew.
    """
    advance = progress or (lambda fraction: None)
    require_bundle(source_document)
    scoped = _filtered(source_document, filter)
    ledger = {
        **source_document["risk_ledger"],
        **ledger_artifact(scoped["risk_ledger"]),
        "schema": source_document["risk_ledger"].get("schema"),
    }
    advance(0.2)
    report = verify_runtime_risk_ledger_artifact(
        ledger, filtered_by_extension=filter.extension_id is not None
    )
    advance(0.5)
    redacted = {
        name: redact_records(name, records, redaction.flags)
        for name, records in scoped.items()
    }
    replay = build_replay(redacted["risk_ledger"], report)
    advance(0.7)
    document = {
        **source_document,
        "schema": BUNDLE_SCHEMA,
        "generated_at_ms": generated_at_ms,
        "filter": filter.as_dict(),
        "redaction": redaction.as_dict(),
        "risk_ledger": {**ledger, "entries": redacted["risk_ledger"]},
        **{name: redacted[name] for name in RECORD_SECTIONS},
        "risk_replay": replay,
        "summary": summarise(redacted, replay, report),
    }
    sealed = seal_bundle(document)
    advance(1.0)
    return sealed


def seal_bundle(document: dict[str, Any]) -> dict[str, Any]:
    """Return the bundle with the `bundle_hash` of its content, as its last member."""
    unsealed = {name: item for name, item in document.items() if name != "bundle_hash"}
    return {**unsealed, "bundle_hash": bundle_hash(unsealed)}


def serialize_document(document: dict[str, Any]) -> bytes:
    """Return the bytes to store or hand out: canonical form and a line feed."""
    return canonical_bytes(document) + b"\n"


def _filtered(
    source: dict[str, Any], scope: IncidentBundleFilter
) -> dict[str, list[Any]]:
    """Return the sections with only the records that the filter keeps."""
    sections = sections_of(source)
    return {
        name: [
            record
            for record in records
            if (
                scope.keeps_alert(record)
                if name == "security_alerts"
                else scope.keeps(record)
            )
        ]
        for name, records in sections.items()
    }
