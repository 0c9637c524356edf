"""Operators, conditions, sequences and assignments."""

from __future__ import annotations

import math

from tree_sitter import Node

from policy.scanner.coercion import to_number, to_truth
from policy.scanner.folding.constants import LiteralFolding
from policy.scanner.operators import binary
from policy.scanner.scopes import (
    Scope,
    text_of,
    unwrap,
)
from policy.scanner.values import (
    UNDEFINED,
    UNKNOWN,
    Constant,
    Number,
    Object,
    Value,
    add_via,
    one_of,
    options,
    unknown,
)


class OperatorFolding(LiteralFolding):
    """Folds what operators make of values."""

    def inner(self, node: Node, scope: Scope) -> Value:
        return self.fold(unwrap(node), scope)

    def awaited(self, node: Node, scope: Scope) -> Value:
        return (
            self.fold(node.named_children[0], scope) if node.named_children else UNKNOWN
        )

    def sequence(self, node: Node, scope: Scope) -> Value:
        children = [c for c in node.named_children if c.type != "comment"]
        if not children:
            return UNKNOWN
        return add_via(self.fold(children[-1], scope), "sequence-expression")

    def conditional(self, node: Node, scope: Scope) -> Value:
        truth = to_truth(self.fold(node.child_by_field_name("condition"), scope))
        branches = ["consequence", "alternative"]
        if truth is not None:
            branches = branches[:1] if truth else branches[1:]
        found = (self.fold(node.child_by_field_name(name), scope) for name in branches)
        return one_of(add_via(value, "conditional-expression") for value in found)

    def binary(self, node: Node, scope: Scope) -> Value:
        """Fold a chain of operators from the left, without recursion."""
        chain: list[tuple[str, Node]] = []
        left: Node | None = node
        while left is not None and left.type == "binary_expression":
            operator = left.child_by_field_name("operator")
            right = left.child_by_field_name("right")
            if operator is None or right is None:
                return UNKNOWN
            chain.append((text_of(operator), right))
            left = left.child_by_field_name("left")
        value = self.fold(left, scope)
        for sign, right in reversed(chain):
            if sign in ("&&", "||", "??"):
                value = self.logical(sign, value, right, scope)
            else:
                value = self.binary_values(sign, value, self.fold(right, scope))
        return value

    def logical(self, sign: str, left: Value, right: Node, scope: Scope) -> Value:
        truth = to_truth(left)
        if sign == "??":
            truth = (
                None if type(left) is Value else left not in (UNDEFINED, Constant(None))
            )
        if truth is not None and truth is (sign != "&&"):
            return left
        other = add_via(self.fold(right, scope), "conditional-expression")
        if truth is not None or sign == "&&":
            return other
        return one_of((left, other))

    def unary(self, node: Node, scope: Scope) -> Value:
        operator = node.child_by_field_name("operator")
        value = self.fold(node.child_by_field_name("argument"), scope)
        sign = text_of(operator) if operator is not None else ""
        if sign == "!":
            truth = to_truth(value)
            return UNKNOWN if truth is None else Constant(not truth)
        if sign == "void":
            return UNDEFINED
        number = to_number(value) if sign in "+-~" else None
        if number is None:
            return unknown(value)
        if sign == "~":
            return (
                Number(float(~int(number))) if math.isfinite(number) else Number(-1.0)
            )
        return Number(-number if sign == "-" else number)

    def assigned(self, node: Node, scope: Scope) -> Value:
        value = self.fold(node.child_by_field_name("right"), scope)
        return (
            value if isinstance(value, Object) else add_via(value, "assignment-value")
        )

    def augment(self, current: Value, node: Node, scope: Scope) -> Value:
        operator = node.child_by_field_name("operator")
        right = self.fold(node.child_by_field_name("right"), scope)
        sign = text_of(operator).removesuffix("=") if operator is not None else ""
        return self.binary_values(sign, current, right)

    def binary_values(self, sign: str, left: Value, right: Value) -> Value:
        results = [
            binary(sign, one, other)
            for one in options(left)
            for other in options(right)
        ]
        return one_of(results)
