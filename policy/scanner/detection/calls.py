"""Calls: of the runtime, of methods, of what is not known."""

from __future__ import annotations

from dataclasses import replace

from tree_sitter import Node

from policy.scanner.coercion import to_text
from policy.scanner.detection.findings import (
    BINDINGS,
    FLAGGED,
    FORBIDDEN,
)
from policy.scanner.detection.pollution import PollutionRules
from policy.scanner.families import (
    ASSEMBLIES,
    ENCODINGS,
)
from policy.scanner.folding import unpack_call
from policy.scanner.hosts import CODE_MAKERS
from policy.scanner.modules import (
    FORBIDDEN_MODULES,
    TELLING_NAMES,
    builtin_name,
)
from policy.scanner.scopes import (
    FUNCTIONS,
    Scope,
    arguments_of,
    text_of,
    unwrap,
)
from policy.scanner.values import (
    Array,
    Bound,
    Code,
    Function,
    Host,
    Method,
    Text,
    Value,
    merge_via,
    options,
)

LOADERS = frozenset(("require", "import", "process.getBuiltinModule"))
_TIMERS = frozenset(("setTimeout", "setInterval", "setImmediate", "execScript"))
_WORKERS = frozenset(("Worker", "SharedWorker"))
_UNREADABLE = frozenset(
    [
        "importScripts",
        "WebAssembly.instantiate",
        "WebAssembly.compile",
        "WebAssembly.Module",
        "WebAssembly.instantiateStreaming",
        "WebAssembly.compileStreaming",
    ]
)
_RUNNERS = frozenset(
    ["exec", "execSync", "execFile", "execFileSync", "spawn", "spawnSync", "fork"]
)
_CALLBACK_METHODS = frozenset(
    [
        "map",
        "forEach",
        "then",
        "filter",
        "reduce",
        "some",
        "every",
        "find",
        "flatMap",
        "replace",
        "catch",
        "on",
        "once",
        "addEventListener",
    ]
)


class CallRules(PollutionRules):
    """Judges calls by what is called and with what."""

    def call(self, node: Node, scope: Scope) -> None:
        callee = node.child_by_field_name("function")
        if callee is None:
            callee = node.child_by_field_name("constructor")
        inner = unwrap(callee)
        if inner is None:
            return
        self.callees.add(inner.id)
        if inner.type == "sequence_expression" and inner.named_children:
            self.callees.add(inner.named_children[-1].id)
        target = self.folder.callee(node, scope)
        for option in options(target):
            self.called(node, scope, option)
        if inner.type in FUNCTIONS:
            return
        self.merge_call(node, scope)

    def called(self, node: Node, scope: Scope, target: Value) -> None:
        if type(target) is Value:
            self.unknown_call(node, scope, target)
            return
        if isinstance(target, Function):
            self.callback_arguments(node, target, self.folder.arguments(node, scope))
            return
        if not isinstance(target, (Host, Method, Code)) and not isinstance(
            target, Bound
        ):
            return
        arguments = self.folder.arguments(node, scope)
        target, arguments = unpack_call(target, arguments)
        if isinstance(target, Host):
            self.host_call(node, target, arguments)
        elif isinstance(target, Method):
            self.method_call(node, target, arguments)

    def host_call(self, node: Node, target: Host, arguments: list[Value]) -> None:
        name, via = target.name, target.via
        first = arguments[0] if arguments else None
        if name in LOADERS:
            how = "dynamic import" if name == "import" else "require"
            via = via | {"loader-object"} if name.startswith("process") else via
            if first is not None:
                self.module(node, first, how, via)
        elif name in BINDINGS:
            why = f"{name} reaches the runtime's own internals"
            self.add(node, name.replace(".", "-").replace("_", ""), FORBIDDEN, why, via)
        elif name == "eval":
            self.code(node, "eval", arguments[:1], via)
        elif name in CODE_MAKERS:
            self.code(node, name, arguments, via)
        elif name in _TIMERS and first is not None:
            self.timer(node, name, first, via)
        elif name in _WORKERS:
            self.worker(node, arguments, via)
        elif name in _UNREADABLE:
            why = f"{name} runs code that the scanner cannot read"
            self.add(node, "unreadable-code", FLAGGED, why, via | {"unreadable-code"})
        elif name == "createRequire":
            why = "createRequire makes a loader that imports do not show"
            self.add(node, "create-require", FLAGGED, why, via | {"create-require"})
        else:
            self.prototype_call(node, name, arguments, via)
        self.callback_arguments(node, target, arguments)

    def method_call(self, node: Node, target: Method, arguments: list[Value]) -> None:
        """Judge a call of a method, by its name where its owner is unknown."""
        name = target.name
        if name == "require" and arguments:
            text = to_text(arguments[0])
            if text is not None and builtin_name(text) in FORBIDDEN_MODULES:
                techniques = arguments[0].via | target.via | {"loader-object"}
                self.named_module(node, text, "require", techniques)
        elif name in _RUNNERS and arguments:
            first = arguments[0]
            if merge_via(first) & ENCODINGS and isinstance(first, Text):
                why = f"A decoded text is handed to {name}"
                self.add(node, "decoded-command", FLAGGED, why, merge_via(first))
        elif name in ("__defineGetter__", "__defineSetter__", "__lookupGetter__"):
            self.prototype_call(node, name, [target.owner, *arguments], target.via)
        elif name in ("constructor",) and "constructor-chain" in target.via:
            self.code(node, "Function", arguments, target.via)
        self.telling_arguments(node, arguments)
        self.callback_arguments(node, target, arguments)

    def callback_arguments(
        self, node: Node, target: Value, arguments: list[Value]
    ) -> None:
        """Judge eval, Function or require handed on to be called elsewhere."""
        for argument in arguments:
            for option in options(argument):
                if not isinstance(option, Host):
                    continue
                if option.name == "eval":
                    why = "eval is handed on as a value, to be called out of sight"
                    techniques = option.via | {"escaping-eval"}
                    self.add(node, "escaping-eval", FORBIDDEN, why, techniques)
                elif option.name == "require" and not isinstance(target, Host):
                    why = "require is handed on as a value, to be called out of sight"
                    techniques = option.via | {"dynamic-module"}
                    self.add(node, "escaping-require", FLAGGED, why, techniques)
                if isinstance(target, Method) and target.name in _CALLBACK_METHODS:
                    self.called_back(node, target.owner, option)

    def called_back(self, node: Node, owner: Value, callback: Host) -> None:
        """Judge `names.map(require)` and its like, item by item."""
        if callback.name not in LOADERS and callback.name not in CODE_MAKERS | BINDINGS:
            return
        items = owner.items if isinstance(owner, Array) else (owner,)
        for item in items[:64]:
            given = replace(callback, via=callback.via | {"alias"})
            self.host_call(node, given, [item])

    def unknown_call(self, node: Node, scope: Scope, target: Value) -> None:
        """Judge a call of something unknown by what it is given."""
        callee = unwrap(node.child_by_field_name("function"))
        if callee is None:
            return
        arguments = arguments_of(node)
        if not arguments:
            return
        name = text_of(callee) if callee.type == "identifier" else ""
        values = self.folder.arguments(node, scope)
        if name.lower().endswith("require") and "webpack" not in name:
            text = to_text(values[0])
            if text is not None and builtin_name(text) in FORBIDDEN_MODULES:
                techniques = values[0].via | {"alias"}
                self.named_module(node, text, "require", techniques)
        self.telling_arguments(node, values)
        self.callback_arguments(node, target, values)

    def telling_arguments(self, node: Node, arguments: list[Value]) -> None:
        """Flag a hidden name of a forbidden module that goes to an unknown function."""
        for argument in arguments:
            if not isinstance(argument, Text) or not argument.via & ASSEMBLIES:
                continue
            name = builtin_name(argument.text)
            is_telling = name in TELLING_NAMES or argument.text.startswith("node:")
            if name in FORBIDDEN_MODULES and is_telling:
                why = f"The name of the forbidden module {name} is hidden here"
                self.add(node, "hidden-module-name", FLAGGED, why, argument.via)
