"""Methods of arrays, those with callbacks among them."""

from __future__ import annotations

from policy.scanner.builtins.arguments import Caller, bounds_of
from policy.scanner.limits import MAX_ITEMS, MAX_TEXT
from policy.scanner.semantics.coercion import (
    join_items,
    to_int,
    to_text,
    to_truth,
)
from policy.scanner.semantics.values import (
    UNKNOWN,
    Array,
    Constant,
    Number,
    Text,
    Value,
    one_of,
)


def call_array(
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
        return Array(items[bounds_of(arguments)])
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
