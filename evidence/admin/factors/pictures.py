"""QR codes as drawings in the page: nothing is fetched, and no script draws them."""

from __future__ import annotations

from dataclasses import dataclass

QUIET_ZONE = 4
"""Modules of white around a code, as ISO/IEC 18004 has it."""


@dataclass(frozen=True)
class QrPicture:
    """The dark modules as one SVG path, and the side of the whole, in modules."""

    path: str
    side: int


def draw_qr(text: str) -> QrPicture:
    """Return the QR code of a text, at the medium level of correction."""
    from reportlab.graphics.barcode.qrencoder import QRCode, QRErrorCorrectLevel

    code = QRCode(None, QRErrorCorrectLevel.M)
    code.addData(text)
    code.make()
    size = code.getModuleCount()
    dark = [
        f"M{column + QUIET_ZONE} {row + QUIET_ZONE}h1v1h-1z"
        for row in range(size)
        for column in range(size)
        if code.isDark(row, column)
    ]
    return QrPicture("".join(dark), size + 2 * QUIET_ZONE)
