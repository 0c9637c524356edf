"""What leads to capabilities by other ways than their names: imports, constructors, …

Each rule looks for one word in the source, follows what leads on, and doubts the rest.
"""

from __future__ import annotations

import re

from tree_sitter import Node

from policy.scanner.parsing.scopes import CHANGERS, FUNCTIONS, text_of, unwrap
from policy.scanner.proof.flow import (
    Flow,
    Way,
    flows_of,
    is_assigned,
    is_target,
    is_type,
)
from policy.scanner.proof.prover import Prover, leads_to_process
from policy.scanner.proof.source import VALUE_IDENTIFIERS, Use
from policy.scanner.proof.strings import keys_of
from policy.scanner.semantics.literals import unescape

_TAKEN = "A constructor is taken, which may be Function"
_ESCAPED = re.compile(rb"\\u(?=[0-9a-fA-F{])")
_NAMES = VALUE_IDENTIFIERS | {"property_identifier", "private_property_identifier"}


def follow_doors(prover: Prover) -> None:
    """Apply every rule to a file."""
    for rule in _RULES:
        rule(prover)


def _imports(prover: Prover) -> None:
    """Every import(…) and the imports that are doors themselves."""
    for use in prover.source.tokens("import"):
        call = use.up() if use.parent.type == "import" else use
        if call.node.type == "import" and call.parent.type == "call_expression":
            prover.load_call(call.up(), "dynamic import")
        elif use.parent.type == "import_statement":
            _import_of_process(prover, use.parent)
    for use in prover.source.tokens("export"):
        if use.parent.type == "export_statement" and _names_process(use.parent):
            why = "process is handed on to each file that imports this"
            prover.proof.doubt(use.parent, "escaping-capability", why)


def _names_process(statement: Node) -> bool:
    """Return whether an import or export statement names the module of process."""
    named = statement.child_by_field_name("source")
    for clause in statement.named_children:
        if clause.type == "import_require_clause":
            named = clause.child_by_field_name("source")
    return named is not None and leads_to_process(unescape(text_of(named)[1:-1]))


def _import_of_process(prover: Prover, statement: Node) -> None:
    """Follow process where an import statement names its module."""
    if not _names_process(statement):
        return
    for clause in statement.named_children:
        if clause.type in ("import_clause", "import_require_clause"):
            _imported_process(prover, clause)


def _imported_process(prover: Prover, clause: Node) -> None:
    """Follow the names that an import clause gives to process."""
    source = prover.source
    for child in clause.named_children:
        if child.type == "named_imports":
            for item in child.named_children:
                name = item.child_by_field_name("name")
                alias = item.child_by_field_name("alias") or name
                if name is None or alias is None:
                    continue
                key = frozenset((unescape(text_of(name)).strip("'\""),))
                bound = Use(alias, source.path_of(alias))
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


def _named_in_text(prover: Prover, text: Use) -> None:
    """Follow a member that is taken by the text `constructor`."""
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
        # The name of a method, where it is computed, stands outside of it.
        below = (*use.path[1:], use.node)
        inside = [
            node
            for node, child in zip(use.path, below, strict=True)
            if node.type in FUNCTIONS - {"arrow_function"}
            and child.type != "computed_property_name"
        ]
        if inside or is_type(use) or not prover.source.is_free(use, "arguments"):
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
        prover.source.look()
        node = prover.source.root.descendant_for_byte_range(*match.span())
        if node is not None and node.type in _NAMES:
            why = "A name is spelled with escapes"
            prover.proof.doubt(node, "escaped-name", why)


def _withs(prover: Prover) -> None:
    """Doubt every `with` statement."""
    for use in prover.source.tokens("with"):
        if use.parent.type == "with_statement":
            why = "with makes names depend on an object"
            prover.proof.doubt(use.parent, "with-statement", why)


def _options(prover: Prover) -> None:
    """Doubt a change of `process.execArgv`: every process begun later gets it."""
    for use in prover.source.tokens("execArgv"):
        if use.node.type != "property_identifier" or not use.path:
            continue
        member = use.up()
        changes = is_target(member) or any(
            flow.way is Way.MEMBER
            and (keys_of(prover.source, flow.use) or CHANGERS) & CHANGERS
            for flow in flows_of(member)
        )
        if changes:
            why = "Every process that is begun later is given other options"
            prover.proof.doubt(member.node, "runtime-options", why)


def _engines(prover: Prover) -> None:
    """Doubt crypto's `setEngine`, which loads compiled code."""
    for use in prover.source.tokens("setEngine"):
        if use.node.type in _NAMES and not prover.source.declarations("setEngine"):
            why = "setEngine loads compiled code"
            prover.proof.doubt(use.parent, "native-addon", why)


_RULES = (
    _engines,
    _imports,
    _constructors,
    _arguments,
    _callers,
    _escaped_names,
    _withs,
    _options,
)
