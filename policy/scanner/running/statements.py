"""Statements, compiled: each tells whether it ended a loop or a function."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from tree_sitter import Node

from policy.scanner.parsing.scopes import name_of
from policy.scanner.running import expressions
from policy.scanner.running.machine import Environment, Run
from policy.scanner.running.values import UNDEFINED, ThrownError, are_same, to_truth

if TYPE_CHECKING:
    from policy.scanner.running.compiler import Compiler


class Jump(Enum):
    """How a statement leaves a loop."""

    BREAK = "break"
    CONTINUE = "continue"


# None where the next statement follows; what a function returns, in a tuple.
Ended = Jump | tuple[Any] | None
Code = Callable[[Environment], Ended]


def _block(c: Compiler, node: Node) -> Code:
    """Compile a block: its functions are there from the beginning."""
    parts = c.parts(node)
    declared = [part for part in parts if part.type == "function_declaration"]
    runs = [c.statement(part) for part in parts if part.type != "function_declaration"]
    own = _names(parts)

    def run(environment: Environment) -> Ended:
        inside = environment
        if own or declared:
            inside = Environment(environment, dict.fromkeys(own, UNDEFINED))
            for function in declared:
                name = function.child_by_field_name("name")
                assert name is not None
                inside.names[name_of(name)] = c.closure(function, inside)
        for one in runs:
            ended = one(inside)
            if ended is not None:
                return ended
        return None

    return run


def _names(parts: list[Node]) -> list[str]:
    """Return the names that `let` and `const` declare among statements."""
    found = []
    for part in parts:
        if part.type == "lexical_declaration":
            names = (child.child_by_field_name("name") for child in part.named_children)
            found += [
                name_of(n) for n in names if n is not None and n.type == "identifier"
            ]
    return found


def _declaration(c: Compiler, node: Node) -> Code:
    """Compile `var`, `let` and `const` of plain names."""
    runs: list[tuple[str, Run]] = []
    is_var = node.type == "variable_declaration"
    for child in c.parts(node):
        name, value = (
            child.child_by_field_name("name"),
            child.child_by_field_name("value"),
        )
        if name is None or name.type != "identifier":
            return expressions.not_run
        if value is not None:
            runs.append((name_of(name), c.expression(value)))
        elif not is_var:
            runs.append((name_of(name), expressions.constant(UNDEFINED)))

    def run(environment: Environment) -> Ended:
        for name, value in runs:
            environment.write(name, value(environment))
        return None

    return run


def _expression(c: Compiler, node: Node) -> Code:
    """Compile an expression that stands alone."""
    parts = c.parts(node)
    value = c.expression(parts[0]) if parts else expressions.not_run

    def run(environment: Environment) -> Ended:
        value(environment)
        return None

    return run


def _if(c: Compiler, node: Node) -> Code:
    """Compile a branch."""
    condition = c.field(node, "condition")
    yes, no = (_optional(c, node, name) for name in ("consequence", "alternative"))
    return lambda e: yes(e) if to_truth(condition(e)) else no(e)


def _optional(c: Compiler, node: Node, field: str) -> Code:
    """Compile a statement that may be missing."""
    found = node.child_by_field_name(field)
    if found is not None and found.type == "else_clause":
        parts = c.parts(found)
        found = parts[0] if parts else None
    return _nothing if found is None else c.statement(found)


def _nothing(environment: Environment) -> Ended:
    """Run nothing."""
    return None


def _loop(c: Compiler, node: Node) -> Code:
    """Compile `while`, `do` and `for`."""
    body = _optional(c, node, "body")
    start = node.child_by_field_name("initializer")
    condition = _condition(c, node.child_by_field_name("condition"))
    step = node.child_by_field_name("increment")
    after = expressions.constant(None) if step is None else c.expression(step)
    begin = _nothing if start is None else _start(c, start)
    own = _names([start]) if start is not None else []
    comes_first = node.type == "do_statement"

    def run(environment: Environment) -> Ended:
        if own:
            environment = Environment(environment, dict.fromkeys(own, UNDEFINED))
        begin(environment)
        first = comes_first
        while first or to_truth(condition(environment)):
            first = False
            c.machine.step()
            ended = body(environment)
            if ended is Jump.BREAK:
                return None
            if isinstance(ended, tuple):
                return ended
            after(environment)
        return None

    return run


def _start(c: Compiler, node: Node) -> Code:
    """Compile what a `for` begins with."""
    if node.type in STATEMENTS:
        return c.statement(node)
    value = c.expression(node)

    def run(environment: Environment) -> Ended:
        value(environment)
        return None

    return run


def _condition(c: Compiler, node: Node | None) -> Run:
    """Compile a loop's condition; without one it goes on."""
    if node is None or node.type == "empty_statement":
        return expressions.constant(True)
    if node.type == "expression_statement":
        return c.expression(c.parts(node)[0])
    return c.expression(node)


def _return(c: Compiler, node: Node) -> Code:
    """Compile `return`."""
    parts = c.parts(node)
    value = c.expression(parts[0]) if parts else expressions.constant(UNDEFINED)
    return lambda environment: (value(environment),)


def _jump(c: Compiler, node: Node) -> Code:
    """Compile `break` and `continue` without a label."""
    if node.named_children:
        return expressions.not_run
    jump = Jump.BREAK if node.type == "break_statement" else Jump.CONTINUE
    return lambda environment: jump


def _try(c: Compiler, node: Node) -> Code:
    """Compile `try` with its `catch`."""
    body, handler = _optional(c, node, "body"), node.child_by_field_name("handler")
    if handler is None or node.child_by_field_name("finalizer") is not None:
        return expressions.not_run
    parameter, caught = (
        handler.child_by_field_name("parameter"),
        _optional(c, handler, "body"),
    )
    if parameter is not None and parameter.type != "identifier":
        return expressions.not_run
    name = name_of(parameter) if parameter is not None else ""

    def run(environment: Environment) -> Ended:
        try:
            return body(environment)
        except ThrownError:
            return caught(Environment(environment, {name: UNDEFINED}))

    return run


def _throw(c: Compiler, node: Node) -> Code:
    """Compile `throw`: what is thrown is not kept."""

    def run(environment: Environment) -> Ended:
        raise ThrownError

    return run


def _switch(c: Compiler, node: Node) -> Code:
    """Compile `switch`, from the case that fits on."""
    value, body = c.field(node, "value"), node.child_by_field_name("body")
    cases: list[tuple[Run | None, list[Code]]] = []
    for case in c.parts(body) if body is not None else []:
        wanted = case.child_by_field_name("value")
        key = None if wanted is None else c.expression(wanted)
        parts = [p for p in c.parts(case) if wanted is None or p.id != wanted.id]
        if _names(parts):
            return expressions.not_run
        cases.append((key, [c.statement(part) for part in parts]))

    def run(environment: Environment) -> Ended:
        chosen = value(environment)
        start = _case(cases, chosen, environment)
        for _, runs in cases[start:]:
            for one in runs:
                ended = one(environment)
                if ended is not None:
                    return None if ended is Jump.BREAK else ended
        return None

    return run


def _case(
    cases: list[tuple[Run | None, list[Code]]], chosen: Any, environment: Environment
) -> int:
    """Return the place of the case that fits, or of the default."""
    for place, (key, _) in enumerate(cases):
        if key is not None and are_same(key(environment), chosen):
            return place
    return next((i for i, (key, _) in enumerate(cases) if key is None), len(cases))


STATEMENTS: dict[str, Callable[[Compiler, Node], Code]] = {
    "statement_block": _block,
    "lexical_declaration": _declaration,
    "variable_declaration": _declaration,
    "expression_statement": _expression,
    "if_statement": _if,
    "while_statement": _loop,
    "do_statement": _loop,
    "for_statement": _loop,
    "return_statement": _return,
    "break_statement": _jump,
    "continue_statement": _jump,
    "try_statement": _try,
    "throw_statement": _throw,
    "switch_statement": _switch,
    "empty_statement": lambda c, node: _nothing,
}
