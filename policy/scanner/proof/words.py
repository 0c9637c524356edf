"""Where a word stands in a text, with no letter beside it: looked up on demand."""

from __future__ import annotations

import re
import string

NAME_BYTES = frozenset(b"$_" + string.digits.encode() + string.ascii_letters.encode())
_NAME_SIGNS = frozenset(bytes((byte,)) for byte in NAME_BYTES)
# So short a name stands inside of every other word: all of them are looked up at once.
_SHORT_BYTES = 3
_MANY_SHORT = 6
_WORD = re.compile(rb"[\w$]+")


class Words:
    """The words of a text, and where each stands."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._places: dict[str, list[int]] = {}
        self._short: dict[bytes, list[int]] | None = None
        self._short_asked = 0

    def places(self, name: str) -> list[int]:
        """Return where a name stands in the text, whatever it is there."""
        found = self._places.get(name)
        if found is None:
            found = self._places[name] = self._look_up(name.encode())
        return found

    def _look_up(self, name: bytes) -> list[int]:
        """Search for a name; of short ones, make a list once some were asked for."""
        # A name of other letters, such as é, is no word as they are counted here.
        if len(name) > _SHORT_BYTES or not NAME_BYTES.issuperset(name):
            return _search(self.data, name)
        self._short_asked += 1
        if self._short_asked < _MANY_SHORT:
            return _search(self.data, name)
        if self._short is None:
            self._short = _short_words(self.data)
        return self._short.get(name, [])


def _short_words(data: bytes) -> dict[bytes, list[int]]:
    """Return where each short word stands."""
    found: dict[bytes, list[int]] = {}
    for match in _WORD.finditer(data):
        start, end = match.span()
        if end - start <= _SHORT_BYTES:
            found.setdefault(match[0], []).append(start)
    return found


def _search(data: bytes, name: bytes) -> list[int]:
    """Return where a name stands, by searching for it as it is."""
    found, size = [], len(name)
    start = data.find(name)
    while start >= 0:
        end = start + size
        is_whole = start == 0 or data[start - 1] not in NAME_BYTES
        if is_whole and data[end : end + 1] not in _NAME_SIGNS:
            found.append(start)
        start = data.find(name, start + 1)
    return found
