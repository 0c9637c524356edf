"""Names as they are: hidden characters shown, and names that look like others found.

`show_hidden` writes out every character that has no shape of its own or that turns the
direction of what follows, so that `inv⟨U+202E⟩gpj.exe` cannot pass for a picture.
`lookalike_key` gives the same key to names that a reader could take for each other:
they differ in case, in hidden characters or in look-alike letters only. It follows
the skeleton of UTS #39, section 4, with Unicode's own table of confusables, and goes
further in case, by which `I` joins `i` and `l`, and `O` joins `o` and `0`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from string import ascii_uppercase

# What `str.isprintable` calls printable and nobody sees: default ignorable letters
# and marks (DerivedCoreProperties.txt), and the blank Braille pattern.
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164"
    "\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp", "Zs"})
_DIRECTION_MARK = "\u200e"
KEY_LENGTH = 255
PROSE = "\n\t\u00a0\u3000\u200c\u200d\ufe0e\ufe0f"
"""What written text may hold: its spaces, and the joiners of scripts and emoji."""


def show_hidden(text: str, *, keep: str = "") -> str:
    """Return the text with each hidden character as its code point: ⟨U+202E⟩.

    `keep` names those that stay as they are: a text of several lines has line breaks.
    """
    if text.isprintable() and not _IGNORABLE.search(text):
        return text
    return "".join(
        f"⟨U+{ord(char):04X}⟩" if char not in keep and is_hidden(char) else char
        for char in text
    )


def quote_name(name: str) -> str:
    """Return a name as Markdown that shows it as it is, hidden characters and all."""
    plain = show_hidden(name).replace("`", "'")
    return f"`{plain}`"


def is_hidden(character: str) -> bool:
    """Return whether a character shows nothing, another space, or turns direction."""
    if character == " ":
        return False
    if _IGNORABLE.match(character):
        return True
    return unicodedata.category(character) in _HIDDEN_CATEGORIES


def lookalike_key(name: str) -> str:
    """Return what a reader sees of a name; equal keys look alike. At most 255 long."""
    visible = _unhide(unicodedata.normalize("NFKC", _unhide(name)))
    # Twice: folding may give letters that have look-alikes of their own.
    alike = _replace(_replace(visible).casefold()).casefold()
    return " ".join(alike.split())[:KEY_LENGTH]


def find_lookalike(
    name: str, known: Iterable[str], *, read: Callable[[str], str] = lookalike_key
) -> str | None:
    """Return the first other name among the known ones that looks like this one.

    `read` gives what is read of a name.
    """
    key = read(name)
    return next(
        (
            candidate
            for candidate in known
            if candidate != name and read(candidate) == key
        ),
        None,
    )


def _replace(text: str) -> str:
    table = prototypes()
    return "".join(table.get(char, char) for char in text)


def _unhide(text: str) -> str:
    """Drop hidden characters; a space of any kind becomes a plain one."""
    spaced = (" " if unicodedata.category(char) == "Zs" else char for char in text)
    return "".join(char for char in spaced if not is_hidden(char))


@cache
def prototypes() -> dict[str, str]:
    """Return for each character that has look-alikes the one that stands for all.

    The table's pairs are joined into groups, and with them the two cases of ASCII.
    Other scripts' cases are not: capital Eta looks like H, and small eta like n. A
    group's ASCII text stands for it, the longest where there are several: `m` reads
    as `rn`.
    """
    # A large table, read on import: only where names are compared.
    from confusable_homoglyphs.confusables import confusables_data

    groups: dict[str, set[str]] = defaultdict(set)
    pairs = [
        [source, *(other["c"].replace(_DIRECTION_MARK, "") for other in others)]
        for source, others in confusables_data.items()
    ]
    for texts in [*pairs, *([char, char.lower()] for char in ascii_uppercase)]:
        merged = set(texts).union(*(groups[text] for text in texts))
        for text in merged:
            groups[text] = merged
    return {
        text: min(group, key=lambda char: (not char.isascii(), -len(char), char))
        for text, group in groups.items()
        if len(text) == 1
    }
