"""Methods of strings."""

from __future__ import annotations

from collections.abc import Callable

from policy.scanner.builtins.arguments import Caller, bounds_of, integers_of
from policy.scanner.builtins.patterns import (
    compile_pattern,
    match_pattern,
    replace_in_text,
)
from policy.scanner.limits import MAX_ITEMS, MAX_TEXT
from policy.scanner.semantics.coercion import (
    SPACES,
    is_wide,
    to_position,
    to_text,
)
from policy.scanner.semantics.values import (
    Array,
    Number,
    Pattern,
    Text,
    Value,
    is_undefined,
)


def call_text(
    owner: Text, name: str, arguments: list[Value], caller: Caller
) -> Value | None:
    """Return what a method of a string gives back."""
    if name not in _WHOLE and is_wide(owner.text):
        # Places are counted in units of which such letters have two.
        return None
    if name in ("replace", "replaceAll") and len(arguments) == 2:
        return replace_in_text(owner.text, name, arguments, caller)
    if name in ("match", "matchAll") and arguments:
        return match_pattern(owner, arguments[0], every=name == "matchAll")
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


def _slice(text: str, arguments: list[Value]) -> str:
    """Return `slice` of a text."""
    return text[bounds_of(arguments)]


def _substring(text: str, arguments: list[Value]) -> str:
    """Return `substring` of a text: its bounds are put in order."""
    start, end = [*integers_of(arguments[:2]), None, None][:2]
    size = len(text)
    bounds = [max(0, min(start or 0, size)), size if end is None else end]
    bounds[1] = max(0, min(bounds[1], size))
    return text[min(bounds) : max(bounds)]


def _substr(text: str, arguments: list[Value]) -> str:
    """Return `substr` of a text: a start and a length."""
    numbers = integers_of(arguments)
    start = numbers[0] or 0 if numbers else 0
    start = max(0, start + len(text)) if start < 0 else start
    length = numbers[1] if len(numbers) > 1 and numbers[1] is not None else len(text)
    return text[start : start + max(0, length)]


def _char_at(text: str, arguments: list[Value]) -> str:
    """Return `charAt` of a text; empty outside of it."""
    index = (integers_of(arguments) or [0])[0] or 0
    return text[index] if 0 <= index < len(text) else ""


def _at(text: str, arguments: list[Value]) -> str:
    """Return `at` of a text; a negative place counts from the end."""
    # Outside of it that raises, and the result is not told.
    return text[(integers_of(arguments) or [0])[0] or 0]


def _repeat(text: str, arguments: list[Value]) -> str | None:
    """Return a text repeated; None above `MAX_TEXT` characters."""
    count = (integers_of(arguments) or [0])[0] or 0
    if count < 0 or count * len(text) > MAX_TEXT:
        return None
    return text * count


def _pad(text: str, arguments: list[Value], *, at_start: bool) -> str | None:
    """Return a text padded to a width; None above `MAX_TEXT` characters."""
    width = integers_of(arguments)[0] or 0
    is_given = len(arguments) > 1 and not is_undefined(arguments[1])
    fill = to_text(arguments[1]) if is_given else " "
    if width <= len(text) or fill == "":
        return text
    if not fill or width > MAX_TEXT:
        return None
    padding = (fill * width)[: max(0, width - len(text))]
    return padding + text if at_start else text + padding


_WHOLE = frozenset(
    [
        *("replaceAll", "concat", "repeat", "toLowerCase", "toUpperCase"),
        *("toLocaleLowerCase", "toLocaleUpperCase", "trim", "trimStart", "trimEnd"),
    ]
)
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
    "trim": lambda text, _: text.strip(SPACES),
    "trimStart": lambda text, _: text.lstrip(SPACES),
    "trimLeft": lambda text, _: text.lstrip(SPACES),
    "trimEnd": lambda text, _: text.rstrip(SPACES),
    "trimRight": lambda text, _: text.rstrip(SPACES),
    "normalize": lambda text, _: text if text.isascii() else None,
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
        start = to_position(arguments[1]) if len(arguments) > 1 else 0
        if wanted is None or start is None:
            return None
        return Number(text.find(wanted, max(0, min(start, len(text)))))
    index = to_position(arguments[0]) if arguments else 0
    if index is None or not 0 <= index < len(text):
        return None
    return Number(ord(text[index]), via=frozenset({"character-codes"}))


def _split(text: str, arguments: list[Value]) -> Value | None:
    """Return the pieces of a text; None above `MAX_ITEMS`."""
    limit = to_position(arguments[1]) if len(arguments) > 1 else None
    if len(arguments) > 1 and (limit is None or not 0 <= limit <= MAX_ITEMS):
        return None
    if not arguments or is_undefined(arguments[0]):
        return Array((Text(text),)) if limit is None else None
    separator = arguments[0]
    if isinstance(separator, Pattern):
        pattern = compile_pattern(separator, text)
        # What matches nothing, or lets a group out, is split otherwise in Python.
        if pattern is None or pattern.groups or pattern.search(""):
            return None
        pieces = pattern.split(text)
        if "" in [match[0] for match in pattern.finditer(text)]:
            return None
    else:
        plain = to_text(separator)
        if plain is None:
            return None
        pieces = list(text) if plain == "" else text.split(plain)
    if pieces is None or len(pieces) > MAX_ITEMS:
        return None
    return Array(tuple(Text(piece or "") for piece in pieces[:limit]))
