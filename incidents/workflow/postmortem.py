"""The postmortem: what is written, how it moves from draft to signed, what is signed.

A version is one JSON document: the facts as they were gathered, and the sections that
people wrote. Its SHA-256 over the canonical form (evidence.format, RFC 8785) is what a
signature covers, so that anybody can compute it again from the archived file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from evidence.format import canonical_bytes, hash_value
from evidence.text import storable, unify_lines
from incidents.workflow.errors import MoveError, WorkflowError

SCHEMA = "casefile.postmortem.v1"
SECTION_LENGTH = 20_000
"""Longer text is an artifact: attached as evidence, it has a hash of its own."""


class PostmortemError(WorkflowError):
    """A postmortem that cannot be saved or submitted as it is."""

    code = "invalid_postmortem"


class PostmortemState(StrEnum):
    """Where a postmortem stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    SIGNED = "signed"

    @property
    def is_editable(self) -> bool:
        """Return whether a draft can be saved; the others are taken back first."""
        return self in (PostmortemState.DRAFT, PostmortemState.RETURNED)


class ActionItemType(StrEnum):
    """What an action item does about the next time."""

    DETECTIVE = "detective"
    PREVENTATIVE = "preventative"
    CORRECTIVE = "corrective"


class ActionItemState(StrEnum):
    """Where an action item stands."""

    OPEN = "open"
    DONE = "done"
    DROPPED = "dropped"


_S = PostmortemState
_MOVES = frozenset(
    {
        (_S.DRAFT, _S.SUBMITTED),
        (_S.RETURNED, _S.SUBMITTED),
        (_S.SUBMITTED, _S.RETURNED),
        (_S.SUBMITTED, _S.SIGNED),
        (_S.SUBMITTED, _S.DRAFT),
        (_S.SIGNED, _S.DRAFT),
    }
)


@dataclass(frozen=True)
class Section:
    """One part that people write, as Markdown; `group` is the heading above it."""

    key: str
    title: str
    group: str
    question: str
    required: bool = True


SECTIONS: tuple[Section, ...] = (
    Section(
        "summary",
        "Summary",
        "Summary",
        "What happened, in a paragraph that somebody outside the team understands.",
    ),
    Section(
        "control_failed",
        "Control that failed",
        "Root cause",
        "Name the one control that should have stopped it.",
    ),
    Section(
        "root_cause",
        "Why it failed",
        "Root cause",
        "What made it fail, and what let that stay unnoticed.",
    ),
    Section("impact_users", "Users", "Impact", "Who was affected, and how many."),
    Section(
        "impact_data",
        "Data exposed",
        "Impact",
        "Which data or secrets got out, and to whom; or how it is known that none did.",
    ),
    Section(
        "impact_duration",
        "Duration",
        "Impact",
        "From when until when, and how that is known.",
    ),
    Section(
        "remediation_immediate",
        "Immediate",
        "Remediation",
        "What was done at once.",
    ),
    Section(
        "remediation_short_term",
        "Short term",
        "Remediation",
        "What follows within days.",
        required=False,
    ),
    Section(
        "remediation_long_term",
        "Long term",
        "Remediation",
        "What changes so that it cannot come back.",
        required=False,
    ),
    Section(
        "verification",
        "Verification checklist",
        "Verification",
        "One check a line, `- [x]` where it is done, `- [ ]` where it is not.",
    ),
    Section(
        "artifacts",
        "Notes on the artifacts",
        "Artifacts",
        "What a reader should know of the evidence listed with the facts.",
        required=False,
    ),
    Section(
        "lessons",
        "Lessons",
        "Lessons",
        "What went well, what did not, where luck helped.",
    ),
)
SECTION_KEYS = tuple(section.key for section in SECTIONS)


def require_postmortem_move(current: PostmortemState, target: PostmortemState) -> None:
    """Raise MoveError where no move leads from one state to the other."""
    if (current, target) not in _MOVES:
        raise MoveError(f"A postmortem that is {current} cannot become {target}.")


def clean_sections(values: Mapping[str, Any]) -> dict[str, str]:
    """Return every section as plain text with `\\n` line ends; what is left out is "".

    Raise PostmortemError for a section that does not exist, is no text or is too long.
    """
    unknown = sorted(set(values) - set(SECTION_KEYS))
    if unknown:
        raise PostmortemError(f"There is no section {', '.join(unknown)}.")
    return {
        section.key: _clean_text(section, values.get(section.key, ""))
        for section in SECTIONS
    }


def missing_sections(sections: Mapping[str, str]) -> tuple[Section, ...]:
    """Return the sections that have to be written before it can be submitted."""
    return tuple(
        section
        for section in SECTIONS
        if section.required and not sections.get(section.key, "").strip()
    )


def build_content(
    *,
    reference: str,
    cycle: int,
    version: int,
    sections: Mapping[str, str],
    facts: Mapping[str, Any],
    authors: Sequence[str],
    submitted_by: str,
    submitted_at: str,
) -> dict[str, Any]:
    """Return a version's document. Raise PostmortemError where a section is missing."""
    missing = missing_sections(sections)
    if missing:
        names = ", ".join(f"{section.group}: {section.title}" for section in missing)
        raise PostmortemError(
            f"Required sections are empty: {names}. Write them, or say there why "
            "there is nothing to write.",
            code="section_missing",
        )
    return {
        "schema": SCHEMA,
        "reference": reference,
        "cycle": cycle,
        "version": version,
        "authors": sorted(set(authors)),
        "submitted_by": submitted_by,
        "submitted_at": submitted_at,
        "sections": {key: sections.get(key, "") for key in SECTION_KEYS},
        "facts": dict(facts),
    }


def canonical_text(content: Mapping[str, Any]) -> str:
    """Return the canonical form (RFC 8785) of a version's document."""
    return canonical_bytes(dict(content)).decode()


def content_sha256(content: Mapping[str, Any]) -> str:
    """Return the hash that a signature covers, as 64 lowercase hex characters."""
    return hash_value(dict(content))


def changed_sections(
    before: Mapping[str, str], after: Mapping[str, str]
) -> tuple[Section, ...]:
    """Return the sections whose text differs."""
    return tuple(
        section
        for section in SECTIONS
        if before.get(section.key, "") != after.get(section.key, "")
    )


def describe_offset(seconds: int) -> str:
    """Return a time from detection: T+0:04:32, T+1 d 02:00:00, T-0:00:10."""
    sign = "-" if seconds < 0 else "+"
    minutes, second = divmod(abs(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"T{sign}{days} d {hour:02}:{minute:02}:{second:02}"
    return f"T{sign}{hour}:{minute:02}:{second:02}"


def _clean_text(section: Section, value: Any) -> str:
    """Return a section's text with plain line ends.

    Raise PostmortemError where it is no text or too long.
    """
    if not isinstance(value, str):
        raise PostmortemError(
            f"{section.title} takes text. Given: {type(value).__name__}."
        )
    text = storable(unify_lines(value))
    text = "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")
    if len(text) > SECTION_LENGTH:
        raise PostmortemError(
            f"{section.title} is too long: it has {len(text)} characters, and "
            f"{SECTION_LENGTH} are the most. Attach longer text as evidence."
        )
    return text
