"""What changed between two versions of a postmortem, line by line and word by word.

Lines are compared by difflib; a line that was replaced is compared again by words, so
that a page can mark the words and not the paragraph. Nothing here knows HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from incidents.workflow.postmortem import SECTIONS, Section

CONTEXT_LINES = 3
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True)
class Part:
    """A run of words; `changed` where the other side has something else."""

    text: str
    changed: bool = False


@dataclass(frozen=True)
class Row:
    """One row of the comparison: old and new side by side; None where there is none."""

    kind: str
    old: tuple[Part, ...] | None
    new: tuple[Part, ...] | None
    old_number: int | None = None
    new_number: int | None = None


@dataclass(frozen=True)
class SectionDiff:
    """How one section changed. `skipped` equal lines are left out of `rows`."""

    section: Section
    rows: tuple[Row, ...]
    added: int
    removed: int

    @property
    def is_changed(self) -> bool:
        """Return whether the two versions differ here."""
        return bool(self.added or self.removed)


def compare_sections(
    before: Mapping[str, str], after: Mapping[str, str]
) -> list[SectionDiff]:
    """Return the comparison of every section, unchanged ones without rows."""
    return [
        _compare(section, before.get(section.key, ""), after.get(section.key, ""))
        for section in SECTIONS
    ]


def _compare(section: Section, before: str, after: str) -> SectionDiff:
    """Return how a section differs, line by line."""
    if before == after:
        return SectionDiff(section, (), 0, 0)
    old, new = before.split("\n") if before else [], after.split("\n") if after else []
    rows = tuple(_rows(old, new))
    added = sum(row.kind in ("added", "replaced") for row in rows)
    removed = sum(row.kind in ("removed", "replaced") for row in rows)
    return SectionDiff(section, rows, added, removed)


def _rows(old: Sequence[str], new: Sequence[str]) -> Iterator[Row]:
    """Yield the changed lines with some around them; "skipped" stands for the rest."""
    matcher = SequenceMatcher(a=old, b=new, autojunk=False)
    groups = matcher.get_grouped_opcodes(CONTEXT_LINES)
    for number, group in enumerate(groups):
        if number or group[0][1]:
            yield Row("skipped", None, None)
        for tag, i1, i2, j1, j2 in group:
            yield from _block(tag, old[i1:i2], new[j1:j2], i1 + 1, j1 + 1)


def _block(
    tag: str, old: Sequence[str], new: Sequence[str], i: int, j: int
) -> Iterator[Row]:
    """Yield the rows of one stretch, old beside new."""
    for offset in range(max(len(old), len(new))):
        left = old[offset] if offset < len(old) else None
        right = new[offset] if offset < len(new) else None
        if left is not None and right is not None:
            parts = _words_of(left, right) if tag == "replace" else None
            kind = "replaced" if parts else "equal"
            before, after = parts or ((Part(left),), (Part(right),))
            yield Row(kind, before, after, i + offset, j + offset)
        elif left is not None:
            yield Row("removed", (Part(left, changed=True),), None, i + offset, None)
        elif right is not None:
            yield Row("added", None, (Part(right, changed=True),), None, j + offset)


def _words_of(left: str, right: str) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """Return the two lines in parts, marked where they differ."""
    a, b = _WORDS.findall(left), _WORDS.findall(right)
    codes = SequenceMatcher(a=a, b=b, autojunk=False).get_opcodes()
    old = [Part("".join(a[i1:i2]), tag != "equal") for tag, i1, i2, _, _ in codes]
    new = [Part("".join(b[j1:j2]), tag != "equal") for tag, _, _, j1, j2 in codes]
    return tuple(p for p in old if p.text), tuple(p for p in new if p.text)
