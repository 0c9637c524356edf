"""Expressions that stand for what they change: assignments, `i++`, `list.push(…)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tree_sitter import Node

from policy.scanner.builtins.reflection import items_of
from policy.scanner.folding.bindings import (
    apply_change,
    assign_member,
)
from policy.scanner.folding.expressions import augment
from policy.scanner.folding.frame import (
    GiveUpError,
    Return,
    assign,
    bind_parameters,
    current_value,
)
from policy.scanner.folding.statements import follow_block
from policy.scanner.parsing.scopes import (
    CHANGERS,
    ITERATING,
    Scope,
    Write,
    arguments_of,
    name_of,
    text_of,
    unwrap,
)
from policy.scanner.semantics.values import (
    Method,
    Number,
)

if TYPE_CHECKING:
    from policy.scanner.folding.folder import Folder

# Rounds of one loop: decoders go once over a short text.
MAX_ROUNDS = 4096
# What an assignment writes to, its name where it is one alone, and the right side.
Target = tuple[Node | None, str | None, Node | None]


def follow_effect(folder: Folder, node: Node | None, scope: Scope) -> None:
    """Follow an expression that is there for what it changes."""
    if node is None:
        return
    kind = node.type
    if kind == "sequence_expression":
        for child in folder.children_of(node):
            follow_effect(folder, unwrap(child), scope)
    elif kind == "assignment_expression" or kind == "augmented_assignment_expression":
        _assignment(folder, node, scope)
    elif kind == "update_expression":
        follow_update(folder, node, scope)
    elif kind == "call_expression":
        follow_method(folder, node, scope)
    elif kind not in ("string", "number", "identifier"):
        raise GiveUpError


def _assignment(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow an assignment to a name, or to an element."""
    target = folder.targets.get(node.id)
    if target is None:
        target = folder.targets[node.id] = _target(node)
    left, name, right = target
    if left is None:
        raise GiveUpError
    if name is None:
        _element(folder, left, node, scope)
        return
    if node.type == "assignment_expression":
        assign(folder, name, scope, folder.fold(right, scope))
        return
    current = current_value(folder, name, scope, node.start_byte)
    assign(folder, name, scope, augment(folder, current, node, scope))


def _target(node: Node) -> Target:
    """Return what an assignment writes to, and what it gives that."""
    left = unwrap(node.child_by_field_name("left"))
    is_name = left is not None and left.type == "identifier"
    name = name_of(left) if left is not None and is_name else None
    return left, name, node.child_by_field_name("right")


def _element(folder: Folder, left: Node, node: Node, scope: Scope) -> None:
    """Follow `array[index] = value`."""
    owner = unwrap(left.child_by_field_name("object"))
    if owner is None or owner.type != "identifier":
        raise GiveUpError
    name = name_of(owner)
    current = current_value(folder, name, scope, node.start_byte)
    write = Write("member", node.child_by_field_name("right"), scope, extra=left)
    assign(folder, name, scope, assign_member(folder, current, write))


def follow_update(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow `++` or `--` of a name that holds a number."""
    target = unwrap(node.child_by_field_name("argument"))
    operator = node.child_by_field_name("operator")
    if target is None or target.type != "identifier" or operator is None:
        raise GiveUpError
    name = name_of(target)
    current = current_value(folder, name, scope, node.start_byte)
    if not isinstance(current, Number):
        raise GiveUpError
    step = 1 if text_of(operator) == "++" else -1
    assign(folder, name, scope, Number(current.number + step))


def follow_method(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow `array.push(…)` and its like; other calls change nothing we follow."""
    callee = unwrap(node.child_by_field_name("function"))
    if callee is None or callee.type != "member_expression":
        return
    owner = unwrap(callee.child_by_field_name("object"))
    name = callee.child_by_field_name("property")
    if owner is None or name is None:
        return
    if name_of(name) in ITERATING:
        _iterate(folder, node, scope)
        return
    if owner.type != "identifier" or name_of(name) not in CHANGERS:
        return
    current = current_value(folder, name_of(owner), scope, node.start_byte)
    write = Write("change", node, scope, extra=name_of(name))
    assign(folder, name_of(owner), scope, apply_change(folder, current, write))


def _iterate(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow `items.forEach(item => …)` for what its function changes around it."""
    callback = next(iter(arguments_of(node)), None)
    target = folder.callee(node, scope)
    inner = folder.program.scopes.get(callback.id) if callback is not None else None
    body = callback.child_by_field_name("body") if callback is not None else None
    items = items_of(target.owner) if isinstance(target, Method) else None
    if inner is None or body is None or items is None or len(items) > MAX_ROUNDS:
        raise GiveUpError
    for index, item in enumerate(items):
        bind_parameters(folder, inner, [item, Number(index)])
        try:
            if body.type == "statement_block":
                follow_block(folder, body, inner)
            else:
                follow_effect(folder, unwrap(body), inner)
        except Return:
            continue
