"""`this` in a function that is called without an owner is the global object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tree_sitter import Node

from policy.scanner.parsing.scopes import CLASSES, FUNCTIONS, text_of
from policy.scanner.proof.capabilities import CAPABILITIES
from policy.scanner.proof.flow import Way, flows_of
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
    for use in tuple(uses[:1]):
        for flow in flows_of(use):
            if flow.way is Way.NAME:
                uses += prover.uses_of_name("call", flow.use, text_of(flow.use.node))
    if function.node.type.endswith("declaration"):
        uses = uses[1:]
    return any(f.way is Way.CALL for use in uses for f in flows_of(use))


def _follow_plain(prover: Prover, use: Use) -> None:
    """Follow `this` as the global object, unless it is only asked about."""
    parent = use.parent
    if parent.type == "binary_expression":
        operator = parent.child_by_field_name("operator")
        if operator is not None and operator.type == "instanceof":
            return
    prover.follow("global", use)


def _follow(prover: Prover, use: Use) -> None:
    """Doubt only what nothing but the global object has."""
    for flow in flows_of(use):
        if flow.way is not Way.MEMBER:
            continue
        keys = keys_of(prover.source, flow.use)
        if keys is not None and keys & _TELLING:
            prover.member_named("global", keys & _TELLING, flow.use, bound=None)
