"""Say of every way to load, evaluate or reach the runtime whether it is proved.

A doubt is a place that is not: the file is flagged there at least. Whatever is found
out by folding and following may only make a doubt worse, never take it back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tree_sitter import Node

from policy.scanner.limits import PROOF_SECONDS, Clock, OverTimeError
from policy.scanner.proof.capabilities import CAPABILITIES, FREE_NAMES, Capability
from policy.scanner.proof.computed import doubt_computed
from policy.scanner.proof.flow import Flow, Way, flows_of
from policy.scanner.proof.passing import function_of, is_new_target, parameter_of
from policy.scanner.proof.source import (
    VALUE_IDENTIFIERS,
    Source,
    TooManyUsesError,
    Use,
)
from policy.scanner.proof.strings import child_use, keys_of, prove_texts
from policy.scanner.proof.this import doubt_this
from policy.scanner.scopes import FUNCTIONS, arguments_of, text_of, unwrap
from policy.scanner.syntax import Syntax

MAX_DOUBTS = 200


@dataclass(frozen=True)
class Doubt:
    """A place of which it is not proved what it loads, runs or reaches."""

    node: Node
    rule: str
    why: str


@dataclass(frozen=True)
class Load:
    """A place that loads a module, with every name that it may load."""

    node: Node
    how: str
    texts: frozenset[str]


@dataclass
class Proof:
    """What is proved of a file, and what is not."""

    loads: list[Load] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)

    def doubt(self, node: Node, rule: str, why: str) -> None:
        if len(self.doubts) < MAX_DOUBTS:
            self.doubts.append(Doubt(node, rule, why))


def prove(syntax: Syntax) -> Proof:
    """Look at every use of a capability in a parsed file.

    Where that costs more than PROOF_SECONDS, the file as a whole is a doubt.
    """
    clock = Clock(PROOF_SECONDS)
    prover = Prover(Source(syntax.root, syntax.source, clock))
    try:
        prover.run()
        doubt_computed(prover)
        doubt_this(prover)
    except TooManyUsesError as error:
        why = f"{error} is used so often that its uses are not followed"
        prover.proof.doubt(syntax.root, "not-fully-analysed", why)
    except OverTimeError:
        why = "The file takes longer to be proved harmless than is spent on it"
        prover.proof.doubt(syntax.root, "not-fully-analysed", why)
    return prover.proof


class Prover:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.proof = Proof()
        self.seen: set[tuple[str, int]] = set()
        self.plain_calls: dict[int, bool] = {}

    def run(self) -> None:
        for name, kind in FREE_NAMES.items():
            for use in self.source.uses(name):
                if self.source.is_free(use, name):
                    self.free(kind, use)
        for rule in _RULES:
            rule(self)

    def free(self, kind: str, use: Use) -> None:
        if use.node.type == "shorthand_property_identifier_pattern":
            return
        if use.node.type == "shorthand_property_identifier":
            self.escape(kind, use)
            return
        if _is_type(use):
            return
        self.follow(kind, use)

    def follow(self, kind: str, use: Use) -> None:
        """Hold every way that a capability takes against what is harmless."""
        for flow in flows_of(use):
            _WAYS[flow.way](self, kind, flow)

    def escape(self, kind: str, use: Use) -> None:
        if kind == "prototype":
            return
        name = CAPABILITIES[kind].name
        why = f"{name} is handed on as a value, and what becomes of it is not known"
        rule = "escaping-require" if kind == "require" else "escaping-capability"
        self.proof.doubt(_shown(use), rule, why)

    # What becomes of a capability.

    def harmless(self, kind: str, flow: Flow) -> None:
        """Pass over a use that hands nothing on."""

    def escaped(self, kind: str, flow: Flow) -> None:
        parameter = parameter_of(self.source, flow.use)
        if parameter is not None:
            self.named(kind, Flow(Way.NAME, parameter))
        elif not (kind == "constructor" and is_new_target(flow.use)):
            self.escape(kind, flow.use)

    def extended(self, kind: str, flow: Flow) -> None:
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
            one
            for one in self.source.uses_of(declared[0], name)
            if one.node.id not in own and not is_assigned(one)
        ]

    def destructured(self, kind: str, flow: Flow) -> None:
        """Follow `const {a, b: {c}} = capability`, name by name."""
        for child in flow.use.node.named_children:
            self.part(kind, child, flow.use)

    def part(self, kind: str, part: Node, pattern: Use) -> None:
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
        keys = keys_of(self.source, flow.use)
        if keys is None:
            self.dynamic(kind, flow.use)
            return
        self.member_named(kind, keys, flow.use, bound=None)

    def dynamic(self, kind: str, use: Use) -> None:
        if kind in ("constructor", "prototype"):
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
        for key in keys:
            door = capability.doors.get(key)
            if door is not None:
                self.door(door, use, bound)
            elif _is_closed(capability, key) and not is_assigned(use):
                why = f"{key} of {capability.name} reaches what is not followed"
                self.proof.doubt(use.node, "closed-member", why)
            elif key in capability.returning:
                self.returned(kind, use)

    def door(self, kind: str, use: Use, bound: Use | None) -> None:
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
        for argument in arguments_of(call.node)[1:]:
            listener = function_of(self.source, argument) or argument
            if listener.type == "arrow_function":
                continue
            if listener.type in FUNCTIONS and b"this" not in (listener.text or b""):
                continue
            self.escape(kind, Use(argument, source_path(self.source, argument)))

    def called(self, kind: str, flow: Flow) -> None:
        handler = _CALLS.get(kind)
        if handler is not None:
            handler(self, kind, flow)

    def load(self, kind: str, flow: Flow) -> None:
        self.load_call(flow.use, "require")

    def load_call(self, call: Use, how: str) -> None:
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
        if texts & _MODULES_THAT_ARE_DOORS:
            self.follow("process", call)

    def makes_code(self, kind: str, flow: Flow) -> None:
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


_MODULES_THAT_ARE_DOORS = frozenset(("process", "node:process"))
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
}


def source_path(source: Source, node: Node) -> tuple[Node, ...]:
    return source.path_of(node)


def _shown(use: Use) -> Node:
    """Return the node to point at: the whole call, where something is passed."""
    return (
        use.parent
        if use.parent.type not in ("program", "statement_block")
        else use.node
    )


def is_assigned(use: Use) -> bool:
    """Return whether a name or member is written, not read."""
    left = use.parent.child_by_field_name("left")
    is_left = left is not None and left.id == use.node.id
    return is_left and use.parent.type.endswith("assignment_expression")


def _is_closed(capability: Capability, key: str) -> bool:
    if capability.only is not None:
        return key not in capability.only
    return key in capability.closed


def _is_type(use: Use) -> bool:
    """Return whether a name stands where only types are."""
    return any(node.type in _TYPES for node in use.path)


_TYPES = frozenset(
    [
        "type_annotation",
        "type_arguments",
        "type_parameters",
        "interface_declaration",
        "type_alias_declaration",
        "ambient_declaration",
        "implements_clause",
        "call_signature",
        "construct_signature",
        "function_signature",
        "function_type",
        "method_signature",
    ]
)


def _pattern_keys(source: Source, key: Node | None, use: Use) -> frozenset[str] | None:
    if key is None:
        return None
    if key.type == "computed_property_name":
        inner = key.named_children[0]
        return prove_texts(source, Use(inner, (*use.path, use.node, key)))
    written = text_of(key)
    if "\\" in written:
        return None
    return frozenset((written.strip("'\""),))


def _imports(prover: Prover) -> None:
    """Every import(…) and the imports that are doors themselves."""
    for use in prover.source.tokens("import"):
        call = use.up() if use.parent.type == "import" else use
        if call.node.type == "import" and call.parent.type == "call_expression":
            prover.load_call(call.up(), "dynamic import")
    for word in ("process", "node:process"):
        _import_of_process(prover, word)


def _import_of_process(prover: Prover, word: str) -> None:
    for use in prover.source.tokens(word):
        if not any(n.type == "import_statement" for n in use.path):
            continue
        statement = next(n for n in use.path if n.type == "import_statement")
        for clause in statement.named_children:
            if clause.type in ("import_clause", "import_require_clause"):
                _imported_process(prover, clause)


def _imported_process(prover: Prover, clause: Node) -> None:
    source = prover.source
    for child in clause.named_children:
        if child.type == "named_imports":
            for item in child.named_children:
                name = item.child_by_field_name("name")
                alias = item.child_by_field_name("alias") or name
                if name is None or alias is None:
                    continue
                key = frozenset((text_of(name).strip("'\""),))
                bound = Use(alias, source.path_of(alias))
                kinds = ("process",) if text_of(name) == "default" else ()
                for kind in kinds:
                    prover.named(kind, Flow(Way.NAME, bound))
                prover.member_named("process", key, bound, bound=bound)
        elif child.type in ("identifier", "namespace_import"):
            name = child if child.type == "identifier" else child.named_children[0]
            bound = Use(name, source.path_of(name))
            prover.named("process", Flow(Way.NAME, bound))


def _constructors(prover: Prover) -> None:
    """Every `.constructor`, by its name or by a text that says so."""
    for use in prover.source.tokens("constructor"):
        parent = use.parent
        if parent.type == "member_expression":
            if use.node.type == "property_identifier" and not is_assigned(use.up()):
                prover.follow("constructor", use.up())
        elif parent.type == "pair_pattern":
            prover.proof.doubt(parent, "code-from-text", _TAKEN)
        elif use.node.type == "shorthand_property_identifier_pattern":
            prover.proof.doubt(use.node, "code-from-text", _TAKEN)
        elif use.node.type == "string_fragment" and len(use.path) > 2:
            _named_in_text(prover, use.up())


_TAKEN = "A constructor is taken, which may be Function"


def _named_in_text(prover: Prover, text: Use) -> None:
    if text.parent.type == "subscript_expression":
        if not is_assigned(text.up()):
            prover.follow("constructor", text.up())
    elif text.parent.type == "arguments":
        why = "A member is taken by the name constructor, which may be Function"
        call = text.up().up()
        callee = unwrap(call.node.child_by_field_name("function"))
        name = text_of(callee).rpartition(".")[2] if callee is not None else ""
        if name in ("get", "getOwnPropertyDescriptor"):
            prover.proof.doubt(call.node, "code-from-text", why)


def _arguments(prover: Prover) -> None:
    """`arguments` outside of every function: the wrapper's, require among them."""
    for use in prover.source.uses("arguments"):
        inside = [n for n in use.path if n.type in FUNCTIONS - {"arrow_function"}]
        if inside or _is_type(use) or not prover.source.is_free(use, "arguments"):
            continue
        why = "The arguments of a module hold require"
        prover.proof.doubt(use.parent, "escaping-require", why)


def _callers(prover: Prover) -> None:
    """Members that give functions of others, or what they were called with."""
    for name in ("caller", "callee", "getThis", "getFunction", "prepareStackTrace"):
        for use in prover.source.tokens(name):
            is_member = use.parent.type == "member_expression"
            if use.node.type != "property_identifier" or not is_member:
                continue
            # Inside of a function it is that function.
            if name == "callee" and any(n.type in FUNCTIONS for n in use.path):
                continue
            if name == "caller" and is_assigned(use.up()):
                continue
            why = f"{name} reaches functions that are not this source's own"
            prover.proof.doubt(use.parent, "closed-member", why)


def _escaped_names(prover: Prover) -> None:
    """Names written with escapes, which no search for a name finds."""
    for match in _ESCAPED.finditer(prover.source.data):
        use = prover.source.use_at(match.start(), match.end())
        if use.node.type in _NAMES:
            why = "A name is spelled with escapes"
            prover.proof.doubt(use.node, "escaped-name", why)


_ESCAPED = re.compile(rb"\\u(?=[0-9a-fA-F{])")
_NAMES = VALUE_IDENTIFIERS | {"property_identifier", "private_property_identifier"}


def _withs(prover: Prover) -> None:
    for use in prover.source.tokens("with"):
        if use.parent.type == "with_statement":
            why = "with makes names depend on an object"
            prover.proof.doubt(use.parent, "with-statement", why)


_RULES = (_imports, _constructors, _arguments, _callers, _escaped_names, _withs)
