"""The admin of evidence and history. Everything in it is read-only but the ways in."""

from evidence.admin.history import AuditEntryAdmin, HistoryCheckAdmin
from evidence.admin.items import EvidenceItemAdmin

__all__ = ("AuditEntryAdmin", "EvidenceItemAdmin", "HistoryCheckAdmin")
