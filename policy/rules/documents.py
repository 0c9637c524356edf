"""Reading the bytes of a document that other software wrote, strictly.

Guarantees: I-JSON (RFC 7493) by the reader of docs/evidence-format.md section 1,
and one error family. What people really send is read through: byte order marks, UTF-16
from a shell's redirection, gzip, a zip of one file, never beyond the limit. A refusal
never repeats a text that looks like a secret.
"""

from __future__ import annotations

from typing import Any, Final

from evidence.format.errors import DocumentRefused
from evidence.format.reading import read_document
from evidence.format.wrapping import unwrap
from policy.rules.errors import DocumentError
from policy.rules.redaction import find_text_kind

# A settings file is a few KB; a thousand times that is no settings file.
MAX_DOCUMENT_BYTES: Final = 4 * 1024 * 1024


def read_object(data: bytes) -> dict[str, Any]:
    """Return the object that a document is; raise DocumentError where it is none."""
    if len(data) > MAX_DOCUMENT_BYTES:
        raise DocumentError(
            f"The document has {len(data)} bytes, and {MAX_DOCUMENT_BYTES} are the "
            "most. Give the settings file or the explanation by itself.",
            reason="too_large",
        )
    text = read_through(data, max_bytes=MAX_DOCUMENT_BYTES)
    return read_plain_object(text, max_bytes=MAX_DOCUMENT_BYTES)


def read_plain_object(text: bytes, *, max_bytes: int) -> dict[str, Any]:
    """Return the object that a text without wrapping is; raise DocumentError else."""
    if len(text) > max_bytes:
        raise DocumentError(
            f"The object has {len(text)} bytes, and {max_bytes} are the most.",
            reason="too_large",
        )
    try:
        return read_document(text)
    except DocumentRefused as error:
        raise _translate(error) from None


def read_through(data: bytes, *, max_bytes: int) -> bytes:
    """Return a text without its wrapping; raise DocumentError where it is damaged."""
    try:
        return unwrap(data, max_bytes=max_bytes)
    except DocumentRefused as error:
        raise _translate(error) from None


def _translate(error: DocumentRefused) -> DocumentError:
    """Return our error; a member name that is a secret stays out of it."""
    if find_text_kind(f"{error.path} {error.message}") is not None:
        return DocumentError(
            "Malformed at a member whose name looks like a secret, and is not shown.",
            reason=error.code,
        )
    return DocumentError(error.message, path=error.path, reason=error.code)
