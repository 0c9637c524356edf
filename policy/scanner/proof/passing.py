"""Arguments of functions of the file: which parameter they become."""

from __future__ import annotations

from tree_sitter import Node

from policy.scanner.parsing.scopes import FUNCTIONS, arguments_of, text_of, unwrap
from policy.scanner.proof.flow import parameter_at
from policy.scanner.proof.source import Declaration, Source, Use
from policy.scanner.proof.strings import is_written


def parameter_of(source: Source, use: Use) -> Use | None:
    """Return the parameter that an argument becomes, where the callee is sure."""
    if use.parent.type != "arguments":
        return None
    call = use.up().up()
    callee = unwrap(call.node.child_by_field_name("function"))
    if call.node.type != "call_expression" or callee is None:
        return None
    arguments = arguments_of(call.node)
    index = next(i for i, a in enumerate(arguments) if a.id == use.node.id)
    if any(a.type == "spread_element" for a in arguments[:index]):
        return None
    function = function_of(source, callee)
    if function is None:
        return None
    parameter = parameter_at(function, index)
    if parameter is None:
        return None
    return Use(parameter, source.path_of(parameter))


def function_of(source: Source, callee: Node) -> Node | None:
    """Return the one function that a name stands for."""
    if callee.type != "identifier":
        return None
    name = text_of(callee)
    declared = source.resolve(Use(callee, source.path_of(callee)), name)
    if len(declared) != 1:
        return None
    declaration = declared[0]
    for use in source.uses_of(declaration, name):
        if use.node.id != declaration.use.node.id and is_written(use):
            return None
    return _made(declaration)


def _made(declaration: Declaration) -> Node | None:
    """Return the function that a declaration makes; None for any other value."""
    if declaration.kind == "function":
        return declaration.holder
    if declaration.kind not in ("const", "let", "var") or declaration.is_pattern:
        return None
    value = unwrap(declaration.holder.child_by_field_name("value"))
    return value if value is not None and value.type in FUNCTIONS else None


def is_new_target(use: Use) -> bool:
    """Return whether this is the third argument of Reflect.construct: not called."""
    call = use.up().up().node
    callee = call.child_by_field_name("function")
    if callee is None or text_of(callee) != "Reflect.construct":
        return False
    arguments = arguments_of(call)
    return len(arguments) == 3 and arguments[2].id == use.node.id
