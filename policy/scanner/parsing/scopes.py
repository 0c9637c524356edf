"""Scopes, bindings and everything that is written to each binding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tree_sitter import Node

from policy.scanner.semantics.literals import unescape

FUNCTIONS = frozenset(
    [
        "function_declaration",
        "function_expression",
        "arrow_function",
        "method_definition",
        "generator_function",
        "generator_function_declaration",
        "function",
    ]
)
CLASSES = frozenset(("class_declaration", "class", "abstract_class_declaration"))
# Methods that call their first argument with each item.
ITERATING = frozenset(("map", "forEach", "filter", "some", "every", "find", "flatMap"))
CHANGERS = frozenset(
    ["push", "unshift", "reverse", "splice", "pop", "shift", "sort", "set"]
)


@dataclass(eq=False, slots=True)
class Binding:
    """A name in a scope, with all that is written to it, in source order."""

    name: str
    writes: list[Write] = field(default_factory=list)
    # Assigned without a declaration: a global, perhaps one of the runtime's own.
    is_implicit: bool = False


@dataclass(eq=False, slots=True)
class Scope:
    parent: Scope | None
    node: Node
    is_function: bool
    bindings: dict[str, Binding] = field(default_factory=dict)
    with_object: Node | None = None
    this_class: Node | None = None

    def declare(self, name: str) -> Binding:
        """Return the binding of a name in this scope, made where it is new."""
        found = self.bindings.get(name)
        if found is None:
            found = self.bindings[name] = Binding(name)
        return found

    def function_scope(self) -> Scope:
        """Return the scope that a `var` here belongs to."""
        scope = self
        while not scope.is_function and scope.parent is not None:
            scope = scope.parent
        return scope


@dataclass(eq=False, slots=True)
class Write:
    """One way in which a binding gets a value.

    `path` leads from the value of `node` to the part that is bound: property names,
    indexes, nodes of computed keys, or `("default", node)`.
    """

    kind: str
    node: Node | None
    scope: Scope
    path: tuple[Any, ...] = ()
    extra: Any = None
    loop: Node | None = None


@dataclass(eq=False, slots=True)
class Site:
    node: Node
    scope: Scope
    # What kind of node it is, where that was asked for already.
    kind: str = ""


@dataclass
class Program:
    """A file's scopes and the sites to look at."""

    root: Scope
    sites: list[Site] = field(default_factory=list)
    # By the function node's id: its own scope and the calls that name it directly.
    scopes: dict[int, Scope] = field(default_factory=dict)
    calls_by_name: dict[str, list[Site]] = field(default_factory=dict)
    calls_by_member: dict[str, list[Site]] = field(default_factory=dict)
    # By a function node's id: its name in the object literal that holds it.
    member_names: dict[int, str] = field(default_factory=dict)
    calls_in_place: dict[int, Site] = field(default_factory=dict)
    # By a function node's id: the call that it is an argument of.
    callbacks: dict[int, Site] = field(default_factory=dict)
    escapes: list[Site] = field(default_factory=list)
    class_fields: dict[int, list[Site]] = field(default_factory=dict)
    # By a function node's id: the name that holds it.
    holders: dict[int, Binding] = field(default_factory=dict)
    # By a method node's id: the object literal that it is written in.
    method_owners: dict[int, Site] = field(default_factory=dict)
    has_with: bool = False
    nodes: int = 0
    is_complete: bool = True

    def release(self) -> None:
        """Take scopes and writes apart, once nobody asks any more.

        They hold each other: else Python's search for cycles has to find all of them.
        """
        self.root.bindings.clear()
        for scope in self.scopes.values():
            scope.bindings.clear()


def text_of(node: Node) -> str:
    """Return a node's source text."""
    return (node.text or b"").decode("utf-8", "replace")


def name_of(node: Node) -> str:
    """Return an identifier's name with its escapes resolved."""
    written = (node.text or b"").decode("utf-8", "replace")
    return unescape(written) if "\\" in written else written


_WRAPPERS = frozenset(
    [
        "parenthesized_expression",
        "as_expression",
        "satisfies_expression",
        "non_null_expression",
        "type_assertion",
        "instantiation_expression",
    ]
)


def unwrap(node: Node | None) -> Node | None:
    """Return the expression inside parentheses and type assertions."""
    while node is not None and node.type in _WRAPPERS:
        children = [c for c in node.named_children if c.type != "comment"]
        if not children:
            return None
        node = children[-1] if node.type == "type_assertion" else children[0]
        if node.type == "sequence_expression":
            return node
    return node


# What they give is a number, or a BigInt, whatever stands beside them.
_COUNTING = frozenset(("-", "*", "/", "%", "**", "<<", ">>", ">>>", "&", "|", "^"))


def is_number(node: Node | None) -> bool:
    """Return whether an expression is surely a number, by its form alone."""
    inner = unwrap(node)
    if inner is None or inner.type not in _MAY_COUNT:
        return False
    if inner.type in ("number", "update_expression"):
        return True
    operator = inner.child_by_field_name("operator")
    sign = operator.type if operator is not None else ""
    if inner.type == "unary_expression":
        return sign in ("-", "+", "~")
    return sign in _COUNTING


_MAY_COUNT = frozenset(
    ("number", "update_expression", "unary_expression", "binary_expression")
)


def arguments_of(call: Node) -> list[Node]:
    """Return a call's argument nodes; a template for a tagged one."""
    arguments = call.child_by_field_name("arguments")
    if arguments is None:
        return []
    if arguments.type == "template_string":
        return [arguments]
    return [child for child in arguments.named_children if child.type != "comment"]


def find_binding(name: str, scope: Scope) -> Binding | None:
    """Return the innermost binding of a name."""
    holder: Scope | None = scope
    while holder is not None:
        found = holder.bindings.get(name)
        if found is not None:
            return found
        holder = holder.parent
    return None
