"""The way by which a value came about: the places that gave it to the names used.

Read from the source, not from a run: each place that writes to a name that the finding
uses, and to the names used there, in turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from policy.scanner.parsing.scopes import (
    FUNCTIONS,
    Binding,
    Program,
    Scope,
    Write,
    find_binding,
    name_of,
)

MAX_STEPS = 12
# Of one expression: a table of strings may hold thousands of nodes.
_MAX_NODES = 400
_NAMES = frozenset(("identifier", "shorthand_property_identifier"))
# The statement around a write says more than the value alone.
_WHOLE = frozenset(
    ("variable_declarator", "assignment_expression", "augmented_assignment_expression")
)
_DECLARATIONS = frozenset(("lexical_declaration", "variable_declaration"))


@dataclass(frozen=True)
class Place:
    """A node that gave a name its value, and how it did."""

    node: Node
    how: str


def find_steps(program: Program, node: Node) -> list[Place]:
    """Return the places that the value at a node came by, in order of the source.

    At most `MAX_STEPS`, the nearest by use first; what a name holds before all of the
    source, such as a global of the runtime, has no place.
    """
    found: dict[int, Place] = {}
    seen: set[Binding] = set()
    waiting = deque([(node, _scope_of(program, node))])
    while waiting and len(found) < MAX_STEPS:
        used, scope = waiting.popleft()
        for binding in _bindings_used(used, scope):
            if binding in seen:
                continue
            seen.add(binding)
            for place, inner, inner_scope in _places_of(program, binding):
                if len(found) < MAX_STEPS and not _holds(place.node, node):
                    found.setdefault(place.node.start_byte, place)
                waiting.append((inner, inner_scope))
    return [found[start] for start in sorted(found)]


def _holds(outer: Node, inner: Node) -> bool:
    """Return whether a place is around the finding itself: it shows nothing new."""
    return outer.start_byte <= inner.start_byte and inner.end_byte <= outer.end_byte


def _scope_of(program: Program, node: Node) -> Scope:
    """Return the innermost scope that a node stands in."""
    holder: Node | None = node
    while holder is not None:
        scope = program.scopes.get(holder.id)
        if scope is not None:
            return scope
        holder = holder.parent
    return program.root


def _bindings_used(node: Node, scope: Scope) -> Iterator[Binding]:
    """Yield the bindings of an expression's names, bodies of functions apart."""
    stack, walked = [node], 0
    while stack and walked < _MAX_NODES:
        part = stack.pop()
        walked += 1
        if part.type in _NAMES:
            binding = find_binding(name_of(part), scope)
            if binding is not None:
                yield binding
        if part is node or part.type not in FUNCTIONS:
            stack.extend(reversed(part.named_children))


def _places_of(
    program: Program, binding: Binding
) -> Iterator[tuple[Place, Node, Scope]]:
    """Yield each place that writes to a name, with what it uses in its turn."""
    for write in binding.writes:
        if write.node is None:
            continue
        if write.kind == "parameter":
            yield from _arguments(program, write)
        else:
            yield Place(_shown(write.node), _HOW.get(write.kind, "set")), *_used(write)


def _used(write: Write) -> tuple[Node, Scope]:
    """Return the value that was written, and the scope of its names."""
    assert write.node is not None
    return write.node, write.scope


def _arguments(program: Program, write: Write) -> Iterator[tuple[Place, Node, Scope]]:
    """Yield the calls of the function whose parameter this is, where they are known."""
    assert write.node is not None
    holder = program.holders.get(write.node.id)
    calls = program.calls_by_name.get(holder.name, []) if holder is not None else []
    direct = program.calls_in_place.get(write.node.id)
    given = program.callbacks.get(write.node.id)
    for site in (*calls, *filter(None, (direct, given))):
        yield Place(site.node, "called"), site.node, site.scope


def _shown(node: Node) -> Node:
    """Return the declaration or assignment around a value, or the value itself."""
    parent = node.parent
    if parent is None or parent.type not in _WHOLE:
        return node
    around = parent.parent
    # With its `const`, where that declares nothing else.
    if around is None or around.type not in _DECLARATIONS:
        return parent
    return around if around.named_child_count == 1 else parent


_HOW = {
    "value": "set",
    "member": "member set",
    "augmented": "added to",
    "change": "changed",
    "import": "imported",
    "function": "function",
    "class": "class",
    "items": "set by a loop",
    "keys": "set by a loop",
    "enum": "enum",
    "opaque": "caught",
}
