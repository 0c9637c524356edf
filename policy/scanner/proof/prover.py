"""Say of every way to load, evaluate or reach the runtime whether it is proved.

A doubt is a place that is not: the file is flagged there at least. Whatever is found
out by folding and following may only make a doubt worse, never take it back.
"""

from __future__ import annotations

from tree_sitter import Node

from policy.scanner.modules import builtin_name
from policy.scanner.parsing.scopes import FUNCTIONS, arguments_of, text_of, unwrap
from policy.scanner.proof.capabilities import CAPABILITIES, FREE_NAMES, Capability
from policy.scanner.proof.computed import read_by_call
from policy.scanner.proof.doubts import Load, Proof
from policy.scanner.proof.flow import (
    Flow,
    Way,
    flows_of,
    is_assigned,
    is_target,
    is_type,
)
from policy.scanner.proof.inheritance import (
    CHANGING_METHODS,
    PROTOTYPE_WRITE,
    gives_prototype,
    is_only_read,
    loop_variable_of,
)
from policy.scanner.proof.passing import function_of, is_new_target, parameter_of
from policy.scanner.proof.source import (
    Source,
    Use,
)
from policy.scanner.proof.strings import child_use, keys_of, prove_texts


class Prover:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.proof = Proof()
        self.seen: set[tuple[str, int]] = set()
        self.plain_calls: dict[int, bool] = {}
        # Names that are called where no call is to be seen.
        self.called_unseen: set[str] = set()

    def run(self) -> None:
        """Follow every free use of a capability."""
        for name, kind in FREE_NAMES.items():
            for use in self.source.uses(name):
                if self.source.is_free(use, name):
                    self.free(kind, use)

    def free(self, kind: str, use: Use) -> None:
        """Follow a use of a name that nothing in the file declares."""
        if use.node.type == "shorthand_property_identifier_pattern":
            return
        if use.node.type == "shorthand_property_identifier":
            self.escape(kind, use)
            return
        if is_type(use):
            return
        self.follow(kind, use)

    def follow(self, kind: str, use: Use) -> None:
        """Hold every way that a capability takes against what is harmless."""
        for flow in flows_of(use):
            _WAYS[flow.way](self, kind, flow)

    def escape(self, kind: str, use: Use) -> None:
        """Doubt a capability that is handed on where it cannot be followed."""
        if kind == "prototype":
            return
        if kind in ("class", "inherited"):
            self.inherited_escapes(kind, use)
            return
        name = CAPABILITIES[kind].name
        why = f"{name} is handed on as a value, and what becomes of it is not known"
        rule = "escaping-require" if kind == "require" else "escaping-capability"
        self.proof.doubt(_shown(use), rule, why)

    # What becomes of a capability.

    def harmless(self, kind: str, flow: Flow) -> None:
        """Pass over a use that hands nothing on."""

    def escaped(self, kind: str, flow: Flow) -> None:
        """Follow an escape into a parameter of the file's own function, or doubt it."""
        parameter = parameter_of(self.source, flow.use)
        if parameter is not None:
            self.named(kind, Flow(Way.NAME, parameter))
        elif not (kind == "constructor" and is_new_target(flow.use)):
            self.escape(kind, flow.use)

    def extended(self, kind: str, flow: Flow) -> None:
        """Doubt a class that extends a capability."""
        if kind == "constructor":
            self.proof.doubt(flow.use.node, "code-from-text", _EXTENDED)
            return
        self.escape(kind, flow.use)

    def named(self, kind: str, flow: Flow) -> None:
        """Follow a capability into a variable."""
        name = text_of(flow.use.node)
        if self.source.is_free(flow.use, name):
            # Without a declaration it is global, and any file may have it.
            if name not in FREE_NAMES:
                self.escape(kind, flow.use)
            return
        if name in self.called_unseen:
            self.escape(kind, flow.use)
        for use in self.uses_of_name(kind, flow.use, name):
            self.free(kind, use)

    def uses_of_name(self, kind: str, use: Use, name: str) -> list[Use]:
        """Return where a variable is read, once for each kind of thing it holds."""
        declared = self.source.resolve(use, name)
        if not declared or (kind + name, declared[0].scope.id) in self.seen:
            return []
        self.seen.add((kind + name, declared[0].scope.id))
        own = {d.use.node.id for d in self.source.declarations(name)}
        return [
            read
            for read in self.source.uses_of(declared[0], name)
            if read.node.id not in own and not is_assigned(read)
        ]

    def destructured(self, kind: str, flow: Flow) -> None:
        """Follow `const {a, b: {c}} = capability`, name by name."""
        for child in flow.use.node.named_children:
            self.part(kind, child, flow.use)

    def part(self, kind: str, part: Node, pattern: Use) -> None:
        """Follow one part of a pattern that takes a capability apart."""
        use = Use(part, (*pattern.path, pattern.node))
        if part.type == "comment":
            return
        if part.type == "object_assignment_pattern":
            left = part.child_by_field_name("left")
            if left is None:
                return
            use, part = Use(left, (*use.path, part)), left
        if part.type == "shorthand_property_identifier_pattern":
            self.member_named(kind, frozenset((text_of(part),)), use, bound=use)
            return
        if part.type != "pair_pattern":
            self.escape(kind, use)
            return
        key, value = part.child_by_field_name("key"), part.child_by_field_name("value")
        keys = _pattern_keys(self.source, key, use)
        if keys is None or value is None:
            self.dynamic(kind, use)
            return
        self.member_named(kind, keys, use, bound=Use(value, (*use.path, part)))

    def member(self, kind: str, flow: Flow) -> None:
        """Follow a member by all the keys that it may have."""
        if kind in _INHERITED and is_target(flow.use):
            self.proof.doubt(flow.use.node, "prototype-write", PROTOTYPE_WRITE)
            return
        keys = keys_of(self.source, flow.use)
        if keys is None:
            self.dynamic(kind, flow.use)
            return
        self.member_named(kind, keys, flow.use, bound=None)

    def dynamic(self, kind: str, use: Use) -> None:
        """Doubt a member whose key is not proved."""
        if kind in ("constructor", "prototype"):
            return
        if kind == "class":
            self.follow("inherited", use)
            return
        if kind == "inherited":
            self.changed_by_call(use)
            return
        if kind == "cache":
            self.cached(use)
            return
        if kind == "global" and is_assigned(use):
            return
        why = f"Which member of {CAPABILITIES[kind].name} this is is not proved"
        self.proof.doubt(use.node, "dynamic-member", why)

    def cached(self, use: Use) -> None:
        """`delete require.cache[x]` is harmless; its modules are not."""
        parent = use.parent
        operator = parent.child_by_field_name("operator")
        if operator is not None and operator.type == "delete":
            return
        if all(f.way is Way.HARMLESS for f in flows_of(use)):
            return
        self.escape("module", use)

    def member_named(
        self, kind: str, keys: frozenset[str], use: Use, *, bound: Use | None
    ) -> None:
        """Judge a member of known names; `bound` is the pattern that it fills."""
        capability = CAPABILITIES[kind]
        for key in sorted(keys):
            door = capability.doors.get(key)
            if kind == "inherited" and key in CHANGING_METHODS:
                self.changed_by_call(use)
            elif door is not None:
                self.door(door, use, bound)
            elif _is_closed(capability, key) and not is_assigned(use):
                why = f"{key} of {capability.name} reaches what is not followed"
                self.proof.doubt(use.node, "closed-member", why)
            elif key in capability.returning:
                self.returned(kind, use)
            elif kind in _OWNERS:
                self.given_method(kind, key, use)

    def given_method(self, kind: str, key: str, use: Use) -> None:
        """Doubt a function that becomes a member, and so gets the owner as `this`.

        What a module exports is mostly called by others, with something else.
        """
        is_called = any(flow.way is Way.CALL for flow in flows_of(use))
        if key == "exports" and is_called:
            own = [u.up() for u in self.source.tokens("exports") if u.up().parent]
            given = [u for u in own if is_assigned(u)]
        else:
            given = [use] if is_assigned(use) and key != "exports" else []
        for target in given:
            value = unwrap(target.parent.child_by_field_name("right"))
            function = value and (function_of(self.source, value) or value)
            if function is None or function.type not in FUNCTIONS:
                continue
            is_arrow = function.type == "arrow_function"
            if not is_arrow and b"this" in (function.text or b""):
                self.escape(kind, use)

    def door(self, kind: str, use: Use, bound: Use | None) -> None:
        """Follow a member that leads to another capability."""
        if bound is None:
            if not is_assigned(use):
                self.follow(kind, use)
        elif bound.node.type in ("identifier", "shorthand_property_identifier_pattern"):
            self.named(kind, Flow(Way.NAME, bound))
        elif bound.node.type == "object_pattern":
            self.destructured(kind, Flow(Way.PATTERN, bound))
        else:
            self.escape(kind, bound)

    def returned(self, kind: str, use: Use) -> None:
        """Follow `process.on(…)`, which gives process back, to listeners as well."""
        for flow in flows_of(use):
            if flow.way is Way.CALL:
                self.listeners(kind, flow.use)
                self.follow(kind, flow.use)

    def listeners(self, kind: str, call: Use) -> None:
        """Doubt listeners that get a capability as `this`."""
        for argument in arguments_of(call.node)[1:]:
            listener = function_of(self.source, argument) or argument
            if listener.type == "arrow_function":
                continue
            if listener.type in FUNCTIONS and b"this" not in (listener.text or b""):
                continue
            self.escape(kind, Use(argument, source_path(self.source, argument)))

    def inherited_escapes(self, kind: str, use: Use) -> None:
        """Follow what is handed on as far as that goes; doubt a prototype after it."""
        kept = loop_variable_of(use)
        if kept is not None:
            self.named(kind, Flow(Way.NAME, kept))
        elif gives_prototype(self.source, use):
            self.follow(kind, use.up().up())
        elif kind == "inherited" and not is_only_read(self.source, use):
            why = "A prototype that everything inherits is handed on, to be changed"
            self.proof.doubt(_shown(use), "prototype-write", why)

    def changed_by_call(self, use: Use) -> None:
        """Doubt `Array.prototype.push(x)`; what is taken or called for others reads."""
        for flow in flows_of(use):
            if flow.way is Way.CALL:
                self.proof.doubt(flow.use.node, "prototype-write", PROTOTYPE_WRITE)

    def called(self, kind: str, flow: Flow) -> None:
        """Apply the rule for calls of a kind, where it has one."""
        handler = _CALLS.get(kind)
        if handler is not None:
            handler(self, kind, flow)

    def reads_member(self, kind: str, flow: Flow) -> None:
        """Follow what Reflect.get(…) gives, under whatever name it is called."""
        read_by_call(self, flow.use)

    def load(self, kind: str, flow: Flow) -> None:
        """Note a call of require."""
        self.load_call(flow.use, "require")

    def load_call(self, call: Use, how: str) -> None:
        """Note the modules that a call may load; doubt those that are not proved."""
        arguments = arguments_of(call.node)
        if not arguments:
            return
        inside = call.node.child_by_field_name("arguments")
        within = child_use(call, inside)
        first = child_use(within, arguments[0]) if within is not None else None
        texts = prove_texts(self.source, first) if first is not None else None
        if texts is None:
            why = f"The module of this {how} is not proved"
            self.proof.doubt(call.node, "dynamic-module", why)
            return
        self.proof.loads.append(Load(call.node, how, texts))
        if any(map(leads_to_process, texts)):
            self.follow("process", call)

    def makes_code(self, kind: str, flow: Flow) -> None:
        """Doubt a call that makes code of text."""
        why = f"{CAPABILITIES[kind].name} makes code of text"
        self.proof.doubt(flow.use.node, "code-from-text", why)

    def constructed(self, kind: str, flow: Flow) -> None:
        """Doubt `x.constructor(text)`: x may be a function."""
        if not arguments_of(flow.use.node):
            return
        why = "This may be Function, which makes code of text"
        self.proof.doubt(flow.use.node, "code-from-text", why)

    def written(self, kind: str, flow: Flow) -> None:
        """Pass over `require = …`: what was there is gone."""


_OWNERS = frozenset(("process", "module", "require"))
_INHERITED = frozenset(("inherited", "Function.prototype", "prototype"))
_EXTENDED = "A class extends what may be Function"
_WAYS = {
    Way.HARMLESS: Prover.harmless,
    Way.ESCAPE: Prover.escaped,
    Way.MEMBER: Prover.member,
    Way.CALL: Prover.called,
    Way.NEW: Prover.called,
    Way.NAME: Prover.named,
    Way.PARAMETER: Prover.named,
    Way.PATTERN: Prover.destructured,
    Way.WRITTEN: Prover.written,
    Way.EXTENDS: Prover.extended,
}
_CALLS = {
    "require": Prover.load,
    "eval": Prover.makes_code,
    "Function": Prover.makes_code,
    "WebAssembly": Prover.makes_code,
    "Worker": Prover.makes_code,
    "constructor": Prover.constructed,
    "Reflect.get": Prover.reads_member,
}


def leads_to_process(specifier: str) -> bool:
    """Return whether a module is process itself."""
    return builtin_name(specifier) == "process" and "/" not in specifier


def source_path(source: Source, node: Node) -> tuple[Node, ...]:
    """Return the nodes above a node, the outermost first."""
    return source.path_of(node)


def _shown(use: Use) -> Node:
    """Return the node to point at: the whole call, where something is passed."""
    return (
        use.parent
        if use.parent.type not in ("program", "statement_block")
        else use.node
    )


def _is_closed(capability: Capability, key: str) -> bool:
    """Return whether a capability's member may not be used."""
    if capability.only is not None:
        return key not in capability.only
    return key in capability.closed


def _pattern_keys(source: Source, key: Node | None, use: Use) -> frozenset[str] | None:
    """Return the keys that a part of a pattern may take; None where unproved."""
    if key is None:
        return None
    if key.type == "computed_property_name":
        inner = key.named_children[0]
        return prove_texts(source, Use(inner, (*use.path, use.node, key)))
    written = text_of(key)
    if "\\" in written:
        return None
    return frozenset((written.strip("'\""),))
