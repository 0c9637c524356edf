"""Fold expressions to the values they must have, without running anything.

Guarantees: bounded in steps, depth and size; a value is either what JavaScript would
compute or unknown. Where a name is written more than once, every value that it may
have had is kept, so that a harmless last write hides nothing.

Does not: follow values through other files, closures' side effects or the clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tree_sitter import Node

from policy.rules.scanner import interpreter
from policy.rules.scanner.coercion import to_number, to_text, to_truth
from policy.rules.scanner.hosts import CODE_MAKERS, find_global, get_member
from policy.rules.scanner.literals import parse_number, unescape, uses_coded_escapes
from policy.rules.scanner.methods import MAX_ITEMS, MAX_TEXT, call_method
from policy.rules.scanner.natives import call_native, items_of
from policy.rules.scanner.operators import binary
from policy.rules.scanner.scopes import (
    FUNCTIONS,
    ITERATING,
    Binding,
    Program,
    Scope,
    Site,
    Write,
    arguments_of,
    build_program,
    name_of,
    text_of,
    unwrap,
)
from policy.rules.scanner.syntax import parse
from policy.rules.scanner.values import (
    UNDEFINED,
    UNKNOWN,
    Array,
    Bound,
    Bytes,
    Class,
    Code,
    Constant,
    Function,
    Host,
    Method,
    Module,
    Number,
    Object,
    OneOf,
    Pattern,
    Text,
    Value,
    add_via,
    merge_via,
    one_of,
    options,
    unknown,
)

# Deep enough for people and for most obfuscators, shallow enough for Python's stack.
MAX_DEPTH = 60
# A step is one expression: some seconds at the very worst, for one file.
MAX_STEPS = 1_500_000
# For one site: an unrolled decoder of some thousand characters.
MAX_SITE_STEPS = 20_000
# How often a name in a cycle is folded anew before its value is taken as it is.
MAX_TRIES = 3
MAX_CODE_NESTING = 3
_MAX_WRITES = 64
_MAX_CALL_SITES = 6
# Parameters that are what their name says: bundlers and module wrappers pass them.
_WRAPPER_PARAMETERS = frozenset(("require", "module", "process", "__require"))
_NAMED = (Host, Module, Method, Bound)


@dataclass
class Budget:
    """Steps left for a file, shared with the code it carries in strings."""

    steps: int = MAX_STEPS
    exhausted: bool = False
    # Sites given up because one expression alone took too many steps.
    cut_sites: int = 0

    def spend(self) -> bool:
        self.steps -= 1
        if self.steps < 0:
            self.exhausted = True
        return not self.exhausted


@dataclass
class Folder:
    """Folds the expressions of one program."""

    program: Program
    budget: Budget = field(default_factory=Budget)
    nesting: int = 0
    depth: int = 0
    memo: dict[int, Value] = field(default_factory=dict)
    folded: dict[int, Value] = field(default_factory=dict)
    running: set[int] = field(default_factory=set)
    # Values that may be incomplete, since a cycle or a limit was met on the way:
    # good for the site at hand only.
    passing: dict[int, Value] = field(default_factory=dict)
    was_cut: bool = False
    tries: dict[int, int] = field(default_factory=dict)
    call_depth: int = 0
    allowance: int = 0
    # Values of the function or loop being interpreted; None outside of one.
    frame: dict[Binding, Value] | None = None
    this: Value | None = None

    def fold(self, node: Node | None, scope: Scope) -> Value:
        """Return the value of an expression."""
        if node is None:
            return UNDEFINED
        if self.frame is None:
            known = self.memo.get(node.id) or self.passing.get(node.id)
            if known is not None:
                return known
        handler = _EXPRESSIONS.get(node.type)
        if handler is None:
            return UNKNOWN
        if self.depth == 0:
            self.start()
        if not self.may_continue():
            return UNKNOWN
        self.depth += 1
        try:
            value = handler(self, node, scope)
        finally:
            self.depth -= 1
        if self.frame is None:
            memo = self.passing if self.was_cut and self.depth else self.memo
            memo[node.id] = value
        return value

    def reset(self) -> None:
        """Forget what a site was in the middle of when it was given up."""
        self.depth = self.call_depth = 0
        self.frame = None
        self.running.clear()

    def start(self) -> None:
        """Begin with a site: a new allowance, and no leftovers of cut-off cycles."""
        self.allowance = MAX_SITE_STEPS
        self.was_cut = False
        self.passing.clear()

    def may_continue(self) -> bool:
        """Spend a step; false at a limit, where the value is taken for unknown."""
        self.allowance -= 1
        if self.depth > MAX_DEPTH or not self.budget.spend():
            self.was_cut = True
            return False
        if self.allowance < 0:
            self.budget.cut_sites += self.allowance == -1
            self.was_cut = True
            return False
        return True

    # Names

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

    def parameter(self, write: Write) -> Value:
        """Return what the calls that can be seen pass for a parameter."""
        node, index = write.node, write.extra
        assert node is not None
        passed: list[Value] = []
        for call in self.calls_of(node)[:_MAX_CALL_SITES]:
            arguments = self.call_arguments(call)
            if index < 0:
                passed.append(Array(tuple(arguments[-1 - index :])))
            elif index < len(arguments):
                passed.append(add_via(arguments[index], "argument"))
            else:
                passed.append(UNDEFINED)
        if not passed and index == 0:
            passed.extend(self.called_back_with(node))
        if passed:
            return one_of(passed)
        name = self.parameter_name(node, index)
        if name in _WRAPPER_PARAMETERS and not write.path:
            return Host(name.lstrip("_"))
        return UNKNOWN

    def called_back_with(self, function: Node) -> list[Value]:
        """Return what a callback gets first: items, or a promise's value."""
        site = self.program.callbacks.get(function.id)
        target = self.callee(site.node, site.scope) if site is not None else UNKNOWN
        if not isinstance(target, Method):
            return []
        if target.name == "then" and type(target.owner) is not Value:
            return [target.owner]
        items = items_of(target.owner) if target.name in ITERATING else None
        return [add_via(item, "argument") for item in items or ()]

    @staticmethod
    def parameter_name(function: Node, index: int) -> str:
        parameters = function.child_by_field_name("parameters")
        if parameters is None or index < 0:
            return ""
        kinds = [c for c in parameters.named_children if c.type != "comment"]
        if index >= len(kinds):
            return ""
        node = kinds[index].child_by_field_name("pattern") or kinds[index]
        return name_of(node) if node.type == "identifier" else ""

    def calls_of(self, function: Node) -> list[Site]:
        """Return the calls that name this function directly."""
        in_place = self.program.calls_in_place.get(function.id)
        if in_place is not None:
            return [in_place]
        binding = self.program.holders.get(function.id)
        if binding is None:
            return self.calls_of_member(function)
        sites = self.program.calls_by_name.get(binding.name, [])
        near = sites[: _MAX_CALL_SITES * 4]
        return [s for s in near if self.find_binding(binding.name, s.scope) is binding]

    def calls_of_member(self, function: Node) -> list[Site]:
        """Return the calls `object.name(…)` of a function in an object literal."""
        name = self.program.member_names.get(function.id)
        sites = self.program.calls_by_member.get(name or "", [])
        if not sites or function.id in self.running:
            return []
        self.running.add(function.id)
        try:
            near = sites[: _MAX_CALL_SITES * 2]
            return [site for site in near if self.calls(site, function)]
        finally:
            self.running.discard(function.id)

    def calls(self, site: Site, function: Node) -> bool:
        targets = options(self.callee(site.node, site.scope))
        return any(
            isinstance(t, Function) and t.node.id == function.id for t in targets
        )

    def call_arguments(self, site: Site) -> list[Value]:
        """Fold a call's arguments, seen from the function called in place."""
        arguments = self.arguments(site.node, site.scope)
        callee = unwrap(site.node.child_by_field_name("function"))
        if callee is not None and callee.type == "member_expression":
            name = callee.child_by_field_name("property")
            if name is not None and name_of(name) == "apply":
                second = arguments[1] if len(arguments) > 1 else UNKNOWN
                return list(items_of(second) or ())
            return arguments[1:]
        return arguments

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

    def augment(self, current: Value, node: Node, scope: Scope) -> Value:
        operator = node.child_by_field_name("operator")
        right = self.fold(node.child_by_field_name("right"), scope)
        sign = text_of(operator).removesuffix("=") if operator is not None else ""
        return self.binary_values(sign, current, right)

    def binary_values(self, sign: str, left: Value, right: Value) -> Value:
        results = [
            binary(sign, one, other)
            for one in options(left)
            for other in options(right)
        ]
        return one_of(results)

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

    # Literals

    def string(self, node: Node, scope: Scope) -> Value:
        raw = text_of(node)[1:-1]
        via = frozenset({"escape-sequence"} if uses_coded_escapes(raw) else ())
        return Text(unescape(raw), via=via)

    def template(self, node: Node, scope: Scope) -> Value:
        """Fold a template literal; raw text lies between its substitutions."""
        source, start = node.text or b"", node.start_byte
        position, end = 1, len(source) - 1
        parts: list[Value] = []
        for child in node.named_children:
            if child.type != "template_substitution":
                continue
            raw = source[position : child.start_byte - start].decode("utf-8", "replace")
            parts.append(self.template_text(raw))
            inner = child.named_children[0] if child.named_children else None
            parts.append(self.fold(inner, scope))
            position = child.end_byte - start
        raw = source[position:end].decode("utf-8", "replace")
        parts.append(self.template_text(raw))
        if len(parts) == 1:
            return add_via(parts[0], "template-literal")
        return self.join_parts(parts, "template-literal")

    @staticmethod
    def template_text(raw: str) -> Value:
        via = frozenset({"escape-sequence"} if uses_coded_escapes(raw) else ())
        return Text(unescape(raw), via=via)

    @staticmethod
    def join_parts(parts: Sequence[Value], technique: str) -> Value:
        texts = [to_text(part) for part in parts]
        via = merge_via(*parts) | {technique}
        if None in texts or sum(len(text or "") for text in texts) > MAX_TEXT:
            return Value(via=via, textual=True)
        return Text("".join(text or "" for text in texts), via=via)

    def number(self, node: Node, scope: Scope) -> Value:
        number = parse_number(text_of(node))
        return UNKNOWN if number is None else Number(number)

    def regex(self, node: Node, scope: Scope) -> Value:
        pattern = node.child_by_field_name("pattern")
        flags = node.child_by_field_name("flags")
        return Pattern(
            text_of(pattern) if pattern is not None else "",
            text_of(flags) if flags is not None else "",
        )

    def word(self, node: Node, scope: Scope) -> Value:
        words = {"true": True, "false": False, "null": None, "undefined": ...}
        return Constant(words[node.type])

    def array(self, node: Node, scope: Scope) -> Value:
        items: list[Value] = []
        for child in node.named_children:
            if child.type == "comment":
                continue
            if child.type == "spread_element":
                spread = items_of(self.fold(child.named_children[0], scope))
                items.extend(spread if spread is not None else (UNKNOWN,))
            else:
                items.append(self.fold(child, scope))
            if len(items) > MAX_ITEMS:
                return UNKNOWN
        return Array(tuple(items))

    def object(self, node: Node, scope: Scope) -> Value:
        members: dict[str, Value] = {}
        is_open = False
        for child in node.named_children:
            if child.type == "spread_element":
                other = self.fold(child.named_children[0], scope)
                if isinstance(other, Object):
                    members.update(other.members)
                    is_open = is_open or other.is_open
                else:
                    is_open = True
            else:
                is_open = not self.object_member(child, scope, members) or is_open
        return Object(members, is_open)

    def object_member(
        self, node: Node, scope: Scope, members: dict[str, Value]
    ) -> bool:
        """Add one member; return whether its name is known."""
        if node.type == "shorthand_property_identifier":
            name = name_of(node)
            members[name] = self.name(name, scope)
            return True
        if node.type == "method_definition":
            return self.object_method(node, scope, members)
        key = node.child_by_field_name("key")
        if node.type != "pair" or key is None:
            return node.type == "comment"
        found, via = self.property_key(key, scope)
        if found is None:
            return False
        value = self.fold(node.child_by_field_name("value"), scope)
        members[found] = add_via(value, *via)
        return True

    def object_method(
        self, node: Node, scope: Scope, members: dict[str, Value]
    ) -> bool:
        key = node.child_by_field_name("name")
        name = self.property_key(key, scope)[0] if key is not None else None
        if name is None:
            return False
        function = Function(node, scope, self.frame)
        kinds = {child.type for child in node.children[:3]}
        if "get" in kinds:
            members[name] = add_via(self.apply(function, []), "getter")
        elif "set" not in kinds:
            members[name] = function
        return True

    def function(self, node: Node, scope: Scope) -> Value:
        return Function(node, scope, self.frame)

    def klass(self, node: Node, scope: Scope) -> Value:
        return Class(node, scope)

    # Operators

    def inner(self, node: Node, scope: Scope) -> Value:
        return self.fold(unwrap(node), scope)

    def awaited(self, node: Node, scope: Scope) -> Value:
        return (
            self.fold(node.named_children[0], scope) if node.named_children else UNKNOWN
        )

    def sequence(self, node: Node, scope: Scope) -> Value:
        children = [c for c in node.named_children if c.type != "comment"]
        if not children:
            return UNKNOWN
        return add_via(self.fold(children[-1], scope), "sequence-expression")

    def conditional(self, node: Node, scope: Scope) -> Value:
        truth = to_truth(self.fold(node.child_by_field_name("condition"), scope))
        branches = ["consequence", "alternative"]
        if truth is not None:
            branches = branches[:1] if truth else branches[1:]
        found = (self.fold(node.child_by_field_name(name), scope) for name in branches)
        return one_of(add_via(value, "conditional-expression") for value in found)

    def binary(self, node: Node, scope: Scope) -> Value:
        """Fold a chain of operators from the left, without recursion."""
        chain: list[tuple[str, Node]] = []
        left: Node | None = node
        while left is not None and left.type == "binary_expression":
            operator = left.child_by_field_name("operator")
            right = left.child_by_field_name("right")
            if operator is None or right is None:
                return UNKNOWN
            chain.append((text_of(operator), right))
            left = left.child_by_field_name("left")
        value = self.fold(left, scope)
        for sign, right in reversed(chain):
            if sign in ("&&", "||", "??"):
                value = self.logical(sign, value, right, scope)
            else:
                value = self.binary_values(sign, value, self.fold(right, scope))
        return value

    def logical(self, sign: str, left: Value, right: Node, scope: Scope) -> Value:
        truth = to_truth(left)
        if sign == "??":
            truth = (
                None if type(left) is Value else left not in (UNDEFINED, Constant(None))
            )
        if truth is not None and truth is (sign != "&&"):
            return left
        other = add_via(self.fold(right, scope), "conditional-expression")
        if truth is not None or sign == "&&":
            return other
        return one_of((left, other))

    def unary(self, node: Node, scope: Scope) -> Value:
        operator = node.child_by_field_name("operator")
        value = self.fold(node.child_by_field_name("argument"), scope)
        sign = text_of(operator) if operator is not None else ""
        if sign == "!":
            truth = to_truth(value)
            return UNKNOWN if truth is None else Constant(not truth)
        if sign == "void":
            return UNDEFINED
        number = to_number(value) if sign in "+-~" else None
        if number is None:
            return unknown(value)
        if sign == "~":
            return (
                Number(float(~int(number))) if math.isfinite(number) else Number(-1.0)
            )
        return Number(-number if sign == "-" else number)

    def assigned(self, node: Node, scope: Scope) -> Value:
        value = self.fold(node.child_by_field_name("right"), scope)
        return (
            value if isinstance(value, Object) else add_via(value, "assignment-value")
        )

    # Members and calls

    def property_key(
        self, key: Node, scope: Scope
    ) -> tuple[str | None, tuple[str, ...]]:
        """Return the name of a property in a literal, pattern or class."""
        if key.type == "computed_property_name":
            value = self.fold(key.named_children[0], scope)
            return to_text(value), ("computed-member", *value.via)
        if key.type == "string":
            return unescape(text_of(key)[1:-1]), ()
        if key.type == "number":
            return to_text(self.number(key, scope)), ()
        return name_of(key), ()

    def member_key(
        self, node: Node, scope: Scope
    ) -> tuple[str | None, tuple[str, ...]]:
        """Return the name that a member expression reads, and how it is written."""
        if node.type == "member_expression":
            name = node.child_by_field_name("property")
            if name is None:
                return None, ()
            written = text_of(name)
            escaped = ("escape-sequence",) if "\\" in written else ()
            return unescape(written), escaped
        index = node.child_by_field_name("index")
        value = self.fold(index, scope)
        text = to_text(value) if not isinstance(value, Host) else None
        return text, ("computed-member", *sorted(value.via))

    def member(self, node: Node, scope: Scope) -> Value:
        owner = self.fold(node.child_by_field_name("object"), scope)
        if node.type == "subscript_expression" and type(owner) is Value:
            # The key of an unknown owner matters only on the way to Function.
            key, via = self.member_key(node, scope)
            if key not in ("constructor", "__proto__"):
                return unknown(owner)
            return add_via(get_member(owner, key), *via)
        if isinstance(owner, Class):
            return self.static_member(owner, node, scope)
        key, via = self.member_key(node, scope)
        if key is None:
            return self.any_member(owner, node, scope)
        found = get_member(owner, key)
        if isinstance(owner, (Object, Array)):
            found = self.kept_member(found, key)
        if not isinstance(found, (Host, Module, Method)):
            via = tuple(name for name in via if name != "computed-member")
        return add_via(found, *via) if via else found

    @staticmethod
    def kept_member(found: Value, key: str) -> Value:
        """Mark what an object of the source's own keeps under a name."""
        if isinstance(found, Text):
            return add_via(found, "constant-map")
        if isinstance(found, Host) and found.name.rpartition(".")[2] != key:
            return add_via(found, "alias")
        return found

    def any_member(self, owner: Value, node: Node, scope: Scope) -> Value:
        """Return what an unknown key may find: any member of a small constant."""
        index = self.fold(node.child_by_field_name("index"), scope)
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

    def static_member(self, owner: Class, node: Node, scope: Scope) -> Value:
        key, via = self.member_key(node, scope)
        if key is None:
            return UNKNOWN
        members = self.class_members(owner, is_static=True)
        if key in members:
            return add_via(members[key], "class-member", *via)
        return add_via(get_member(owner, key), *via)

    def class_members(self, klass: Class, *, is_static: bool) -> dict[str, Value]:
        """Return the fields, methods and `this.key = value` of a class."""
        body = klass.node.child_by_field_name("body")
        inner = self.program.scopes.get(klass.node.id, klass.scope)
        members: dict[str, Value] = {}
        for child in body.named_children if body is not None else ():
            if any(c.type == "static" for c in child.children[:4]) is not is_static:
                continue
            if child.type == "method_definition":
                self.object_method(child, inner, members)
            name = child.child_by_field_name("property") or (
                child.child_by_field_name("name") if "field" in child.type else None
            )
            if name is not None:
                key = self.property_key(name, inner)[0]
                value = child.child_by_field_name("value")
                if key is not None:
                    # Without a value, a subclass or a caller may set it.
                    members[key] = UNKNOWN if value is None else self.fold(value, inner)
        if not is_static:
            self.add_constructed(klass, members)
        return members

    def add_constructed(self, klass: Class, members: dict[str, Value]) -> None:
        for site in self.program.class_fields.get(klass.node.id, ()):
            left = unwrap(site.node.child_by_field_name("left"))
            key = self.member_key(left, site.scope)[0] if left is not None else None
            if key is not None:
                right = site.node.child_by_field_name("right")
                members[key] = self.fold(right, site.scope)

    def this_value(self, node: Node, scope: Scope) -> Value:
        """Return `this`: an instance in a class, the global object at the top."""
        if self.this is not None:
            return self.this
        holder: Scope | None = scope
        while holder is not None:
            if holder.this_class is not None:
                return self.instance(Class(holder.this_class, holder.parent or holder))
            owner = self.program.method_owners.get(holder.node.id)
            if owner is not None:
                return self.owning_object(owner)
            is_plain = holder.node.type in FUNCTIONS - {"arrow_function"}
            if is_plain and holder.node.id not in self.program.calls_in_place:
                if holder.node.type != "method_definition":
                    return UNKNOWN
                if holder.parent is None or holder.parent.this_class is None:
                    return UNKNOWN
            holder = holder.parent
        return Host("globalThis", via=frozenset({"this-object"}))

    def owning_object(self, site: Site) -> Value:
        """Return the object literal that a method is written in."""
        key = site.node.id
        if key in self.running:
            return UNKNOWN
        self.running.add(key)
        try:
            return self.fold(site.node, site.scope)
        finally:
            self.running.discard(key)

    def instance(self, klass: Class) -> Value:
        """Return an instance of a class, as far as its fields are constants."""
        key = klass.node.id
        if key in self.running:
            return UNKNOWN
        self.running.add(key)
        try:
            members = self.class_members(klass, is_static=False)
        finally:
            self.running.discard(key)
        members.setdefault("constructor", klass)
        return Object(members, is_open=True, via=frozenset({"class-member"}))

    def arguments(self, call: Node, scope: Scope) -> list[Value]:
        """Fold a call's arguments; a spread of known items becomes those."""
        values: list[Value] = []
        for node in arguments_of(call):
            if node.type == "spread_element":
                items = items_of(self.fold(node.named_children[0], scope))
                values.extend(items if items is not None else (UNKNOWN,))
            elif node.type == "template_string" and self.is_tagged(call):
                values.append(self.tagged(node, scope))
            else:
                values.append(self.fold(node, scope))
        return values[:MAX_ITEMS]

    @staticmethod
    def is_tagged(call: Node) -> bool:
        arguments = call.child_by_field_name("arguments")
        return arguments is not None and arguments.type == "template_string"

    def tagged(self, node: Node, scope: Scope) -> Value:
        text = self.template(node, scope)
        return Array((add_via(text, "tagged-template"),))

    def callee(self, call: Node, scope: Scope) -> Value:
        """Fold what is called; the member of an unknown owner is a method of it."""
        node = call.child_by_field_name("function")
        if node is None:
            node = call.child_by_field_name("constructor")
        target = unwrap(node)
        if target is None:
            return UNKNOWN
        if target.type == "import":
            return Host("import")
        if target.type not in ("member_expression", "subscript_expression"):
            value = self.fold(target, scope)
            if target.type == "sequence_expression":
                return add_via(value, "indirect-eval")
            return value
        found = self.member(target, scope)
        if type(found) is not Value:
            return found
        key, _ = self.member_key(target, scope)
        owner = self.fold(target.child_by_field_name("object"), scope)
        return Method(owner, key, via=owner.via) if key is not None else found

    def call(self, node: Node, scope: Scope) -> Value:
        target = self.callee(node, scope)
        if isinstance(target, Host) and target.name == "String.raw":
            return self.raw_template(node, scope)
        if type(target) is Value and not target.via:
            return UNKNOWN
        return self.apply(target, self.arguments(node, scope))

    def raw_template(self, node: Node, scope: Scope) -> Value:
        nodes = arguments_of(node)
        if self.is_tagged(node):
            return self.template(nodes[0], scope)
        return UNKNOWN

    def new(self, node: Node, scope: Scope) -> Value:
        target = self.callee(node, scope)
        if isinstance(target, Class):
            return self.instance(target)
        if isinstance(target, (Host, OneOf)):
            return self.apply(target, self.arguments(node, scope))
        return unknown(target)

    def apply(self, target: Value, arguments: list[Value]) -> Value:
        """Return the result of calling a value."""
        if not self.may_continue():
            return UNKNOWN
        if isinstance(target, OneOf):
            return one_of(self.apply(option, arguments) for option in target.options)
        target, arguments = unpack_call(target, arguments)
        if isinstance(target, Host):
            return self.apply_host(target, arguments)
        if isinstance(target, Function):
            return interpreter.call_function(self, target, arguments)
        if isinstance(target, Code):
            value = self.evaluate(target.body)
            return (
                add_via(value, "code-in-text")
                if value is not UNKNOWN
                else unknown(target)
            )
        if isinstance(target, Method):
            return self.apply_method(target, arguments)
        return unknown(target, *arguments)

    def apply_host(self, target: Host, arguments: list[Value]) -> Value:
        name = target.name
        if name == "createRequire":
            return Host("require", via=target.via | {"create-require"})
        if name == "eval":
            text = to_text(arguments[0]) if arguments else None
            value = self.evaluate(text) if text is not None else UNKNOWN
            return add_via(value, "code-in-text", *merge_via(target, *arguments[:1]))
        if name in CODE_MAKERS:
            body = to_text(arguments[-1]) if arguments else ""
            if body is None:
                return unknown(*arguments)
            return Code(body, via=merge_via(target, *arguments[-1:]))
        if name == "Reflect.set":
            return UNKNOWN
        if name == "TextDecoder":
            return Host("TextDecoder()")
        result = call_native(name, arguments, self)
        if name in ("require", "import", "process.getBuiltinModule"):
            if isinstance(result, Module) and result.name == "process":
                return Host("process", via=result.via | {"loader-object"})
            return result
        return add_via(result, *target.via) if target.via else result

    def apply_method(self, target: Method, arguments: list[Value]) -> Value:
        owner, name = target.owner, target.name
        if name == "bind" and arguments:
            if isinstance(owner, Method):
                # Function.call.bind(f): what is bound is the owner of the method.
                owner = Method(arguments[0], owner.name, via=owner.via)
            return Bound(
                owner, tuple(arguments[1:]), via=owner.via | {"reflective-call"}
            )
        if name in ("then", "finally") and arguments and not isinstance(owner, Object):
            return self.apply(arguments[0], [owner])
        if name == "decode" and arguments and isinstance(arguments[0], Bytes):
            return call_method(arguments[0], "toString", [], self)
        return one_of(
            call_method(option, name, arguments, self) for option in options(owner)
        )

    def evaluate(self, text: str) -> Value:
        """Return the value of code in a string: its last expression or `return`."""
        if self.nesting >= MAX_CODE_NESTING or len(text) > MAX_TEXT:
            return UNKNOWN
        root = parse(text.encode("utf-8", "replace"), "javascript").root
        program = build_program(root)
        folder = Folder(program, self.budget, self.nesting + 1, self.depth)
        folder.allowance = self.allowance
        for child in reversed(root.named_children):
            if child.type in ("expression_statement", "return_statement"):
                inner = child.named_children[0] if child.named_children else None
                return folder.fold(inner, program.root)
            if child.type != "comment":
                break
        return UNKNOWN


def unpack_call(target: Value, arguments: list[Value]) -> tuple[Value, list[Value]]:
    """Return what is really called: through call, apply, bind and Reflect."""
    for _ in range(8):
        if isinstance(target, Bound):
            arguments = [*target.arguments, *arguments]
            target = add_via(target.target, *target.via)
        elif isinstance(target, Host) and target.name in _REFLECTIVE:
            given = (
                items_of(arguments[_REFLECTIVE[target.name]])
                if len(arguments) > _REFLECTIVE[target.name]
                else None
            )
            inner = arguments[0] if arguments else UNKNOWN
            arguments = list(given) if given is not None else [UNKNOWN]
            target = add_via(inner, "reflective-call", *target.via)
        elif isinstance(target, Method) and target.name in ("call", "apply"):
            owner = target.owner
            this = arguments[0] if arguments else UNKNOWN
            rest = arguments[1:]
            if target.name == "apply":
                rest = list(items_of(rest[0]) or (UNKNOWN,)) if rest else []
            if isinstance(owner, Method):
                owner = Method(this, owner.name, via=owner.via)
            target, arguments = add_via(owner, "reflective-call", *target.via), rest
        else:
            break
    return target, arguments


_REFLECTIVE = {"Reflect.apply": 2, "Reflect.construct": 1}

_Handler = Callable[[Folder, Node, Scope], Value]
_EXPRESSIONS: dict[str, _Handler] = {
    "identifier": Folder.identifier,
    "shorthand_property_identifier": Folder.identifier,
    "string": Folder.string,
    "template_string": Folder.template,
    "number": Folder.number,
    "regex": Folder.regex,
    "true": Folder.word,
    "false": Folder.word,
    "null": Folder.word,
    "undefined": Folder.word,
    "array": Folder.array,
    "object": Folder.object,
    "parenthesized_expression": Folder.inner,
    "as_expression": Folder.inner,
    "satisfies_expression": Folder.inner,
    "non_null_expression": Folder.inner,
    "type_assertion": Folder.inner,
    "instantiation_expression": Folder.inner,
    "await_expression": Folder.awaited,
    "yield_expression": Folder.awaited,
    "sequence_expression": Folder.sequence,
    "ternary_expression": Folder.conditional,
    "binary_expression": Folder.binary,
    "unary_expression": Folder.unary,
    "assignment_expression": Folder.assigned,
    "member_expression": Folder.member,
    "subscript_expression": Folder.member,
    "call_expression": Folder.call,
    "new_expression": Folder.new,
    "this": Folder.this_value,
    "class": Folder.klass,
    **dict.fromkeys(
        ("function_expression", "arrow_function", "generator_function"), Folder.function
    ),
}

__all__ = ["Any", "Budget", "Folder", "unpack_call"]
