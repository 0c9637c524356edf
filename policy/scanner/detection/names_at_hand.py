"""Forbidden names that stand in a file which loads, or hands on, what is not proved.

A loader that gets an open name, or is handed on, is flagged. Where the file also holds,
as a text of its own, the very name of a forbidden module, that is what it is given:
nobody else has use for such a text. It makes a doubt worse, never better.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from policy.scanner.detection.findings import FORBIDDEN, Detector
from policy.scanner.families import ASSEMBLIES, ENCODINGS
from policy.scanner.modules import FORBIDDEN_MODULES, builtin_name
from policy.scanner.parsing.scopes import arguments_of
from policy.scanner.proof import Doubt, Proof
from policy.scanner.semantics.values import Text

_LOADING = frozenset(("dynamic-module", "escaping-require"))
_MAY_LOAD = _LOADING | {"escaping-capability", "closed-member", "dynamic-member"}
_INTERNALS = frozenset(("binding", "_linkedBinding", "dlopen"))
_QUOTED = re.compile(
    rb"(['\"`])(?<![\w$].)(?:(?:node:)?(?:%b)(?:/\w+)?|%b)\1"
    % (
        "|".join(sorted(FORBIDDEN_MODULES)).encode(),
        "|".join(sorted(_INTERNALS)).encode(),
    )
)
# Where a text is asked for, names a member or a type, or is loaded in plain sight.
_ELSEWHERE = frozenset(
    [
        "binary_expression",
        "switch_case",
        "import_statement",
        "export_statement",
        "import_require_clause",
        "literal_type",
        "jsx_attribute",
        "expression_statement",
    ]
)
# A list of names, as those have who ask which modules are the runtime's own.
_MOST_BESIDE = 8


def name_doubts(detector: Detector, proof: Proof) -> None:
    """Make doubts worse where the name that they wait for stands in the file."""
    loading = [doubt for doubt in proof.doubts if doubt.rule in _MAY_LOAD]
    if not loading:
        return
    spelled = {a.id for load in proof.loads for a in arguments_of(load.node)[:1]}
    places = list(_places(detector, spelled))
    names = {name for name, _ in places} | set(_assembled(detector))
    modules = sorted(names & FORBIDDEN_MODULES)
    internals = sorted(names & _INTERNALS)
    for doubt in loading:
        if modules and _loads(doubt):
            _worsen(detector, doubt, "forbidden-module", modules[0], places)
        elif internals and doubt.rule not in _LOADING and b"process" in _text(doubt):
            _worsen(detector, doubt, "process-binding", internals[0], places)


def _loads(doubt: Doubt) -> bool:
    """Return whether what is in doubt may be what loads a module."""
    if doubt.rule in _LOADING:
        return True
    words = (b"require", b"module", b"process", b"Module")
    return doubt.rule != "dynamic-member" and any(w in _text(doubt) for w in words)


def _text(doubt: Doubt) -> bytes:
    """Return the source of a doubt, as far as it says what is in doubt."""
    return (doubt.node.text or b"")[:400]


def _worsen(
    detector: Detector,
    doubt: Doubt,
    rule: str,
    name: str,
    places: list[tuple[str, Node]],
) -> None:
    """Record the place that gets the name, or else the doubt, as forbidden."""
    why = f"{doubt.why}, and the file has the forbidden name {name} to give it"
    called = [call for found, text in places if found == name for call in _given(text)]
    node = doubt.node
    if doubt.rule != "dynamic-module" and called:
        node = called[0]
    detector.add(node, rule, FORBIDDEN, why, {"unproved"})


def _given(text: Node) -> Iterator[Node]:
    """Yield the call that a text is an argument of."""
    inside = text.parent
    if inside is not None and inside.type == "arguments" and inside.parent is not None:
        yield inside.parent


def _places(detector: Detector, spelled: set[int]) -> Iterator[tuple[str, Node]]:
    """Yield the texts of a file that are forbidden names, and nothing else.

    `spelled` are the arguments, by id, of loads that are found for what they load: such
    a text waits for no other.
    """
    root = detector.syntax.root
    for match in _QUOTED.finditer(detector.syntax.source):
        node = root.descendant_for_byte_range(*match.span())
        if node is None or node.byte_range != match.span():
            continue
        text = match[0][1:-1].decode()
        if node.type not in ("string", "template_string") or node.id in spelled:
            continue
        if _is_elsewhere(node) and not _is_asked_for(node, text):
            continue
        yield (text if text in _INTERNALS else builtin_name(text) or text), node


def _is_asked_for(node: Node, text: str) -> bool:
    """Return whether a member's name is looked for among others: `k == 'binding'`."""
    parent = node.parent
    is_compared = parent is not None and parent.type == "binary_expression"
    return is_compared and text in _INTERNALS


def _is_elsewhere(node: Node) -> bool:
    """Return whether a text stands where no loader can come by it."""
    parent = node.parent
    if parent is None or parent.type in _ELSEWHERE:
        return True
    if parent.type == "pair":
        key = parent.child_by_field_name("key")
        return key is not None and key.id == node.id
    return parent.type == "array" and parent.named_child_count > _MOST_BESIDE


def _assembled(detector: Detector) -> Iterator[str]:
    """Yield the forbidden names that folding put together."""
    for value in detector.folder.memo.values():
        if type(value) is not Text or len(value.text) > 40:
            continue
        if value.text in _INTERNALS and value.via & ASSEMBLIES:
            yield value.text
        elif value.via & (ASSEMBLIES | ENCODINGS):
            name = builtin_name(value.text)
            if name in FORBIDDEN_MODULES and name is not None:
                yield name
