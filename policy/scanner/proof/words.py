"""Where a word stands in a text, with no letter beside it: looked up on demand."""

from __future__ import annotations

import re
import string

NAME_BYTES = frozenset(b"$_" + string.digits.encode() + string.ascii_letters.encode())
_NAME_SIGNS = frozenset(bytes((byte,)) for byte in NAME_BYTES)
# So short a name stands inside of every other word: it is looked for between blanks,
# where all that is in no word is one.
_SHORT_BYTES = 3
_BLANKED = bytes(byte if byte in NAME_BYTES else 0x20 for byte in range(256))
# To list all words takes as long as to look for so many of them.
_MANY = 64
_WORD = re.compile(rb"[\w$]+")


class Words:
    """The words of a text, and where each stands."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._places: dict[str, list[int]] = {}
        self._blanked: bytes | None = None
        self._all: dict[bytes, list[int]] | None = None

    def places(self, name: str) -> list[int]:
        """Return where a name stands in the text, whatever it is there."""
        found = self._places.get(name)
        if found is None:
            found = self._places[name] = self._look_up(name.encode())
        return found

    def _look_up(self, name: bytes) -> list[int]:
        """Search for a name; list all words once many were asked for."""
        # A name of other letters, such as é, is no word as they are counted here.
        if not NAME_BYTES.issuperset(name):
            return _search(self.data, name)
        if self._all is not None:
            return self._all.get(name, [])
        if len(self._places) > _MANY:
            self._all = _all_words(self.data)
            return self._all.get(name, [])
        if len(name) > _SHORT_BYTES:
            return _search(self.data, name)
        if self._blanked is None:
            self._blanked = b" %b " % self.data.translate(_BLANKED)
        return _search_blanked(self._blanked, name)


def _all_words(data: bytes) -> dict[bytes, list[int]]:
    """Return where each word stands."""
    found: dict[bytes, list[int]] = {}
    for match in _WORD.finditer(data):
        word = match[0]
        if word in found:
            found[word].append(match.start())
        else:
            found[word] = [match.start()]
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
