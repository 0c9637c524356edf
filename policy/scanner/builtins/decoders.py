"""Decoders and encoders of the runtime: base64, URIs, character codes, buffers."""

from __future__ import annotations

import base64
import binascii
import math
import re
import urllib.parse

from policy.scanner.builtins.arguments import Caller, Native, first_text
from policy.scanner.builtins.byte_methods import encode_text
from policy.scanner.limits import MAX_TEXT
from policy.scanner.semantics.coercion import to_int, to_number, to_text
from policy.scanner.semantics.literals import join_surrogates
from policy.scanner.semantics.values import (
    Array,
    Bytes,
    Text,
    Value,
)


def decode_base64(text: str) -> bytes:
    """Decode as runtimes do: both alphabets, white space and padding ignored."""
    text = re.sub(r"[^A-Za-z0-9+/]", "", text.replace("-", "+").replace("_", "/"))
    text = text[: len(text) - 1] if len(text) % 4 == 1 else text
    return base64.b64decode(text + "=" * (-len(text) % 4))


def _atob(arguments: list[Value], _: Caller) -> Value | None:
    """Return base64 decoded, a character for each byte."""
    text = first_text(arguments)
    if text is None or len(text) > MAX_TEXT:
        return None
    return Text(decode_base64(text).decode("latin-1"))


def _btoa(arguments: list[Value], _: Caller) -> Value | None:
    """Return text encoded in base64."""
    text = first_text(arguments)
    if text is None:
        return None
    return Text(base64.b64encode(text.encode("latin-1", "replace")).decode("ascii"))


def _from_codes(arguments: list[Value], _: Caller) -> Value | None:
    """Return the text of character codes, surrogates joined."""
    numbers = [to_number(argument) for argument in arguments]
    if not numbers or any(n is None or not math.isfinite(n) for n in numbers):
        return None
    codes = [int(number or 0) for number in numbers]
    if any(not 0 <= code <= 0x10FFFF for code in codes):
        codes = [code & 0xFFFF for code in codes]
    return Text(join_surrogates("".join(map(chr, codes))))


def _encoding(arguments: list[Value]) -> str:
    """Return the second argument as the name of an encoding; utf8 unless given."""
    text = to_text(arguments[1]) if len(arguments) > 1 else "utf8"
    return (text or "").lower()


def buffer_via(arguments: list[Value]) -> tuple[str, ...]:
    """Return how a buffer's content was hidden: by base64, hex or character codes."""
    encoding = _encoding(arguments)
    if encoding in ("base64", "base64url"):
        return ("base64",)
    if encoding == "hex":
        return ("hex-encoding",)
    if arguments and isinstance(arguments[0], Array):
        return ("character-codes",)
    return ()


def _buffer_from(arguments: list[Value], _: Caller) -> Value | None:
    """Return `Buffer.from` of an array, bytes, or text in an encoding."""
    if not arguments:
        return None
    first = arguments[0]
    if isinstance(first, Array):
        return _bytes_of(first)
    if isinstance(first, Bytes):
        return first
    text, encoding = to_text(first), _encoding(arguments)
    if text is None or len(text) > MAX_TEXT:
        return None
    if encoding in ("base64", "base64url"):
        return Bytes(decode_base64(text))
    if encoding == "hex":
        digits = re.match(r"(?:[0-9a-fA-F]{2})*", text)
        return Bytes(binascii.unhexlify(digits[0] if digits else ""))
    data = encode_text(text, encoding)
    return None if data is None else Bytes(data)


def _bytes_of(array: Array) -> Value | None:
    """Return an array of numbers as bytes."""
    numbers = [to_int(item) for item in array.items]
    if None in numbers or not numbers:
        return None
    codes = frozenset({"character-codes"})
    return Bytes(bytes((number or 0) & 0xFF for number in numbers), via=codes)


def _typed_array(arguments: list[Value], caller: Caller) -> Value | None:
    """Return a typed array as bytes."""
    if len(arguments) == 1 and isinstance(arguments[0], Array):
        return _bytes_of(arguments[0])
    return _bytes_of(Array(tuple(arguments))) if len(arguments) > 1 else None


def _unescape(arguments: list[Value], _: Caller) -> Value | None:
    """Return text with its `%xx` and `%uxxxx` resolved."""
    text = first_text(arguments)
    if text is None:
        return None
    pattern = r"%u([0-9a-fA-F]{4})|%([0-9a-fA-F]{2})"
    plain = re.sub(pattern, lambda m: chr(int(m[1] or m[2], 16)), text)
    return Text(join_surrogates(plain))


def _decode_uri(arguments: list[Value], _: Caller) -> Value | None:
    """Return text with its percent signs resolved."""
    text = first_text(arguments)
    return None if text is None else Text(urllib.parse.unquote(text))


def _encode_uri(arguments: list[Value], _: Caller) -> Value | None:
    """Return text with percent signs, as `encodeURIComponent` writes it."""
    text = first_text(arguments)
    return None if text is None else Text(urllib.parse.quote(text, safe="!'()*-._~"))


def _buffer_concat(arguments: list[Value], _: Caller) -> Value | None:
    """Return buffers joined."""
    first = arguments[0] if arguments else None
    if not isinstance(first, Array):
        return None
    pieces = [item.data for item in first.items if isinstance(item, Bytes)]
    return Bytes(b"".join(pieces)) if len(pieces) == len(first.items) else None


DECODERS: dict[str, Native] = {
    "atob": _atob,
    "btoa": _btoa,
    "String.fromCharCode": _from_codes,
    "String.fromCodePoint": _from_codes,
    "Buffer.from": _buffer_from,
    "Buffer": _buffer_from,
    "Buffer.concat": _buffer_concat,
    "Uint8Array": _typed_array,
    "Uint8Array.from": _typed_array,
    "Uint8Array.of": _typed_array,
    "Uint16Array": lambda arguments, _: arguments[0] if arguments else None,
    "Uint16Array.from": lambda arguments, _: arguments[0] if arguments else None,
    "unescape": _unescape,
    "decodeURIComponent": _decode_uri,
    "decodeURI": _decode_uri,
    "encodeURIComponent": _encode_uri,
}
