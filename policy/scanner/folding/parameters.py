"""What parameters hold: the arguments of the calls that can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tree_sitter import Node

from policy.scanner.builtins.reflection import items_of
from policy.scanner.parsing.scopes import (
    ITERATING,
    Site,
    Write,
    find_binding,
    name_of,
    unwrap,
)
from policy.scanner.semantics.values import (
    UNDEFINED,
    UNKNOWN,
    Array,
    Function,
    Host,
    Method,
    Value,
    add_via,
    one_of,
    options,
)

if TYPE_CHECKING:
    from policy.scanner.folding.folder import Folder


_MAX_CALL_SITES = 6
# Parameters that are what their name says: bundlers and module wrappers pass them.
_WRAPPER_PARAMETERS = frozenset(("require", "module", "process", "__require"))


def fold_parameter(folder: Folder, write: Write) -> Value:
    """Return what the calls that can be seen pass for a parameter."""
    node, index = write.node, write.extra
    assert node is not None
    passed: list[Value] = []
    for call in calls_of(folder, node)[:_MAX_CALL_SITES]:
        arguments = call_arguments(folder, call)
        if index < 0:
            passed.append(Array(tuple(arguments[-1 - index :])))
        elif index < len(arguments):
            passed.append(add_via(arguments[index], "argument"))
        else:
            passed.append(UNDEFINED)
    if not passed and index == 0:
        passed.extend(called_back_with(folder, node))
    if passed:
        return one_of(passed)
    name = parameter_name(node, index)
    if name in _WRAPPER_PARAMETERS and not write.path:
        return Host(name.lstrip("_"))
    return UNKNOWN


def called_back_with(folder: Folder, function: Node) -> list[Value]:
    """Return what a callback gets first: items, or a promise's value."""
    site = folder.program.callbacks.get(function.id)
    target = folder.callee(site.node, site.scope) if site is not None else UNKNOWN
    if not isinstance(target, Method):
        return []
    if target.name == "then" and type(target.owner) is not Value:
        return [target.owner]
    items = items_of(target.owner) if target.name in ITERATING else None
    return [add_via(item, "argument") for item in items or ()]


def parameter_name(function: Node, index: int) -> str:
    """Return the name of a function's parameter; empty for a pattern or none."""
    parameters = function.child_by_field_name("parameters")
    if parameters is None or index < 0:
        return ""
    kinds = [c for c in parameters.named_children if c.type != "comment"]
    if index >= len(kinds):
        return ""
    node = kinds[index].child_by_field_name("pattern") or kinds[index]
    return name_of(node) if node.type == "identifier" else ""


def calls_of(folder: Folder, function: Node) -> list[Site]:
    """Return the calls that name this function directly."""
    in_place = folder.program.calls_in_place.get(function.id)
    if in_place is not None:
        return [in_place]
    binding = folder.program.holders.get(function.id)
    if binding is None:
        return calls_of_member(folder, function)
    sites = folder.program.calls_by_name.get(binding.name, [])
    near = sites[: _MAX_CALL_SITES * 4]
    return [s for s in near if find_binding(binding.name, s.scope) is binding]


def calls_of_member(folder: Folder, function: Node) -> list[Site]:
    """Return the calls `object.name(…)` of a function in an object literal."""
    name = folder.program.member_names.get(function.id)
    sites = folder.program.calls_by_member.get(name or "", [])
    if not sites or function.id in folder.running:
        return []
    folder.running.add(function.id)
    try:
        near = sites[: _MAX_CALL_SITES * 2]
        return [site for site in near if is_call_of(folder, site, function)]
    finally:
        folder.running.discard(function.id)


def is_call_of(folder: Folder, site: Site, function: Node) -> bool:
    """Return whether a call may be one of this function."""
    targets = options(folder.callee(site.node, site.scope))
    return any(isinstance(t, Function) and t.node.id == function.id for t in targets)


def call_arguments(folder: Folder, site: Site) -> list[Value]:
    """Fold a call's arguments, seen from the function called in place."""
    arguments = folder.arguments(site.node, site.scope)
    callee = unwrap(site.node.child_by_field_name("function"))
    if callee is not None and callee.type == "member_expression":
        name = callee.child_by_field_name("property")
        if name is not None and name_of(name) == "apply":
            second = arguments[1] if len(arguments) > 1 else UNKNOWN
            return list(items_of(second) or ())
        return arguments[1:]
    return arguments
