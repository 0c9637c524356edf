"""Methods of buffers, and texts as bytes."""

from __future__ import annotations

from policy.scanner.builtins.arguments import bounds_of
from policy.scanner.semantics.coercion import (
    to_text,
)
from policy.scanner.semantics.values import (
    Bytes,
    Text,
    Value,
)

_ENCODINGS = {
    "utf8": "utf-8",
    "utf-8": "utf-8",
    "ascii": "ascii",
    "latin1": "latin-1",
    "binary": "latin-1",
    "utf16le": "utf-16-le",
    "ucs2": "utf-16-le",
    "utf-16le": "utf-16-le",
}


def call_bytes(owner: Bytes, name: str, arguments: list[Value]) -> Value | None:
    """Return what a method of a buffer gives back."""
    if name == "toString":
        encoding = (to_text(arguments[0]) or "").lower() if arguments else "utf8"
        if encoding == "hex":
            return Text(owner.data.hex())
        codec = _ENCODINGS.get(encoding)
        return None if codec is None else Text(owner.data.decode(codec, "replace"))
    if name in ("slice", "subarray"):
        return Bytes(owner.data[bounds_of(arguments)])
    if name in ("reverse", "toReversed"):
        return Bytes(owner.data[::-1], via=frozenset({"reversed-string"}))
    return None


def encode_text(text: str, encoding: str) -> bytes | None:
    """Return Buffer.from(text, encoding)'s bytes for the plain encodings."""
    codec = _ENCODINGS.get(encoding.lower())
    return None if codec is None else text.encode(codec, "replace")
