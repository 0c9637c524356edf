"""Expressions, compiled once to functions of an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tree_sitter import Node

from policy.scanner.parsing.scopes import arguments_of, name_of, text_of
from policy.scanner.running.machine import (
    Environment,
    Run,
    call_method,
    read_member,
    write_member,
)
from policy.scanner.running.operators import BINARY, UNARY
from policy.scanner.running.values import (
    UNDEFINED,
    Items,
    Record,
    UnsupportedError,
    to_number,
    to_text,
    to_truth,
    whole,
)
from policy.scanner.semantics.literals import unescape

if TYPE_CHECKING:
    from policy.scanner.running.compiler import Compiler


def not_run(environment: Environment) -> Any:
    """End the attempt: this is not run."""
    raise UnsupportedError


def constant(value: Any) -> Run:
    """Return code that gives always the same."""
    return lambda environment: value


def string(c: Compiler, node: Node) -> Run:
    """Compile a text."""
    return constant(unescape(text_of(node)[1:-1]))


def number(c: Compiler, node: Node) -> Run:
    """Compile a number."""
    text = text_of(node).replace("_", "")
    if text.endswith("n") or (text[:1] == "0" and text[1:].isdecimal()):
        return not_run
    return constant(to_number(text))


def identifier(c: Compiler, node: Node) -> Run:
    """Compile a name that is read."""
    name = name_of(node)
    return lambda environment: environment.read(name)


def array(c: Compiler, node: Node) -> Run:
    """Compile an array without holes or spreads."""
    items = [c.expression(child) for child in c.parts(node)]
    commas = sum(child.type == "," for child in node.children)
    if commas > len(items):
        return not_run
    return lambda environment: Items(items=[item(environment) for item in items])


def record(c: Compiler, node: Node) -> Run:
    """Compile an object of plain members."""
    members: list[tuple[str, Run]] = []
    for child in c.parts(node):
        key, value = (
            child.child_by_field_name("key"),
            child.child_by_field_name("value"),
        )
        if child.type != "pair" or key is None or key.type == "computed_property_name":
            return not_run
        name = text_of(key)
        name = unescape(name[1:-1]) if key.type == "string" else name_of(key)
        if key.type == "number":
            name = to_text(to_number(name))
        members.append((name, c.expression(value)))
    return lambda environment: Record({k: run(environment) for k, run in members})


def inner(c: Compiler, node: Node) -> Run:
    """Compile what parentheses hold."""
    parts = c.parts(node)
    return c.expression(parts[0]) if len(parts) == 1 else not_run


def sequence(c: Compiler, node: Node) -> Run:
    """Compile expressions that commas join: the last one's value counts."""
    runs = [c.expression(child) for child in c.parts(node)]

    def run(environment: Environment) -> Any:
        value = UNDEFINED
        for one in runs:
            value = one(environment)
        return value

    return run


def conditional(c: Compiler, node: Node) -> Run:
    """Compile `a ? b : c`."""
    condition, yes, no = (
        c.field(node, name) for name in ("condition", "consequence", "alternative")
    )
    return lambda e: yes(e) if to_truth(condition(e)) else no(e)


def binary(c: Compiler, node: Node) -> Run:
    """Compile an operation of two values."""
    left, right = c.field(node, "left"), c.field(node, "right")
    sign = c.sign(node)
    if sign == "&&":
        return lambda e: right(e) if to_truth(value := left(e)) else value
    if sign == "||":
        return lambda e: value if to_truth(value := left(e)) else right(e)
    operate = BINARY.get(sign)
    if operate is None:
        return not_run
    return lambda e: operate(left(e), right(e))


def unary(c: Compiler, node: Node) -> Run:
    """Compile an operation of one value."""
    operate = UNARY.get(c.sign(node))
    if operate is None:
        return not_run
    argument = c.field(node, "argument")
    return lambda e: operate(argument(e))


def update(c: Compiler, node: Node) -> Run:
    """Compile `++` and `--`, before and after a name or member."""
    target = node.child_by_field_name("argument")
    operator = node.child_by_field_name("operator")
    if target is None or operator is None:
        return not_run
    read, write = c.expression(target), c.writer(target)
    change = 1 if operator.type == "++" else -1
    comes_first = operator.start_byte < target.start_byte

    def run(environment: Environment) -> Any:
        before = to_number(read(environment))
        after = whole(before + change)
        write(environment, after)
        return after if comes_first else before

    return run


def assignment(c: Compiler, node: Node) -> Run:
    """Compile `=`."""
    target = node.child_by_field_name("left")
    if target is None:
        return not_run
    value, write = c.field(node, "right"), c.writer(target)

    def run(environment: Environment) -> Any:
        result = value(environment)
        write(environment, result)
        return result

    return run


def augmented(c: Compiler, node: Node) -> Run:
    """Compile `+=` and its like."""
    target = node.child_by_field_name("left")
    operate = BINARY.get(c.sign(node).removesuffix("="))
    if target is None or operate is None:
        return not_run
    read, value, write = c.expression(target), c.field(node, "right"), c.writer(target)

    def run(environment: Environment) -> Any:
        before = read(environment)
        result = operate(before, value(environment))
        write(environment, result)
        return result

    return run


def member(c: Compiler, node: Node) -> Run:
    """Compile a member that is read."""
    owner, key = c.field(node, "object"), c.key(node)
    return lambda e: read_member(owner(e), key(e))


def call(c: Compiler, node: Node) -> Run:
    """Compile a call; the owner of a method is its `this`."""
    callee = node.child_by_field_name("function")
    if callee is None or any(a.type == "spread_element" for a in arguments_of(node)):
        return not_run
    given = [c.expression(argument) for argument in arguments_of(node)]
    if callee.type in ("member_expression", "subscript_expression"):
        owner, key = c.field(callee, "object"), c.key(callee)

        def run_method(environment: Environment) -> Any:
            this, name = owner(environment), key(environment)
            return call_method(
                c.machine, this, name, [one(environment) for one in given]
            )

        return run_method
    function = c.expression(callee)
    return lambda e: c.machine.call(function(e), UNDEFINED, [one(e) for one in given])


def new(c: Compiler, node: Node) -> Run:
    """Compile `new` of a function of the program."""
    maker = c.field(node, "constructor")
    given = [c.expression(argument) for argument in arguments_of(node)]
    return lambda e: c.machine.construct(maker(e), [one(e) for one in given])


def function(c: Compiler, node: Node) -> Run:
    """Compile a function that is a value."""
    return lambda environment: c.closure(node, environment)


def write_to_member(c: Compiler, node: Node) -> Any:
    """Compile a member that is written."""
    owner, key = c.field(node, "object"), c.key(node)
    return lambda e, value: write_member(owner(e), key(e), value)
