"""The fonts of a PDF, and what they can write."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

FONT_FOLDER = Path(__file__).parent.parent / "fonts"
PLAIN = "DejaVuSans"
BOLD = "DejaVuSans-Bold"
FIXED = "DejaVuSansMono"
UNWRITABLE_DIRECTIONS = frozenset({"R", "AL", "AN"})


@cache
def register_fonts() -> dict[str, frozenset[int]]:
    """Register the project's fonts; return what each can write."""
    known = {}
    for name in (PLAIN, BOLD, FIXED):
        font = TTFont(name, str(FONT_FOLDER / f"{name}.ttf"))
        pdfmetrics.registerFont(font)
        known[name] = frozenset(font.face.charToGlyph)
    pdfmetrics.registerFontFamily(PLAIN, PLAIN, BOLD, PLAIN, BOLD)
    return known


def writable(text: str, font: str = PLAIN) -> str:
    """Return text with names for the characters that the font has no picture of."""
    known = register_fonts()[font]
    return "".join(char if char in "\n\t" else _written(char, known) for char in text)


def _written(char: str, known: frozenset[int]) -> str:
    if char.isascii() and char.isprintable():
        return char
    is_plain = (
        ord(char) in known
        and unicodedata.bidirectional(char) not in UNWRITABLE_DIRECTIONS
        and unicodedata.category(char) not in ("Cc", "Cf", "Co", "Cs")
    )
    if is_plain:
        return char
    name = unicodedata.name(char, "")
    return f"[U+{ord(char):04X}{' ' if name else ''}{name}]"
