"""Members of objects, arrays, classes and the runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tree_sitter import Node

from policy.scanner.builtins.hosts import get_member
from policy.scanner.folding.constants import add_object_method, property_key
from policy.scanner.folding.state import MAX_TRIES
from policy.scanner.parsing.scopes import (
    FUNCTIONS,
    Scope,
    Site,
    find_binding,
    is_number,
    text_of,
    unwrap,
)
from policy.scanner.semantics.coercion import to_text
from policy.scanner.semantics.literals import unescape
from policy.scanner.semantics.values import (
    UNKNOWN,
    Array,
    Class,
    Host,
    Method,
    Module,
    Object,
    OneOf,
    Text,
    Value,
    add_via,
    merge_via,
    one_of,
    options,
    unknown,
)

if TYPE_CHECKING:
    from policy.scanner.folding.folder import Folder

_OF_THE_RUNTIME = frozenset((Host, Module, Method))
_OWN_THIS = FUNCTIONS - {"arrow_function"}


def member_key(
    folder: Folder, node: Node, scope: Scope
) -> tuple[str | None, tuple[str, ...]]:
    """Return the name that a member expression reads, and how it is written."""
    known = folder.keys.get(node.id)
    if known is not None:
        return known
    if node.type == "member_expression":
        known = folder.keys[node.id] = _written_key(node)
        return known
    index = node.child_by_field_name("index")
    value = folder.fold(index, scope)
    text = to_text(value) if not isinstance(value, Host) else None
    return text, ("computed-member", *sorted(value.via))


def _written_key(node: Node) -> tuple[str | None, tuple[str, ...]]:
    """Return the name that stands after a dot, and how it is written."""
    name = node.child_by_field_name("property")
    if name is None:
        return None, ()
    written = text_of(name)
    if "\\" not in written:
        return written, ()
    return unescape(written), ("escape-sequence",)


def fold_member(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return a member of a value; any of them where its key is unknown."""
    owner = folder.fold(node.child_by_field_name("object"), scope)
    if type(owner) is Value and node.type == "subscript_expression":
        # The key of an unknown owner matters only on the way to Function.
        if is_number(node.child_by_field_name("index")):
            return unknown(owner)
        key, via = member_key(folder, node, scope)
        if key not in ("constructor", "__proto__"):
            return unknown(owner)
        return add_via(get_member(owner, key), *via)
    if type(owner) is Class:
        return static_member(folder, owner, node, scope)
    key, via = member_key(folder, node, scope)
    if key is None:
        return any_member(folder, owner, node, scope)
    found = get_member(owner, key)
    if type(owner) is Object or type(owner) is Array:
        found = mark_kept(found, key)
    if via and type(found) not in _OF_THE_RUNTIME:
        via = tuple(name for name in via if name != "computed-member")
    return add_via(found, *via) if via else found


def mark_kept(found: Value, key: str) -> Value:
    """Mark what an object of the source's own keeps under a name."""
    if isinstance(found, Text):
        return add_via(found, "constant-map")
    if isinstance(found, Host) and found.name.rpartition(".")[2] != key:
        return add_via(found, "alias")
    return found


def any_member(folder: Folder, owner: Value, node: Node, scope: Scope) -> Value:
    """Return what an unknown key may find: any member of a small constant."""
    index = folder.fold(node.child_by_field_name("index"), scope)
    keys = [to_text(key) for key in options(index)]
    if isinstance(index, OneOf) and None not in keys:
        found = [get_member(owner, key or "") for key in keys]
        via = ("computed-member", *merge_via(index))
        return one_of(add_via(f, *via) if isinstance(f, Host) else f for f in found)
    if isinstance(owner, Array):
        return one_of(owner.items)
    if isinstance(owner, Object):
        return one_of((*owner.members.values(), UNKNOWN))
    return unknown(owner, index)


def static_member(folder: Folder, owner: Class, node: Node, scope: Scope) -> Value:
    """Return a member of a class itself."""
    key, via = member_key(folder, node, scope)
    if key is None:
        return UNKNOWN
    members = static_members(folder, owner, key)
    if key in members:
        return add_via(members[key], "class-member", *via)
    return add_via(get_member(owner, key), *via)


def class_members(folder: Folder, klass: Class) -> dict[str, Value]:
    """Return the fields, methods and `this.key = value` of a class."""
    members: dict[str, Value] = {}
    inner = folder.program.scopes.get(klass.node.id, klass.scope)
    for child in _body(klass):
        if not _is_static(child):
            add_member(folder, child, inner, members)
    add_constructed(folder, klass, members)
    return members


def static_members(folder: Folder, klass: Class, wanted: str) -> dict[str, Value]:
    """Return what a class itself has under one name; empty where it has nothing."""
    members: dict[str, Value] = {}
    inner = folder.program.scopes.get(klass.node.id, klass.scope)
    for child in _body(klass):
        if not _is_static(child):
            continue
        name = child.child_by_field_name("property") or child.child_by_field_name(
            "name"
        )
        if name is not None and property_key(folder, name, inner)[0] == wanted:
            add_member(folder, child, inner, members)
    return members


def _body(klass: Class) -> list[Node]:
    """Return the nodes of a class's body."""
    body = klass.node.child_by_field_name("body")
    return body.named_children if body is not None else []


def _is_static(member: Node) -> bool:
    """Return whether a member is the class's own, not that of its instances."""
    return any(child.type == "static" for child in member.children[:4])


def add_member(
    folder: Folder, member: Node, inner: Scope, members: dict[str, Value]
) -> None:
    """Add a field's value, or a method, of a class's body."""
    if member.type == "method_definition":
        add_object_method(folder, member, inner, members)
    name = member.child_by_field_name("property") or (
        member.child_by_field_name("name") if "field" in member.type else None
    )
    if name is None:
        return
    key = property_key(folder, name, inner)[0]
    value = member.child_by_field_name("value")
    if key is not None:
        # Without a value, a subclass or a caller may set it.
        members[key] = UNKNOWN if value is None else folder.fold(value, inner)


def add_constructed(folder: Folder, klass: Class, members: dict[str, Value]) -> None:
    """Add the members that a class's constructor assigns to `this`."""
    for site in folder.program.class_fields.get(klass.node.id, ()):
        left = unwrap(site.node.child_by_field_name("left"))
        key = member_key(folder, left, site.scope)[0] if left is not None else None
        if key is not None:
            right = site.node.child_by_field_name("right")
            members[key] = folder.fold(right, site.scope)


def fold_this(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return `this`: an instance in a class, the global object at the top."""
    if folder.this is not None:
        return folder.this
    holder: Scope | None = scope
    while holder is not None:
        if holder.this_class is not None:
            return make_instance(
                folder, Class(holder.this_class, holder.parent or holder)
            )
        owner = folder.program.method_owners.get(holder.node.id)
        if owner is not None:
            return owning_object(folder, owner)
        is_plain = holder.node.type in _OWN_THIS
        if is_plain and holder.node.id not in folder.program.calls_in_place:
            if holder.node.type != "method_definition":
                return UNKNOWN
            if holder.parent is None or holder.parent.this_class is None:
                return UNKNOWN
        holder = holder.parent
    return Host("globalThis", via=frozenset({"this-object"}))


def owning_object(folder: Folder, site: Site) -> Value:
    """Return the object literal that a method is written in."""
    key = site.node.id
    if key in folder.running:
        return UNKNOWN
    folder.running.add(key)
    try:
        return folder.fold(site.node, site.scope)
    finally:
        folder.running.discard(key)


def make_instance(folder: Folder, klass: Class) -> Value:
    """Return an instance of a class, as far as its fields are constants."""
    key = klass.node.id
    if key in folder.running:
        return UNKNOWN
    if _sees_frame(folder, klass):
        return _instance(folder, klass, key)
    if key in folder.instances:
        return folder.instances[key]
    # Made outside of the function that is followed, it is the same for every call.
    frame, this, was_cut = folder.frame, folder.this, folder.was_cut
    folder.frame, folder.this, folder.was_cut = None, None, False
    try:
        made = _instance(folder, klass, key)
        tries = folder.tries[key] = folder.tries.get(key, 0) + 1
        if not folder.was_cut or tries >= MAX_TRIES:
            folder.instances[key] = made
    finally:
        folder.frame, folder.this = frame, this
        folder.was_cut = folder.was_cut or was_cut
    return made


def _sees_frame(folder: Folder, klass: Class) -> bool:
    """Return whether a class stands inside of the function that is being followed."""
    return folder.frame is not None and any(
        find_binding(binding.name, klass.scope) is binding for binding in folder.frame
    )


def _instance(folder: Folder, klass: Class, key: int) -> Value:
    """Return an instance, made anew."""
    folder.running.add(key)
    try:
        members = class_members(folder, klass)
    finally:
        folder.running.discard(key)
    members.setdefault("constructor", klass)
    return Object(members, is_open=True, via=frozenset({"class-member"}))
