"""Literals: text, numbers, arrays, objects, functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tree_sitter import Node

from policy.scanner.builtins.reflection import items_of
from policy.scanner.limits import MAX_ITEMS, MAX_TEXT
from policy.scanner.parsing.scopes import (
    Scope,
    name_of,
    text_of,
)
from policy.scanner.semantics.coercion import to_text
from policy.scanner.semantics.literals import parse_number, unescape, uses_coded_escapes
from policy.scanner.semantics.values import (
    UNKNOWN,
    Array,
    Class,
    Constant,
    Function,
    Number,
    Object,
    Pattern,
    Text,
    Value,
    add_via,
    merge_via,
)

if TYPE_CHECKING:
    from policy.scanner.folding.folder import Folder


def fold_string(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return a string's text, with a note where its escapes hide letters."""
    raw = text_of(node)[1:-1]
    via = frozenset({"escape-sequence"} if uses_coded_escapes(raw) else ())
    return Text(unescape(raw), via=via)


def fold_template(folder: Folder, node: Node, scope: Scope) -> Value:
    """Fold a template literal; raw text lies between its substitutions."""
    # In bytes, as tree-sitter counts: the text may be of any alphabet.
    source, start = node.text or b"", node.start_byte
    position, end = 1, len(source) - 1
    parts: list[Value] = []
    for child in node.named_children:
        if child.type != "template_substitution":
            continue
        raw = source[position : child.start_byte - start].decode("utf-8", "replace")
        parts.append(fold_template_text(raw))
        inner = child.named_children[0] if child.named_children else None
        parts.append(folder.fold(inner, scope))
        position = child.end_byte - start
    raw = source[position:end].decode("utf-8", "replace")
    parts.append(fold_template_text(raw))
    if len(parts) == 1:
        return add_via(parts[0], "template-literal")
    return join_parts(parts, "template-literal")


def fold_template_text(raw: str) -> Value:
    """Return the plain part of a template, with the same note."""
    via = frozenset({"escape-sequence"} if uses_coded_escapes(raw) else ())
    return Text(unescape(raw), via=via)


def join_parts(parts: Sequence[Value], technique: str) -> Value:
    """Return parts joined to one text; text of unknown letters where one is unknown."""
    texts = [to_text(part) for part in parts]
    via = merge_via(*parts) | {technique}
    # Text joined with anything stays text, even where its letters are not known.
    if None in texts or sum(len(text or "") for text in texts) > MAX_TEXT:
        return Value(via=via, textual=True)
    return Text("".join(text or "" for text in texts), via=via)


def fold_number(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return the number that a literal is written for."""
    number = parse_number(text_of(node))
    return UNKNOWN if number is None else Number(number)


def fold_regex(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return a regular expression with its flags."""
    pattern = node.child_by_field_name("pattern")
    flags = node.child_by_field_name("flags")
    return Pattern(
        text_of(pattern) if pattern is not None else "",
        text_of(flags) if flags is not None else "",
    )


def fold_word(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return the constant of one of JavaScript's words."""
    words = {"true": True, "false": False, "null": None, "undefined": ...}
    return Constant(words[node.type])


def fold_array(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return an array, its spread parts unrolled; unknown above `MAX_ITEMS`."""
    items: list[Value] = []
    # One sign for each comma, and two brackets: with more there may be a hole.
    may_have_hole = node.child_count >= 2 * node.named_child_count + 2
    is_after_comma = True
    for child in node.children if may_have_hole else node.named_children:
        if not child.is_named:
            if child.type == "," and is_after_comma:
                # Methods pass it over, and what is asked for it may be inherited.
                items.append(UNKNOWN)
            is_after_comma = child.type in ("[", ",")
            continue
        if child.type == "comment":
            continue
        is_after_comma = False
        if child.type == "spread_element":
            spread = items_of(folder.fold(child.named_children[0], scope))
            items.extend(spread if spread is not None else (UNKNOWN,))
        else:
            items.append(folder.fold(child, scope))
        # What is longer is data, not a name that is put together.
        if len(items) > MAX_ITEMS:
            return UNKNOWN
    return Array(tuple(items))


def fold_object(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return an object; it is open where members may be missing from what is known."""
    members: dict[str, Value] = {}
    is_open = False
    for child in node.named_children:
        if child.type == "spread_element":
            other = folder.fold(child.named_children[0], scope)
            if isinstance(other, Object):
                members.update(other.members)
                is_open = is_open or other.is_open
            else:
                # What is spread is unknown: a member that is missing here may be in it.
                is_open = True
        else:
            is_open = not add_object_member(folder, child, scope, members) or is_open
    return Object(members, is_open)


def add_object_member(
    folder: Folder, node: Node, scope: Scope, members: dict[str, Value]
) -> bool:
    """Add one member; return whether its name is known."""
    if node.type == "shorthand_property_identifier":
        name = name_of(node)
        members[name] = folder.name(name, scope)
        return True
    if node.type == "method_definition":
        return add_object_method(folder, node, scope, members)
    key = node.child_by_field_name("key")
    if node.type != "pair" or key is None:
        return node.type == "comment"
    found, via = property_key(folder, key, scope)
    if found is None:
        return False
    value = folder.fold(node.child_by_field_name("value"), scope)
    members[found] = add_via(value, *via)
    return True


def add_object_method(
    folder: Folder, node: Node, scope: Scope, members: dict[str, Value]
) -> bool:
    """Add a method or a getter's value; return False where its key is unknown."""
    key = node.child_by_field_name("name")
    name = property_key(folder, key, scope)[0] if key is not None else None
    if name is None:
        return False
    function = Function(node, scope, folder.frame)
    kinds = {child.type for child in node.children[:3]}
    if "get" in kinds:
        members[name] = add_via(folder.apply(function, []), "getter")
    elif "set" not in kinds:
        members[name] = function
    return True


def fold_function(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return a function with the frame that it closes over."""
    return Function(node, scope, folder.frame)


def fold_class(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return a class."""
    return Class(node, scope)


def property_key(
    folder: Folder, key: Node, scope: Scope
) -> tuple[str | None, tuple[str, ...]]:
    """Return the name of a property in a literal, pattern or class."""
    if key.type == "computed_property_name":
        value = folder.fold(key.named_children[0], scope)
        return to_text(value), ("computed-member", *value.via)
    if key.type == "string":
        return unescape(text_of(key)[1:-1]), ()
    if key.type == "number":
        return to_text(fold_number(folder, key, scope)), ()
    return name_of(key), ()
