"""The admin of evidence and history. Everything in it is read-only but the ways in."""

from evidence.admin.history import AuditEntryAdmin, HistoryCheckAdmin
from evidence.admin.items import EvidenceItemAdmin
from evidence.admin.people import PersonAdmin, RoleAdmin
from evidence.admin.tokens import ApiTokenAdmin

__all__ = (
    "ApiTokenAdmin",
    "AuditEntryAdmin",
    "EvidenceItemAdmin",
    "HistoryCheckAdmin",
    "PersonAdmin",
    "RoleAdmin",
)
