"""Text that is safe to hand to a spreadsheet, and that it opens as what it is."""

import csv
import io
from collections.abc import Iterable, Sequence

from evidence.lookalikes import show_hidden

BYTE_ORDER_MARK = "\ufeff"
"""Without it a spreadsheet takes UTF-8 for the machine's old encoding."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the start of a formula (OWASP, CSV injection)."""


def safe_cell(value: object) -> str:
    """Return text that no spreadsheet takes for a formula, with nothing hidden."""
    text = show_hidden(str(value), keep="\t\r\n")
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text


def write_table(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a table as CSV (RFC 4180) with a byte order mark, every cell safe.

    A cell is empty for None.
    """
    out = io.StringIO()
    out.write(BYTE_ORDER_MARK)
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow("" if value is None else safe_cell(value) for value in row)
    return out.getvalue()
