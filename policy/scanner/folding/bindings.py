"""What names hold, by everything that is written to them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from tree_sitter import Node

from policy.scanner.builtins.hosts import find_global, get_member
from policy.scanner.builtins.methods import call_method
from policy.scanner.builtins.natives import call_native
from policy.scanner.builtins.reflection import items_of
from policy.scanner.folding.constants import property_key
from policy.scanner.folding.expressions import augment
from policy.scanner.folding.parameters import fold_parameter
from policy.scanner.folding.state import MAX_TRIES
from policy.scanner.limits import MAX_ITEMS
from policy.scanner.parsing.scopes import (
    Binding,
    Scope,
    Write,
    find_binding,
    name_of,
    text_of,
)
from policy.scanner.semantics.coercion import to_text
from policy.scanner.semantics.literals import unescape
from policy.scanner.semantics.values import (
    UNDEFINED,
    UNKNOWN,
    Array,
    Bound,
    Class,
    Code,
    Function,
    Host,
    Method,
    Module,
    Object,
    OneOf,
    Text,
    Value,
    add_via,
    one_of,
    unknown,
)

if TYPE_CHECKING:
    from policy.scanner.folding.folder import Folder


_MAX_WRITES = 64
_MAX_ITSELF_BYTES = 200
_WORD = re.compile(rb"[\w$]+")
_NAMED = frozenset((Host, Module, Method, Bound))


def fold_identifier(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return the value of a name in the source, its escapes resolved."""
    written = text_of(node)
    if "\\" not in written:
        return fold_name(folder, written, scope)
    name = unescape(written)
    value = fold_name(folder, name, scope)
    if name != written:
        value = add_via(value, "escape-sequence")
    return value


def fold_name(folder: Folder, name: str, scope: Scope) -> Value:
    """Return the value of a name in a scope; the global's where nothing binds it."""
    if name == "undefined":
        return UNDEFINED
    if folder.program.has_with:
        inside = find_with_member(folder, name, scope)
        if inside is not None:
            return inside
    binding = find_binding(name, scope)
    if binding is None:
        return find_global(name) or UNKNOWN
    frame = folder.frame
    if frame is not None and binding in frame:
        return frame[binding]
    # What is known outside of a frame already is known here as well.
    key = id(binding)
    known = folder.folded.get(key) or folder.passing.get(key)
    if known is not None:
        value = known
    elif frame is None:
        value = fold_binding(folder, binding)
    else:
        value = fold_outside_frame(folder, binding)
    # Written to without a declaration, it may still be the runtime's own global.
    if binding.is_implicit and (host := find_global(name)) is not None:
        return one_of((host, value))
    return value


def fold_outside_frame(folder: Folder, binding: Binding) -> Value:
    """Fold a binding that the function being followed does not set itself."""
    frame, folder.frame = folder.frame, None
    try:
        return fold_binding(folder, binding)
    finally:
        folder.frame = frame


def find_with_member(folder: Folder, name: str, scope: Scope) -> Value | None:
    """Return what a name means inside `with (object)`, if the object has it."""
    holder: Scope | None = scope
    while holder is not None:
        if name in holder.bindings:
            return None
        if holder.with_object is not None and holder.parent is not None:
            owner = folder.fold(holder.with_object, holder.parent)
            found = get_member(owner, name)
            if isinstance(found, (Host, Module, Text)):
                return add_via(found, "with-statement")
        holder = holder.parent
    return None


def fold_binding(folder: Folder, binding: Binding) -> Value:
    """Return everything that a binding may hold."""
    key = id(binding)
    if folder.frame is None:
        known = folder.folded.get(key) or folder.passing.get(key)
        if known is not None:
            return known
    # A name that is defined by itself adds nothing to its own value.
    if key in folder.running:
        folder.was_cut = True
        return UNKNOWN
    # What is written so often holds anything, and following it costs the whole site.
    if len(binding.writes) > _MAX_WRITES:
        return UNKNOWN
    was_cut_before, folder.was_cut = folder.was_cut, False
    folder.running.add(key)
    try:
        value = follow_writes(folder, binding, None)
    finally:
        folder.running.discard(key)
    if folder.frame is None:
        tries = folder.tries[key] = folder.tries.get(key, 0) + 1
        is_passing = folder.was_cut and folder.depth > 1 and tries < MAX_TRIES
        memo = folder.passing if is_passing else folder.folded
        memo[key] = value
    folder.was_cut = folder.was_cut or was_cut_before
    return value


def follow_writes(folder: Folder, binding: Binding, before: int | None) -> Value:
    """Follow a binding's writes in source order, up to an offset."""
    states: list[Value] = []
    current: Value = UNDEFINED
    loops: set[int] = set()
    for write in binding.writes:
        start = write.node.start_byte if write.node is not None else 0
        if before is not None and start >= before:
            break
        if write.loop is not None and is_accumulated(write):
            if write.loop.id in loops:
                continue
            loops.add(write.loop.id)
            current = folder.loop(binding, current, write)
        else:
            current = apply_write(folder, binding, current, write)
        if write.kind not in ("augmented", "member", "change"):
            states.append(current)
        elif states:
            states[-1] = current
        else:
            states.append(current)
    return one_of(reversed(states)) if states else UNDEFINED


def is_accumulated(write: Write) -> bool:
    """Return whether a write in a loop builds on what was there before."""
    if write.kind in ("augmented", "change"):
        return True
    name = write.kind == "value" and write.node is not None
    return bool(name) and write.node.type == "binary_expression"  # type: ignore[union-attr]


def apply_write(
    folder: Folder, binding: Binding, current: Value, write: Write
) -> Value:
    """Return a binding's value after one write."""
    if write.kind == "augmented" and write.node is not None:
        return augment(folder, current, write.node, write.scope)
    if write.kind == "member":
        return assign_member(folder, current, write)
    if write.kind == "change":
        return apply_change(folder, current, write)
    value = source_of_itself(folder, binding, current, write)
    if value is None:
        value = source_of(folder, write)
    if write.path:
        value = follow_path(folder, value, write)
    return mark_named(folder, binding, value, write)


def source_of_itself(
    folder: Folder, binding: Binding, current: Value, write: Write
) -> Value | None:
    """Return what `name = "v" + name` comes to; None for any other write."""
    node = write.node
    if write.kind != "value" or node is None or type(current) is Value:
        return None
    if node.type not in ("binary_expression", "template_string", "call_expression"):
        return None
    if not _may_name(node, binding.name):
        return None
    frame = folder.frame
    folder.frame = {**(frame or {}), binding: current}
    try:
        return folder.fold(node, write.scope)
    finally:
        folder.frame = frame


def _may_name(node: Node, name: str) -> bool:
    """Return whether the beginning of an expression may use a name."""
    text, sought = (node.text or b"")[:_MAX_ITSELF_BYTES], name.encode()
    if sought not in text:
        return False
    # `e` stands in nearly every text; a name may be spelled with escapes.
    return not name.isascii() or b"\\" in text or sought in _WORD.findall(text)


def source_of(folder: Folder, write: Write) -> Value:
    """Return the value that one write gives a binding, its path not yet followed."""
    node, kind = write.node, write.kind
    if node is None or kind == "opaque":
        return UNKNOWN
    if kind == "function":
        return Function(node, write.scope, folder.frame)
    if kind == "class":
        return Class(node, write.scope)
    if kind == "parameter":
        return fold_parameter(folder, write)
    if kind == "import":
        return fold_import(folder, write)
    if kind == "enum":
        return fold_enum(folder, node, write.scope)
    value = folder.fold(node, write.scope)
    if kind == "items":
        items = items_of(value)
        return one_of(items) if items else unknown(value)
    if kind == "keys":
        keys = call_native("Object.keys", [value], folder)
        return one_of(items_of(keys) or (UNKNOWN,))
    return value


def mark_named(folder: Folder, binding: Binding, value: Value, write: Write) -> Value:
    """Mark what is now known under a name of the source's own choosing."""
    if type(value) is Value and not value.textual:
        return value
    if write.kind in ("import", "function", "class"):
        return value
    if type(value) is OneOf:
        return one_of(mark_named(folder, binding, o, write) for o in value.options)
    if type(value) in _NAMED:
        tail = value.name.rpartition(".")[2] if isinstance(value, Host) else ""
        # A name such as $Function says what it is.
        kept = tail == binding.name.strip("$_")
        if write.path and isinstance(value, Host):
            return add_via(value, "destructuring", *["alias"] * (not kept))
        return value if kept else add_via(value, "alias")
    if type(value) is Text or type(value) is Code or value.textual:
        return add_via(value, "variable")
    return value


def follow_path(folder: Folder, value: Value, write: Write) -> Value:
    """Follow a destructuring path."""
    for step in write.path:
        if isinstance(step, tuple) and step[0] == "default":
            value = apply_default(folder, value, step[1], write)
        elif isinstance(step, tuple):
            items = items_of(value)
            value = Array(items[step[1] :]) if items is not None else UNKNOWN
        elif isinstance(step, int):
            items = items_of(value)
            value = items[step] if items and step < len(items) else UNKNOWN
        else:
            value = destructure(folder, value, step, write.scope)
    return value


def apply_default(
    folder: Folder, value: Value, default: Node | None, write: Write
) -> Value:
    """Return a value, or the default where it is, or may be, undefined."""
    if value == UNDEFINED or type(value) is Value:
        other = add_via(folder.fold(default, write.scope), "default-parameter")
        return other if value == UNDEFINED else one_of((other, value))
    return value


def destructure(folder: Folder, value: Value, key: Node | str, scope: Scope) -> Value:
    """Return the member of a value that one step of a pattern takes."""
    if isinstance(key, str):
        return get_member(value, key)
    found, via = property_key(folder, key, scope)
    return unknown(value) if found is None else add_via(get_member(value, found), *via)


def fold_import(folder: Folder, write: Write) -> Value:
    """Return what an imported name is: a module, or a member of one."""
    specifier = folder.fold(write.node, write.scope)
    name = to_text(specifier)
    if name is None:
        return UNKNOWN
    module = Module(name.removeprefix("node:"))
    if write.extra in ("*", "default"):
        return Host("process") if module.name == "process" else module
    return add_via(get_member(module, write.extra), "named-import")


def fold_enum(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return a TypeScript enum as an object that may have other members."""
    body = node.child_by_field_name("body")
    members: dict[str, Value] = {}
    for item in body.named_children if body is not None else ():
        name = item.child_by_field_name("name")
        value = item.child_by_field_name("value")
        if name is not None and value is not None:
            members[name_of(name).strip("'\"")] = folder.fold(value, scope)
    return Object(members, is_open=True, via=frozenset({"constant-map"}))


def assign_member(folder: Folder, current: Value, write: Write) -> Value:
    """Return an object after `object.key = value`."""
    if not isinstance(current, (Object, Array)):
        return current
    key, _ = folder.member_key(write.extra, write.scope)
    if key is None:
        return (
            replace(current, is_open=True) if isinstance(current, Object) else UNKNOWN
        )
    value = folder.fold(write.node, write.scope)
    if isinstance(current, Object):
        return replace(current, members={**current.members, key: value})
    if key.isdecimal() and int(key) <= len(current.items) < MAX_ITEMS:
        items = list(current.items)
        items[int(key) : int(key) + 1] = [value]
        return replace(current, items=tuple(items))
    return current


def apply_change(folder: Folder, current: Value, write: Write) -> Value:
    """Return an array or map after a method that changes it in place."""
    assert write.node is not None
    arguments = folder.arguments(write.node, write.scope)
    if isinstance(current, Object) and write.extra == "set" and len(arguments) == 2:
        key = to_text(arguments[0])
        return replace(current, members={**current.members, f"[[{key}]]": arguments[1]})
    if not isinstance(current, Array) or len(current.items) > MAX_ITEMS:
        return current
    items = current.items
    if write.extra == "push":
        return replace(current, items=(*items, *arguments))
    if write.extra == "unshift":
        return replace(current, items=(*arguments, *items))
    if write.extra in ("reverse", "sort"):
        result = call_method(current, write.extra, arguments, folder)
        return result if isinstance(result, Array) else UNKNOWN
    if write.extra in ("pop", "shift") and items:
        return replace(current, items=items[:-1] if write.extra == "pop" else items[1:])
    return UNKNOWN
