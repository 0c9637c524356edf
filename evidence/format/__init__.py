"""The evidence format as pure code: bytes and values in, values out.

docs/evidence-format.md describes the format; its section numbers are cited here.
Nothing in this package knows Django, a database, files, the clock or the network.
"""

from .building import build_bundle, seal_bundle, serialize_document
from .bundle import verify_incident_evidence_bundle
from .canonical import canonical_bytes, hash_value
from .compression import MAX_DOCUMENT_BYTES, read_bytes
from .documents import DocumentKind, DocumentReport, kind_of, verify_document
from .errors import DocumentRefused
from .filters import IncidentBundleFilter
from .ledger import seal_ledger_entries, verify_runtime_risk_ledger_artifact
from .names import (
    BUNDLE_SCHEMA,
    LEDGER_SCHEMA,
    PLACEHOLDER,
    REDACTION_FLAGS,
    Category,
    Section,
    Severity,
)
from .pieces import Array, LongArray, open_or_read
from .reading import read_document
from .redaction import IncidentBundleRedactionPolicy
from .replay import build_replay, replay_steps
from .reports import (
    Diagnosis,
    ErrorCode,
    IncidentEvidenceBundleReport,
    Leak,
    LeakKind,
    RuntimeRiskLedgerVerificationReport,
    Status,
    StepResult,
    VerificationError,
)
from .summary import summarise
from .wrapping import unwrap

__all__ = [
    "BUNDLE_SCHEMA",
    "LEDGER_SCHEMA",
    "MAX_DOCUMENT_BYTES",
    "PLACEHOLDER",
    "REDACTION_FLAGS",
    "Array",
    "Category",
    "Diagnosis",
    "DocumentKind",
    "DocumentRefused",
    "DocumentReport",
    "ErrorCode",
    "IncidentBundleFilter",
    "IncidentBundleRedactionPolicy",
    "IncidentEvidenceBundleReport",
    "Leak",
    "LeakKind",
    "LongArray",
    "RuntimeRiskLedgerVerificationReport",
    "Section",
    "Severity",
    "Status",
    "StepResult",
    "VerificationError",
    "build_bundle",
    "build_replay",
    "canonical_bytes",
    "hash_value",
    "kind_of",
    "open_or_read",
    "read_bytes",
    "read_document",
    "replay_steps",
    "seal_bundle",
    "seal_ledger_entries",
    "serialize_document",
    "summarise",
    "unwrap",
    "verify_document",
    "verify_incident_evidence_bundle",
    "verify_runtime_risk_ledger_artifact",
]
