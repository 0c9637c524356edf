"""Parse JavaScript, TypeScript and JSX with tree-sitter.

Guarantees: nothing is executed; a file that is too large, too deep or has too many
nodes is reported as not fully analysed, never passed over. What the grammar cannot
read stays in the tree as ERROR nodes, which are reported.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from functools import cache

import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser, Tree

# A bundle of a whole application is some 10 MB; more is not an extension's source.
MAX_FILE_BYTES = 16 * 1024 * 1024
# 16 MB of minified code has some 4 million nodes, walked in a few seconds.
MAX_NODES = 5_000_000
MAX_REPORTED_ERRORS = 20

LANGUAGE_BY_SUFFIX = {
    ".js": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".jsx": "javascript",
    ".ts": "typescript",
    ".mts": "typescript",
    ".cts": "typescript",
    ".tsx": "tsx",
}
_FALLBACKS = {
    "javascript": ("tsx", "typescript"),
    "typescript": ("tsx",),
    "tsx": ("typescript",),
}
# A second parse costs as much as the first: not for files where that is seconds.
_MAX_FALLBACK_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True)
class Syntax:
    """A parsed file; `source` is the UTF-8 text that the tree's offsets refer to."""

    tree: Tree
    source: bytes
    language: str

    @property
    def root(self) -> Node:
        return self.tree.root_node


@cache
def _parser(language: str) -> Parser:
    grammar = {
        "javascript": tree_sitter_javascript.language,
        "typescript": tree_sitter_typescript.language_typescript,
        "tsx": tree_sitter_typescript.language_tsx,
    }[language]
    return Parser(Language(grammar()))


def language_of(path: str, data: bytes) -> str | None:
    """Return the grammar for a file by its suffix or `#!` line, or None."""
    lowered = path.lower()
    for suffix, language in LANGUAGE_BY_SUFFIX.items():
        if lowered.endswith(suffix):
            return language
    first_line = data[:200].split(b"\n", 1)[0]
    if first_line.startswith(b"#!") and any(
        name in first_line for name in (b"node", b"bun", b"deno", b"tsx")
    ):
        return "javascript"
    return None


def to_utf8(data: bytes) -> bytes:
    """Return the text in UTF-8: byte order marks are honoured, as runtimes do."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").encode("utf-8", "replace")
    return data.removeprefix(codecs.BOM_UTF8)


def parse(source: bytes, language: str) -> Syntax:
    """Parse with the grammar given, or with a fallback that reads it better."""
    best = Syntax(_parser(language).parse(source), source, language)
    if not best.root.has_error or len(source) > _MAX_FALLBACK_BYTES:
        return best
    fewest = error_bytes(best)
    for other in _FALLBACKS[language]:
        candidate = Syntax(_parser(other).parse(source), source, other)
        if not candidate.root.has_error:
            return candidate
        count = error_bytes(candidate)
        if count < fewest:
            best, fewest = candidate, count
    return best


def error_nodes(syntax: Syntax) -> list[Node]:
    """Return the outermost ERROR and missing nodes, up to MAX_REPORTED_ERRORS."""
    found: list[Node] = []
    stack = [syntax.root] if syntax.root.has_error else []
    while stack and len(found) < MAX_REPORTED_ERRORS:
        node = stack.pop()
        if node.is_error or node.is_missing:
            found.append(node)
        else:
            stack.extend(c for c in reversed(node.children) if c.has_error)
    return found


def error_bytes(syntax: Syntax) -> int:
    """Return how much of the file the grammar could not read."""
    return sum(n.end_byte - n.start_byte + 1 for n in error_nodes(syntax))
