"""Searching a redacted bundle for what it should hide: section 5.

The cost grows with the text of both documents, not with their product. Strings are
judged once each, however often they occur. Values are looked up by their first eight
characters, then among a sorted list in which none begins another, so that at most one
can match at any place.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from .names import FORMAT_MEMBERS, PLACEHOLDER
from .reading_exactly import member_path
from .redaction import redacted_members
from .reports import Leak, LeakKind
from .summary import sections_of

# From this length on a value is looked for inside strings, below it only as a whole.
SEARCHED_LENGTH = 8
# Of longer values only the beginning is looked for: it would be a leak by itself, and
# comparing more at every place would cost the square of the document's size.
_COMPARED_LENGTH = 4096
_WORD = re.compile(r"[A-Za-z0-9_]+")


class HiddenMembers:
    """Looks at every flagged member of records as they come."""

    def __init__(self, flags: tuple[str, ...]) -> None:
        self._found: dict[tuple[str, str], list[Leak]] = {
            member: [] for member in redacted_members(flags)
        }

    def hear(self, section: str, records: list[Any], start: int) -> None:
        """Look at some more records of a section, which begin at index `start`."""
        prefix = "$.risk_ledger.entries" if section == "risk_ledger" else f"$.{section}"
        for (place, name), found in self._found.items():
            if place != section:
                continue
            for index, record in enumerate(records, start):
                if (
                    type(record) is dict
                    and record.get(name, PLACEHOLDER) != PLACEHOLDER
                ):
                    path = f"{prefix}[{index}].{name}"
                    found.append(Leak(path, LeakKind.NOT_REDACTED))

    def leaks(self) -> list[Leak]:
        """Return a leak for each that was not the placeholder, in the table's order."""
        return list(chain.from_iterable(self._found.values()))


def find_spelled_out(
    document: dict[str, Any], flags: tuple[str, ...], source: dict[str, Any] | None
) -> list[Leak]:
    """Return the places whose string gives away what the flags replace in a source."""
    if source is None:
        return []
    return _spelled_out(document, _replaced_values(source, flags))


# --- What was replaced -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Replaced:
    """Replaced values: short ones, long ones by their first characters, name hashes."""

    short: frozenset[str]
    by_head: dict[str, list[str]]
    name_hashes: frozenset[str]


def _replaced_values(source: dict[str, Any], flags: tuple[str, ...]) -> _Replaced:
    """Collect every value that the flags replace anywhere in the source."""
    values: set[str] = set()
    name_hashes: set[str] = set()
    for name, value in replaced_members(source, flags):
        values.add(value)
        if name == "name_hash":
            name_hashes.add(value.lower())
    short = frozenset(value for value in values if len(value) < SEARCHED_LENGTH)
    return _Replaced(short, _index(values - short), frozenset(name_hashes))


def replaced_members(
    source: dict[str, Any], flags: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """Yield (member, value) of each string that the flags replace in a source."""
    sections = sections_of(source)
    for section, name in redacted_members(flags):
        for record in sections[section]:
            value = record.get(name) if type(record) is dict else None
            if type(value) is str and value != PLACEHOLDER:
                yield name, value


def _index(values: Iterable[str]) -> dict[str, list[str]]:
    """Group values by their first characters, sorted, none beginning with another."""
    by_head: dict[str, list[str]] = {}
    last = None
    for value in sorted({value[:_COMPARED_LENGTH] for value in values}):
        # A string that holds the longer one holds the shorter one too.
        if last is None or not value.startswith(last):
            by_head.setdefault(value[:SEARCHED_LENGTH], []).append(value)
            last = value
    return by_head


# --- Where it still stands -------------------------------------------------------


def _spelled_out(document: dict[str, Any], replaced: _Replaced) -> list[Leak]:
    """Return a leak for each place whose string gives a replaced value away."""
    leaking = _leaking_strings(document, replaced)
    if not leaking:
        return []
    # A member's name and its value have the same path: one leak of a kind is enough.
    found = {
        (path, leaking[text]): None
        for path, text in strings_with_paths(document)
        if text in leaking
    }
    return [Leak(path, kind) for path, kind in found]


def _leaking_strings(
    document: dict[str, Any], replaced: _Replaced
) -> dict[str, LeakKind]:
    """Return the strings that leak, each with the first kind that fits."""
    strings = _distinct_strings(document)
    spelled = _spelled_words(strings, replaced.name_hashes)
    leaking = {}
    for text in strings:
        if text in replaced.short or _holds_value(text, replaced.by_head):
            leaking[text] = LeakKind.RAW_VALUE
        elif spelled and not spelled.isdisjoint(_WORD.findall(text)):
            leaking[text] = LeakKind.NAME_SPELLED
    return leaking


def _holds_value(text: str, by_head: dict[str, list[str]]) -> bool:
    """Return whether one of the indexed values stands anywhere inside the text."""
    for start in range(len(text) - SEARCHED_LENGTH + 1):
        values = by_head.get(text[start : start + SEARCHED_LENGTH])
        if values is not None and _begins_with_one(
            text[start : start + _COMPARED_LENGTH], values
        ):
            return True
    return False


def _begins_with_one(text: str, values: list[str]) -> bool:
    """Return whether the text begins with one of the sorted values."""
    # None of the sorted values begins another, so the one that begins the text, if
    # any, is the greatest that is not greater than the text.
    place = bisect_right(values, text)
    return place > 0 and text.startswith(values[place - 1])


def _spelled_words(strings: set[str], name_hashes: frozenset[str]) -> set[str]:
    """Return the words of the strings whose SHA-256 is a replaced name hash."""
    if not name_hashes:
        return set()
    words: set[str] = set()
    for text in strings:
        words.update(_WORD.findall(text))
    return {
        word
        for word in words
        if hashlib.sha256(word.encode()).hexdigest() in name_hashes
    }


def _distinct_strings(document: dict[str, Any]) -> set[str]:
    """Return every string value, and every member name that is not the format's own.

    The placeholder is left out: it gives nothing away, even where it holds a value.
    """
    strings: set[str] = set()
    stack: list[Any] = [document]
    while stack:
        item = stack.pop()
        if type(item) is dict:
            strings.update(item)
            children: Iterable[Any] = item.values()
        else:
            children = item
        for child in children:
            if type(child) is str:
                strings.add(child)
            elif type(child) is dict or type(child) is list:
                stack.append(child)
    return strings - {PLACEHOLDER}


def strings_with_paths(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (path, string) in document order; a member's name comes with its path."""
    stack: list[tuple[str, Any]] = [("$", document)]
    while stack:
        path, item = stack.pop()
        if type(item) is str:
            yield path, item
        elif type(item) is list:
            elements = [(f"{path}[{place}]", each) for place, each in enumerate(item)]
            stack.extend(reversed(elements))
        elif type(item) is dict:
            for name, each in reversed(item.items()):
                place = member_path(path, name)
                stack.append((place, each))
                if name not in FORMAT_MEMBERS:
                    stack.append((place, name))
