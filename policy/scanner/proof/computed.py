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
_OPEN = frozenset(("subscript_expression", "computed_property_name"))
_CALLERS = frozenset(("call", "apply", "bind"))
_TELLING = _CALLERS | {"value", "prototype", "constructor", "__proto__"}
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


def _subscript(prover: Prover, node: Node) -> None:
    """Judge one computed read; a write gives nothing away."""
    if _is_plain_key(node.child_by_field_name("index")):
        return
    use = Use(node, prover.source.path_of(node))
    owner = child_use(use, node.child_by_field_name("object"))
    if owner is None or _is_written(use):
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
    for name in ("get", "getOwnPropertyDescriptor", "getOwnPropertyDescriptors"):
        for use in source.tokens(name):
            if use.node.type != "property_identifier" or len(use.path) < 2:
                continue
            owner = use.parent.child_by_field_name("object")
            if owner is None or text_of(owner) not in ("Reflect", "Object"):
                continue
            call = use.up().up()
            arguments = arguments_of(call.node)
            if call.node.type != "call_expression" or not arguments:
                continue
            inside = child_use(call, call.node.child_by_field_name("arguments"))
            first = child_use(inside, arguments[0]) if inside is not None else None
            if first is not None and inside is not None:
                key = child_use(inside, arguments[1]) if arguments[1:] else None
                texts = prove_texts(source, key) if key is not None else None
                if texts is None or "constructor" in texts:
                    yield call, first


def is_function(source: Source, owner: Use) -> bool:
    """Return whether an expression is surely, or as good as surely, a function."""
    node = unwrap(owner.node)
    if node is None:
        return False
    if node.type in FUNCTIONS or node.type in CLASSES:
        return True
    if node.type == "member_expression":
        inner = unwrap(node.child_by_field_name("object"))
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
            further = {"value"} if kind == "called" else {"value", *_CALLERS}
            if keys is not None and keys & further:
                follow(prover, kind, flow.use)
        elif flow.way in (Way.NAME, Way.PARAMETER):
            _named(prover, kind, flow.use)
        elif flow.way is Way.EXTENDS or (
            flow.way is Way.ESCAPE and kind == "of a function"
        ):
            prover.proof.doubt(flow.use.node, "dynamic-member", WHY)


def _named(prover: Prover, kind: str, use: Use) -> None:
    """Follow a value through the uses of the name it is kept in."""
    name = text_of(use.node)
    for named in prover.uses_of_name(kind, use, name):
        follow(prover, kind, named)


def _called(prover: Prover, kind: str, call: Use) -> None:
    """Doubt a call of what an unknown key may have read."""
    if not arguments_of(call.node) and kind != "called":
        return
    if kind in ("of a function", "called"):
        prover.proof.doubt(call.node, "dynamic-member", WHY)
        return
    follow(prover, "called", call)
