"""Members that are read by a name which is not proved: `owner[name]`.

Any function has a member `constructor`, and it makes code of text. So what is read from
a function by an open name may be that; what is read from something unknown may be too,
and is doubted where the text's code would have to run: where the result is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tree_sitter import Node

from policy.scanner.parsing.scopes import (
    CLASSES,
    FUNCTIONS,
    arguments_of,
    is_number,
    text_of,
    unwrap,
)
from policy.scanner.proof.flow import Flow, Way, flows_of
from policy.scanner.proof.inheritance import loop_variable_of
from policy.scanner.proof.passing import parameter_of
from policy.scanner.proof.source import Source, Use
from policy.scanner.proof.strings import child_use, keys_of, prove_texts

if TYPE_CHECKING:
    from policy.scanner.proof.prover import Prover

_LITERALS = frozenset(("string", "array", "regex", "template_string", "number"))
_BUILTIN_FUNCTIONS = frozenset(
    [
        "Array",
        "Boolean",
        "Date",
        "Error",
        "Function",
        "Map",
        "Number",
        "Object",
        "Promise",
        "RegExp",
        "Set",
        "String",
        "Symbol",
        "decodeURIComponent",
        "encodeURIComponent",
        "eval",
        "isFinite",
        "isNaN",
        "parseFloat",
        "parseInt",
        "require",
        "setTimeout",
    ]
)
# Their own functions, as far as they are common enough to be at hand.
_STATIC = {
    "Array": ("from", "isArray", "of"),
    "JSON": ("parse", "stringify"),
    "Math": ("abs", "ceil", "floor", "max", "min", "random", "round"),
    "Object": ("assign", "create", "entries", "freeze", "is", "keys", "values"),
    "String": ("fromCharCode", "raw"),
    "arguments": ("callee",),
    "console": ("debug", "dir", "error", "info", "log", "table", "trace", "warn"),
}
# Who is given a function by these calls it.
_CALLING = frozenset(
    [
        *("every", "filter", "find", "findIndex", "flatMap", "forEach", "map", "some"),
        *("catch", "finally", "nextTick", "queueMicrotask", "reduce", "replace"),
        *("setImmediate", "setInterval", "setTimeout", "sort", "then"),
    ]
)
_OPEN = frozenset(("subscript_expression", "computed_property_name"))
_CALLERS = frozenset(("call", "apply", "bind"))
_TELLING = _CALLERS | {"value", "prototype", "constructor", "__proto__"}
_MEMBERS_THAT_CALL = frozenset(("value", *_CALLERS))
# By what is known of a value that a member of an open name gave when it was called,
# itself or kept in a name: the members by which it is called in its turn.
_FURTHER = {
    "called": frozenset(("value", "call", "apply")),
    "kept": frozenset(("value",)),
}
_HANDED = frozenset(
    [
        "call_expression",
        "new_expression",
        "member_expression",
        "subscript_expression",
        "variable_declarator",
        "assignment_expression",
        "parenthesized_expression",
        "ternary_expression",
        "binary_expression",
        "non_null_expression",
        "as_expression",
        "class_heritage",
        "extends_clause",
        "return_statement",
        "arrow_function",
        "arguments",
        "array",
        "pair",
        "await_expression",
        "sequence_expression",
    ]
)
WHY = "A member of an open name is called, which may be Function"


# An index that is a number alone reads no member that is a name.
_BRACKET = re.compile(rb"\[(?!\d*\])")


def doubt_computed(prover: Prover) -> None:
    """Follow everything that is read by an open name."""
    source = prover.source
    for match in _BRACKET.finditer(source.data):
        source.look()
        bracket = source.root.descendant_for_byte_range(*match.span())
        node = bracket.parent if bracket is not None else None
        above = node.parent if node is not None and node.type in _OPEN else None
        if node is None or above is None:
            continue
        if node.type == "subscript_expression" and above.type in _HANDED:
            _subscript(prover, node)
        elif above.type == "pair_pattern":
            _pattern(prover, above)
    for call, owner in _reflected(source):
        _read(prover, call, owner)


def doubt_results(prover: Prover) -> None:
    """Doubt `f()[name](x)`: what f gives may be the global object, the name eval."""
    source = prover.source
    for match in _AFTER_CALL.finditer(source.data):
        source.look()
        bracket = source.root.descendant_for_byte_range(match.end() - 1, match.end())
        node = bracket.parent if bracket is not None else None
        if node is None or node.type != "subscript_expression":
            continue
        use = Use(node, source.path_of(node))
        is_called = any(f.way is Way.CALL for f in flows_of(use))
        if is_called and not _is_symbol(source, use) and keys_of(source, use) is None:
            prover.proof.doubt(node, "dynamic-member", WHY)


_AFTER_CALL = re.compile(rb"\)\s*(?:\?\.)?\s*\[(?!\d*\])")


def _subscript(prover: Prover, node: Node) -> None:
    """Judge one computed read; a write gives nothing away."""
    if _is_plain_key(node.child_by_field_name("index")):
        return
    use = Use(node, prover.source.path_of(node))
    owner = child_use(use, node.child_by_field_name("object"))
    if owner is None or _is_written(use) or _is_symbol(prover.source, use):
        return
    if all(map(_is_idle, flows_of(use))):
        return
    keys = keys_of(prover.source, use)
    if keys is None:
        _read(prover, use, owner)
    elif "constructor" in keys:
        prover.follow("constructor", use)


def _is_plain_key(index: Node | None) -> bool:
    """Return whether an index surely is a number, or a text that is spelled out."""
    if index is not None and index.type == "string":
        text = index.text or b"\\"
        return b"\\" not in text and text[1:-1] != b"constructor"
    return is_number(index)


def _is_symbol(source: Source, use: Use) -> bool:
    """Return whether the key is one of the runtime's own symbols, which is no name."""
    index = use.node.child_by_field_name("index")
    if index is None or not text_of(index).startswith("Symbol."):
        return False
    inner = index.child_by_field_name("object")
    if inner is None or text_of(inner) != "Symbol":
        return False
    name = Use(inner, (*use.path, use.node, index))
    return source.is_free(name, "Symbol") and not any(
        map(_is_written, source.uses("Symbol"))
    )


def _is_idle(flow: Flow) -> bool:
    """Return whether what is read goes nowhere that matters, even if it is Function."""
    if flow.way in (Way.HARMLESS, Way.WRITTEN):
        return True
    if flow.way in (Way.CALL, Way.NEW):
        return False
    if flow.way is not Way.MEMBER or flow.use.node.type != "member_expression":
        return False
    name = flow.use.node.child_by_field_name("property")
    text = text_of(name) if name is not None else "\\"
    return text not in _TELLING and "\\" not in text


def _read(prover: Prover, use: Use, owner: Use) -> None:
    """Follow what an unknown key may have read."""
    kind = "of a function" if is_function(prover.source, owner) else "of something"
    follow(prover, kind, use)


def _is_written(use: Use) -> bool:
    """Return whether a use is the target of an assignment."""
    left = use.parent.child_by_field_name("left")
    return (
        left is not None
        and left.id == use.node.id
        and (use.parent.type != "binary_expression")
    )


def _pattern(prover: Prover, node: Node) -> None:
    """Follow `const {[name]: x} = owner`."""
    use = Use(node, prover.source.path_of(node))
    key = node.child_by_field_name("key")
    value = node.child_by_field_name("value")
    inner = key.named_children[0] if key is not None and key.named_children else None
    if key is None or inner is None or value is None:
        return
    texts = prove_texts(prover.source, Use(inner, (*use.path, node, key)))
    if texts is not None and "constructor" not in texts:
        return
    prover.proof.doubt(node, "dynamic-member", "What is taken here has an open name")


def _reflected(source: Source) -> Iterator[tuple[Use, Use]]:
    """Yield the calls that read a member by name, with what they read it of."""
    for name in ("getOwnPropertyDescriptor", "getOwnPropertyDescriptors"):
        for use in source.tokens(name):
            if use.node.type != "property_identifier" or len(use.path) < 2:
                continue
            owner = use.parent.child_by_field_name("object")
            if owner is None or text_of(owner) not in ("Reflect", "Object"):
                continue
            found = _read_by(source, use.up().up())
            if found is not None:
                yield found


def _read_by(source: Source, call: Use) -> tuple[Use, Use] | None:
    """Return a call that reads a member by an open name, and what it reads it of."""
    arguments = arguments_of(call.node)
    if call.node.type != "call_expression" or not arguments:
        return None
    inside = child_use(call, call.node.child_by_field_name("arguments"))
    first = child_use(inside, arguments[0]) if inside is not None else None
    if first is None or inside is None:
        return None
    key = child_use(inside, arguments[1]) if arguments[1:] else None
    texts = prove_texts(source, key) if key is not None else None
    return (call, first) if texts is None or "constructor" in texts else None


def read_by_call(prover: Prover, call: Use) -> None:
    """Follow what a call of Reflect.get may have read."""
    found = _read_by(prover.source, call)
    if found is not None:
        _read(prover, *found)


def is_function(source: Source, owner: Use) -> bool:
    """Return whether an expression is surely, or as good as surely, a function."""
    node = unwrap(owner.node)
    if node is None:
        return False
    if node.type in FUNCTIONS or node.type in CLASSES:
        return True
    if node.type == "member_expression":
        inner = unwrap(node.child_by_field_name("object"))
        if inner is not None and inner.type == "identifier":
            property_ = node.child_by_field_name("property")
            member = text_of(property_) if property_ is not None else ""
            used = Use(inner, (*owner.path, node))
            free = source.is_free(used, text_of(inner))
            return free and member in _STATIC.get(text_of(inner), ())
        return inner is not None and inner.type in _LITERALS
    if node.type != "identifier":
        return False
    name = text_of(node)
    declared = source.resolve(Use(node, source.path_of(node)), name)
    if not declared:
        return name in _BUILTIN_FUNCTIONS
    for declaration in declared:
        if declaration.kind in ("function", "class"):
            return True
        value = unwrap(declaration.holder.child_by_field_name("value"))
        if value is not None and (value.type in FUNCTIONS or value.type in CLASSES):
            return True
    return False


def follow(prover: Prover, kind: str, use: Use) -> None:
    """Follow what was read until it is called with something, and that is called."""
    for flow in flows_of(use):
        if flow.way in (Way.CALL, Way.NEW):
            _called(prover, kind, flow.use)
        elif flow.way is Way.MEMBER:
            keys = keys_of(prover.source, flow.use)
            further = _FURTHER.get(kind, _MEMBERS_THAT_CALL)
            if keys is not None and keys & further:
                follow(prover, kind, flow.use)
        elif flow.way in (Way.NAME, Way.PARAMETER):
            _named(prover, kind, flow.use)
        elif flow.way is Way.ESCAPE and _goes_on(prover, kind, flow.use):
            continue
        elif flow.way is Way.EXTENDS or (
            flow.way is Way.ESCAPE and kind == "of a function"
        ):
            prover.proof.doubt(flow.use.node, "dynamic-member", WHY)


def _goes_on(prover: Prover, kind: str, use: Use) -> bool:
    """Follow a value out of a function, or into one; False where it is lost."""
    parameter = parameter_of(prover.source, use)
    if parameter is not None:
        _named(prover, kind, parameter)
        return True
    above = use.parent.type
    if above in ("return_statement", "arrow_function"):
        for call in _calls_of_function_around(prover, kind, use):
            follow(prover, kind, call)
    elif kind in _FURTHER and above == "arguments":
        given = use.up().up().node
        callee = unwrap(given.child_by_field_name("function"))
        name = text_of(callee).rpartition(".")[2] if callee is not None else ""
        if name in _CALLING and arguments_of(given)[0].id == use.node.id:
            prover.proof.doubt(given, "dynamic-member", WHY)
    elif above == "array":
        kept = loop_variable_of(use)
        if kept is not None:
            _named(prover, kind, kept)
    return False


def _calls_of_function_around(prover: Prover, kind: str, use: Use) -> Iterator[Use]:
    """Yield the calls, by its name, of the function that returns a value."""
    path = use.path
    depth = max(
        i for i, node in enumerate(path) if node.type in (*FUNCTIONS, "program")
    )
    function = path[depth]
    named = function.child_by_field_name("name")
    if function.type == "arrow_function" or named is None:
        holder = path[depth - 1] if depth else function
        named = holder.child_by_field_name("name")
        if holder.type != "variable_declarator":
            return
    if named is None or named.type != "identifier":
        return
    name = text_of(named)
    bound = Use(named, prover.source.path_of(named))
    for read in prover.uses_of_name(f"returned {kind}", bound, name):
        for flow in flows_of(read):
            if flow.way is Way.CALL:
                yield flow.use


def _named(prover: Prover, kind: str, use: Use) -> None:
    """Follow a value through the uses of the name it is kept in."""
    name = text_of(use.node)
    if kind == "called":
        declared = prover.source.resolve(use, name)
        # What else such a name may hold is called as often: an iterator's methods.
        kind = kind if declared and declared[0].kind == "const" else "kept"
    for named in prover.uses_of_name(kind, use, name):
        follow(prover, kind, named)


def _called(prover: Prover, kind: str, call: Use) -> None:
    """Doubt a call of what an unknown key may have read."""
    if not arguments_of(call.node) and kind not in _FURTHER:
        return
    if kind == "of a function" or kind in _FURTHER:
        prover.proof.doubt(call.node, "dynamic-member", WHY)
        return
    follow(prover, "called", call)
