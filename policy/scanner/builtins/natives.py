"""Functions of the runtime that only compute: decoders, converters, reflection."""

from __future__ import annotations

from policy.scanner.builtins.arguments import Caller, Native
from policy.scanner.builtins.converters import CONVERTERS
from policy.scanner.builtins.decoders import DECODERS, buffer_via
from policy.scanner.builtins.reflection import REFLECTION
from policy.scanner.semantics.values import (
    Value,
    add_via,
    merge_via,
    unknown,
)

# What an unknown argument becomes is unknown, but how it was made is remembered.
DECODES = {
    "atob": "base64",
    "String.fromCharCode": "character-codes",
    "String.fromCodePoint": "character-codes",
    "unescape": "uri-decoding",
    "decodeURIComponent": "uri-decoding",
    "decodeURI": "uri-decoding",
    "URL.createObjectURL": "blob-worker",
    "Blob": "blob-worker",
}


def call_native(name: str, arguments: list[Value], caller: Caller) -> Value:
    """Return what a function of the runtime computes, or an unknown value."""
    native = _NATIVES.get(name)
    via: tuple[str, ...] = (DECODES[name],) if name in DECODES else ()
    if name in ("Buffer.from", "Buffer"):
        via = buffer_via(arguments)
    result = None
    if native is not None:
        try:
            result = native(arguments, caller)
        except (ValueError, OverflowError, IndexError, RecursionError):
            result = None
    if result is None:
        return unknown(*arguments, via=via)
    return add_via(result, *via, *merge_via(*arguments))


_NATIVES: dict[str, Native] = {**DECODERS, **REFLECTION, **CONVERTERS}
