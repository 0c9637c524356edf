"""What the runtime offers by name, and what is reached through its members."""

from __future__ import annotations

from policy.scanner.semantics.coercion import is_wide, units
from policy.scanner.semantics.values import (
    UNKNOWN,
    Array,
    Bound,
    Bytes,
    Class,
    Code,
    Constant,
    Function,
    Host,
    Method,
    Module,
    Number,
    Object,
    OneOf,
    Pattern,
    Text,
    Value,
    add_via,
    one_of,
    unknown,
)

GLOBAL_OBJECTS = frozenset(["globalThis", "global", "window", "self", "top", "frames"])
_DOTTED = """
process: binding dlopen _linkedBinding getBuiltinModule
require: resolve cache extensions
Reflect: get apply construct has getPrototypeOf setPrototypeOf defineProperty
Reflect: getOwnPropertyDescriptor ownKeys set
Object: getPrototypeOf setPrototypeOf assign keys values entries fromEntries freeze
Object: create defineProperty defineProperties getOwnPropertyDescriptor prototype seal
Object: getOwnPropertyNames
String: fromCharCode fromCodePoint raw prototype
Array: from of isArray prototype
Buffer: from alloc concat
Uint8Array: from of
Uint16Array: from of
JSON: parse stringify
Number: parseInt parseFloat prototype
Math: floor round abs pow min max trunc ceil sqrt
Symbol: for
URL: createObjectURL
WebAssembly: instantiate compile Module instantiateStreaming compileStreaming
Promise: resolve
Function: prototype
RegExp: prototype
"""
_MEMBERS: dict[str, set[str]] = {}
for _line in _DOTTED.strip().splitlines():
    _owner, _, _names = _line.partition(": ")
    _MEMBERS.setdefault(_owner, set()).update(_names.split())

HOST_GLOBALS = frozenset(_MEMBERS) | frozenset(
    [
        "require",
        "process",
        "module",
        "eval",
        "Function",
        "atob",
        "btoa",
        "unescape",
        "escape",
        "decodeURIComponent",
        "decodeURI",
        "encodeURIComponent",
        "encodeURI",
        "setTimeout",
        "setInterval",
        "setImmediate",
        "execScript",
        "Worker",
        "SharedWorker",
        "Blob",
        "importScripts",
        "parseInt",
        "parseFloat",
        "TextDecoder",
        "Map",
        "Set",
        "Proxy",
        "Boolean",
        "RegExp",
        "Error",
        "TypeError",
        "createRequire",
        "queueMicrotask",
        "__non_webpack_require__",
    ]
)
# Another name, or another road, for the same thing.
_SAME: dict[tuple[str, str], Value] = {
    ("process", "mainModule"): Host("module", via=frozenset({"loader-object"})),
    ("require", "main"): Host("module", via=frozenset({"loader-object"})),
    ("module", "require"): Host("require", via=frozenset({"loader-object"})),
    ("module", "parent"): Host("module", via=frozenset({"loader-object"})),
    ("module", "constructor"): Module("module", via=frozenset({"loader-object"})),
    ("Function", "constructor"): Host("Function", via=frozenset({"constructor-chain"})),
}
_LOADER: dict[str, Value] = {
    "createRequire": Host("createRequire"),
    "createRequireFromPath": Host("createRequire"),
    "_load": Host("require", via=frozenset({"loader-object"})),
    "require": Host("require", via=frozenset({"loader-object"})),
    "prototype": Host("module", via=frozenset({"loader-object"})),
}
_FUNCTION_KINDS = {
    "async": "AsyncFunction",
    "generator": "GeneratorFunction",
    "async generator": "AsyncGeneratorFunction",
}
CODE_MAKERS = frozenset({"Function", *_FUNCTION_KINDS.values()})
_CALLERS = frozenset({"call", "apply", "bind"})
_FUNCTION_LIKE = frozenset((Function, Class, Code, Method, Bound))
_CONSTRUCTORS: tuple[tuple[type[Value], str], ...] = (
    (Text, "String"),
    (Number, "Number"),
    (Array, "Array"),
    (Object, "Object"),
    (Pattern, "RegExp"),
    (Bytes, "Buffer"),
)


def find_global(name: str) -> Value | None:
    """Return what an undeclared name stands for, or None."""
    if name in GLOBAL_OBJECTS:
        return Host("globalThis")
    if name == "__non_webpack_require__":
        return Host("require", via=frozenset({"loader-object"}))
    return Host(name) if name in HOST_GLOBALS else None


def get_member(value: Value, key: str) -> Value:
    """Return a member of a value, as property access finds it."""
    if type(value) is OneOf:
        return one_of(get_member(option, key) for option in value.options)
    found = _find_member(value, key)
    if found is None:
        return unknown(value)
    return add_via(found, *value.via) if value.via else found


def _find_member(value: Value, key: str) -> Value | None:
    """Return a member of a value by its key; None where it is not known."""
    if key == "constructor":
        return _constructor(value)
    if type(value) is Value:
        return Host("?.__proto__") if key == "__proto__" else None
    if type(value) is Host:
        return _host_member(value, key)
    if type(value) is Module:
        return _module_member(value, key)
    if type(value) in _FUNCTION_LIKE:
        return _function_member(value, key)
    return _data_member(value, key)


def _data_member(value: Value, key: str) -> Value | None:
    """Return a member of an object, a text, an array or a pattern."""
    if type(value) is Object:
        if key in value.members:
            return value.members[key]
        return Host("Object.prototype") if key == "__proto__" else None
    if type(value) is Text or type(value) is Array or type(value) is Bytes:
        return _indexed_member(value, key)
    if isinstance(value, Pattern):
        return {"source": Text(value.source), "flags": Text(value.flags)}.get(key)
    if isinstance(value, (Number, Constant)):
        return Method(value, key) if isinstance(value, Number) else None
    return Host("?.__proto__") if key == "__proto__" else None


def _indexed_member(value: Text | Array | Bytes, key: str) -> Value:
    """Return an item, a length, or a method of what has places."""
    if isinstance(value, Text):
        items: tuple[Value, ...] = ()
        is_short = not is_wide(value.text)
        size = len(value.text) if is_short else len(units(value.text)) // 2
        if key.isdecimal() and not is_short:
            return UNKNOWN
        if key.isdecimal() and int(key) < size:
            return Text(value.text[int(key)], via=frozenset({"string-rewrite"}))
    elif isinstance(value, Bytes):
        items, size = (), len(value.data)
        if key.isdecimal() and int(key) < size:
            return Number(value.data[int(key)])
    else:
        items, size = value.items, len(value.items)
    if key == "length":
        return Number(size)
    if key.isdecimal() and int(key) < len(items):
        return items[int(key)]
    if key.isdecimal():
        return Constant(...)
    return Method(value, key)


def _constructor(value: Value) -> Value | None:
    """Return value.constructor: for any function, the maker of functions."""
    chain = frozenset({"constructor-chain"})
    if isinstance(value, Function):
        return Host(
            _FUNCTION_KINDS.get(function_kind(value.node), "Function"), via=chain
        )
    if isinstance(value, (Class, Code, Method, Bound)):
        return Host("Function", via=chain)
    if isinstance(value, Host):
        if (value.name, "constructor") in _SAME:
            return _SAME[value.name, "constructor"]
        if value.name.endswith("Function.prototype"):
            return Host(value.name.removesuffix(".prototype"), via=chain)
        if value.name == "globalThis" or value.name == "Object.prototype":
            return Host("Object", via=chain)
        if value.name in ("process", "?.__proto__", "Reflect", "Math", "JSON"):
            return Host("?.constructor", via=chain)
        return Host("Function", via=chain)
    for kind, name in _CONSTRUCTORS:
        if isinstance(value, kind):
            return Host(name, via=chain)
    return Host("?.constructor", via=chain)


def _host_member(value: Host, key: str) -> Value | None:
    """Return a member of one of the runtime's own objects."""
    name = value.name
    if name == "globalThis":
        found = find_global(key)
        return add_via(found, "global-object") if found is not None else None
    if (name, key) in _SAME:
        return _SAME[name, key]
    if key in _MEMBERS.get(name, ()):
        return Host(f"{name}.{key}")
    if key in _CALLERS:
        return Method(value, key)
    if name.endswith(".prototype") and name != "Object.prototype":
        return Method(UNKNOWN, key)
    if name == "?.constructor" and key == "prototype":
        return Host("?.prototype")
    if key == "__proto__" and name in HOST_GLOBALS:
        return Host("Function.prototype")
    if key == "name" and name in HOST_GLOBALS:
        return Text(name)
    return None


def _module_member(value: Module, key: str) -> Value | None:
    """Return a member of a module that stands for a global or for loaders."""
    if key in ("default", "Module"):
        return value
    if value.name == "module":
        return _LOADER.get(key)
    if value.name in ("process", "buffer", "timers"):
        owner = Host("process") if value.name == "process" else Host("globalThis")
        return _host_member(owner, key)
    if value.name == "process/browser":
        return None
    return None


def _function_member(value: Value, key: str) -> Value | None:
    """Return a member that every function has."""
    if key in _CALLERS:
        return Method(value, key)
    if key in ("__proto__", "prototype"):
        kind = _constructor(value)
        name = kind.name if isinstance(kind, Host) else "Function"
        return Host(f"{name}.prototype") if key == "__proto__" else Object({}, True)
    if key == "name" and isinstance(value, (Function, Class)):
        name_node = value.node.child_by_field_name("name")
        if name_node is not None:
            text = (name_node.text or b"").decode("utf-8", "replace")
            return Text(text, via=frozenset({"function-name"}))
    if key == "toString":
        return Method(value, key)
    return None


def function_kind(node: object) -> str:
    """Return "", "async", "generator" or "async generator" for a function's node."""
    children = [child.type for child in getattr(node, "children", [])[:4]]
    is_generator = getattr(node, "type", "").startswith("generator") or "*" in children
    words = ["async"] * ("async" in children) + ["generator"] * is_generator
    return " ".join(words)
