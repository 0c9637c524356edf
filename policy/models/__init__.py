from policy.models.extensions import Extension, ExtensionVersion
from policy.models.kill_switches import (
    KillSwitch,
    KillSwitchConfirmation,
    KillSwitchLift,
    LiftRequest,
)
from policy.models.quotas import QuotaBreach, QuotaChange
from policy.models.readings import BundleReading, ExtensionAppearance
from policy.models.requests import RequestState, ReviewedRequest
from policy.models.rollbacks import Rollback, RollbackProof, RollbackState
from policy.models.runtime_history import RuntimeHistoryImport
from policy.models.scans import (
    ScanClassification,
    ScanEntry,
    ScanReport,
    ScanRequest,
)
from policy.models.snapshots import PolicySnapshot
from policy.models.trust import PromotionRequest, TrustTransition

__all__ = (
    "BundleReading",
    "Extension",
    "ExtensionAppearance",
    "ExtensionVersion",
    "KillSwitch",
    "KillSwitchConfirmation",
    "KillSwitchLift",
    "LiftRequest",
    "PolicySnapshot",
    "PromotionRequest",
    "QuotaBreach",
    "QuotaChange",
    "RequestState",
    "ReviewedRequest",
    "Rollback",
    "RollbackProof",
    "RollbackState",
    "RuntimeHistoryImport",
    "ScanClassification",
    "ScanEntry",
    "ScanReport",
    "ScanRequest",
    "TrustTransition",
)
