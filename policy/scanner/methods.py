"""Methods of constants: what `"mv".split("").reverse().join("")` comes to.

Results are bounded in length; whatever is not a plain function of constants is
unknown, and remembers how it was made.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from policy.scanner.coercion import (
    join_items,
    to_base,
    to_int,
    to_text,
    to_truth,
)
from policy.scanner.values import (
    UNKNOWN,
    Array,
    Bytes,
    Constant,
    Number,
    Object,
    Pattern,
    Text,
    Value,
    add_via,
    merge_via,
    one_of,
    unknown,
)

MAX_TEXT = 256 * 1024
MAX_ITEMS = 20_000


class Caller(Protocol):
    """What methods with callbacks need of the folder."""

    def apply(self, target: Value, arguments: list[Value]) -> Value: ...


def call_method(
    owner: Value, name: str, arguments: list[Value], caller: Caller
) -> Value:
    """Return owner.name(...arguments)."""
    result = _call(owner, name, arguments, caller)
    if result is None:
        return unknown(owner, *arguments, via=_DECODERS.get(name, ()))
    return add_via(result, *merge_via(owner, *arguments))


_DECODERS = {"reverse": ("reversed-string",), "join": ("array-join",)}


def _call(
    owner: Value, name: str, arguments: list[Value], caller: Caller
) -> Value | None:
    """Return what a method of a known value gives back; None where it is not known."""
    if name in ("toString", "valueOf", "toLocaleString") and not arguments:
        if isinstance(owner, Text) or name == "valueOf":
            return owner
        text = to_text(owner)
        return None if text is None else Text(text, via=frozenset({"coercion"}))
    if isinstance(owner, Text):
        return _call_text(owner, name, arguments, caller)
    if isinstance(owner, Array):
        return _call_array(owner, name, arguments, caller)
    if isinstance(owner, Bytes):
        return _call_bytes(owner, name, arguments)
    if isinstance(owner, Number) and name == "toString" and arguments:
        base = to_int(arguments[0])
        text = to_base(owner.number, base or 0)
        return None if text is None else Text(text, via=frozenset({"number-base"}))
    if isinstance(owner, Pattern) and name == "exec" and arguments:
        return _match(arguments[0], owner)
    if isinstance(owner, Object) and name == "get" and arguments:
        key = to_text(arguments[0])
        found = owner.members.get(f"[[{key}]]")
        return None if found is None else add_via(found, "constant-map")
    return None


def _call_text(
    owner: Text, name: str, arguments: list[Value], caller: Caller
) -> Value | None:
    """Return what a method of a string gives back."""
    if name in ("replace", "replaceAll") and len(arguments) == 2:
        return _replace(owner.text, name, arguments, caller)
    if name in ("match", "matchAll") and arguments:
        return _match(owner, arguments[0])
    if name == "split":
        return _split(owner.text, arguments)
    if name == "concat":
        return _concat_text(owner, arguments)
    if name in ("charCodeAt", "codePointAt", "indexOf"):
        return _number_of(owner.text, name, arguments)
    handler = _TEXT_METHODS.get(name)
    if handler is None:
        return None
    plain = [to_text(argument) for argument in arguments]
    if None in plain:
        return None
    try:
        text = handler(owner.text, arguments)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    if text is None or len(text) > MAX_TEXT:
        return None
    return Text(text, via=frozenset({"string-rewrite"}))


def _integers(arguments: list[Value]) -> list[int | None]:
    """Return each argument as an integer; None for those that are none."""
    return [to_int(argument) for argument in arguments]


def _bounds(arguments: list[Value]) -> slice:
    """Return the part that slice(start, end) takes; Python's rules are the same."""
    numbers = [*_integers(arguments)[:2], None, None]
    return slice(numbers[0], numbers[1])


def _slice(text: str, arguments: list[Value]) -> str:
    """Return `slice` of a text."""
    return text[_bounds(arguments)]


def _substring(text: str, arguments: list[Value]) -> str:
    """Return `substring` of a text: its bounds are put in order."""
    bounds = [max(0, min(n or 0, len(text))) for n in _integers(arguments)[:2]]
    bounds += [len(text)] * (2 - len(bounds))
    return text[min(bounds) : max(bounds)]


def _substr(text: str, arguments: list[Value]) -> str:
    """Return `substr` of a text: a start and a length."""
    numbers = _integers(arguments)
    start = numbers[0] or 0 if numbers else 0
    start = max(0, start + len(text)) if start < 0 else start
    length = numbers[1] if len(numbers) > 1 and numbers[1] is not None else len(text)
    return text[start : start + max(0, length)]


def _char_at(text: str, arguments: list[Value]) -> str:
    """Return `charAt` of a text; empty outside of it."""
    index = (_integers(arguments) or [0])[0] or 0
    return text[index] if 0 <= index < len(text) else ""


def _at(text: str, arguments: list[Value]) -> str:
    """Return `at` of a text; a negative place counts from the end."""
    return text[(_integers(arguments) or [0])[0] or 0]


def _repeat(text: str, arguments: list[Value]) -> str | None:
    """Return a text repeated; None above `MAX_TEXT` characters."""
    count = (_integers(arguments) or [0])[0] or 0
    if count < 0 or count * len(text) > MAX_TEXT:
        return None
    return text * count


def _pad(text: str, arguments: list[Value], *, at_start: bool) -> str | None:
    """Return a text padded to a width; None above `MAX_TEXT` characters."""
    width = _integers(arguments)[0] or 0
    fill = to_text(arguments[1]) if len(arguments) > 1 else " "
    if not fill or width > MAX_TEXT:
        return None
    padding = (fill * width)[: max(0, width - len(text))]
    return padding + text if at_start else text + padding


_TEXT_METHODS: dict[str, Callable[[str, list[Value]], str | None]] = {
    "slice": _slice,
    "substring": _substring,
    "substr": _substr,
    "charAt": _char_at,
    "at": _at,
    "repeat": _repeat,
    "padStart": lambda text, args: _pad(text, args, at_start=True),
    "padEnd": lambda text, args: _pad(text, args, at_start=False),
    "toLowerCase": lambda text, _: text.lower(),
    "toUpperCase": lambda text, _: text.upper(),
    "toLocaleLowerCase": lambda text, _: text.lower(),
    "toLocaleUpperCase": lambda text, _: text.upper(),
    "trim": lambda text, _: text.strip(),
    "trimStart": lambda text, _: text.lstrip(),
    "trimLeft": lambda text, _: text.lstrip(),
    "trimEnd": lambda text, _: text.rstrip(),
    "trimRight": lambda text, _: text.rstrip(),
    "normalize": lambda text, _: text,
}


def _concat_text(owner: Text, arguments: list[Value]) -> Value:
    """Return texts joined; text of unknown letters where one is unknown."""
    pieces = [to_text(argument) for argument in arguments]
    via = frozenset({"string-concatenation"})
    if None in pieces:
        return Value(via=via, textual=True)
    text = owner.text + "".join(piece or "" for piece in pieces)
    return Text(text, via=via) if len(text) <= MAX_TEXT else Value(via=via)


def _number_of(text: str, name: str, arguments: list[Value]) -> Value | None:
    """Return the code of a letter, or the place of a text in another."""
    if name == "indexOf":
        wanted = to_text(arguments[0]) if arguments else None
        return None if wanted is None else Number(text.find(wanted))
    index = to_int(arguments[0]) if arguments else 0
    if index is None or not 0 <= index < len(text):
        return None
    return Number(ord(text[index]), via=frozenset({"character-codes"}))


def _split(text: str, arguments: list[Value]) -> Value | None:
    """Return the pieces of a text; None above `MAX_ITEMS`."""
    if not arguments:
        return Array((Text(text),))
    separator = arguments[0]
    if isinstance(separator, Pattern):
        pattern = compile_pattern(separator)
        pieces = None if pattern is None else pattern.split(text)
    else:
        plain = to_text(separator)
        if plain is None:
            return None
        pieces = list(text) if plain == "" else text.split(plain)
    if pieces is None or len(pieces) > MAX_ITEMS:
        return None
    return Array(tuple(Text(piece or "") for piece in pieces))


# Patterns that may take exponential time in Python's engine are not tried.
_RISKY = re.compile(r"[)\]}*+?][*+{]|\\[1-9]|\(\?<?[=!]")
_MAX_PATTERN = 200
_MAX_PATTERN_TEXT = 20_000


def compile_pattern(pattern: Pattern) -> re.Pattern[str] | None:
    """Return Python's form of a simple regular expression, or None."""
    source = pattern.source
    if len(source) > _MAX_PATTERN or len(_QUANTIFIER.findall(source)) > 2:
        return None
    # Python reads these as set operations to come, and warns.
    if any(sign in source for sign in ("[[", "--", "&&", "||", "~~")):
        return None
    if _RISKY.search(source.replace("]+", "]").replace("]*", "]")):
        return None
    flags = re.IGNORECASE if "i" in pattern.flags else 0
    try:
        return re.compile(source.replace(r"\/", "/").replace("(?<", "(?P<"), flags)
    except (re.error, OverflowError, RecursionError):
        return None


_QUANTIFIER = re.compile(r"(?<!\\)[*+{]")


def _replace(
    text: str, name: str, arguments: list[Value], caller: Caller
) -> Value | None:
    """Return a text with a pattern replaced, by a text or by a function's results."""
    wanted, new = arguments
    via = frozenset({"string-rewrite"})
    if isinstance(wanted, Pattern):
        pattern = compile_pattern(wanted)
        everywhere = "g" in wanted.flags
    else:
        plain = to_text(wanted)
        pattern = None if plain is None else re.compile(re.escape(plain))
        everywhere = name == "replaceAll"
    if pattern is None or len(text) > _MAX_PATTERN_TEXT:
        return None
    replacement = new.text if isinstance(new, Text) else None
    failed = False

    def substitute(match: re.Match[str]) -> str:
        nonlocal failed
        if replacement is not None:
            return _expand(replacement, match)
        groups: list[Value] = [Text(match[0])]
        groups += [Text(group or "") for group in match.groups()]
        result = to_text(caller.apply(new, groups))
        failed = failed or result is None
        return result or ""

    pieces: list[str] = []
    size = position = 0
    for match in pattern.finditer(text):
        piece = text[position : match.start()] + substitute(match)
        position = match.end()
        pieces.append(piece)
        size += len(piece)
        if failed or size > MAX_TEXT:
            return None
        if not everywhere:
            break
    result = "".join(pieces) + text[position:]
    return None if len(result) > MAX_TEXT else Text(result, via=via)


def _expand(replacement: str, match: re.Match[str]) -> str:
    """Return a replacement with its `$` references resolved."""
    if "$" not in replacement:
        return replacement

    def group(reference: re.Match[str]) -> str:
        key = reference[1]
        if key in "$&":
            return "$" if key == "$" else match[0]
        number = int(key)
        if number > len(match.groups()):
            return reference[0]
        return match[number] or ""

    return re.sub(r"\$([$&]|[1-9])", group, replacement)


def _match(subject: Value, wanted: Value) -> Value | None:
    """Return what a regular expression finds in a text."""
    text = to_text(subject)
    if text is None or len(text) > _MAX_PATTERN_TEXT or not isinstance(wanted, Pattern):
        return None
    pattern = compile_pattern(wanted)
    if pattern is None:
        return None
    via = frozenset({"string-rewrite"})
    if "g" in wanted.flags:
        return Array(tuple(Text(m[0]) for m in pattern.finditer(text)), via=via)
    found = pattern.search(text)
    if found is None:
        return Constant(None)
    groups = (found[0], *(group or "" for group in found.groups()))
    return Array(tuple(Text(group) for group in groups), via=via)


def _call_array(
    owner: Array, name: str, arguments: list[Value], caller: Caller
) -> Value | None:
    """Return what a method of an array gives back."""
    items = owner.items
    if name == "join":
        return _join(owner, arguments)
    if name in ("reverse", "toReversed"):
        return Array(items[::-1], via=frozenset({"reversed-string"}))
    if name in ("sort", "toSorted") and not arguments:
        keys = [to_text(item) for item in items]
        if None in keys:
            return None
        ordered = sorted(items, key=lambda item: to_text(item) or "")
        return Array(tuple(ordered))
    if name == "concat":
        return _concat_array(owner, arguments)
    if name == "slice":
        return Array(items[_bounds(arguments)])
    if name in ("at", "pop", "shift"):
        return _item(items, name, arguments)
    if name in ("flat", "values", "entries", "keys"):
        return _reshape(items, name)
    if name == "indexOf" and arguments:
        return Number(items.index(arguments[0]) if arguments[0] in items else -1)
    if arguments and name in _CALLBACKS:
        return _call_back(items, name, arguments, caller)
    return None


def _join(owner: Array, arguments: list[Value]) -> Value | None:
    """Return the items joined; text of unknown letters where one is unknown."""
    separator = to_text(arguments[0]) if arguments else ","
    via = frozenset({"array-join"})
    if separator is None:
        return None
    text = join_items(owner, separator)
    if text is None:
        return Value(via=via, textual=True)
    return Text(text, via=via) if len(text) <= MAX_TEXT else None


def _concat_array(owner: Array, arguments: list[Value]) -> Value | None:
    """Return arrays joined; None above `MAX_ITEMS` items."""
    items = list(owner.items)
    for argument in arguments:
        items.extend(argument.items if isinstance(argument, Array) else (argument,))
    return Array(tuple(items)) if len(items) <= MAX_ITEMS else None


def _item(items: tuple[Value, ...], name: str, arguments: list[Value]) -> Value | None:
    """Return the item that `at`, `pop` or `shift` gives; undefined outside."""
    index = {"pop": -1, "shift": 0}.get(name)
    if index is None:
        index = to_int(arguments[0]) if arguments else 0
    if index is None or not -len(items) <= index < len(items):
        return Constant(...)
    return items[index]


def _reshape(items: tuple[Value, ...], name: str) -> Value:
    """Return keys, entries, values, or the items with nested arrays unrolled."""
    if name == "keys":
        return Array(tuple(Number(index) for index in range(len(items))))
    if name == "entries":
        pairs = (Array((Number(i), item)) for i, item in enumerate(items))
        return Array(tuple(pairs))
    if name == "values":
        return Array(items)
    flat: list[Value] = []
    for item in items:
        flat.extend(item.items if isinstance(item, Array) else (item,))
    return Array(tuple(flat[:MAX_ITEMS]))


_CALLBACKS = frozenset(
    ["map", "filter", "reduce", "reduceRight", "find", "flatMap", "forEach"]
)
_MAX_CALLBACKS = 4096


def _call_back(
    items: tuple[Value, ...], name: str, arguments: list[Value], caller: Caller
) -> Value | None:
    """Return what a method with a callback gives; None above `_MAX_CALLBACKS` items."""
    if len(items) > _MAX_CALLBACKS:
        return None
    callback = arguments[0]
    if name in ("reduce", "reduceRight"):
        return _reduce(items, name, arguments, caller)
    results = [
        caller.apply(callback, [item, Number(index), Array(items)])
        for index, item in enumerate(items)
    ]
    if name == "map":
        return Array(tuple(results))
    if name == "flatMap":
        return _reshape(tuple(results), "flat")
    if name == "forEach":
        return Constant(...)
    kept = [
        item
        for item, keep in zip(items, results, strict=True)
        if to_truth(keep) is not False
    ]
    if name == "filter":
        return Array(tuple(kept))
    return one_of(kept) if kept else UNKNOWN


def _reduce(
    items: tuple[Value, ...], name: str, arguments: list[Value], caller: Caller
) -> Value | None:
    """Return the total of a reduction, from either end."""
    ordered = list(items if name == "reduce" else items[::-1])
    if len(arguments) > 1:
        total = arguments[1]
    elif ordered:
        total = ordered.pop(0)
    else:
        return None
    for index, item in enumerate(ordered):
        total = caller.apply(arguments[0], [total, item, Number(index)])
    return total


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


def _call_bytes(owner: Bytes, name: str, arguments: list[Value]) -> Value | None:
    """Return what a method of a buffer gives back."""
    if name == "toString":
        encoding = (to_text(arguments[0]) or "").lower() if arguments else "utf8"
        if encoding == "hex":
            return Text(owner.data.hex())
        codec = _ENCODINGS.get(encoding)
        return None if codec is None else Text(owner.data.decode(codec, "replace"))
    if name in ("slice", "subarray"):
        return Bytes(owner.data[_bounds(arguments)])
    if name in ("reverse", "toReversed"):
        return Bytes(owner.data[::-1], via=frozenset({"reversed-string"}))
    return None


def encode_text(text: str, encoding: str) -> bytes | None:
    """Return Buffer.from(text, encoding)'s bytes for the plain encodings."""
    codec = _ENCODINGS.get(encoding.lower())
    return None if codec is None else text.encode(codec, "replace")
