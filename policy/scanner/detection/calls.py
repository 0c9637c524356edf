"""Calls: of the runtime, of methods, of what is not known."""

from __future__ import annotations

from dataclasses import replace

from tree_sitter import Node

from policy.scanner.builtins.hosts import CODE_MAKERS
from policy.scanner.detection.code import judge_code, judge_timer
from policy.scanner.detection.findings import (
    BINDINGS,
    FLAGGED,
    FORBIDDEN,
    Detector,
)
from policy.scanner.detection.modules import judge_module, judge_named_module
from policy.scanner.detection.pollution import (
    judge_definer,
    judge_merge,
    judge_prototype_call,
)
from policy.scanner.detection.workers import judge_worker
from policy.scanner.families import (
    ASSEMBLIES,
    ENCODINGS,
)
from policy.scanner.folding import unpack_call
from policy.scanner.modules import (
    FORBIDDEN_MODULES,
    TELLING_NAMES,
    builtin_name,
)
from policy.scanner.parsing.scopes import (
    FUNCTIONS,
    Scope,
    arguments_of,
    is_number,
    text_of,
    unwrap,
)
from policy.scanner.semantics.coercion import to_text
from policy.scanner.semantics.values import (
    UNKNOWN,
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
_METHODS_THAT_COUNT = _RUNNERS | {
    "require",
    "constructor",
    "call",
    "apply",
    "bind",
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
}
_SPREAD = frozenset(("spread_element", "template_string"))
# Neither a text nor anything of the runtime's; what is inside has a place of its own.
_NEVER_TOLD = FUNCTIONS | {
    "number",
    "regex",
    "true",
    "false",
    "null",
    "object",
    "array",
    "unary_expression",
}
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


def judge_call(detector: Detector, node: Node, scope: Scope) -> None:
    """Judge a call or `new` by everything that its callee may be."""
    callee = node.child_by_field_name("function")
    if callee is None:
        callee = node.child_by_field_name("constructor")
    inner = unwrap(callee)
    if inner is None:
        return
    detector.callees.add(inner.id)
    if inner.type == "sequence_expression" and inner.named_children:
        detector.callees.add(inner.named_children[-1].id)
    target = detector.folder.callee(node, scope)
    for option in options(target):
        judge_called(detector, node, scope, option)
    if inner.type in FUNCTIONS:
        return
    judge_merge(detector, node, scope)
    judge_definer(detector, node, scope)


def judge_called(detector: Detector, node: Node, scope: Scope, target: Value) -> None:
    """Judge a call of one value that its callee may be."""
    if type(target) is Value:
        judge_unknown_call(detector, node, scope, target)
        return
    if isinstance(target, Function):
        judge_callbacks(detector, node, target, told_arguments(detector, node, scope))
        return
    if not isinstance(target, (Host, Method, Code)) and not isinstance(target, Bound):
        return
    if isinstance(target, Method) and target.name not in _METHODS_THAT_COUNT:
        arguments = told_arguments(detector, node, scope)
    else:
        arguments = detector.folder.arguments(node, scope)
    target, arguments = unpack_call(target, arguments)
    if isinstance(target, Host):
        judge_host_call(detector, node, target, arguments)
    elif isinstance(target, Method):
        judge_method_call(detector, node, target, arguments)


def told_arguments(detector: Detector, node: Node, scope: Scope) -> list[Value]:
    """Return what a call of no telling name is given, as far as that may count.

    Only names of modules and the runtime's own functions do: a number is neither.
    """
    given = arguments_of(node)
    if any(argument.type in _SPREAD for argument in given):
        return detector.folder.arguments(node, scope)
    return [
        UNKNOWN
        if argument.type in _NEVER_TOLD or is_number(argument)
        else detector.folder.fold(argument, scope)
        for argument in given
    ]


def judge_host_call(
    detector: Detector, node: Node, target: Host, arguments: list[Value]
) -> None:
    """Judge a call of one of the runtime's own functions."""
    name, via = target.name, target.via
    first = arguments[0] if arguments else None
    if name in LOADERS:
        how = "dynamic import" if name == "import" else "require"
        via = via | {"loader-object"} if name.startswith("process") else via
        if first is not None:
            judge_module(detector, node, first, how, via)
    elif name in BINDINGS:
        why = f"{name} reaches the runtime's own internals"
        detector.add(node, name.replace(".", "-").replace("_", ""), FORBIDDEN, why, via)
    elif name == "eval":
        judge_code(detector, node, "eval", arguments[:1], via)
    elif name in CODE_MAKERS:
        judge_code(detector, node, name, arguments, via)
    elif name in _TIMERS and first is not None:
        judge_timer(detector, node, name, first, via)
    elif name in _WORKERS:
        judge_worker(detector, node, arguments, via)
    elif name in _UNREADABLE:
        why = f"{name} runs code that the scanner cannot read"
        detector.add(node, "unreadable-code", FLAGGED, why, via | {"unreadable-code"})
    elif name == "createRequire":
        why = "createRequire makes a loader that imports do not show"
        detector.add(node, "create-require", FLAGGED, why, via | {"create-require"})
    else:
        judge_prototype_call(detector, node, name, arguments, via)
    judge_callbacks(detector, node, target, arguments)


def judge_method_call(
    detector: Detector, node: Node, target: Method, arguments: list[Value]
) -> None:
    """Judge a call of a method, by its name where its owner is unknown."""
    name = target.name
    if name == "require" and arguments:
        text = to_text(arguments[0])
        if text is not None and builtin_name(text) in FORBIDDEN_MODULES:
            techniques = arguments[0].via | target.via | {"loader-object"}
            judge_named_module(detector, node, text, "require", techniques)
    elif name in _RUNNERS and arguments:
        first = arguments[0]
        if merge_via(first) & ENCODINGS and isinstance(first, Text):
            why = f"A decoded text is handed to {name}"
            detector.add(node, "decoded-command", FLAGGED, why, merge_via(first))
    elif name in ("__defineGetter__", "__defineSetter__", "__lookupGetter__"):
        judge_prototype_call(
            detector, node, name, [target.owner, *arguments], target.via
        )
    elif name in ("constructor",) and "constructor-chain" in target.via:
        judge_code(detector, node, "Function", arguments, target.via)
    judge_telling_arguments(detector, node, arguments)
    judge_callbacks(detector, node, target, arguments)


def judge_callbacks(
    detector: Detector, node: Node, target: Value, arguments: list[Value]
) -> None:
    """Judge eval, Function or require handed on to be called elsewhere."""
    for argument in arguments:
        for option in options(argument):
            if not isinstance(option, Host):
                continue
            if option.name == "eval":
                why = "eval is handed on as a value, to be called out of sight"
                techniques = option.via | {"escaping-eval"}
                detector.add(node, "escaping-eval", FORBIDDEN, why, techniques)
            elif option.name == "require" and not isinstance(target, Host):
                why = "require is handed on as a value, to be called out of sight"
                techniques = option.via | {"dynamic-module"}
                detector.add(node, "escaping-require", FLAGGED, why, techniques)
            if isinstance(target, Method) and target.name in _CALLBACK_METHODS:
                judge_called_back(detector, node, target.owner, option)


def judge_called_back(
    detector: Detector, node: Node, owner: Value, callback: Host
) -> None:
    """Judge `names.map(require)` and its like, item by item."""
    if callback.name not in LOADERS and callback.name not in CODE_MAKERS | BINDINGS:
        return
    items = owner.items if isinstance(owner, Array) else (owner,)
    for item in items[:64]:
        given = replace(callback, via=callback.via | {"alias"})
        judge_host_call(detector, node, given, [item])


def judge_unknown_call(
    detector: Detector, node: Node, scope: Scope, target: Value
) -> None:
    """Judge a call of something unknown by what it is given."""
    callee = unwrap(node.child_by_field_name("function"))
    if callee is None:
        return
    arguments = arguments_of(node)
    if not arguments:
        return
    name = text_of(callee) if callee.type == "identifier" else ""
    values = told_arguments(detector, node, scope)
    if name.lower().endswith("require") and "webpack" not in name:
        text = to_text(values[0])
        if text is not None and builtin_name(text) in FORBIDDEN_MODULES:
            techniques = values[0].via | {"alias"}
            judge_named_module(detector, node, text, "require", techniques)
    judge_telling_arguments(detector, node, values)
    judge_callbacks(detector, node, target, values)


def judge_telling_arguments(
    detector: Detector, node: Node, arguments: list[Value]
) -> None:
    """Flag a hidden name of a forbidden module that goes to an unknown function."""
    for argument in arguments:
        if not isinstance(argument, Text) or not argument.via & ASSEMBLIES:
            continue
        name = builtin_name(argument.text)
        is_telling = name in TELLING_NAMES or argument.text.startswith("node:")
        if name in FORBIDDEN_MODULES and is_telling:
            why = f"The name of the forbidden module {name} is hidden here"
            detector.add(node, "hidden-module-name", FLAGGED, why, argument.via)
