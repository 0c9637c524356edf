"""The admin of evidence and history. Everything in it is read-only but the ways in."""

from evidence.admin.history import AuditEntryAdmin, HistoryCheckAdmin
from evidence.admin.items import EvidenceItemAdmin
from evidence.admin.people import PersonAdmin, RoleAdmin
from evidence.admin.records import RecordCheckAdmin
from evidence.admin.sign_ins import AccessAttemptAdmin
from evidence.admin.store import StoreFaultAdmin
from evidence.admin.tokens import ApiTokenAdmin

__all__ = (
    "AccessAttemptAdmin",
    "ApiTokenAdmin",
    "AuditEntryAdmin",
    "EvidenceItemAdmin",
    "HistoryCheckAdmin",
    "PersonAdmin",
    "RecordCheckAdmin",
    "RoleAdmin",
    "StoreFaultAdmin",
)
