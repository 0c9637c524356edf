"""What may be done with a prototype that everything inherits, without changing it."""

from __future__ import annotations

from policy.scanner.parsing.scopes import FUNCTIONS, arguments_of, text_of, unwrap
from policy.scanner.proof.flow import parameter_at
from policy.scanner.proof.source import Source, Use, is_in_field

PROTOTYPE_WRITE = "A write to a prototype that everything inherits"
# Called on a prototype they change it, or give it back.
CHANGING_METHODS = frozenset(
    [
        "__defineGetter__",
        "__defineSetter__",
        "copyWithin",
        "fill",
        "pop",
        "push",
        "reverse",
        "shift",
        "sort",
        "splice",
        "unshift",
        "valueOf",
    ]
)
_READERS = frozenset(
    [
        "create",
        "entries",
        "get",
        "getOwnPropertyDescriptor",
        "getOwnPropertyDescriptors",
        "getOwnPropertyNames",
        "getOwnPropertySymbols",
        "has",
        "hasOwn",
        "is",
        "isExtensible",
        "isFrozen",
        "isSealed",
        "keys",
        "ownKeys",
        "values",
    ]
)
_EACH = frozenset(("every", "filter", "find", "flatMap", "forEach", "map", "some"))


def is_only_read(source: Source, use: Use) -> bool:
    """Return whether an argument goes to what only reads it, as Object.create does."""
    return _reflector(source, use) in _READERS


def gives_prototype(source: Source, use: Use) -> bool:
    """Return whether this is what Object.getPrototypeOf is asked about."""
    return _reflector(source, use) == "getPrototypeOf"


def _reflector(source: Source, use: Use) -> str:
    """Return the method of Object or Reflect that an argument goes to, or ''."""
    if use.parent.type != "arguments":
        return ""
    call = use.up().up()
    callee = unwrap(call.node.child_by_field_name("function"))
    if callee is None or callee.type != "member_expression":
        return ""
    owner = callee.child_by_field_name("object")
    name = callee.child_by_field_name("property")
    if owner is None or name is None or text_of(owner) not in ("Object", "Reflect"):
        return ""
    inside = Use(owner, (*call.path, call.node, callee))
    return text_of(name) if source.is_free(inside, text_of(owner)) else ""


def loop_variable_of(use: Use) -> Use | None:
    """Return the variable that an item of an array becomes, in a loop over it."""
    if use.parent.type != "array":
        return None
    items = use.up()
    above = items.parent
    if above.type == "for_in_statement" and is_in_field(above, "right", items.node):
        left = above.child_by_field_name("left")
        is_name = left is not None and left.type == "identifier"
        return Use(left, (*items.path,)) if left is not None and is_name else None
    if above.type != "member_expression":
        return None
    method = above.child_by_field_name("property")
    if method is None or text_of(method) not in _EACH:
        return None
    return _first_parameter(items.up().up())


def _first_parameter(call: Use) -> Use | None:
    """Return the first parameter of the function that a call is given in place."""
    arguments = arguments_of(call.node)
    if call.node.type != "call_expression" or not arguments:
        return None
    function = unwrap(arguments[0])
    if function is None or function.type not in FUNCTIONS:
        return None
    parameter = parameter_at(function, 0)
    if parameter is None:
        return None
    return Use(parameter, (*call.path, call.node, function))
