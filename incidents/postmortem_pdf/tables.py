"""Tables of a PDF, in pieces that fit a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from xml.sax.saxutils import escape

from markdown_it.token import Token
from reportlab.platypus import LongTable, Paragraph, TableStyle

from incidents.postmortem_pdf.fonts import BOLD, PLAIN, writable
from incidents.postmortem_pdf.paragraphs import (
    GROUND,
    LINE,
    inline_markup,
    make_paragraph,
    make_style,
)

CELL_SIZE = 7
CELL_LEADING = 9.2
CELL_PADDING = 3
CELL_LINES = 50
"""reportlab breaks no cell over pages: a longer one goes on in a row of its own."""
WIDEST_TABLE = 12
"""More columns would be too narrow to read; such a table is written cell by cell."""
ROWS_AT_ONCE = 100


def lay_out_table(tokens: Sequence[Token], width: float) -> Iterator[Any]:
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
    style = make_style(
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
        return [inline_markup(token)]
    return [escape(text[start : start + room]) for start in range(0, len(text), room)]


def _cell_by_cell(
    head: Sequence[Token] | None, rows: Sequence[Sequence[Token]]
) -> Iterator[Paragraph]:
    """Yield the cells of a table that is too wide for the page as lines."""
    names = [inline_markup(token) for token in head] if head else []
    for row in rows or [[]]:
        for number, cell in enumerate(row):
            name = names[number] if names else str(number + 1)
            yield make_paragraph(f"<b>{name}</b>: {inline_markup(cell)}", [], 1)
    if not rows:
        yield make_paragraph(" · ".join(names), [], 1)


def _widths(rows: Sequence[Sequence[str]], width: float) -> list[float]:
    """Return column widths by how much each holds, none too narrow to read."""
    columns = len(rows[0])
    weights = [
        min(60, max(8, max(len(row[column]) for row in rows) ** 0.75))
        for column in range(columns)
    ]
    return [width * weight / sum(weights) for weight in weights]
