"""`this` in a function that is called without an owner is the global object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tree_sitter import Node

from policy.scanner.parsing.scopes import (
    CLASSES,
    FUNCTIONS,
    arguments_of,
    text_of,
    unwrap,
)
from policy.scanner.proof.capabilities import CAPABILITIES
from policy.scanner.proof.computed import doubt_results
from policy.scanner.proof.flow import Way, flows_of
from policy.scanner.proof.passing import parameter_of
from policy.scanner.proof.source import Use
from policy.scanner.proof.strings import keys_of

if TYPE_CHECKING:
    from policy.scanner.proof.prover import Prover

_STRICT = frozenset((b"'use strict'", b'"use strict"'))
_MODULE = frozenset(("import_statement", "export_statement"))
# Members of the global object that give it away, or make code of text.
_TELLING = frozenset(CAPABILITIES["global"].doors) - {"module", "top", "frames", "self"}


def doubt_this(prover: Prover) -> None:
    """Look at every `this` of a function that is not strict."""
    root = prover.source.root
    if _is_strict(root) or any(c.type in _MODULE for c in root.named_children):
        return
    is_lost = False
    for use in prover.source.tokens("this"):
        if use.node.type != "this":
            continue
        function = _function(prover, use)
        if function is None:
            continue
        if is_called_plainly(prover, function):
            _follow_plain(prover, use)
        else:
            _follow(prover, use)
            is_lost = is_lost or any(f.way is Way.ESCAPE for f in flows_of(use))
    if is_lost:
        _doubt_members(prover)


def _doubt_members(prover: Prover) -> None:
    """Follow what is called as the global object's members are, of whatever object.

    A function may lose its owner anywhere, and then gives the global object away.
    """
    for name in ("eval", "Function", "process", "globalThis"):
        for use in prover.source.tokens(name):
            is_member = use.parent.type == "member_expression"
            if is_member and use.node.type == "property_identifier":
                prover.member_named("global", frozenset((name,)), use.up(), bound=None)
    doubt_results(prover)


def _is_strict(node: Node) -> bool:
    """Return whether a program or a body begins with 'use strict'."""
    if node.type not in ("program", "statement_block"):
        return False
    for index in range(node.named_child_count):
        statement = node.named_child(index)
        if statement is None or statement.type in ("comment", "hash_bang_line"):
            continue
        # Alone: what goes on, as in 'use strict'.length, is an expression.
        first = statement.named_children[0] if statement.named_children else None
        is_text = statement.type == "expression_statement" and first is not None
        return is_text and first is not None and (first.text or b"") in _STRICT
    return False


def _function(prover: Prover, use: Use) -> Use | None:
    """Return the sloppy function whose `this` it is, or None."""
    found: Use | None = None
    for depth in range(len(use.path) - 1, -1, -1):
        node = use.path[depth]
        if node.type in CLASSES:
            return None
        if node.type in FUNCTIONS:
            body = node.child_by_field_name("body")
            if body is not None and _is_strict(body):
                return None
            if found is None and node.type != "arrow_function":
                found = Use(node, use.path[:depth])
    return found


def is_called_plainly(prover: Prover, function: Use) -> bool:
    """Return whether this file calls a function in place or by its name alone."""
    if function.node.type == "method_definition":
        return False
    found = prover.plain_calls.get(function.node.id)
    if found is None:
        found = prover.plain_calls[function.node.id] = _called(prover, function)
    return found


def _called(prover: Prover, function: Use) -> bool:
    """Return whether a function may be called without an owner: `this` is global."""
    name = function.node.child_by_field_name("name")
    uses = [function]
    if name is not None:
        named = Use(name, (*function.path, function.node))
        uses += prover.uses_of_name("call", named, text_of(name))
    if _gets_no_owner(prover, function):
        return True
    for use in tuple(uses[:1]):
        for flow in flows_of(use):
            if flow.way in (Way.NAME, Way.PARAMETER):
                uses += prover.uses_of_name("call", flow.use, text_of(flow.use.node))
    if function.node.type.endswith("declaration"):
        uses = uses[1:]
    if any(_gets_no_owner(prover, use) for use in uses):
        return True
    return any(f.way is Way.CALL for use in uses for f in flows_of(use))


def _gets_no_owner(prover: Prover, function: Use) -> bool:
    """Return whether a function is handed to what calls it without an owner."""
    parent = function.parent
    if parent.type == "parenthesized_expression":
        return _gets_no_owner(prover, function.up())
    if parent.type == "member_expression":
        name = parent.child_by_field_name("property")
        call = function.up().up() if len(function.path) > 1 else function
        given = arguments_of(call.node)
        is_one = name is not None and text_of(name) in ("call", "apply", "bind")
        is_called = call.node.type == "call_expression"
        return is_one and is_called and (not given or _is_nothing(given[0]))
    if parent.type != "arguments" or len(function.path) < 2:
        return False
    call = function.up().up()
    callee = unwrap(call.node.child_by_field_name("function"))
    if callee is None:
        callee = unwrap(call.node.child_by_field_name("constructor"))
    if callee is None:
        return False
    given, called = arguments_of(call.node), text_of(callee)
    index = next(i for i, a in enumerate(given) if a.id == function.node.id)
    if called == "Reflect.apply":
        return index == 0 and len(given) > 1 and _is_nothing(given[1])
    if called == "Array.from":
        return index == 1 and len(given) == 2
    method = called.rpartition(".")[2]
    if method in _WITHOUT_OWNER:
        return True
    if method in _OWNER_ASKED:
        return len(given) == 1 or _is_nothing(given[1])
    return parameter_of(prover.source, function) is not None


def _is_nothing(node: Node) -> bool:
    """Return whether an argument gives no owner."""
    return text_of(node) in ("null", "undefined", "void 0")


# What calls functions that it is given without an owner; the others may be given one.
_WITHOUT_OWNER = frozenset(
    [
        *("Promise", "catch", "finally", "nextTick", "queueMicrotask", "reduce"),
        *("reduceRight", "replace", "replaceAll", "sort", "then"),
    ]
)
_OWNER_ASKED = frozenset(
    [
        *("every", "filter", "find", "findIndex", "findLast", "flatMap", "forEach"),
        *("map", "some"),
    ]
)
# Of these every callback has an element as its owner, and asks for it so.
_JQUERY = frozenset(("$", "jQuery"))


def _follow_plain(prover: Prover, use: Use) -> None:
    """Follow `this` as the global object, unless it is only asked about."""
    parent = use.parent
    if parent.type == "binary_expression":
        operator = parent.child_by_field_name("operator")
        if operator is not None and operator.type == "instanceof":
            return
    if parent.type == "arguments" and parameter_of(prover.source, use) is None:
        callee = use.up().up().node.child_by_field_name("function")
        if callee is not None and text_of(callee) in _JQUERY:
            return
    prover.follow("global", use)


def _follow(prover: Prover, use: Use) -> None:
    """Doubt only what nothing but the global object has."""
    for flow in flows_of(use):
        if flow.way is Way.MEMBER:
            keys = keys_of(prover.source, flow.use)
            if keys is not None and keys & _TELLING:
                prover.member_named("global", keys & _TELLING, flow.use, bound=None)
        elif flow.way is Way.PATTERN:
            for part in flow.use.node.named_children:
                key = part.child_by_field_name("key") or part
                if text_of(key) in _TELLING:
                    prover.part("global", part, flow.use)
        elif flow.way is Way.NAME:
            name = text_of(flow.use.node)
            for read in prover.uses_of_name("this", flow.use, name):
                _follow(prover, read)
