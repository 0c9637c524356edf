"""A postmortem's document as PDF, by reportlab: no browser and no system library.

The same document gives the same bytes on every machine: the fonts are in the project
(DejaVu, incidents/fonts). A character that they cannot write, or that would need a
direction or joining that reportlab does not know, stands as its name: nothing is lost
without a word. Whatever the document holds is laid out, in time that grows with its
length: what reportlab cannot break over pages reaches it in pieces that fit one.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
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
from reportlab.platypus import (
    Flowable,
    LongTable,
    Paragraph,
    SimpleDocTemplate,
    TableStyle,
)

from evidence.handling import Tlp
from incidents.picture.model import read_picture
from incidents.picture_pdf import PictureFlowable
from incidents.workflow.postmortem_markdown import PICTURE_TITLE, render_postmortem

FONT_FOLDER = Path(__file__).parent / "fonts"
PLAIN, BOLD, FIXED = "DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono"
INK = colors.HexColor("#18181b")
SOFT = colors.HexColor("#52525b")
LINE = colors.HexColor("#d4d4d8")
GROUND = colors.HexColor("#f4f4f5")
MARK_SIZE = 12
MARK_COLOURS = {
    Tlp.RED: colors.HexColor("#ff2b2b"),
    Tlp.AMBER: colors.HexColor("#ffc000"),
    Tlp.GREEN: colors.HexColor("#33ff00"),
    Tlp.CLEAR: colors.white,
}
HEADING_SIZES = {1: 18, 2: 13, 3: 10.5}
PAGE_MARGIN = 18 * mm
CELL_SIZE = 7
CELL_LEADING = 9.2
CELL_PADDING = 3
CELL_LINES = 50
"""reportlab breaks no cell over pages: a longer one goes on in a row of its own."""
WIDEST_TABLE = 12
"""More columns would be too narrow to read; such a table is written cell by cell."""
ROWS_AT_ONCE = 100
CODE_LINES = 40
CODE_COLUMNS = 400
"""A paragraph of many lines is wrapped again on each page that it reaches."""
DEEPEST_INDENT = 10
UNWRITABLE_DIRECTIONS = frozenset({"R", "AL", "AN"})

_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def write_pdf(
    content: Mapping[str, Any],
    *,
    sha256_hex: str,
    signature: str = "",
    text: str | None = None,
    tlp: Tlp | None = None,
) -> bytes:
    """Return the document as PDF, with its mark of handling on every page.

    `text` stands in place of the document's own Markdown, `tlp` None for no mark.
    """
    _register_fonts()
    if text is None:
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
        _story(_PARSER.parse(text), document.width, _drawing_of(content)),
        onFirstPage=lambda canvas, page: _frame(canvas, page, footer, tlp),
        onLaterPages=lambda canvas, page: _frame(canvas, page, footer, tlp),
    )
    return out.getvalue()


def _drawing_of(content: Mapping[str, Any]) -> Flowable | None:
    """Return the picture of what happened, drawn; None where the version holds none."""
    stored = content["facts"].get("picture")
    if not stored:
        return None
    picture = read_picture(stored)
    return PictureFlowable(picture, font=PLAIN, write=writable)


@cache
def _register_fonts() -> dict[str, frozenset[int]]:
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
    known = _register_fonts()[font]
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


def _frame(canvas: Any, page: Any, footer: str, tlp: Tlp | None) -> None:
    """Draw what stands on every page: the mark at both ends, and the footer."""
    _footer(canvas, page, footer)
    if tlp is None:
        return
    canvas.saveState()
    canvas.setFont(BOLD, MARK_SIZE)
    width = pdfmetrics.stringWidth(tlp.label, BOLD, MARK_SIZE)
    right = A4[0] - PAGE_MARGIN
    # TLP 2.0: at both ends of the page, to the right, in 12 points, on black.
    for base in (A4[1] - 13 * mm, 13.5 * mm):
        canvas.setFillColor(colors.black)
        canvas.rect(right - width - 4, base - 3, width + 8, MARK_SIZE + 3, 0, 1)
        canvas.setFillColor(MARK_COLOURS[tlp])
        canvas.drawString(right - width, base, tlp.label)
    canvas.restoreState()


def _footer(canvas: Any, page: Any, text: str) -> None:
    canvas.saveState()
    canvas.setFont(PLAIN, 6.5)
    canvas.setFillColor(SOFT)
    canvas.drawString(PAGE_MARGIN, 10 * mm, writable(text))
    canvas.drawRightString(A4[0] - PAGE_MARGIN, 10 * mm, str(page.page))
    canvas.restoreState()


def _style(name: str, **values: Any) -> ParagraphStyle:
    defaults: dict[str, Any] = {
        "fontName": PLAIN,
        "fontSize": 9,
        "leading": 12.5,
        "textColor": INK,
        "spaceAfter": 4,
        "wordWrap": "CJK",
    }
    return ParagraphStyle(name, **{**defaults, **values})


def _story(
    tokens: Sequence[Token], width: float, drawing: Flowable | None
) -> list[Any]:
    """Return the flowables of a parsed document, the drawing under its heading."""
    story: list[Any] = []
    depth: list[str] = []
    quote = 0
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token.type == "table_open":
            end = _closing(tokens, position, "table_close")
            story += _table(tokens[position:end], width)
            position = end
        elif token.type == "heading_open":
            is_after_heading = position and tokens[position - 1].type == "heading_close"
            heading = _heading(token, tokens[position + 1])
            # A chain of headings that must all stay together fits no page.
            heading.keepWithNext = not is_after_heading
            story.append(heading)
            if token.tag == "h3" and tokens[position + 1].content == PICTURE_TITLE:
                story += [drawing] if drawing else []
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
            story += _code(token.content)
        position += 1
    return story


def _closing(tokens: Sequence[Token], start: int, kind: str) -> int:
    return next(i for i in range(start, len(tokens)) if tokens[i].type == kind)


def _heading(opening: Token, inline: Token) -> Paragraph:
    level = int(opening.tag[1])
    size = HEADING_SIZES.get(level, 9.5)
    style = _style(
        f"h{level}",
        fontName=BOLD,
        fontSize=size,
        leading=size * 1.3,
        spaceBefore=size * (0.9 if level > 1 else 0),
        spaceAfter=size * 0.4,
    )
    return Paragraph(_inline(inline), style)


def _paragraph(markup: str, depth: list[str], quote: int) -> Paragraph:
    indent = 12 * min(len(depth), DEEPEST_INDENT) + 10 * min(quote, DEEPEST_INDENT)
    style = _style(
        "item" if depth else "text",
        leftIndent=indent,
        bulletIndent=max(0, indent - 10),
        textColor=SOFT if quote else INK,
    )
    return Paragraph(markup, style, bulletText="•" if depth else None)


def _code(text: str) -> Iterator[Paragraph]:
    """Yield the lines of a block of code, some at a time, on one grey ground."""
    lines = [
        line[start : start + CODE_COLUMNS]
        for line in writable(text.removesuffix("\n"), FIXED).split("\n")
        for start in range(0, max(1, len(line)), CODE_COLUMNS)
    ]
    for start in range(0, len(lines), CODE_LINES):
        some = lines[start : start + CODE_LINES]
        style = _style(
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


def _table(tokens: Sequence[Token], width: float) -> Iterator[Any]:
    """Yield a table in pieces, each short enough to be laid out at once."""
    rows: list[list[Token]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(token)
    head = rows[0] if any(cell.content for cell in rows[0]) else None
    body = rows[1:]
    if len(rows[0]) > WIDEST_TABLE:
        yield from _cell_by_cell(head, body)
        return
    widths = _widths([[cell.content for cell in row] for row in rows], width)
    head_cells = list(_cells(head, widths, is_head=True)) if head else []
    cells = [line for row in body for line in _cells(row, widths)]
    # A head that is a page long cannot stand on top of every page.
    repeated = head_cells if len(head_cells) == 1 else []
    first = head_cells if not repeated else []
    rest = first + cells
    for start in range(0, max(1, len(rest)), ROWS_AT_ONCE):
        yield _grid(repeated, rest[start : start + ROWS_AT_ONCE], widths)


def _grid(head: list[Any], rows: list[Any], widths: list[float]) -> LongTable:
    table = LongTable(
        [cells for cells, _ in head + rows],
        colWidths=widths,
        repeatRows=1 if head else 0,
        spaceAfter=8,
    )
    commands: list[Any] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), CELL_PADDING),
        ("RIGHTPADDING", (0, 0), (-1, -1), CELL_PADDING),
    ]
    for number, (_, is_last) in enumerate(head + rows):
        if is_last:
            commands.append(("LINEBELOW", (0, number), (-1, number), 0.4, LINE))
    if head:
        commands.append(("BACKGROUND", (0, 0), (-1, 0), GROUND))
    table.setStyle(TableStyle(commands))
    return table


def _cells(
    row: Sequence[Token], widths: Sequence[float], *, is_head: bool = False
) -> Iterator[tuple[list[Paragraph], bool]]:
    """Yield a row as one or more rows that fit a page, and whether each is its last."""
    style = _style(
        "head" if is_head else "cell",
        fontName=BOLD if is_head else PLAIN,
        fontSize=CELL_SIZE,
        leading=CELL_LEADING,
        spaceAfter=0,
    )
    pieces = [_pieces(token, width) for token, width in zip(row, widths, strict=True)]
    count = max(map(len, pieces))
    for number in range(count):
        cells = [
            Paragraph(piece[number] if number < len(piece) else "", style)
            for piece in pieces
        ]
        yield cells, number == count - 1


def _pieces(token: Token, width: float) -> list[str]:
    """Return a cell's markup in pieces of at most CELL_LINES lines."""
    room = max(1, int((width - 2 * CELL_PADDING) / CELL_SIZE)) * CELL_LINES
    text = writable("".join(child.content or " " for child in token.children or ()))
    if len(text) <= room:
        return [_inline(token)]
    return [escape(text[start : start + room]) for start in range(0, len(text), room)]


def _cell_by_cell(
    head: Sequence[Token] | None, rows: Sequence[Sequence[Token]]
) -> Iterator[Paragraph]:
    """Yield the cells of a table that is too wide for the page as lines."""
    names = [_inline(token) for token in head] if head else []
    for row in rows or [[]]:
        for number, cell in enumerate(row):
            name = names[number] if names else str(number + 1)
            yield _paragraph(f"<b>{name}</b>: {_inline(cell)}", [], 1)
    if not rows:
        yield _paragraph(" · ".join(names), [], 1)


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
