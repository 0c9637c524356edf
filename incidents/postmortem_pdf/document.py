"""A postmortem's document, laid out page by page."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.platypus import Flowable, SimpleDocTemplate

from evidence.handling import Tlp
from incidents.picture.model import read_picture
from incidents.picture_pdf import PictureFlowable
from incidents.postmortem_pdf.fonts import BOLD, PLAIN, register_fonts, writable
from incidents.postmortem_pdf.paragraphs import (
    SOFT,
    code_paragraphs,
    is_too_long,
    make_heading,
    text_paragraphs,
)
from incidents.postmortem_pdf.tables import lay_out_table
from incidents.workflow.postmortem_markdown import PICTURE_TITLE, render_postmortem

MARK_SIZE = 12
MARK_COLOURS = {
    Tlp.RED: colors.HexColor("#ff2b2b"),
    Tlp.AMBER: colors.HexColor("#ffc000"),
    Tlp.GREEN: colors.HexColor("#33ff00"),
    Tlp.CLEAR: colors.white,
}
PAGE_MARGIN = 18 * mm
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
    register_fonts()
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
            story += lay_out_table(tokens[position:end], width)
            position = end
        elif token.type == "heading_open" and not is_too_long(tokens[position + 1]):
            is_after_heading = position and tokens[position - 1].type == "heading_close"
            heading = make_heading(token, tokens[position + 1])
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
            story += text_paragraphs(token, depth, quote)
        elif token.type in ("fence", "code_block"):
            story += code_paragraphs(token.content)
        position += 1
    return story


def _closing(tokens: Sequence[Token], start: int, kind: str) -> int:
    return next(i for i in range(start, len(tokens)) if tokens[i].type == kind)
