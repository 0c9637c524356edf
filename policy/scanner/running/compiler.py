"""Syntax to code that runs: functions are compiled when they are first called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tree_sitter import Node

from policy.scanner.parsing.scopes import FUNCTIONS, name_of, text_of
from policy.scanner.running import expressions
from policy.scanner.running.machine import Environment, Machine, Run
from policy.scanner.running.statements import STATEMENTS, Ended
from policy.scanner.running.values import (
    UNDEFINED,
    Closure,
    Items,
    UnsupportedError,
)

_Write = Callable[[Environment, Any], None]


class Compiler:
    """Compiles nodes, each once."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._bodies: dict[int, Run] = {}
        self._hoisted: dict[int, list[str]] = {}

    def expression(self, node: Node | None) -> Run:
        """Return the code of an expression."""
        handler = _EXPRESSIONS.get(node.type) if node is not None else None
        if handler is None or node is None:
            return expressions.not_run
        return handler(self, node)

    def statement(self, node: Node) -> Callable[[Environment], Ended]:
        """Return the code of a statement."""
        handler = STATEMENTS.get(node.type)
        return expressions.not_run if handler is None else handler(self, node)

    def field(self, node: Node, name: str) -> Run:
        """Return the code of a node's field."""
        return self.expression(node.child_by_field_name(name))

    def key(self, node: Node) -> Run:
        """Return the code of the name or place that a member is read by."""
        if node.type == "subscript_expression":
            return self.field(node, "index")
        name = node.child_by_field_name("property")
        if name is None or name.type != "property_identifier":
            return expressions.not_run
        return expressions.constant(name_of(name))

    def writer(self, target: Node) -> _Write:
        """Return code that gives a name or member a value."""
        if target.type == "identifier":
            name = name_of(target)
            return lambda environment, value: environment.write(name, value)
        if target.type in ("member_expression", "subscript_expression"):
            written: _Write = expressions.write_to_member(self, target)
            return written
        return lambda environment, value: expressions.not_run(environment)

    @staticmethod
    def parts(node: Node) -> list[Node]:
        """Return a node's named children but for comments."""
        return [child for child in node.named_children if child.type != "comment"]

    @staticmethod
    def sign(node: Node) -> str:
        """Return an operation's sign."""
        operator = node.child_by_field_name("operator")
        return "" if operator is None else text_of(operator)

    def closure(self, node: Node, environment: Environment) -> Closure:
        """Return a function of the program with the names around it."""
        names = _parameters(node)
        is_arrow = node.type == "arrow_function"
        wants_arguments = b"arguments" in (node.text or b"")
        own = node.child_by_field_name("name")

        def call(this: Any, given: list[Any]) -> Any:
            if names is None:
                raise UnsupportedError
            inside: dict[str, Any] = {}
            if node.type == "function_expression" and own is not None:
                inside[name_of(own)] = made
            inside.update(dict.fromkeys(self.hoisted(node), UNDEFINED))
            inside.update(zip(names, [*given, *[UNDEFINED] * len(names)], strict=False))
            if not is_arrow:
                inside["this"] = this
                if wants_arguments:
                    inside["arguments"] = Items(items=list(given))
            return self.body(node)(Environment(environment, inside))

        made = Closure(call=call, source=text_of(node))
        return made

    def hoisted(self, node: Node) -> list[str]:
        """Return the names that `var` declares anywhere in a function."""
        if node.id not in self._hoisted:
            self._hoisted[node.id] = _vars(node)
        return self._hoisted[node.id]

    def body(self, node: Node) -> Run:
        """Return the code of a function's body: its value is what it returns."""
        if node.id not in self._bodies:
            self._bodies[node.id] = self._compile_body(node)
        return self._bodies[node.id]

    def _compile_body(self, node: Node) -> Run:
        """Compile a function's body; async functions and generators are not run."""
        body = node.child_by_field_name("body")
        kinds = {child.type for child in node.children}
        if body is None or kinds & {"async", "*"} or node.type.startswith("generator"):
            return expressions.not_run
        if body.type != "statement_block":
            return self.expression(body)
        block = self.statement(body)

        def run(environment: Environment) -> Any:
            ended = block(environment)
            return ended[0] if isinstance(ended, tuple) else UNDEFINED

        return run


def _parameters(node: Node) -> list[str] | None:
    """Return the names of plain parameters; None where one is not plain."""
    single = node.child_by_field_name("parameter")
    if single is not None:
        return [name_of(single)]
    parameters = node.child_by_field_name("parameters")
    if parameters is None:
        return None
    named = [child for child in parameters.named_children if child.type != "comment"]
    if any(child.type != "identifier" for child in named):
        return None
    return [name_of(child) for child in named]


def _vars(function: Node) -> list[str]:
    """Return the names that a function's `var`s declare."""
    names: list[str] = []
    pending = [function.child_by_field_name("body")]
    while pending:
        node = pending.pop()
        if node is None or node.type in FUNCTIONS:
            continue
        if node.type == "variable_declaration":
            for child in node.named_children:
                name = child.child_by_field_name("name")
                if name is not None and name.type == "identifier":
                    names.append(name_of(name))
        pending += node.named_children
    return names


_Handler = Callable[[Compiler, Node], Run]
_EXPRESSIONS: dict[str, _Handler] = {
    "string": expressions.string,
    "number": expressions.number,
    "true": lambda c, node: expressions.constant(True),
    "false": lambda c, node: expressions.constant(False),
    "null": lambda c, node: expressions.constant(None),
    "undefined": lambda c, node: expressions.constant(UNDEFINED),
    "identifier": expressions.identifier,
    "this": lambda c, node: lambda environment: environment.read("this"),
    "array": expressions.array,
    "object": expressions.record,
    "parenthesized_expression": expressions.inner,
    "sequence_expression": expressions.sequence,
    "ternary_expression": expressions.conditional,
    "binary_expression": expressions.binary,
    "unary_expression": expressions.unary,
    "update_expression": expressions.update,
    "assignment_expression": expressions.assignment,
    "augmented_assignment_expression": expressions.augmented,
    "member_expression": expressions.member,
    "subscript_expression": expressions.member,
    "call_expression": expressions.call,
    "new_expression": expressions.new,
    "function_expression": expressions.function,
    "arrow_function": expressions.function,
}
