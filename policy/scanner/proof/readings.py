"""What may be read in two ways: by the grammar in one, by what runs it in another.

Such a place is doubted as it stands. Nobody needs one: it costs honest code nothing.
"""

from __future__ import annotations

import re

from tree_sitter import Node

from policy.scanner.parsing.scopes import text_of
from policy.scanner.proof.capabilities import FREE_NAMES
from policy.scanner.proof.prover import Prover
from policy.scanner.proof.source import VALUE_IDENTIFIERS

_MARKUP = re.compile(rb"<!--")
_NO_CODE = frozenset(
    ("string", "string_fragment", "template_string", "regex_pattern", "jsx_text")
)
# A name where an operand would have to follow, were it the keyword.
_KEYWORD_AS_NAME = re.compile(rb"\b(?:await|yield)\b(?=\s*(?:[,=)};\]]|of\b|in\b))")
# Words of TypeScript that mean something only before a name on the same line.
_WORD_AND_LINE = re.compile(
    rb"\b(?:interface|declare|type|abstract|namespace|module)"
    rb"(?=[ \t]*(?:\r|\n|\xe2\x80[\xa8\xa9]|/\*|//))"
)
_BY_WORD = frozenset(
    [
        "interface_declaration",
        "ambient_declaration",
        "type_alias_declaration",
        "abstract_class_declaration",
        "internal_module",
        "module",
    ]
)
_PRAGMA = re.compile(rb"@jsx(?:Frag)?\s+([\w$.]+)")


def doubt_readings(prover: Prover) -> None:
    """Apply every rule to a file."""
    for rule in (_markup, _keywords, _split_words, _pragmas):
        rule(prover)


def _at(prover: Prover, match: re.Match[bytes]) -> Node | None:
    """Return the innermost node that holds a match."""
    prover.source.look()
    return prover.source.root.descendant_for_byte_range(*match.span())


def _markup(prover: Prover) -> None:
    """`<!--` begins a comment in scripts, and none in modules."""
    for match in _MARKUP.finditer(prover.source.data):
        node = _at(prover, match)
        if node is None or node.type in _NO_CODE:
            continue
        if node.type == "comment" and node.start_byte != match.start():
            continue
        why = "This begins a comment in a script, and none in a module"
        prover.proof.doubt(node, "syntax-error", why)


def _keywords(prover: Prover) -> None:
    """`var await = f` makes a call of `await (x)`."""
    for match in _KEYWORD_AS_NAME.finditer(prover.source.data):
        node = _at(prover, match)
        if node is not None and node.type in VALUE_IDENTIFIERS:
            why = f"{text_of(node)} is a variable here, so that await (x) is a call"
            prover.proof.doubt(node, "syntax-error", why)


def _split_words(prover: Prover) -> None:
    """`declare`, a line's end and `var x = …` are two statements, and both run."""
    for match in _WORD_AND_LINE.finditer(prover.source.data):
        word = _at(prover, match)
        whole = word.parent if word is not None else None
        if word is None or whole is None or whole.type not in _BY_WORD:
            continue
        after = word.next_sibling
        if after is not None and _is_apart(prover.source.data, word, after):
            why = "What stands on the next line is run, and not declared"
            prover.proof.doubt(whole, "syntax-error", why)


def _is_apart(data: bytes, word: Node, after: Node) -> bool:
    """Return whether a line ends between a word and what comes after it."""
    if after.type == "comment" and after.next_sibling is not None:
        after = after.next_sibling
    between = data[word.end_byte : after.start_byte].decode("utf-8", "replace")
    return any(sign in between for sign in "\r\n\u2028\u2029")


def _pragmas(prover: Prover) -> None:
    """`@jsx f` in a comment makes calls of f, with the names of elements."""
    source = prover.source
    for match in _PRAGMA.finditer(source.data):
        node = _at(prover, match)
        if node is None or node.type != "comment":
            continue
        parts = match[1].decode().split(".")
        if not set(parts).isdisjoint(FREE_NAMES):
            why = "Elements are made by something of the runtime's"
            prover.proof.doubt(node, "escaping-capability", why)
        else:
            prover.called_unseen.add(parts[0])
