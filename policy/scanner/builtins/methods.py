"""Methods of constants: what `"mv".split("").reverse().join("")` comes to.

Results are bounded in length; whatever is not a plain function of constants is
unknown, and remembers how it was made.
"""

from __future__ import annotations

from policy.scanner.builtins.arguments import Caller
from policy.scanner.builtins.array_methods import call_array
from policy.scanner.builtins.byte_methods import call_bytes
from policy.scanner.builtins.patterns import match_pattern
from policy.scanner.builtins.text_methods import call_text
from policy.scanner.semantics.coercion import (
    to_base,
    to_int,
    to_text,
)
from policy.scanner.semantics.values import (
    Array,
    Bytes,
    Number,
    Object,
    Pattern,
    Text,
    Value,
    add_via,
    merge_via,
    unknown,
)


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
        return call_text(owner, name, arguments, caller)
    if isinstance(owner, Array):
        return call_array(owner, name, arguments, caller)
    if isinstance(owner, Bytes):
        return call_bytes(owner, name, arguments)
    if isinstance(owner, Number) and name == "toString" and arguments:
        base = to_int(arguments[0])
        text = to_base(owner.number, base or 0)
        return None if text is None else Text(text, via=frozenset({"number-base"}))
    if isinstance(owner, Pattern) and name == "exec" and arguments:
        return match_pattern(arguments[0], owner)
    if isinstance(owner, Object) and name == "get" and arguments:
        key = to_text(arguments[0])
        found = owner.members.get(f"[[{key}]]")
        return None if found is None else add_via(found, "constant-map")
    return None
