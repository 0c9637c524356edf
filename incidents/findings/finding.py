"""A finding: the answer to one question of a playbook, and the records that show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# A pointer is a line of a page; beyond this many, the sentence's count says the rest.
POINTERS_MAX = 1000
# A sentence that names more is read by nobody.
NAMED_MAX = 12


class Verdict(StrEnum):
    """What the evidence says to a question.

    ``found``: it shows what the question fears. ``clear``: what it takes was read, and
    shows none. ``unknown``: something needed is missing, redacted or untrusted.
    """

    FOUND = "found"
    CLEAR = "clear"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Pointer:
    """Where a record stands: the evidence item, the section, the index from 0 there.

    ``sequence`` and ``call_id`` are the record's own. ``more`` says what such a place
    has besides: the file and line of a source, the line of a history.
    """

    item: str
    section: str
    index: int | None = None
    sequence: int | None = None
    call_id: str | None = None
    more: tuple[tuple[str, str | int], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the pointer as plain JSON values."""
        return {
            "item": self.item,
            "section": self.section,
            "index": self.index,
            "sequence": self.sequence,
            "call_id": self.call_id,
            **dict(self.more),
        }


@dataclass(frozen=True)
class Question:
    """What a finding answers. ``key`` names it in its class, whatever the verdict.

    ``item`` is the checklist item of the playbook that asks it. ``version`` rises when
    the same evidence is answered otherwise. ``is_incident``: being found, it shows an
    incident of the class by itself.
    """

    code: str
    key: str
    item: str
    title: str
    is_incident: bool = True
    version: int = 1


@dataclass(frozen=True)
class Answer:
    """One answer. ``inputs`` are the SHA-256 of what it was read from, by item."""

    question: Question
    verdict: Verdict
    sentence: str
    pointers: tuple[Pointer, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as plain JSON values: a line of ``answer_playbook``."""
        return {
            "class": self.question.code,
            "id": self.question.key,
            "version": self.question.version,
            "verdict": self.verdict.value,
            "sentence": self.sentence,
            "pointers": [pointer.as_dict() for pointer in self.pointers],
            "inputs": dict(self.inputs),
        }


def conclude(
    question: Question,
    *,
    found: str = "",
    pointers: Iterable[Pointer] = (),
    clear: str,
    gaps: Iterable[str] = (),
    inputs: Mapping[str, str],
) -> Answer:
    """Return the finding: found where its sentence is given, else unknown or clear.

    ``gaps`` say what is missing to know. They stand beside what was found, and turn
    "none was seen" into "nobody can tell".
    """
    missing = tuple(dict.fromkeys(gaps))
    if found:
        note = f" Not everything could be read: {'; '.join(missing)}." * bool(missing)
        verdict, sentence = Verdict.FOUND, found + note
    elif missing:
        verdict, sentence = Verdict.UNKNOWN, f"Not known: {'; '.join(missing)}."
    else:
        verdict, sentence = Verdict.CLEAR, clear
    kept = tuple(dict.fromkeys(pointers))[:POINTERS_MAX]
    return Answer(question, verdict, sentence, kept, inputs)


def listed(texts: Iterable[str], *, most: int = NAMED_MAX) -> str:
    """Return the first distinct texts, and how many more there are."""
    distinct = list(dict.fromkeys(texts))
    shown = "; ".join(distinct[:most])
    more = len(distinct) - most
    return f"{shown}; and {more} more" if more > 0 else shown


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Return ``1 call`` or ``3 calls``."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def figure(value: float) -> str:
    """Return a figure as the document writes it: no exponent, no needless zeros."""
    if isinstance(value, int) or value.is_integer():
        return str(int(value))
    return repr(value)
