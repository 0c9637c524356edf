"""Functions over objects and arrays: JSON, Object, Reflect, Map and Set."""

from __future__ import annotations

import json
import re

from policy.scanner.builtins.arguments import Caller, Native, first_text
from policy.scanner.builtins.hosts import get_member
from policy.scanner.limits import MAX_ITEMS, MAX_TEXT
from policy.scanner.semantics.coercion import to_int, to_text
from policy.scanner.semantics.values import (
    Array,
    Bytes,
    Class,
    Constant,
    Function,
    Host,
    Number,
    Object,
    Text,
    Value,
    add_via,
    unknown,
)


def _json_parse(arguments: list[Value], _: Caller) -> Value | None:
    """Return a parsed document; None for one that is deep or long."""
    text = first_text(arguments)
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
    """Return the members of the first argument, an object, in the order they have."""
    first = arguments[0] if arguments else None
    if not isinstance(first, Object):
        return None
    places = [key for key in first.members if _PLACE.fullmatch(key)]
    if not places:
        return first.members
    # Names that are places come first, and in order.
    ordered = dict.fromkeys(sorted(places, key=int))
    return {key: first.members[key] for key in (*ordered, *first.members)}


_PLACE = re.compile(r"0|[1-9][0-9]{0,8}")


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


REFLECTION: dict[str, Native] = {
    "JSON.parse": _json_parse,
    "JSON.stringify": _json_stringify,
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
}
