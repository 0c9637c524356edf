"""Finding replaced values wherever they still stand, however they are written there.

The format's own search (leaks.py) looks for a value as it is. A copy for outsiders is
looked through for more: a value or a name in other letters' case, in base64, in hex,
URL-encoded, with escapes, or broken over lines. What is found is one span of the text
as it stands, so that it can be taken out. It is a search for known values: what nobody
redacted anywhere is not found.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .leaks import SEARCHED_LENGTH, LeakKind, replaced_members
from .names import PLACEHOLDER

DEEPEST = 3
"""How many codings inside each other are taken off: base64 of URL-encoded hex."""
LONGEST_NAME = 256
"""Of a variable: more fragments of a broken word than make this are no name."""
_WORD = re.compile(r"[A-Za-z0-9_]+")
_BREAK = re.compile(r"[ \t]*[\\-]?[ \t]*(?:\r\n|\r|\n)[\s>|*#]*")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})|&#?\w{2,8};")
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2})+")
_BASE64 = re.compile(
    r"[A-Za-z0-9+/_-](?:[A-Za-z0-9+/_-]|\s*\n\s*(?=[A-Za-z0-9+/_=-])){7,}"
)
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[\s:-]*){6,}")
_READABLE = re.compile(rb"[\x20-\x7e\r\n\t]{6}")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Found:
    """A span of a text that gives something away, and in which way."""

    start: int
    end: int
    kind: LeakKind


class _Alike:
    """Values that begin alike, in order, so that not each has to be tried."""

    def __init__(self, values: list[str]) -> None:
        self._values = values
        self._longest = max(map(len, values))
        # Of each value, the place of the longest other one that it begins with.
        self._within: list[int] = []
        around: list[int] = []
        for place, value in enumerate(values):
            while around and not value.startswith(values[around[-1]]):
                around.pop()
            self._within.append(around[-1] if around else -1)
            around.append(place)

    def length_at(self, text: str, start: int) -> int:
        """Return the length of the longest value that stands there; 0 for none."""
        # Whatever begins the text begins the greatest that is not greater, too.
        part = text[start : start + self._longest]
        place = bisect_right(self._values, part) - 1
        while place >= 0 and not part.startswith(self._values[place]):
            place = self._within[place]
        return len(self._values[place]) if place >= 0 else 0


class Secrets:
    """What was replaced in the sources of a copy: values, and hashes of names."""

    def __init__(self, values: Iterable[str] = (), names: Iterable[str] = ()) -> None:
        kept = {value for value in values if value and value != PLACEHOLDER}
        self.short = frozenset(v.casefold() for v in kept if len(v) < SEARCHED_LENGTH)
        self.long = {_squeeze(v)[0] for v in kept if len(v) >= SEARCHED_LENGTH}
        self.names = frozenset(name.lower() for name in names)

    @classmethod
    def of_bundle(cls, source: dict[str, Any], flags: tuple[str, ...]) -> Secrets:
        """Collect what the flags replace in a bundle, by the format's own table."""
        return cls.of_held(replaced_members(source, flags))

    @classmethod
    def of_held(cls, held: Iterable[tuple[str, str]]) -> Secrets:
        """Collect values by the members that hold them; some are hashes of names."""
        found = set(held)
        hashes = (value for name, value in found if name == "name_hash")
        return cls((value for _, value in found), hashes)

    def __bool__(self) -> bool:
        return bool(self.short or self.long or self.names)

    @cached_property
    def _by_head(self) -> dict[str, _Alike]:
        """The long values by their first characters."""
        heads: dict[str, list[str]] = {}
        for value in sorted(self.long):
            if len(value) >= SEARCHED_LENGTH // 2:
                heads.setdefault(value[: SEARCHED_LENGTH // 2], []).append(value)
        return {head: _Alike(values) for head, values in heads.items()}

    def find(self, text: str) -> list[Found]:
        """Return what gives something away, in order, none overlapping another."""
        if not self or text == PLACEHOLDER:
            return []
        if text.casefold().strip() in self.short:
            return [Found(0, len(text), LeakKind.RAW_VALUE)]
        return _merge(self._search(text, DEEPEST))

    def hide(self, text: str) -> tuple[str, list[LeakKind]]:
        """Return the text with the placeholder in each such place, and of which kind.

        What is left is looked through again: taking something out may join the rest.
        """
        kinds: list[LeakKind] = []
        for _ in range(DEEPEST):
            found = self.find(text)
            if not found:
                return text, kinds
            kinds += [one.kind for one in found]
            for one in reversed(found):
                text = f"{text[: one.start]}{PLACEHOLDER}{text[one.end :]}"
        return (text, kinds) if not self.find(text) else (PLACEHOLDER, kinds)

    # --- Looking -----------------------------------------------------------------

    def _search(self, text: str, depth: int) -> Iterator[Found]:
        """Yield what is found in a text, and in what its codings say."""
        yield from self._plain(text)
        if depth:
            for part, decode in _codings(text):
                for shown, places in decode:
                    for found in self._search(shown, depth - 1):
                        yield Found(*_spread(part, places, found), found.kind)

    def _plain(self, text: str) -> Iterator[Found]:
        """Yield what is found in a text as it stands."""
        squeezed, places = _squeeze(text)
        heads, width = self._by_head, SEARCHED_LENGTH // 2
        for start in range(len(squeezed) - width + 1 if heads else 0):
            alike = heads.get(squeezed[start : start + width])
            length = alike.length_at(squeezed, start) if alike else 0
            if length:
                end = places[start + length - 1] + 1
                yield Found(places[start], end, LeakKind.RAW_VALUE)
        if self.names:
            for begin, end, word in _words(text):
                if self._is_name(word):
                    yield Found(begin, end, LeakKind.NAME_SPELLED)

    def _is_name(self, word: str) -> bool:
        """Return whether a word is a hidden name, in some letters' case."""
        return any(
            hashlib.sha256(one.encode()).hexdigest() in self.names
            for one in {word, word.upper(), word.lower()}
        )


def strings_held(value: Any, members: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield (name, value) of each named member that holds a string, at any depth."""
    if isinstance(value, list):
        for each in value:
            yield from strings_held(each, members)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name in members and isinstance(each, str) and each != PLACEHOLDER:
                yield name, each
            else:
                yield from strings_held(each, members)


def _squeeze(text: str) -> tuple[str, list[int]]:
    """Return a text without white space and case, and where each character was."""
    shown: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        if char.isspace() or char in "\\>|-":
            continue
        for folded in char.casefold():
            shown.append(folded)
            places.append(place)
    return "".join(shown), places


def _words(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield the words of a text, and those that a break over lines divides."""
    found = [(m.start(), m.end(), m[0]) for m in _WORD.finditer(text)]
    for place, (begin, end, word) in enumerate(found):
        yield begin, end, word
        joined = word
        for number in range(place + 1, len(found)):
            after, upto, more = found[number]
            if len(joined) > LONGEST_NAME or not _BREAK.fullmatch(text[end:after]):
                break
            joined, end = joined + more, upto
            yield begin, end, joined


# --- Taking codings off ---------------------------------------------------------------

Decoded = Iterator[tuple[str, list[int] | None]]


def _codings(text: str) -> Iterator[tuple[Span, Decoded]]:
    """Yield each part of a text that may be coded, with what it may say."""
    if _PERCENT.search(text) or "+" in text:
        yield (0, len(text)), _mapped(text, _PERCENT, _unquote)
    if _ESCAPE.search(text):
        yield (0, len(text)), _mapped(text, _ESCAPE, _unescape)
    for match in _BASE64.finditer(text):
        yield match.span(), ((shown, None) for shown in _unbase64(match[0]))
    for match in _HEX.finditer(text):
        yield match.span(), ((shown, None) for shown in _unhex(match[0]))


def _mapped(text: str, coded: re.Pattern[str], decode: Callable[[str], str]) -> Decoded:
    """Yield the text with the coded parts decoded, and where each character was."""
    shown: list[str] = []
    places: list[int] = []
    last = 0
    for match in coded.finditer(text):
        shown.append(text[last : match.start()])
        places.extend(range(last, match.start()))
        part = decode(match[0])
        shown.append(part)
        width = (match.end() - match.start()) / max(1, len(part))
        places.extend(match.start() + int(n * width) for n in range(len(part)))
        last = match.end()
    shown.append(text[last:])
    places.extend(range(last, len(text)))
    places.append(len(text))
    whole = "".join(shown)
    if whole != text:
        yield whole, places


def _unquote(part: str) -> str:
    """Return what a run of percent signs and digits says."""
    return bytes.fromhex(part.replace("%", "")).decode("utf-8", "replace")


def _unescape(part: str) -> str:
    """Return the character that an escape of JSON or HTML stands for."""
    if part.startswith("\\"):
        return chr(int(part[2:], 16))
    return html.unescape(part)


def _unbase64(part: str) -> Iterator[str]:
    """Yield what a run of letters may say, from each of its first four places."""
    letters = re.sub(r"\s", "", part).translate(str.maketrans("-_", "+/")).rstrip("=")
    for start in range(4):
        run = letters[start:]
        run = run[: len(run) - (len(run) % 4 == 1)]
        try:
            data = base64.b64decode(run + "=" * (-len(run) % 4))
        except (binascii.Error, ValueError):
            continue
        yield from _readable(data)
        yield from _readable(data.replace(b"\0", b"")) if b"\0" in data else ()


def _unhex(part: str) -> Iterator[str]:
    """Yield what a run of hex digits may say, from each of its first two places."""
    digits = re.sub(r"[\s:-]", "", part)
    for start in range(2):
        run = digits[start:]
        yield from _readable(bytes.fromhex(run[: len(run) - len(run) % 2]))


def _readable(data: bytes) -> Iterator[str]:
    """Yield what bytes say, unless it is noise, as that of most digests is."""
    try:
        yield data.decode("utf-8")
    except UnicodeDecodeError:
        if _READABLE.search(data):
            yield data.decode("utf-8", "replace")


def _spread(part: Span, places: list[int] | None, found: Found) -> Span:
    """Return where something found in what a part says stands in the text itself.

    A coded run goes as a whole: cutting into it would leave the rest readable.
    """
    if places is None:
        return part
    return places[found.start], places[min(found.end, len(places) - 1)]


def _merge(found: Iterable[Found]) -> list[Found]:
    """Return spans in order, those that overlap as one, of the first one's kind."""
    merged: list[Found] = []
    for one in sorted(found, key=lambda f: (f.start, -f.end)):
        if merged and one.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = Found(last.start, max(last.end, one.end), last.kind)
        else:
            merged.append(one)
    return merged
