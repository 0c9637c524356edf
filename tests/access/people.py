"""Everybody who asks, by role."""

from __future__ import annotations

from enum import StrEnum


class Who(StrEnum):
    """Who sits at a browser, or owns a token."""

    ANONYMOUS = "nobody signed in"
    OUTSIDER = "signed in, no role"
    RESPONDER = "responder"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"
    SUPERUSER = "superuser"
    MACHINE = "machine's account"
