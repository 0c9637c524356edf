"""Destructuring: the names of a pattern, each with the way to its part of the value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tree_sitter import Node

from policy.scanner.parsing.scopes import name_of

# Keys and indexes from the whole value to the part; ("rest", index) for what is left
# and ("default", node) for what stands in where the part is missing.
Path = tuple[Any, ...]


def names_of_pattern(node: Node, path: Path) -> Iterator[tuple[str, Path]]:
    """Yield each name that a pattern binds, with its path from the whole value."""
    stack: list[tuple[Node, Path]] = [(node, path)]
    while stack:
        part, path = stack.pop()
        kind = part.type
        if kind == "identifier":
            yield name_of(part), path
        elif kind == "shorthand_property_identifier_pattern":
            yield name_of(part), (*path, name_of(part))
        elif kind == "object_pattern":
            stack.extend(_object_parts(part, path))
        elif kind == "array_pattern":
            stack.extend(_array_parts(part, path))
        elif kind == "rest_pattern" and part.named_children:
            stack.append((part.named_children[0], path))
        elif kind in ("assignment_pattern", "object_assignment_pattern"):
            left = part.child_by_field_name("left")
            default = ("default", part.child_by_field_name("right"))
            if left is None:
                continue
            if left.type == "shorthand_property_identifier_pattern":
                yield name_of(left), (*path, name_of(left), default)
            else:
                stack.append((left, (*path, default)))


def _object_parts(node: Node, path: Path) -> list[tuple[Node, Path]]:
    """Return the parts of an object pattern, each with its path."""
    parts: list[tuple[Node, Path]] = []
    for child in node.named_children:
        if child.type != "pair_pattern":
            parts.append((child, path))
            continue
        key = child.child_by_field_name("key")
        value = child.child_by_field_name("value")
        if key is not None and value is not None:
            parts.append((value, (*path, key)))
    return parts


def _array_parts(node: Node, path: Path) -> list[tuple[Node, Path]]:
    """Return the parts of an array pattern, each with its path."""
    parts: list[tuple[Node, Path]] = []
    index = 0
    for child in node.children:
        if child.type == ",":
            index += 1
        elif child.is_named and child.type == "rest_pattern":
            parts.append((child, (*path, ("rest", index))))
        elif child.is_named and child.type != "comment":
            parts.append((child, (*path, index)))
    return parts
