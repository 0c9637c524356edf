"""Text that people and machines send, in the one form that is counted and stored.

A browser sends a line end as CR LF and counts it as one character; so does Casefile,
before any length is checked. PostgreSQL stores no NUL: it is shown for what it is.
"""

from __future__ import annotations

from evidence.errors import CasefileError

UNSTORABLE = "\x00"
REPLACEMENT = "\ufffd"
REASON_LENGTH = 5_000
"""Characters of a reason: a page of text; what is longer is evidence."""


def is_storable(text: str) -> bool:
    return UNSTORABLE not in text


def storable(text: str) -> str:
    """Return text as a plain string that a column takes, NUL shown as U+FFFD."""
    return str.__str__(text).replace(UNSTORABLE, REPLACEMENT)


def drop_unstorable(text: str) -> str:
    """Return text trimmed and without NUL: for words that are looked up or listed."""
    return text.replace(UNSTORABLE, "").strip()


def one_line(text: str) -> str:
    """Return text as one line, each run of white space and NUL as one space."""
    return " ".join(text.replace(UNSTORABLE, " ").split())


def unify_lines(text: str) -> str:
    """Return text whose lines end in LF alone."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def tidy_text(text: str) -> str:
    """Return text trimmed, its lines ended by LF, without what cannot be stored."""
    return storable(unify_lines(text)).strip()


def require_text(
    text: str,
    *,
    refusal: type[CasefileError],
    what: str = "a reason",
    most: int = REASON_LENGTH,
    missing: type[CasefileError] | None = None,
) -> str:
    """Return the text tidied; raise `refusal` where it is empty or too long.

    The codes are `reason_missing` and `reason_too_long`, the field is `reason`.
    `missing` is raised instead where nothing is said at all.
    """
    tidied = tidy_text(text)
    if not tidied:
        raise (missing or refusal)(
            f"{what[:1].upper()}{what[1:]} is missing. Write it.",
            code="reason_missing",
            field="reason",
        )
    if len(tidied) > most:
        raise refusal(
            f"The text is too long: it has {len(tidied)} characters, and {most} are "
            "the most. Attach longer text as evidence.",
            code="reason_too_long",
            field="reason",
        )
    return tidied
