"""Writes to prototypes that everything inherits."""

from __future__ import annotations

from itertools import pairwise

from tree_sitter import Node

from policy.scanner.detection.findings import (
    FLAGGED,
    FORBIDDEN,
    Detector,
)
from policy.scanner.detection.merges import is_unsafe_merge
from policy.scanner.families import (
    ASSEMBLIES,
)
from policy.scanner.folding.constants import property_key
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
    PLAIN,
    UNKNOWN,
    Array,
    Host,
    Object,
    Value,
    Via,
    merge_via,
    options,
)

_SET_PROTOTYPE = frozenset(("Object.setPrototypeOf", "Reflect.setPrototypeOf"))
_DEFINERS = frozenset(
    [
        "Object.defineProperty",
        "Reflect.defineProperty",
        "Object.defineProperties",
        "Object.assign",
        "Reflect.set",
    ]
)
_WRITERS = frozenset(
    [
        *(name.rpartition(".")[2] for name in _DEFINERS),
        *(f"__{verb}{kind}etter__" for verb in ("define", "lookup") for kind in "GS"),
    ]
)
_CALLERS = frozenset(("call", "apply", "bind"))
# An obfuscator's array of texts holds every name of a program: there it tells nothing.
_HIDING = ASSEMBLIES - {"string-array"}
# Polyfills write to the others, in plain sight.
_BUILT_IN = frozenset(("Object", "globalThis.Object", "Function"))
_PROTOTYPES = frozenset(("Object.prototype", "?.__proto__", "?.prototype"))


def judge_prototype_call(
    detector: Detector, node: Node, name: str, arguments: list[Value], via: Via
) -> None:
    """Flag a call that changes what objects inherit."""
    first = arguments[0] if arguments else UNKNOWN
    pollution = via | {"prototype-pollution"}
    if name in _SET_PROTOTYPE:
        why = f"{name} changes what an object inherits"
        detector.add(node, "set-prototype", FLAGGED, why, pollution)
    elif name in _DEFINERS or name.startswith("__define"):
        key = to_text(arguments[1]) if len(arguments) > 1 else None
        on_prototype = isinstance(first, Host) and first.name in _PROTOTYPES
        if on_prototype or key == "__proto__":
            why = f"{name} writes to a prototype that everything inherits"
            hidden = merge_via(*arguments[:2]) & _HIDING
            classification = FORBIDDEN if hidden else FLAGGED
            detector.add(
                node, "prototype-write", classification, why, pollution | hidden
            )
    elif name == "JSON.parse":
        result = detector.folder.apply(Host("JSON.parse"), arguments)
        if has_prototype_key(result):
            why = "This JSON carries __proto__, which an unguarded merge follows"
            detector.add(node, "prototype-json", FLAGGED, why, pollution)


def judge_definer(detector: Detector, node: Node, scope: Scope) -> None:
    """Flag a call that writes members, by whatever way, given a built-in prototype."""
    callee = unwrap(node.child_by_field_name("function"))
    name = _last_name(callee)
    if name in _CALLERS and callee is not None:
        callee = unwrap(callee.child_by_field_name("object"))
        name = _last_name(callee)
    if name not in _WRITERS or callee is None:
        return
    if name == "set" and text_of(callee) != "Reflect.set":
        return
    arguments = arguments_of(node)
    # In `Object.assign.call(null, target)` the target is the second.
    targets = [unwrap(argument) for argument in arguments[:2]]
    if name.startswith("__"):
        targets.append(unwrap(callee.child_by_field_name("object")))
    looks_up = name.startswith("__lookup") and any(
        b"__proto__" in (argument.text or b"") for argument in arguments[:2]
    )
    if looks_up or (
        not name.startswith("__lookup")
        and any(_is_prototype(detector, target, scope) for target in targets)
    ):
        why = f"{name} writes to a prototype that everything inherits"
        techniques = {"prototype-pollution"}
        detector.add(node, "prototype-write", FLAGGED, why, techniques)


def _last_name(node: Node | None) -> str:
    """Return the name that a callee ends on; empty where it has none."""
    if node is None:
        return ""
    if node.type == "identifier":
        return text_of(node)
    name = node.child_by_field_name("property")
    return "" if name is None else text_of(name)


def _is_prototype(detector: Detector, node: Node | None, scope: Scope) -> bool:
    """Return whether an expression is a prototype of the runtime's own objects."""
    if node is None:
        return False
    if node.type == "member_expression":
        owner, name = unwrap(node.child_by_field_name("object")), _last_name(node)
        if name == "__proto__":
            return True
        if name == "prototype" and owner is not None:
            # Object's, or that of whatever made a value at hand.
            return text_of(owner) in _BUILT_IN or _last_name(owner) == "constructor"
    value = detector.folder.fold(node, scope)
    return any(isinstance(o, Host) and o.name in _PROTOTYPES for o in options(value))


def judge_assignment(detector: Detector, node: Node, scope: Scope) -> None:
    """Flag an assignment that reaches a prototype through its chain of members."""
    left = unwrap(node.child_by_field_name("left"))
    keys: list[tuple[str | None, Via]] = []
    counted: list[Node] = []
    target = left
    while target is not None and target.type in (
        "member_expression",
        "subscript_expression",
    ):
        if is_number(target.child_by_field_name("index")):
            # No name that counts; how it is made matters only to a prototype's.
            counted.append(target)
            keys.append((None, PLAIN))
        else:
            key, via = detector.folder.member_key(target, scope)
            keys.append((key, frozenset(via)))
        target = unwrap(target.child_by_field_name("object"))
    if not keys or left is None:
        return
    names = [key for key, _ in reversed(keys)]
    judge_options(detector, node, names[-1])
    owner = detector.folder.fold(left.child_by_field_name("object"), scope)
    if not writes_prototype(names, owner, target):
        return
    made = [via for _, via in keys]
    made += [frozenset(detector.folder.member_key(n, scope)[1]) for n in counted]
    hidden = frozenset().union(*made) & _HIDING
    classification = FORBIDDEN if hidden else FLAGGED
    why = "A write to a prototype that everything inherits"
    techniques = hidden | {"prototype-pollution"}
    detector.add(node, "prototype-write", classification, why, techniques)


def judge_options(detector: Detector, node: Node, name: str | None) -> None:
    """Flag a write to NODE_OPTIONS: every process begun later runs what it names."""
    if name == "NODE_OPTIONS":
        why = "NODE_OPTIONS has every process that is begun later run other code"
        detector.add(node, "runtime-options", FLAGGED, why, {"dynamic-module"})


def writes_prototype(names: list[str | None], owner: Value, base: Node | None) -> bool:
    """Return whether names of members, from the base on, end on a prototype."""
    if "__proto__" in names:
        return True
    if any(
        isinstance(option, Host) and option.name in _PROTOTYPES
        for option in options(owner)
    ):
        return True
    pairs = pairwise(names)
    return ("constructor", "prototype") in pairs and len(names) > 2


def judge_pair(detector: Detector, node: Node, scope: Scope) -> None:
    """Flag `["__proto__"]: …` with a computed key, which makes an own member."""
    key = node.child_by_field_name("key")
    if key is None:
        return
    if b"NODE_OPTIONS" in (key.text or b"")[:40]:
        judge_options(detector, node, "NODE_OPTIONS")
    if key.type != "computed_property_name":
        return
    name, via = property_key(detector.folder, key, scope)
    if name == "__proto__":
        hidden = frozenset(via) & _HIDING
        why = "An own member named __proto__, which an unguarded merge follows"
        classification = FORBIDDEN if hidden else FLAGGED
        techniques = hidden | {"prototype-pollution"}
        detector.add(node, "prototype-key", classification, why, techniques)


def judge_merge(detector: Detector, node: Node, scope: Scope) -> None:
    """Flag a function that merges recursively without a guard, at its own call."""
    if not detector.may_merge:
        return
    callee = unwrap(node.child_by_field_name("function"))
    if callee is None or callee.type != "identifier":
        return
    name = text_of(callee)
    holder: Scope | None = scope
    while holder is not None:
        if holder.node.type in FUNCTIONS and is_unsafe_merge(holder.node, name):
            why = f"{name} merges recursively and follows __proto__"
            techniques = {"prototype-pollution"}
            detector.add(holder.node, "unsafe-merge", FLAGGED, why, techniques)
            return
        holder = holder.parent


def has_prototype_key(value: Value, depth: int = 0) -> bool:
    """Return whether a value from JSON has a member that pollutes when merged."""
    if depth > 20:
        return False
    if isinstance(value, Array):
        return any(has_prototype_key(item, depth + 1) for item in value.items)
    if not isinstance(value, Object):
        return False
    if "__proto__" in value.members:
        return True
    inner = value.members.get("constructor")
    if isinstance(inner, Object) and "prototype" in inner.members:
        return True
    return any(has_prototype_key(v, depth + 1) for v in value.members.values())
