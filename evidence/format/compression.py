"""Unpacking gzip in bounded memory; bytes in, bytes out."""

from __future__ import annotations

import zlib

from .errors import DocumentRefused

GZIP_MAGIC = b"\x1f\x8b"
# The size of the largest evidence accepted by default, packed or not.
MAX_DOCUMENT_BYTES = 256 * 1024 * 1024
_GZIP_WINDOW = 31
_PIECE = 1024 * 1024


def read_bytes(data: bytes, *, max_bytes: int = MAX_DOCUMENT_BYTES) -> bytes:
    """Return the document's bytes, unpacked where they are gzip; refuse too many.

    Stops at the limit, so that a small file that unpacks to a huge one costs no more
    than a file of the greatest size allowed.
    """
    if not data.startswith(GZIP_MAGIC):
        if len(data) > max_bytes:
            raise _too_large(max_bytes)
        return data
    unpacked = bytearray()
    rest = data
    try:
        while rest:
            rest = _unpack_member(rest, unpacked, max_bytes)
    except zlib.error:
        raise DocumentRefused("bad_gzip", "the gzip data is damaged") from None
    return bytes(unpacked)


def _unpack_member(data: bytes, unpacked: bytearray, max_bytes: int) -> bytes:
    """Unpack one gzip member onto `unpacked`; return what follows it."""
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    pending = data
    while not unpacker.eof:
        room = max_bytes - len(unpacked) + 1
        piece = unpacker.decompress(pending, min(room, _PIECE))
        unpacked += piece
        if len(unpacked) > max_bytes:
            raise _too_large(max_bytes)
        pending = unpacker.unconsumed_tail
        if not piece and not pending and not unpacker.eof:
            raise DocumentRefused("bad_gzip", "the gzip data ends early")
    return unpacker.unused_data.lstrip(b"\0")


def _too_large(max_bytes: int) -> DocumentRefused:
    """Return the refusal of what unpacks to more than the limit."""
    return DocumentRefused("too_large", f"more than {max_bytes} bytes unpacked")
