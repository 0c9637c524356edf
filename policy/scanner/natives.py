"""Functions of the runtime that only compute: decoders, converters, reflection."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import urllib.parse
from collections.abc import Callable

from policy.scanner.coercion import to_int, to_number, to_text, to_truth
from policy.scanner.hosts import get_member
from policy.scanner.literals import join_surrogates
from policy.scanner.methods import MAX_ITEMS, MAX_TEXT, Caller, encode_text
from policy.scanner.values import (
    Array,
    Bytes,
    Class,
    Constant,
    Function,
    Host,
    Module,
    Number,
    Object,
    Pattern,
    Text,
    Value,
    add_via,
    merge_via,
    unknown,
)

Native = Callable[[list[Value], Caller], Value | None]

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
        via = _buffer_via(arguments)
    result = None
    if native is not None:
        try:
            result = native(arguments, caller)
        except (ValueError, OverflowError, IndexError, RecursionError):
            result = None
    if result is None:
        return unknown(*arguments, via=via)
    return add_via(result, *via, *merge_via(*arguments))


def _first_text(arguments: list[Value]) -> str | None:
    """Return the first argument as text."""
    return to_text(arguments[0]) if arguments else None


def decode_base64(text: str) -> bytes:
    """Decode as runtimes do: both alphabets, white space and padding ignored."""
    text = re.sub(r"[^A-Za-z0-9+/]", "", text.replace("-", "+").replace("_", "/"))
    text = text[: len(text) - 1] if len(text) % 4 == 1 else text
    return base64.b64decode(text + "=" * (-len(text) % 4))


def _atob(arguments: list[Value], _: Caller) -> Value | None:
    """Return base64 decoded, a character for each byte."""
    text = _first_text(arguments)
    if text is None or len(text) > MAX_TEXT:
        return None
    return Text(decode_base64(text).decode("latin-1"))


def _btoa(arguments: list[Value], _: Caller) -> Value | None:
    """Return text encoded in base64."""
    text = _first_text(arguments)
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


def _buffer_via(arguments: list[Value]) -> tuple[str, ...]:
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
    text = _first_text(arguments)
    if text is None:
        return None
    pattern = r"%u([0-9a-fA-F]{4})|%([0-9a-fA-F]{2})"
    plain = re.sub(pattern, lambda m: chr(int(m[1] or m[2], 16)), text)
    return Text(join_surrogates(plain))


def _decode_uri(arguments: list[Value], _: Caller) -> Value | None:
    """Return text with its percent signs resolved."""
    text = _first_text(arguments)
    return None if text is None else Text(urllib.parse.unquote(text))


def _encode_uri(arguments: list[Value], _: Caller) -> Value | None:
    """Return text with percent signs, as `encodeURIComponent` writes it."""
    text = _first_text(arguments)
    return None if text is None else Text(urllib.parse.quote(text, safe="!'()*-._~"))


def _json_parse(arguments: list[Value], _: Caller) -> Value | None:
    """Return a parsed document; None for one that is deep or long."""
    text = _first_text(arguments)
    if text is None or len(text) > MAX_TEXT or text.count("[") + text.count("{") > 2000:
        return None
    return add_via(from_json(json.loads(text)), "json-decoding")


def from_json(document: object, depth: int = 0) -> Value:
    """Return a JSON document as a value."""
    via = frozenset({"json-decoding"})
    if isinstance(document, str):
        return Text(document, via=via)
    if isinstance(document, bool) or document is None:
        return Constant(document)
    if isinstance(document, (int, float)):
        return Number(float(document))
    if depth > 50:
        return unknown()
    if isinstance(document, list):
        return Array(tuple(from_json(item, depth + 1) for item in document))
    assert isinstance(document, dict)
    members = {key: from_json(item, depth + 1) for key, item in document.items()}
    return Object(members, via=via)


def _json_stringify(arguments: list[Value], _: Caller) -> Value | None:
    """Return text as a JSON string."""
    first = arguments[0] if arguments else None
    return Text(json.dumps(first.text)) if isinstance(first, Text) else None


def _string(arguments: list[Value], _: Caller) -> Value | None:
    """Return an argument as text; empty where none is given."""
    text = _first_text(arguments) if arguments else ""
    return None if text is None else Text(text)


def _array_from(arguments: list[Value], caller: Caller) -> Value | None:
    """Return an array of what can be listed, mapped where a function is given."""
    if not arguments:
        return None
    items = items_of(arguments[0])
    if items is None and isinstance(arguments[0], Object):
        size = to_int(arguments[0].members.get("length", Number(0)))
        if size is not None and 0 < size <= MAX_ITEMS:
            items = (Constant(...),) * size
    if items is None:
        return None
    if len(arguments) > 1 and len(items) <= 4096:
        mapped = (
            caller.apply(arguments[1], [item, Number(index)])
            for index, item in enumerate(items)
        )
        return Array(tuple(mapped))
    return Array(items)


def items_of(value: Value) -> tuple[Value, ...] | None:
    """Return what iterating over a value gives, or None."""
    if isinstance(value, Array):
        return value.items
    if isinstance(value, Text):
        return tuple(Text(character, via=value.via) for character in value.text)
    if isinstance(value, Bytes):
        return tuple(Number(byte, via=value.via) for byte in value.data)
    return None


def _members(arguments: list[Value]) -> dict[str, Value] | None:
    """Return the members of the first argument, an object."""
    first = arguments[0] if arguments else None
    return first.members if isinstance(first, Object) else None


def _keys(arguments: list[Value], _: Caller) -> Value | None:
    """Return an object's keys."""
    members = _members(arguments)
    if members is None:
        return None
    via = frozenset({"constant-map"})
    return Array(tuple(Text(key) for key in members), via=via)


def _values(arguments: list[Value], _: Caller) -> Value | None:
    """Return an object's values."""
    members = _members(arguments)
    if members is None:
        return None
    return Array(tuple(members.values()), via=frozenset({"constant-map"}))


def _entries(arguments: list[Value], _: Caller) -> Value | None:
    """Return an object's keys with their values."""
    members = _members(arguments)
    if members is None:
        return None
    pairs = (Array((Text(key), value)) for key, value in members.items())
    return Array(tuple(pairs), via=frozenset({"constant-map"}))


def _from_entries(arguments: list[Value], _: Caller) -> Value | None:
    """Return the object of keys with their values."""
    first = arguments[0] if arguments else None
    if not isinstance(first, Array):
        return None
    members: dict[str, Value] = {}
    for pair in first.items:
        if isinstance(pair, Array) and len(pair.items) == 2:
            key = to_text(pair.items[0])
            if key is not None:
                members[key] = pair.items[1]
    return Object(members, via=frozenset({"constant-map"}))


def _map(arguments: list[Value], caller: Caller) -> Value | None:
    """Return a Map, its entries apart from its members."""
    if not arguments:
        return Object({})
    entries = _from_entries(arguments, caller)
    if not isinstance(entries, Object):
        return None
    # Kept apart from members, which `map.key` would read.
    return Object({f"[[{key}]]": item for key, item in entries.members.items()})


def _set(arguments: list[Value], _: Caller) -> Value | None:
    """Return a Set as the array of its items, repeats included."""
    items = items_of(arguments[0]) if arguments else ()
    return None if items is None else Array(items)


def _assign(arguments: list[Value], _: Caller) -> Value | None:
    """Return objects merged; open where one of them is unknown."""
    members: dict[str, Value] = {}
    is_open = False
    for argument in arguments:
        if isinstance(argument, Object):
            members.update(argument.members)
            is_open = is_open or argument.is_open
        else:
            is_open = True
    return Object(members, is_open)


def _same(arguments: list[Value], _: Caller) -> Value | None:
    """Return the first argument: the function hands on what it gets."""
    return arguments[0] if arguments else None


def _reflect_get(arguments: list[Value], _: Caller) -> Value | None:
    """Return a member by its name, as `Reflect.get` does."""
    if len(arguments) < 2:
        return None
    key = to_text(arguments[1])
    if key is None:
        return None
    return add_via(get_member(arguments[0], key), "reflective-call")


def _descriptor(arguments: list[Value], caller: Caller) -> Value | None:
    """Return a property's descriptor with its value."""
    value = _reflect_get(arguments, caller)
    return None if value is None else Object({"value": value})


def _prototype(arguments: list[Value], _: Caller) -> Value | None:
    """Return what an argument inherits from."""
    if not arguments:
        return None
    first = arguments[0]
    if isinstance(first, (Function, Class)):
        maker = get_member(first, "constructor")
        name = maker.name if isinstance(maker, Host) else "Function"
        return Host(f"{name}.prototype", via=first.via)
    return Host("?.__proto__", via=first.via)


def _parse_int(arguments: list[Value], _: Caller) -> Value | None:
    """Return the integer at a text's beginning; NaN where there is none."""
    text = _first_text(arguments)
    base = to_int(arguments[1]) if len(arguments) > 1 else 10
    if text is None or base is None or not (2 <= base <= 36 or base == 0):
        return None
    text = text.strip().lower()
    if text.startswith("0x") and base in (0, 16):
        text, base = text[2:], 16
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"[: base or 10]
    found = re.match(rf"[+-]?[{digits}]+", text)
    return Number(float(int(found[0], base or 10))) if found else Number(math.nan)


def _math(function: Callable[[float], float]) -> Native:
    """Return a native that applies a function to one finite number."""

    def call(arguments: list[Value], _: Caller) -> Value | None:
        number = to_number(arguments[0]) if arguments else None
        if number is None or not math.isfinite(number):
            return None
        return Number(float(function(number)))

    return call


def _number(arguments: list[Value], _: Caller) -> Value | None:
    """Return an argument as a number; 0 where none is given."""
    number = to_number(arguments[0]) if arguments else 0.0
    return None if number is None else Number(number)


def _boolean(arguments: list[Value], _: Caller) -> Value | None:
    """Return an argument's truth."""
    truth = to_truth(arguments[0]) if arguments else False
    return None if truth is None else Constant(truth)


def _regexp(arguments: list[Value], _: Caller) -> Value | None:
    """Return a regular expression made of text and flags."""
    text = _first_text(arguments)
    flags = to_text(arguments[1]) if len(arguments) > 1 else ""
    return None if text is None else Pattern(text, flags or "")


def _error(arguments: list[Value], _: Caller) -> Value | None:
    """Return an error with its message; its other members are not known."""
    text = _first_text(arguments)
    return None if text is None else Object({"message": Text(text)}, True)


def _symbol(arguments: list[Value], _: Caller) -> Value | None:
    """Return a symbol with its description."""
    text = _first_text(arguments)
    return None if text is None else Object({"description": Text(text)}, True)


def _buffer_concat(arguments: list[Value], _: Caller) -> Value | None:
    """Return buffers joined."""
    first = arguments[0] if arguments else None
    if not isinstance(first, Array):
        return None
    pieces = [item.data for item in first.items if isinstance(item, Bytes)]
    return Bytes(b"".join(pieces)) if len(pieces) == len(first.items) else None


def _promise(arguments: list[Value], _: Caller) -> Value | None:
    """Return the value that a promise is made of."""
    return arguments[0] if arguments else None


def _builtin_module(arguments: list[Value], _: Caller) -> Value | None:
    """Return the module that `process.getBuiltinModule` gives."""
    text = _first_text(arguments)
    return None if text is None else Module(text.removeprefix("node:"))


_NATIVES: dict[str, Native] = {
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
    "JSON.parse": _json_parse,
    "JSON.stringify": _json_stringify,
    "String": _string,
    "Array.from": _array_from,
    "Array.of": lambda arguments, _: Array(tuple(arguments)),
    "Array": lambda arguments, _: Array(tuple(arguments)) if arguments[1:] else None,
    "Object.keys": _keys,
    "Object.getOwnPropertyNames": _keys,
    "Reflect.ownKeys": _keys,
    "Object.values": _values,
    "Object.entries": _entries,
    "Object.fromEntries": _from_entries,
    "Object.assign": _assign,
    "Object.freeze": _same,
    "Object.seal": _same,
    "Object.getPrototypeOf": _prototype,
    "Reflect.getPrototypeOf": _prototype,
    "Object.getOwnPropertyDescriptor": _descriptor,
    "Reflect.getOwnPropertyDescriptor": _descriptor,
    "Reflect.get": _reflect_get,
    "Object": _same,
    "Proxy": _same,
    "Map": _map,
    "Set": _set,
    "Object.create": _same,
    "Number": _number,
    "Boolean": _boolean,
    "parseInt": _parse_int,
    "Number.parseInt": _parse_int,
    "parseFloat": _number,
    "Math.floor": _math(math.floor),
    "Math.ceil": _math(math.ceil),
    "Math.trunc": _math(math.trunc),
    "Math.round": _math(lambda number: math.floor(number + 0.5)),
    "Math.abs": _math(abs),
    "Math.sqrt": _math(lambda number: math.sqrt(number)),
    "RegExp": _regexp,
    "Error": _error,
    "TypeError": _error,
    "Symbol": _symbol,
    "Symbol.for": _symbol,
    "Promise.resolve": _promise,
    "require": _builtin_module,
    "import": _builtin_module,
    "process.getBuiltinModule": _builtin_module,
}
