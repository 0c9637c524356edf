"""Methods of arrays, those with callbacks among them."""

from __future__ import annotations

from policy.scanner.builtins.arguments import Caller, bounds_of
from policy.scanner.limits import MAX_ITEMS, MAX_TEXT
from policy.scanner.semantics.coercion import (
    join_items,
    to_int,
    to_position,
    to_text,
    to_truth,
    units,
)
from policy.scanner.semantics.operators import binary
from policy.scanner.semantics.values import (
    UNKNOWN,
    Array,
    Constant,
    Number,
    Text,
    Value,
    is_undefined,
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
        # What is undefined comes last, whatever it is called.
        last = [item for item in items if is_undefined(item)]
        first = [item for item in items if not is_undefined(item)]
        if None in [to_text(item) for item in first]:
            return None
        first.sort(key=lambda item: units(to_text(item) or ""))
        return Array((*first, *last))
    if name == "concat":
        return _concat_array(owner, arguments)
    if name == "slice":
        try:
            return Array(items[bounds_of(arguments)])
        except ValueError:
            return None
    if name in ("at", "pop", "shift"):
        return _item(items, name, arguments)
    if name == "flat" and arguments and to_int(arguments[0]) != 1:
        return None
    if name in ("flat", "values", "entries", "keys"):
        return _reshape(items, name)
    if name == "indexOf" and len(arguments) == 1:
        return _place_of(items, arguments[0])
    if arguments and name in _CALLBACKS:
        return _call_back(items, name, arguments, caller)
    return None


def _place_of(items: tuple[Value, ...], wanted: Value) -> Value | None:
    """Return where an array has a plain value; None where one may be equal to it."""
    for index, item in enumerate(items):
        same = binary("===", item, wanted)
        if type(same) is not Constant:
            return None
        if same.constant is True and not is_undefined(item):
            return Number(index)
    return None if is_undefined(wanted) else Number(-1)


def _join(owner: Array, arguments: list[Value]) -> Value | None:
    """Return the items joined; text of unknown letters where one is unknown."""
    is_given = bool(arguments) and not is_undefined(arguments[0])
    separator = to_text(arguments[0]) if is_given else ","
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
        index = to_position(arguments[0]) if arguments else 0
    if index is None:
        return None
    if not -len(items) <= index < len(items):
        return Constant(...)
    return items[index]


def _reshape(items: tuple[Value, ...], name: str) -> Value | None:
    """Return keys, entries, values, or the items with nested arrays unrolled."""
    if name == "keys":
        return Array(tuple(Number(index) for index in range(len(items))))
    if name == "entries":
        pairs = (Array((Number(i), item)) for i, item in enumerate(items))
        return Array(tuple(pairs))
    if name == "values":
        return Array(items)
    flat: list[Value] = []
    if any(type(item) is Value for item in items):
        # It may be an array itself, or a hole, which is passed over.
        return None
    for item in items:
        flat.extend(item.items if isinstance(item, Array) else (item,))
    return Array(tuple(flat)) if len(flat) <= MAX_ITEMS else None


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
    truths = [to_truth(keep) for keep in results]
    kept = [item for item, keep in zip(items, truths, strict=True) if keep is not False]
    if name == "find":
        return one_of(kept) if kept else UNKNOWN
    return UNKNOWN if None in truths else Array(tuple(kept))


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
    # Without a first total the item at the end that it begins from is that.
    skipped = len(items) - len(ordered)
    for index, item in enumerate(ordered, skipped):
        place = index if name == "reduce" else len(items) - 1 - index
        total = caller.apply(arguments[0], [total, item, Number(place)])
    return total
