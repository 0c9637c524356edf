from evidence.models.append_only import AppendOnlyModel
from evidence.models.exports import ExportRequest
from evidence.models.factors import (
    AuthenticatorApp,
    Passkey,
    RecoveryCode,
    SignInIdentity,
)
from evidence.models.history import AuditEntry, HistoryCheck, NotedHead
from evidence.models.items import (
    VERIFIABLE_KINDS,
    Channel,
    CustodyEvent,
    CustodyKind,
    EvidenceItem,
    EvidenceKind,
    KindChange,
    Outcome,
)
from evidence.models.log import LogCheckpoint, LogCopy, LogKey, LogLeaf, LogSubtree
from evidence.models.marks import MarkChange
from evidence.models.queued_work import (
    FINISHED_STATES,
    UNFINISHED_STATES,
    QueuedWork,
    WorkState,
)
from evidence.models.readers import ReaderSettings
from evidence.models.reads import NotedRead, ReadDoor, ReadKind, RecordedRead
from evidence.models.records import RecordCheck, RecordedRow, RowOperation
from evidence.models.sent_forms import SentForm
from evidence.models.store import (
    FaultEnding,
    FaultKind,
    StoreCheck,
    StoreFault,
    StoreMark,
    UnclaimedBytes,
    UnclaimedChoice,
)
from evidence.models.tokens import ApiToken, TokenScope
from evidence.models.tombstones import Tombstone, TombstoneKind
from evidence.models.verification import (
    ReplayStep,
    VerificationError,
    VerificationReport,
    VerificationRequest,
)

__all__ = (
    "FINISHED_STATES",
    "UNFINISHED_STATES",
    "VERIFIABLE_KINDS",
    "ApiToken",
    "AppendOnlyModel",
    "AuditEntry",
    "AuthenticatorApp",
    "Channel",
    "CustodyEvent",
    "CustodyKind",
    "EvidenceItem",
    "EvidenceKind",
    "ExportRequest",
    "FaultEnding",
    "FaultKind",
    "HistoryCheck",
    "KindChange",
    "LogCheckpoint",
    "LogCopy",
    "LogKey",
    "LogLeaf",
    "LogSubtree",
    "MarkChange",
    "NotedHead",
    "NotedRead",
    "Outcome",
    "Passkey",
    "QueuedWork",
    "ReadDoor",
    "ReadKind",
    "ReaderSettings",
    "RecordCheck",
    "RecordedRead",
    "RecordedRow",
    "RecoveryCode",
    "ReplayStep",
    "RowOperation",
    "SentForm",
    "SignInIdentity",
    "StoreCheck",
    "StoreFault",
    "StoreMark",
    "TokenScope",
    "Tombstone",
    "TombstoneKind",
    "UnclaimedBytes",
    "UnclaimedChoice",
    "VerificationError",
    "VerificationReport",
    "VerificationRequest",
    "WorkState",
)
