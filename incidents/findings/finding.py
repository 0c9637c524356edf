"""A finding: an answer to a question of a playbook, and where it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

# A page shows a few; ``count`` says how many there are.
REFS_MAX = 50
SHOWN_MAX = 5


class FindingSeverity(StrEnum):
    """How much a finding weighs; ``info`` is an answer that calls for nothing."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True)
class Finding:
    """One answer. ``playbook_item`` is the checklist item that asks.

    ``key`` is the stable name of the kind; INC-6 has one of a kind for each extension.

    ``evidence_refs`` are JSON paths into the document, or lines of a history, the first
    fifty of them; ``count`` is how many records there are.
    """

    key: str
    title: str
    severity: FindingSeverity
    detail: str
    playbook_item: str
    evidence_refs: tuple[str, ...] = ()
    count: int = 0


def refs(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the first paths, as many as a finding keeps."""
    return tuple(path for path, _ in zip(paths, range(REFS_MAX), strict=False))


def listed(texts: Iterable[str]) -> str:
    """Return the first distinct texts, and how many more there are."""
    distinct = list(dict.fromkeys(texts))
    shown = "; ".join(distinct[:SHOWN_MAX])
    more = len(distinct) - SHOWN_MAX
    return f"{shown}; and {more} more" if more > 0 else shown


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Return ``1 call`` or ``3 calls``."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
