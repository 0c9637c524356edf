"""Text that people and machines send, in the one form that is counted and stored.

A browser sends a line end as CR LF and counts it as one character; so does Casefile,
before any length is checked. PostgreSQL stores no NUL: it is shown for what it is.
"""

from __future__ import annotations

UNSTORABLE = "\x00"
REPLACEMENT = "\ufffd"


def unify_lines(text: str) -> str:
    """Return text whose lines end in LF alone."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def tidy_text(text: str) -> str:
    """Return text trimmed, its lines ended by LF, without what cannot be stored."""
    return unify_lines(text).replace(UNSTORABLE, REPLACEMENT).strip()
