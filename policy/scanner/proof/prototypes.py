"""Prototypes that everything inherits: who writes to one changes what others do.

Followed from the names of the runtime's own classes, and from what inherits from them.
"""

from __future__ import annotations

import re

from tree_sitter import Node

from policy.scanner.parsing.scopes import CLASSES, FUNCTIONS, arguments_of, unwrap
from policy.scanner.proof.capabilities import BUILT_IN_CLASSES
from policy.scanner.proof.flow import Flow, Way, is_assigned
from policy.scanner.proof.inheritance import gives_prototype
from policy.scanner.proof.prover import Prover
from policy.scanner.proof.source import VALUE_IDENTIFIERS, Use
from policy.scanner.proof.words import NAME_BYTES

# Most uses call the class, or one of its own functions: nothing is inherited there.
# What is in front is looked at afterwards: a search that begins with that is slow.
_TAKEN = re.compile(
    rb"(?:%b)(?![\w$])"
    rb"(?!\s*(?:\(|\??\.\s*(?!prototype|constructor|__proto__)[a-zA-Z]))"
    % "|".join(sorted(BUILT_IN_CLASSES)).encode()
)
_NAME_OR_DOT = NAME_BYTES | frozenset(b".")
_LITERALS = (
    FUNCTIONS
    | CLASSES
    | {"string", "array", "regex", "template_string", "number", "object"}
)


def follow_prototypes(prover: Prover) -> None:
    """Follow every prototype of the runtime's own classes."""
    _named(prover)
    for use in prover.source.tokens("__proto__"):
        member = use
        if use.node.type == "string_fragment" and len(use.path) > 1:
            member = use.up()
        if member.parent.type == "pair_pattern":
            _taken_apart(prover, member)
        elif member.parent.type in ("member_expression", "subscript_expression"):
            owner = member.parent.child_by_field_name("object")
            if not is_assigned(member.up()) and owner is not None:
                prover.follow(_kind(unwrap(owner)), member.up())
    for use in prover.source.tokens("getPrototypeOf"):
        _asked(prover, use)


def _named(prover: Prover) -> None:
    """Follow the names of the runtime's own classes."""
    source = prover.source
    for match in _TAKEN.finditer(source.data):
        start = match.start()
        if start and source.data[start - 1] in _NAME_OR_DOT:
            continue
        source.look()
        node = source.root.descendant_for_byte_range(*match.span())
        if node is None or node.type not in VALUE_IDENTIFIERS:
            continue
        use = Use(node, source.path_of(node))
        if source.is_free(use, match[0].decode()):
            prover.free("class", use)


def _taken_apart(prover: Prover, key: Use) -> None:
    """Follow `const {__proto__: p} = []`."""
    kept = key.parent.child_by_field_name("value")
    holder = key.path[-3] if len(key.path) > 2 else key.parent
    value = holder.child_by_field_name("value") or holder.child_by_field_name("right")
    if kept is not None and kept.type == "identifier":
        flow = Flow(Way.NAME, Use(kept, key.path))
        prover.named(_kind(unwrap(value)), flow)


def _asked(prover: Prover, use: Use) -> None:
    """Follow what Object.getPrototypeOf(…) gives."""
    if use.parent.type != "member_expression" or len(use.path) < 2:
        return
    call = use.up().up()
    arguments = arguments_of(call.node)
    inside = call.node.child_by_field_name("arguments")
    if call.node.type != "call_expression" or not arguments or inside is None:
        return
    asked = Use(arguments[0], (*call.path, call.node, inside))
    if gives_prototype(prover.source, asked):
        prover.follow(_kind(unwrap(asked.node)), call)


def _kind(owner: Node | None) -> str:
    """Return what a value inherits from: the runtime's own, or it is not known."""
    if owner is not None and owner.type in FUNCTIONS | CLASSES:
        return "Function.prototype"
    is_literal = owner is not None and owner.type in _LITERALS
    return "inherited" if is_literal else "prototype"
