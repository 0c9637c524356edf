"""A postmortem's document as PDF, by reportlab: no browser and no system library.

The same document gives the same bytes, so that archiving twice is archiving once.
DejaVu Sans covers Latin, Greek, Cyrillic and more; where the machine has none (Debian:
fonts-dejavu-core), the PDF's own Helvetica is used and what it cannot write is shown
as □. Scripts that neither has are complete in the Markdown and JSON beside the PDF.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from markdown_it import MarkdownIt
from markdown_it.token import Token
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import LongTable, Paragraph, SimpleDocTemplate, TableStyle

from incidents.workflow.postmortem_markdown import render_postmortem

FONT_FOLDERS = (
    "/usr/share/fonts/truetype/dejavu",
    "/usr/share/fonts/dejavu-sans-fonts",
    "/usr/share/fonts/TTF",
    "/Library/Fonts",
)
INK = colors.HexColor("#18181b")
SOFT = colors.HexColor("#52525b")
LINE = colors.HexColor("#d4d4d8")
GROUND = colors.HexColor("#f4f4f5")
HEADING_SIZES = {1: 18, 2: 13, 3: 10.5}
PAGE_MARGIN = 18 * mm
CELL_LENGTH = 1_500
"""reportlab cannot break a cell over pages; what is cut says so, and the archived
JSON and Markdown have it in full."""

_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def write_pdf(
    content: Mapping[str, Any], *, sha256_hex: str, signature: str = ""
) -> bytes:
    """Return the document as PDF."""
    text = render_postmortem(content, sha256_hex=sha256_hex, signature=signature)
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=PAGE_MARGIN,
        rightMargin=PAGE_MARGIN,
        topMargin=PAGE_MARGIN,
        bottomMargin=PAGE_MARGIN,
        title=f"Postmortem of {content['reference']}",
        author=", ".join(content["authors"]),
        subject=f"SHA-256 {sha256_hex}",
        invariant=True,
    )
    footer = f"{content['reference']} · version {content['version']} · {sha256_hex}"
    document.build(
        _story(_PARSER.parse(text), document.width),
        onFirstPage=lambda canvas, page: _footer(canvas, page, footer),
        onLaterPages=lambda canvas, page: _footer(canvas, page, footer),
    )
    return out.getvalue()


@cache
def fonts() -> tuple[str, str, str]:
    """Return the names of the plain, bold and fixed-width fonts, registered once."""
    for folder in map(Path, FONT_FOLDERS):
        files = [
            folder / name
            for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf")
        ]
        if all(file.is_file() for file in files):
            names = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono")
            for name, file in zip(names, files, strict=True):
                pdfmetrics.registerFont(TTFont(name, str(file)))
            pdfmetrics.registerFontFamily(
                "DejaVuSans",
                "DejaVuSans",
                "DejaVuSans-Bold",
                "DejaVuSans",
                "DejaVuSans-Bold",
            )
            return names
    return "Helvetica", "Helvetica-Bold", "Courier"


def writable(text: str) -> str:
    """Return text with □ for what the font has no picture of."""
    name, _, _ = fonts()
    if name == "Helvetica":
        boxes = {"☐": "[ ]", "☑": "[x]", "→": "->"}
        plain = "".join(boxes.get(one, one) for one in text)
        return "".join(
            one if one.encode("cp1252", "ignore") else "□" for one in plain
        ).replace("□", "?")
    known = pdfmetrics.getFont(name).face.charToGlyph
    return "".join(one if ord(one) in known or one in "\n\t" else "□" for one in text)


def _footer(canvas: Any, page: Any, text: str) -> None:
    canvas.saveState()
    canvas.setFont(fonts()[0], 6.5)
    canvas.setFillColor(SOFT)
    canvas.drawString(PAGE_MARGIN, 10 * mm, writable(text))
    canvas.drawRightString(A4[0] - PAGE_MARGIN, 10 * mm, str(page.page))
    canvas.restoreState()


def _style(name: str, **values: Any) -> ParagraphStyle:
    defaults: dict[str, Any] = {
        "fontName": fonts()[0],
        "fontSize": 9,
        "leading": 12.5,
        "textColor": INK,
        "spaceAfter": 4,
        "wordWrap": "CJK",
    }
    return ParagraphStyle(name, **{**defaults, **values})


def _story(tokens: Sequence[Token], width: float) -> list[Any]:
    """Return the flowables of a parsed document."""
    story: list[Any] = []
    depth: list[str] = []
    quote = 0
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token.type == "table_open":
            end = _closing(tokens, position, "table_close")
            story.append(_table(tokens[position:end], width))
            position = end
        elif token.type == "heading_open":
            story.append(_heading(token, tokens[position + 1]))
            position += 2
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            depth.append("•" if token.type.startswith("bullet") else "1")
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            depth.pop()
        elif token.type == "blockquote_open":
            quote += 1
        elif token.type == "blockquote_close":
            quote -= 1
        elif token.type == "inline":
            story.append(_paragraph(_inline(token), depth, quote))
        elif token.type in ("fence", "code_block"):
            story.append(_code(token.content))
        position += 1
    return story


def _closing(tokens: Sequence[Token], start: int, kind: str) -> int:
    return next(i for i in range(start, len(tokens)) if tokens[i].type == kind)


def _heading(opening: Token, inline: Token) -> Paragraph:
    level = int(opening.tag[1])
    size = HEADING_SIZES.get(level, 9.5)
    style = _style(
        f"h{level}",
        fontName=fonts()[1],
        fontSize=size,
        leading=size * 1.3,
        spaceBefore=size * (0.9 if level > 1 else 0),
        spaceAfter=size * 0.4,
        keepWithNext=1,
    )
    return Paragraph(_inline(inline), style)


def _paragraph(markup: str, depth: list[str], quote: int) -> Paragraph:
    indent = 12 * len(depth) + 10 * quote
    style = _style(
        "item" if depth else "text",
        leftIndent=indent,
        bulletIndent=max(0, indent - 10),
        textColor=SOFT if quote else INK,
    )
    return Paragraph(markup, style, bulletText="•" if depth else None)


def _code(text: str) -> Paragraph:
    style = _style(
        "code",
        fontName=fonts()[2],
        fontSize=7.5,
        leading=10,
        backColor=GROUND,
        borderPadding=4,
        spaceBefore=4,
        spaceAfter=8,
    )
    lines = (escape(writable(line)).replace(" ", "\u00a0") for line in text.split("\n"))
    return Paragraph("<br/>".join(lines).removesuffix("<br/>"), style)


def _table(tokens: Sequence[Token], width: float) -> LongTable:
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(_cut(token))
    has_head = any(rows[0])
    body = rows if has_head else rows[1:]
    head, cell = (
        _style("head", fontName=fonts()[1], fontSize=7, leading=9, spaceAfter=0),
        _style("cell", fontSize=7, leading=9.2, spaceAfter=0),
    )
    flowables = [
        [Paragraph(text, head if has_head and not i else cell) for text in row]
        for i, row in enumerate(body)
    ]
    table = LongTable(
        flowables,
        colWidths=_widths(body, width),
        repeatRows=1 if has_head else 0,
        spaceAfter=8,
    )
    commands: list[Any] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
        ("LEFTPADDING", (0, 0), (-1, -1), 3),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
    ]
    if has_head:
        commands.append(("BACKGROUND", (0, 0), (-1, 0), GROUND))
    table.setStyle(TableStyle(commands))
    return table


def _cut(token: Token) -> str:
    """Return a cell's markup; one too long for a page ends with a note."""
    if len(token.content) <= CELL_LENGTH:
        return _inline(token)
    text = "".join(one.content for one in token.children or ())[:CELL_LENGTH]
    return escape(writable(text)) + " … (cut here; complete in the JSON)"


def _widths(rows: Sequence[Sequence[str]], width: float) -> list[float]:
    """Return column widths by how much each holds, none too narrow to read."""
    columns = len(rows[0])
    weights = [
        min(60, max(8, max(len(row[column]) for row in rows) ** 0.75))
        for column in range(columns)
    ]
    return [width * weight / sum(weights) for weight in weights]


def _inline(token: Token) -> str:
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
        "softbreak": "<br/>",
        "hardbreak": "<br/>",
    }
    if child.type in tags:
        return tags[child.type]
    if child.type == "code_inline":
        name = fonts()[2]
        return f'<font name="{name}">{escape(writable(child.content))}</font>'
    if child.type == "link_open":
        return ""
    if child.type == "link_close":
        return ""
    return escape(writable(child.content))
