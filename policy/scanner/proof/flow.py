"""Where the value of an expression goes, one step at a time.

Every place that is not known to be harmless counts as an escape: who gets the
value there may do with it what he likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tree_sitter import Node

from policy.scanner.proof.source import Use
from policy.scanner.scopes import FUNCTIONS, arguments_of, text_of, unwrap


class Way(StrEnum):
    """What becomes of a value."""

    HARMLESS = "harmless"
    ESCAPE = "escape"
    MEMBER = "member"
    CALL = "call"
    NEW = "new"
    NAME = "name"
    PATTERN = "pattern"
    PARAMETER = "parameter"
    WRITTEN = "written"
    EXTENDS = "extends"


@dataclass(frozen=True)
class Flow:
    """One way that a value takes; `use` is the member, call, name … that it ends in."""

    way: Way
    use: Use


_WRAPPERS = frozenset(
    [
        "parenthesized_expression",
        "as_expression",
        "satisfies_expression",
        "non_null_expression",
        "type_assertion",
        "instantiation_expression",
        "await_expression",
        "yield_expression",
    ]
)
_ASKING = frozenset(
    [
        "if_statement",
        "while_statement",
        "do_statement",
        "for_statement",
        "expression_statement",
        "switch_statement",
        "switch_case",
        "type_query",
        "update_expression",
    ]
)
_COMPARING = frozenset(("===", "!==", "==", "!=", "in", "<", ">", "<=", ">="))


def flows_of(use: Use) -> list[Flow]:
    """Return every way that the value of an expression takes."""
    found: list[Flow] = []
    while True:
        node, parent, kind = use.node, use.parent, use.parent.type
        if kind in _WRAPPERS and kind != "yield_expression":
            use = use.up()
        elif kind == "ternary_expression":
            if _is(parent, "condition", node):
                break
            use = use.up()
        elif kind == "sequence_expression":
            if parent.named_children[-1].id != node.id:
                break
            use = use.up()
        elif kind == "binary_expression":
            if not _passes(parent, node):
                found += _compared(use)
                break
            use = use.up()
        elif kind == "assignment_expression" and _is(parent, "right", node):
            # The value is kept, and is the value of the assignment as well.
            found.append(_kept(use))
            use = use.up()
        elif kind == "augmented_assignment_expression" and _is(parent, "right", node):
            found.append(_kept(use))
            use = use.up()
        else:
            found.append(_ended(use))
            break
    return found


def _is(parent: Node, field: str, child: Node) -> bool:
    found = parent.child_by_field_name(field)
    return found is not None and found.id == child.id


def _passes(parent: Node, node: Node) -> bool:
    """Return whether the value of an operand may be the value of the operation."""
    operator = parent.child_by_field_name("operator")
    sign = text_of(operator) if operator is not None else ""
    if sign in ("||", "??"):
        return True
    return sign == "&&" and _is(parent, "right", node)


def _compared(use: Use) -> list[Flow]:
    operator = use.parent.child_by_field_name("operator")
    sign = text_of(operator) if operator is not None else ""
    if sign in _COMPARING or sign == "&&":
        return []
    # A class may say what it is to be an instance, and gets the value to say so.
    if sign == "instanceof" and _is(use.parent, "right", use.node):
        return []
    return [Flow(Way.ESCAPE, use)]


def _kept(use: Use) -> Flow:
    left = unwrap(use.parent.child_by_field_name("left"))
    if left is None:
        return Flow(Way.ESCAPE, use)
    target = Use(left, (*use.path,))
    if left.type == "identifier":
        return Flow(Way.NAME, target)
    if left.type == "object_pattern":
        return Flow(Way.PATTERN, target)
    return Flow(Way.ESCAPE, use)


def _ended(use: Use) -> Flow:
    node, parent, kind = use.node, use.parent, use.parent.type
    if kind in _ASKING:
        return Flow(Way.HARMLESS, use)
    if kind == "unary_expression":
        return Flow(Way.HARMLESS, use)
    if kind in ("member_expression", "subscript_expression"):
        is_owner = _is(parent, "object", node)
        return Flow(Way.MEMBER if is_owner else Way.ESCAPE, use.up())
    if kind == "call_expression" and _is(parent, "function", node):
        return Flow(Way.CALL, use.up())
    if kind == "new_expression" and _is(parent, "constructor", node):
        return Flow(Way.NEW, use.up())
    if kind == "variable_declarator" and _is(parent, "value", node):
        return _declared(use)
    if kind == "arguments":
        return _passed(use)
    if kind in ("extends_clause", "class_heritage"):
        return Flow(Way.EXTENDS, use)
    if kind in ("assignment_expression", "augmented_assignment_expression"):
        return Flow(Way.WRITTEN, use)
    if kind == "for_in_statement":
        operator = parent.child_by_field_name("operator")
        by_key = operator is not None and operator.type == "in"
        harmless = by_key or _is(parent, "left", node)
        return Flow(Way.HARMLESS if harmless else Way.ESCAPE, use)
    return Flow(Way.ESCAPE, use)


def _declared(use: Use) -> Flow:
    name = use.parent.child_by_field_name("name")
    is_exported = any(n.type in _SHOWN for n in use.path)
    if name is None or (is_exported and use.path[-3].type in _SHOWN):
        return Flow(Way.ESCAPE, use)
    target = Use(name, use.path)
    if name.type == "identifier":
        return Flow(Way.NAME, target)
    return Flow(Way.PATTERN if name.type == "object_pattern" else Way.ESCAPE, target)


_SHOWN = frozenset(("export_statement",))


def _passed(use: Use) -> Flow:
    """Return the parameter of a function called in place, or an escape."""
    call = use.up().up()
    if call.node.type not in ("call_expression", "new_expression"):
        return Flow(Way.ESCAPE, use)
    function, skipped = _called_in_place(call.node)
    arguments = arguments_of(call.node)
    index = next(i for i, a in enumerate(arguments) if a.id == use.node.id)
    if function is None or any(a.type == "spread_element" for a in arguments[:index]):
        return Flow(Way.ESCAPE, use)
    if skipped and index == 0:
        # It becomes `this` there, which is looked at for itself.
        return Flow(Way.ESCAPE, use)
    parameter = parameter_at(function, index - skipped)
    if parameter is None:
        return Flow(Way.ESCAPE, use)
    callee = (*call.path, call.node)
    return Flow(Way.PARAMETER, Use(parameter, (*callee, function)))


def _called_in_place(call: Node) -> tuple[Node | None, int]:
    callee = unwrap(call.child_by_field_name("function"))
    if callee is None:
        return None, 0
    if callee.type in FUNCTIONS:
        return callee, 0
    if callee.type == "unary_expression":
        return None, 0
    if callee.type == "member_expression":
        owner = unwrap(callee.child_by_field_name("object"))
        name = callee.child_by_field_name("property")
        is_call = name is not None and text_of(name) == "call"
        if owner is not None and owner.type in FUNCTIONS and is_call:
            return owner, 1
    return None, 0


def parameter_at(function: Node, index: int) -> Node | None:
    """Return the identifier of a plain parameter; None for any other."""
    body = function.child_by_field_name("body")
    if body is None or b"arguments" in (body.text or b""):
        return None
    single = function.child_by_field_name("parameter")
    if single is not None:
        return single if index == 0 else None
    parameters = function.child_by_field_name("parameters")
    if parameters is None:
        return None
    kinds = [c for c in parameters.named_children if c.type != "comment"]
    if not 0 <= index < len(kinds):
        return None
    node = kinds[index].child_by_field_name("pattern") or kinds[index]
    return node if node.type == "identifier" else None
