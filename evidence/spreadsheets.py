"""Text that is safe to hand to a spreadsheet."""

from evidence.lookalikes import show_hidden

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the start of a formula (OWASP, CSV injection)."""


def safe_cell(value: object) -> str:
    """Return text that no spreadsheet takes for a formula, with nothing hidden."""
    text = show_hidden(str(value), keep="\t\r\n")
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text
