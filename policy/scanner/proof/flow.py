"""Where the value of an expression goes, one step at a time.

Every place that is not known to be harmless counts as an escape: who gets the
value there may do with it what he likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tree_sitter import Node

from policy.scanner.parsing.scopes import FUNCTIONS, arguments_of, text_of, unwrap
from policy.scanner.proof.source import Use, is_in_field


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
_AUGMENTED = "augmented_assignment_expression"
_COMPARING = frozenset(("===", "!==", "==", "!=", "in", "<", ">", "<=", ">="))


def flows_of(use: Use) -> list[Flow]:
    """Return every way that the value of an expression takes."""
    found: list[Flow] = []
    while True:
        node, parent, kind = use.node, use.parent, use.parent.type
        if kind in _WRAPPERS and kind != "yield_expression":
            use = use.up()
        elif kind == "ternary_expression":
            if is_in_field(parent, "condition", node):
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
        elif kind == "assignment_expression" and is_in_field(parent, "right", node):
            # The value is kept, and is the value of the assignment as well.
            found.append(_kept(use))
            use = use.up()
        elif kind == _AUGMENTED and is_in_field(parent, "right", node):
            found.append(_kept(use))
            use = use.up()
        else:
            found.append(_ended(use))
            break
    return found


def _passes(parent: Node, node: Node) -> bool:
    """Return whether the value of an operand may be the value of the operation."""
    operator = parent.child_by_field_name("operator")
    sign = operator.type if operator is not None else ""
    if sign in ("||", "??"):
        return True
    return sign == "&&" and is_in_field(parent, "right", node)


def _compared(use: Use) -> list[Flow]:
    """Return where a value goes from a comparison: nowhere, unless a class is asked."""
    operator = use.parent.child_by_field_name("operator")
    sign = operator.type if operator is not None else ""
    if sign in _COMPARING or sign == "&&":
        return []
    # A class may say what it is to be an instance, and gets the value to say so.
    if sign == "instanceof" and is_in_field(use.parent, "right", use.node):
        return []
    return [Flow(Way.ESCAPE, use)]


def _kept(use: Use) -> Flow:
    """Return where an assignment keeps a value."""
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
    """Return what becomes of a value where its expression ends."""
    node, parent, kind = use.node, use.parent, use.parent.type
    if kind in _ASKING:
        return Flow(Way.HARMLESS, use)
    if kind == "unary_expression":
        return Flow(Way.HARMLESS, use)
    if kind in ("member_expression", "subscript_expression"):
        is_owner = is_in_field(parent, "object", node)
        return Flow(Way.MEMBER if is_owner else Way.ESCAPE, use.up())
    if kind == "call_expression" and is_in_field(parent, "function", node):
        return Flow(Way.CALL, use.up())
    if kind == "new_expression" and is_in_field(parent, "constructor", node):
        return Flow(Way.NEW, use.up())
    if kind == "variable_declarator" and is_in_field(parent, "value", node):
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
        harmless = by_key or is_in_field(parent, "left", node)
        return Flow(Way.HARMLESS if harmless else Way.ESCAPE, use)
    return Flow(Way.ESCAPE, use)


def _declared(use: Use) -> Flow:
    """Return where a declaration keeps a value; an exported one escapes."""
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
    """Return a function that is called where it stands, and its arguments' shift."""
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


def is_assigned(use: Use) -> bool:
    """Return whether a name or member is written, not read."""
    is_left = is_in_field(use.parent, "left", use.node)
    return is_left and use.parent.type.endswith("assignment_expression")


def is_target(use: Use) -> bool:
    """Return whether a member is written, taken away, or filled by a pattern."""
    while use.parent.type in _WRAPPERS and use.parent.type != "await_expression":
        use = use.up()
    parent, node = use.parent, use.node
    if parent.type in ("update_expression", "array_pattern", "rest_pattern"):
        return True
    if parent.type == "unary_expression":
        operator = parent.child_by_field_name("operator")
        return operator is not None and operator.type == "delete"
    if parent.type == "pair_pattern":
        return is_in_field(parent, "value", node)
    return parent.type in _LEFT_HANDED and is_in_field(parent, "left", node)


_LEFT_HANDED = frozenset(
    [
        "assignment_expression",
        "augmented_assignment_expression",
        "assignment_pattern",
        "object_assignment_pattern",
        "for_in_statement",
    ]
)


def is_type(use: Use) -> bool:
    """Return whether a name stands where only types are."""
    return any(node.type in _TYPES for node in use.path)


_TYPES = frozenset(
    [
        "type_annotation",
        "type_arguments",
        "type_parameters",
        "interface_declaration",
        "type_alias_declaration",
        "ambient_declaration",
        "implements_clause",
        "call_signature",
        "construct_signature",
        "function_signature",
        "function_type",
        "method_signature",
    ]
)
