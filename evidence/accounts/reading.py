"""Who only reads: by their rights, or by the scopes of the token that they use."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.auth.models import AnonymousUser, User

from evidence.models import TokenScope

READING_RIGHTS = frozenset(
    {
        "evidence.download_evidenceitem",
        "evidence.make_own_apitoken",
        "incidents.make_casearchive",
        "incidents.download_casearchive",
        "incidents.see_restricted",
    }
)
"""Rights beside those to view that change nothing of a case. What is written with them
has a Purpose in evidence/database/reading.py."""
READING_SCOPES = frozenset(
    {
        TokenScope.READ,
        TokenScope.EVIDENCE_DOWNLOAD,
        TokenScope.UNREDACTED,
        TokenScope.ARCHIVES,
    }
)


def only_reads(person: User | AnonymousUser) -> bool:
    """Return whether somebody who signed in has no right to change anything."""
    if not person.is_authenticated or not person.is_active or person.is_superuser:
        return False
    return all(map(_is_reading, person.get_all_permissions()))


def only_read(scopes: Collection[str]) -> bool:
    """Return whether a token with these scopes can change nothing."""
    return READING_SCOPES.issuperset(scopes)


def _is_reading(right: str) -> bool:
    _, _, name = right.partition(".")
    return name.startswith("view_") or right in READING_RIGHTS
