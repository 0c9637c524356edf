"""Headings, text and code of a PDF."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

from markdown_it.token import Token
from reportlab.lib import colors
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import Paragraph

from incidents.postmortem_pdf.fonts import BOLD, FIXED, PLAIN, writable

INK = colors.HexColor("#18181b")
SOFT = colors.HexColor("#52525b")
LINE = colors.HexColor("#d4d4d8")
GROUND = colors.HexColor("#f4f4f5")
HEADING_SIZES = {1: 18, 2: 13, 3: 10.5}
CODE_LINES = 40
CODE_COLUMNS = 400
"""A paragraph of many lines is wrapped again on each page that it reaches."""
DEEPEST_INDENT = 10
LONGEST_MARKUP = 24_000
"""More than the longest section as it was typed: only names of characters make more."""


def make_style(name: str, **values: Any) -> ParagraphStyle:
    defaults: dict[str, Any] = {
        "fontName": PLAIN,
        "fontSize": 9,
        "leading": 12.5,
        "textColor": INK,
        "spaceAfter": 4,
        "wordWrap": "CJK",
    }
    return ParagraphStyle(name, **{**defaults, **values})


def make_heading(opening: Token, inline: Token) -> Paragraph:
    level = int(opening.tag[1])
    size = HEADING_SIZES.get(level, 9.5)
    style = make_style(
        f"h{level}",
        fontName=BOLD,
        fontSize=size,
        leading=size * 1.3,
        spaceBefore=size * (0.9 if level > 1 else 0),
        spaceAfter=size * 0.4,
    )
    return Paragraph(inline_markup(inline), style)


def make_paragraph(
    markup: str, depth: list[str], quote: int, *, is_first: bool = True
) -> Paragraph:
    indent = 12 * min(len(depth), DEEPEST_INDENT) + 10 * min(quote, DEEPEST_INDENT)
    style = make_style(
        "item" if depth else "text",
        leftIndent=indent,
        bulletIndent=max(0, indent - 10),
        textColor=SOFT if quote else INK,
    )
    return Paragraph(markup, style, bulletText="•" if depth and is_first else None)


def is_too_long(token: Token) -> bool:
    return len(inline_markup(token)) > LONGEST_MARKUP


def text_paragraphs(token: Token, depth: list[str], quote: int) -> Iterator[Paragraph]:
    """Yield a text as one paragraph; one that is too long in plain pieces.

    As one, its time would grow with the square of its length.
    """
    markup = inline_markup(token)
    if len(markup) <= LONGEST_MARKUP:
        yield make_paragraph(markup, depth, quote)
        return
    text = writable("".join(child.content or " " for child in token.children or ()))
    start = 0
    while start < len(text):
        end = _end_of_piece(text, start)
        piece = escape(text[start:end])
        yield make_paragraph(piece, depth, quote, is_first=not start)
        start = end


def _end_of_piece(text: str, start: int) -> int:
    """Return where a piece ends that begins here: in no name of a character."""
    end = start + LONGEST_MARKUP
    opened, closed = text.rfind("[", start, end), text.rfind("]", start, end)
    is_cut = end < len(text) and opened > max(start, closed)
    return opened if is_cut else end


def code_paragraphs(text: str) -> Iterator[Paragraph]:
    """Yield the lines of a block of code, some at a time, on one grey ground."""
    lines = [
        line[start : start + CODE_COLUMNS]
        for line in writable(text.removesuffix("\n"), FIXED).split("\n")
        for start in range(0, max(1, len(line)), CODE_COLUMNS)
    ]
    for start in range(0, len(lines), CODE_LINES):
        some = lines[start : start + CODE_LINES]
        style = make_style(
            "code",
            fontName=FIXED,
            fontSize=7.5,
            leading=10,
            backColor=GROUND,
            borderPadding=(4 if not start else 0, 4, 4, 4),
            spaceBefore=0 if start else 6,
            spaceAfter=8 if start + CODE_LINES >= len(lines) else 0,
        )
        marked = (escape(line).replace(" ", "\u00a0") for line in some)
        yield Paragraph("<br/>".join(marked), style)


def inline_markup(token: Token) -> str:
    """Return a line's tokens as reportlab's markup. Links are shown, never followed."""
    return "".join(map(_inline_part, token.children or ()))


def _inline_part(child: Token) -> str:
    tags = {
        "strong_open": "<b>",
        "strong_close": "</b>",
        "em_open": "<i>",
        "em_close": "</i>",
        "s_open": "<strike>",
        "s_close": "</strike>",
        "softbreak": " ",
        "hardbreak": "<br/>",
    }
    if child.type in tags:
        return tags[child.type]
    if child.type == "code_inline":
        return f'<font name="{FIXED}">{escape(writable(child.content, FIXED))}</font>'
    if child.type in ("link_open", "link_close"):
        return ""
    return escape(writable(child.content))
