from evidence.models.append_only import AppendOnlyModel
from evidence.models.exports import ExportRequest
from evidence.models.history import AuditEntry
from evidence.models.items import (
    VERIFIABLE_KINDS,
    Channel,
    CustodyEvent,
    CustodyKind,
    EvidenceItem,
    EvidenceKind,
)
from evidence.models.tokens import ApiToken, TokenScope
from evidence.models.verification import (
    PASSING_OUTCOMES,
    Outcome,
    ReplayStep,
    VerificationError,
    VerificationReport,
    VerificationRequest,
    WorkState,
)

__all__ = (
    "PASSING_OUTCOMES",
    "VERIFIABLE_KINDS",
    "ApiToken",
    "AppendOnlyModel",
    "AuditEntry",
    "Channel",
    "CustodyEvent",
    "CustodyKind",
    "EvidenceItem",
    "EvidenceKind",
    "ExportRequest",
    "Outcome",
    "ReplayStep",
    "TokenScope",
    "VerificationError",
    "VerificationReport",
    "VerificationRequest",
    "WorkState",
)
