"""What gives a program power, by name, and which uses of it are harmless.

A module begins with nothing but the names that the runtime gives it. Loading and
evaluating start from one of these; who has none of them in hand can do neither.
"""

from __future__ import annotations

from dataclasses import dataclass

GLOBAL_NAMES = ("globalThis", "global", "window", "self", "top", "frames")


@dataclass(frozen=True)
class Capability:
    """Something of the runtime's; what is not listed of its members is harmless.

    `doors` are members that are capabilities themselves, by their name here;
    `closed` members lead to others that are not followed. With `only`, every member
    but those is closed.
    """

    name: str
    doors: dict[str, str]
    closed: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    # Members that give the object itself back when they are called.
    returning: frozenset[str] = frozenset()


_ANY = frozenset(
    [
        "constructor",
        "__proto__",
        "call",
        "apply",
        "bind",
        "valueOf",
        "__lookupGetter__",
        "__defineGetter__",
        "__defineSetter__",
    ]
)
_EMITTER = frozenset(
    [
        "on",
        "once",
        "off",
        "addListener",
        "prependListener",
        "prependOnceListener",
        "removeListener",
        "removeAllListeners",
        "setMaxListeners",
    ]
)
# Of the global object: names that are capabilities when they stand alone.
_OF_GLOBAL = {
    **dict.fromkeys(GLOBAL_NAMES, "global"),
    "require": "require",
    "process": "process",
    "module": "module",
    "eval": "eval",
    "Function": "Function",
    "execScript": "eval",
    "importScripts": "eval",
    "Reflect": "Reflect",
    "WebAssembly": "WebAssembly",
    "Worker": "Worker",
    "SharedWorker": "Worker",
}
# Whose prototypes everything of its kind inherits. Function is a capability itself.
BUILT_IN_CLASSES = frozenset(
    [
        "AggregateError",
        "Array",
        "ArrayBuffer",
        "AsyncIterator",
        "BigInt",
        "BigInt64Array",
        "BigUint64Array",
        "Boolean",
        "DataView",
        "Date",
        "Error",
        "EvalError",
        "FinalizationRegistry",
        "Float32Array",
        "Float64Array",
        "Int16Array",
        "Int32Array",
        "Int8Array",
        "Intl",
        "Iterator",
        "Map",
        "Number",
        "Object",
        "Promise",
        "RangeError",
        "ReferenceError",
        "RegExp",
        "Set",
        "SharedArrayBuffer",
        "String",
        "Symbol",
        "SyntaxError",
        "TypeError",
        "URIError",
        "Uint16Array",
        "Uint32Array",
        "Uint8Array",
        "Uint8ClampedArray",
        "WeakMap",
        "WeakRef",
        "WeakSet",
        "AbortController",
        "AbortSignal",
        "Blob",
        "Buffer",
        "Document",
        "Element",
        "Event",
        "EventTarget",
        "FormData",
        "HTMLElement",
        "Headers",
        "MessagePort",
        "Node",
        "NodeList",
        "Request",
        "Response",
        "TextDecoder",
        "TextEncoder",
        "URL",
        "URLSearchParams",
        "WebSocket",
        "Window",
        "XMLHttpRequest",
    ]
)
_PROTOTYPE_DOORS = {"constructor": "class", "__proto__": "inherited"}
CAPABILITIES = {
    "require": Capability(
        "require",
        {"main": "module", "cache": "cache"},
        only=frozenset(("resolve", "context", "ensure", "main", "cache", "length")),
    ),
    "cache": Capability("require.cache", {}, only=frozenset()),
    "module": Capability(
        "module",
        {"parent": "module", "require": "require"},
        closed=_ANY | {"children", "_compile", "load", "_extensions", "_load"},
    ),
    "process": Capability(
        "process",
        {
            "getBuiltinModule": "require",
            "mainModule": "module",
            # What import * as p from 'process' gives, and import('process') in time.
            "default": "process",
            "module.exports": "process",
        },
        closed=_ANY
        | {"binding", "_linkedBinding", "dlopen", "_debugProcess"}
        | {"then", "catch", "finally"},
        returning=_EMITTER,
    ),
    "global": Capability(
        "the global object",
        {**dict.fromkeys(BUILT_IN_CLASSES, "class"), **_OF_GLOBAL},
        closed=_ANY,
    ),
    # What is inherited may be read by anybody; it is written to, or handed to somebody
    # who may, only to change what others do.
    "class": Capability("a built-in class", {"prototype": "inherited"}),
    "inherited": Capability("a prototype that everything inherits", _PROTOTYPE_DOORS),
    "Function": Capability(
        "Function",
        {"prototype": "Function.prototype", "call": "caller"},
        only=frozenset(("prototype", "name", "length", "toString", "call")),
    ),
    # Function.call is Function.prototype.call: harmless where it is bound to another.
    "caller": Capability("Function.call", {}, only=frozenset(("bind",))),
    "Function.prototype": Capability(
        "Function.prototype",
        {"constructor": "Function", "prototype": "inherited"},
        only=frozenset(
            [
                *("constructor", "prototype", "call", "apply", "bind", "toString"),
                "hasOwnProperty",
            ]
        ),
    ),
    "eval": Capability("eval", {}, only=frozenset()),
    # Followed only to who reads members by it, under whatever name.
    "Reflect": Capability("Reflect", {"get": "Reflect.get"}),
    "Reflect.get": Capability("Reflect.get", {}, only=frozenset()),
    "WebAssembly": Capability("WebAssembly", {}, only=frozenset()),
    "Worker": Capability("Worker", {}, only=frozenset()),
    # What `x.constructor` is: Function, where x is a function.
    "constructor": Capability(
        "a constructor",
        {"prototype": "prototype"},
        closed=frozenset(("constructor", "call", "apply", "bind", "__proto__")),
    ),
    # A prototype that was reached through a constructor.
    "prototype": Capability(
        "a prototype", {"constructor": "constructor"}, closed=frozenset(("__proto__",))
    ),
}
FREE_NAMES = _OF_GLOBAL
