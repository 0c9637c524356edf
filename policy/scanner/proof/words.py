"""Where a word stands in a text, with no letter beside it: looked up on demand."""

from __future__ import annotations

import re
import string

NAME_BYTES = frozenset(b"$_" + string.digits.encode() + string.ascii_letters.encode())
_NAME_SIGNS = frozenset(bytes((byte,)) for byte in NAME_BYTES)
# So short a name stands inside of every other word: it is looked for between blanks,
# where all that is in no word is one. Once that was done often, all are looked up.
_SHORT_BYTES = 3
_MANY_SHORT = 20
_BLANKED = bytes(byte if byte in NAME_BYTES else 0x20 for byte in range(256))
_SHORT_WORD = re.compile(rb"(?<= )[\w$]{1,%d}(?= )" % _SHORT_BYTES)


class Words:
    """The words of a text, and where each stands."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._places: dict[str, list[int]] = {}
        self._blanked: bytes | None = None
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
        if self._blanked is None:
            self._blanked = b" %b " % self.data.translate(_BLANKED)
        if self._short_asked < _MANY_SHORT:
            return _search_blanked(self._blanked, name)
        if self._short is None:
            self._short = _short_words(self._blanked)
        return self._short.get(name, [])


def _short_words(blanked: bytes) -> dict[bytes, list[int]]:
    """Return where each short word stands, in a text with one blank more in front."""
    found: dict[bytes, list[int]] = {}
    for match in _SHORT_WORD.finditer(blanked):
        found.setdefault(match[0], []).append(match.start() - 1)
    return found


def _search_blanked(blanked: bytes, name: bytes) -> list[int]:
    """Return where a name stands, in a text that has one blank more in front."""
    found: list[int] = []
    word, step = b" %b " % name, len(name) + 1
    start = blanked.find(word)
    while start >= 0:
        found.append(start)
        # The blank after it may be the one before the next.
        start = blanked.find(word, start + step)
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
