"""Operators, conditions, sequences and assignments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tree_sitter import Node

from policy.scanner.parsing.scopes import (
    Scope,
    unwrap,
)
from policy.scanner.semantics.coercion import to_number, to_truth
from policy.scanner.semantics.operators import binary
from policy.scanner.semantics.values import (
    UNDEFINED,
    UNKNOWN,
    Constant,
    Number,
    Object,
    OneOf,
    Value,
    add_via,
    one_of,
    options,
    unknown,
)

if TYPE_CHECKING:
    from policy.scanner.folding.folder import Folder

# The first operand of a chain, and each sign with what stands right of it; no list
# where the grammar could not read one of them.
Chain = tuple[Node | None, list[tuple[str, Node]] | None]


def fold_inner(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return the value inside brackets, casts and the like."""
    return folder.fold(unwrap(node), scope)


def fold_awaited(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return the value that is awaited: a promise counts as its value."""
    return (
        folder.fold(node.named_children[0], scope) if node.named_children else UNKNOWN
    )


def fold_sequence(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return the last of expressions that commas join."""
    children = [c for c in node.named_children if c.type != "comment"]
    if not children:
        return UNKNOWN
    return add_via(folder.fold(children[-1], scope), "sequence-expression")


def fold_conditional(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return the branch that is taken, or either where the condition is unknown."""
    truth = to_truth(folder.fold(node.child_by_field_name("condition"), scope))
    # Both where the condition is unknown: either may be what is called in the end.
    branches = ["consequence", "alternative"]
    if truth is not None:
        branches = branches[:1] if truth else branches[1:]
    found = (folder.fold(node.child_by_field_name(name), scope) for name in branches)
    return one_of(add_via(value, "conditional-expression") for value in found)


def fold_binary(folder: Folder, node: Node, scope: Scope) -> Value:
    """Fold a chain of operators from the left, without recursion."""
    chain = folder.chains.get(node.id)
    if chain is None:
        chain = folder.chains[node.id] = _chain(node)
    first, rest = chain
    if rest is None:
        return UNKNOWN
    value = folder.fold(first, scope)
    for sign, right in rest:
        if sign in ("&&", "||", "??"):
            value = fold_logical(folder, sign, value, right, scope)
        else:
            value = fold_binary_values(folder, sign, value, folder.fold(right, scope))
    return value


def _chain(node: Node) -> Chain:
    """Return what a chain of operators begins with, and what follows it."""
    rest: list[tuple[str, Node]] = []
    left: Node | None = node
    while left is not None and left.type == "binary_expression":
        operator = left.child_by_field_name("operator")
        right = left.child_by_field_name("right")
        if operator is None or right is None:
            return None, None
        rest.append((operator.type, right))
        left = left.child_by_field_name("left")
    rest.reverse()
    return left, rest


def fold_logical(
    folder: Folder, sign: str, left: Value, right: Node, scope: Scope
) -> Value:
    """Return a short-circuit's value, or either side where the left is unknown."""
    truth = to_truth(left)
    # It asks for null and undefined alone: 0 and an empty text on the left stay.
    if sign == "??":
        truth = None if type(left) is Value else left not in (UNDEFINED, Constant(None))
    if truth is not None and truth is (sign != "&&"):
        return left
    other = add_via(folder.fold(right, scope), "conditional-expression")
    if truth is not None or sign == "&&":
        return other
    return one_of((left, other))


def fold_unary(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return a sign applied to a value."""
    operator = node.child_by_field_name("operator")
    value = folder.fold(node.child_by_field_name("argument"), scope)
    sign = operator.type if operator is not None else ""
    if sign == "!":
        truth = to_truth(value)
        return UNKNOWN if truth is None else Constant(not truth)
    if sign == "void":
        return UNDEFINED
    number = to_number(value) if sign in "+-~" else None
    if number is None:
        return unknown(value)
    if sign == "~":
        return binary("^", Number(number), Number(-1.0))
    return Number(-number if sign == "-" else number)


def fold_assignment(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return what is assigned: an assignment's own value."""
    value = folder.fold(node.child_by_field_name("right"), scope)
    return value if isinstance(value, Object) else add_via(value, "assignment-value")


def augment(folder: Folder, current: Value, node: Node, scope: Scope) -> Value:
    """Return a name's value after `+=` and its like."""
    operator = node.child_by_field_name("operator")
    right = folder.fold(node.child_by_field_name("right"), scope)
    sign = operator.type.removesuffix("=") if operator is not None else ""
    if sign in ("&&", "||", "??"):
        # Either may be what it holds in the end.
        return one_of((add_via(right, "conditional-expression"), current))
    return fold_binary_values(folder, sign, current, right)


def fold_binary_values(folder: Folder, sign: str, left: Value, right: Value) -> Value:
    """Return an operator applied to every pair of what the sides may be."""
    if type(left) is not OneOf and type(right) is not OneOf:
        return binary(sign, left, right)
    results = [
        binary(sign, option, other)
        for option in options(left)
        for other in options(right)
    ]
    return one_of(results)
