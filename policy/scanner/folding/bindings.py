"""What names hold, by everything that is written to them."""

from __future__ import annotations

from dataclasses import replace

from tree_sitter import Node

from policy.scanner import interpreter
from policy.scanner.coercion import to_text
from policy.scanner.folding.parameters import ParameterFolding
from policy.scanner.hosts import find_global, get_member
from policy.scanner.literals import unescape
from policy.scanner.methods import MAX_ITEMS, call_method
from policy.scanner.natives import call_native, items_of
from policy.scanner.scopes import (
    Binding,
    Scope,
    Write,
    name_of,
    text_of,
)
from policy.scanner.values import (
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

# How often a name in a cycle is folded anew before its value is taken as it is.
MAX_TRIES = 3
_MAX_WRITES = 64
_NAMED = (Host, Module, Method, Bound)


class BindingFolding(ParameterFolding):
    """Follows names to their values."""

    def find_binding(self, name: str, scope: Scope) -> Binding | None:
        """Return the innermost binding of a name."""
        holder: Scope | None = scope
        while holder is not None:
            found = holder.bindings.get(name)
            if found is not None:
                return found
            holder = holder.parent
        return None

    def identifier(self, node: Node, scope: Scope) -> Value:
        written = text_of(node)
        name = unescape(written)
        value = self.name(name, scope)
        if name != written:
            value = add_via(value, "escape-sequence")
        return value

    def name(self, name: str, scope: Scope) -> Value:
        if name == "undefined":
            return UNDEFINED
        inside = self.with_member(name, scope)
        if inside is not None:
            return inside
        binding = self.find_binding(name, scope)
        if binding is None:
            return find_global(name) or UNKNOWN
        if self.frame is not None and binding in self.frame:
            return self.frame[binding]
        value = self.outside_frame(binding)
        if binding.is_implicit and (host := find_global(name)) is not None:
            return one_of((host, value))
        return value

    def outside_frame(self, binding: Binding) -> Value:
        """Fold a binding that the function being followed does not set itself."""
        frame, self.frame = self.frame, None
        try:
            return self.binding(binding)
        finally:
            self.frame = frame

    def with_member(self, name: str, scope: Scope) -> Value | None:
        """Return what a name means inside `with (object)`, if the object has it."""
        holder: Scope | None = scope
        while holder is not None:
            if name in holder.bindings:
                return None
            if holder.with_object is not None and holder.parent is not None:
                owner = self.fold(holder.with_object, holder.parent)
                found = get_member(owner, name)
                if isinstance(found, (Host, Module, Text)):
                    return add_via(found, "with-statement")
            holder = holder.parent
        return None

    def binding(self, binding: Binding) -> Value:
        """Return everything that a binding may hold."""
        key = id(binding)
        if self.frame is None:
            known = self.folded.get(key) or self.passing.get(key)
            if known is not None:
                return known
        if key in self.running:
            self.was_cut = True
            return UNKNOWN
        if len(binding.writes) > _MAX_WRITES:
            return UNKNOWN
        was_cut_before, self.was_cut = self.was_cut, False
        self.running.add(key)
        try:
            value = self.writes(binding, None)
        finally:
            self.running.discard(key)
        if self.frame is None:
            tries = self.tries[key] = self.tries.get(key, 0) + 1
            is_passing = self.was_cut and self.depth > 1 and tries < MAX_TRIES
            memo = self.passing if is_passing else self.folded
            memo[key] = value
        self.was_cut = self.was_cut or was_cut_before
        return value

    def writes(self, binding: Binding, before: int | None) -> Value:
        """Follow a binding's writes in source order, up to an offset."""
        states: list[Value] = []
        current: Value = UNDEFINED
        loops: set[int] = set()
        for write in binding.writes:
            start = write.node.start_byte if write.node is not None else 0
            if before is not None and start >= before:
                break
            if write.loop is not None and self.is_accumulated(write):
                if write.loop.id in loops:
                    continue
                loops.add(write.loop.id)
                current = interpreter.run_loop(self, binding, current, write)
            else:
                current = self.written(binding, current, write)
            if write.kind not in ("augmented", "member", "change"):
                states.append(current)
            elif states:
                states[-1] = current
            else:
                states.append(current)
        return one_of(reversed(states)) if states else UNDEFINED

    @staticmethod
    def is_accumulated(write: Write) -> bool:
        """Tell whether a write in a loop builds on what was there before."""
        if write.kind in ("augmented", "change"):
            return True
        name = write.kind == "value" and write.node is not None
        return bool(name) and write.node.type == "binary_expression"  # type: ignore[union-attr]

    def written(self, binding: Binding, current: Value, write: Write) -> Value:
        """Return a binding's value after one write."""
        if write.kind == "augmented" and write.node is not None:
            return self.augment(current, write.node, write.scope)
        if write.kind == "member":
            return self.with_assigned(current, write)
        if write.kind == "change":
            return self.changed(current, write)
        value = self.source_of(write)
        if write.path:
            value = self.follow(value, write)
        return self.named(binding, value, write)

    def source_of(self, write: Write) -> Value:
        node, kind = write.node, write.kind
        if node is None or kind == "opaque":
            return UNKNOWN
        if kind == "function":
            return Function(node, write.scope, self.frame)
        if kind == "class":
            return Class(node, write.scope)
        if kind == "parameter":
            return self.parameter(write)
        if kind == "import":
            return self.imported(write)
        if kind == "enum":
            return self.enum(node, write.scope)
        value = self.fold(node, write.scope)
        if kind == "items":
            items = items_of(value)
            return one_of(items) if items else unknown(value)
        if kind == "keys":
            keys = call_native("Object.keys", [value], self)
            return one_of(items_of(keys) or (UNKNOWN,))
        return value

    def named(self, binding: Binding, value: Value, write: Write) -> Value:
        """Mark what is now known under a name of the source's own choosing."""
        if write.kind in ("import", "function", "class"):
            return value
        if isinstance(value, OneOf):
            return one_of(self.named(binding, o, write) for o in value.options)
        if isinstance(value, _NAMED):
            tail = value.name.rpartition(".")[2] if isinstance(value, Host) else ""
            # A name such as $Function says what it is.
            kept = tail == binding.name.strip("$_")
            if write.path and isinstance(value, Host):
                return add_via(value, "destructuring", *["alias"] * (not kept))
            return value if kept else add_via(value, "alias")
        if isinstance(value, (Text, Code)) or value.textual:
            return add_via(value, "variable")
        return value

    def follow(self, value: Value, write: Write) -> Value:
        """Follow a destructuring path."""
        for step in write.path:
            if isinstance(step, tuple) and step[0] == "default":
                value = self.defaulted(value, step[1], write)
            elif isinstance(step, tuple):
                items = items_of(value)
                value = Array(items[step[1] :]) if items is not None else UNKNOWN
            elif isinstance(step, int):
                items = items_of(value)
                value = items[step] if items and step < len(items) else UNKNOWN
            else:
                value = self.destructured(value, step, write.scope)
        return value

    def defaulted(self, value: Value, default: Node | None, write: Write) -> Value:
        if value == UNDEFINED or type(value) is Value:
            other = add_via(self.fold(default, write.scope), "default-parameter")
            return other if value == UNDEFINED else one_of((other, value))
        return value

    def destructured(self, value: Value, key: Node | str, scope: Scope) -> Value:
        if isinstance(key, str):
            return get_member(value, key)
        found, via = self.property_key(key, scope)
        return (
            unknown(value) if found is None else add_via(get_member(value, found), *via)
        )

    def imported(self, write: Write) -> Value:
        specifier = self.fold(write.node, write.scope)
        name = to_text(specifier)
        if name is None:
            return UNKNOWN
        module = Module(name.removeprefix("node:"))
        if write.extra in ("*", "default"):
            return Host("process") if module.name == "process" else module
        return add_via(get_member(module, write.extra), "named-import")

    def enum(self, node: Node, scope: Scope) -> Value:
        body = node.child_by_field_name("body")
        members: dict[str, Value] = {}
        for item in body.named_children if body is not None else ():
            name = item.child_by_field_name("name")
            value = item.child_by_field_name("value")
            if name is not None and value is not None:
                members[name_of(name).strip("'\"")] = self.fold(value, scope)
        return Object(members, is_open=True, via=frozenset({"constant-map"}))

    def with_assigned(self, current: Value, write: Write) -> Value:
        """Return an object after `object.key = value`."""
        if not isinstance(current, (Object, Array)):
            return current
        key, _ = self.member_key(write.extra, write.scope)
        if key is None:
            return (
                replace(current, is_open=True)
                if isinstance(current, Object)
                else UNKNOWN
            )
        value = self.fold(write.node, write.scope)
        if isinstance(current, Object):
            return replace(current, members={**current.members, key: value})
        if key.isdecimal() and int(key) <= len(current.items) < MAX_ITEMS:
            items = list(current.items)
            items[int(key) : int(key) + 1] = [value]
            return replace(current, items=tuple(items))
        return current

    def changed(self, current: Value, write: Write) -> Value:
        """Return an array or map after a method that changes it in place."""
        assert write.node is not None
        arguments = self.arguments(write.node, write.scope)
        if isinstance(current, Object) and write.extra == "set" and len(arguments) == 2:
            key = to_text(arguments[0])
            return replace(
                current, members={**current.members, f"[[{key}]]": arguments[1]}
            )
        if not isinstance(current, Array) or len(current.items) > MAX_ITEMS:
            return current
        items = current.items
        if write.extra == "push":
            return replace(current, items=(*items, *arguments))
        if write.extra == "unshift":
            return replace(current, items=(*arguments, *items))
        if write.extra in ("reverse", "sort"):
            result = call_method(current, write.extra, arguments, self)
            return result if isinstance(result, Array) else UNKNOWN
        if write.extra in ("pop", "shift") and items:
            return replace(
                current, items=items[:-1] if write.extra == "pop" else items[1:]
            )
        return UNKNOWN
