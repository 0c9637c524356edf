"""Parse JavaScript, TypeScript and JSX with tree-sitter.

Guarantees: nothing is executed; a file that is too large, too deep or has too many
nodes is reported as not fully analysed, never passed over. What the grammar cannot
read stays in the tree as ERROR nodes, which are reported.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import cache
from itertools import count

import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser, Point, Tree

from policy.scanner.limits import PARSE_SECONDS, Clock, OverTimeError

# A bundle of a whole application is some MB; more is neither parsed nor walked within
# the memory and time that a file may take.
MAX_FILE_BYTES = 5 * 1024 * 1024
MAX_NODES = 2_000_000
MAX_REPORTED_ERRORS = 20

LANGUAGE_BY_SUFFIX = {
    ".js": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".jsx": "javascript",
    ".es": "javascript",
    ".es6": "javascript",
    ".jsm": "javascript",
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
_PIECE_BYTES = 64 * 1024
_CALLS_BETWEEN_LOOKS = 32


@dataclass(frozen=True)
class Syntax:
    """A parsed file; `source` is the UTF-8 text that the tree's offsets refer to."""

    tree: Tree
    source: bytes
    language: str

    @property
    def root(self) -> Node:
        """Return the root of the tree."""
        return self.tree.root_node


@cache
def _parser(language: str) -> Parser:
    """Return a parser of a language's grammar."""
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


# These end a line as well, and with it what stands after `#!`.
_OTHER_ENDS = re.compile(rb"\r(?!\n)|\xe2\x80[\xa8\xa9]")


def _plain_first_line(source: bytes) -> bytes:
    """Return a source whose `#!` line ends where the runtime lets it end.

    The grammar takes it to the next line feed; a comment it ends at any line's end.
    """
    if not source.startswith(b"#!"):
        return source
    first = source[: source.find(b"\n") if b"\n" in source else None]
    return b"//" + source[2:] if _OTHER_ENDS.search(first) else source


def parse(source: bytes, language: str, clock: Clock | None = None) -> Syntax:
    """Parse with the grammar given, or with a fallback that reads it better.

    Raise OverTimeError where not even the first is done in PARSE_SECONDS.
    """
    source = _plain_first_line(source)
    limit = Clock(min(PARSE_SECONDS, (clock or Clock()).seconds))
    best = Syntax(_read(source, language, limit), source, language)
    if not best.root.has_error or len(source) > _MAX_FALLBACK_BYTES:
        return best
    fewest = error_bytes(best)
    for other in _FALLBACKS[language]:
        try:
            candidate = Syntax(_read(source, other, limit), source, other)
        except OverTimeError:
            break
        if not candidate.root.has_error:
            return candidate
        count = error_bytes(candidate)
        if count < fewest:
            best, fewest = candidate, count
    return best


def _read(source: bytes, language: str, limit: Clock) -> Tree:
    """Parse in pieces, so that the parser asks whether it may go on."""

    def piece(offset: int, _: Point) -> bytes:
        return source[offset : offset + _PIECE_BYTES]

    asked = count(1)

    def is_over(*_: object) -> bool:
        # Asking for the time costs more than what was parsed in between.
        return next(asked) % _CALLS_BETWEEN_LOOKS == 0 and limit.is_over()

    parser = _parser(language)
    try:
        tree = parser.parse(piece, progress_callback=is_over)
        # A tree that knows its source as a whole; what is parsed already is taken over.
        return parser.parse(source, old_tree=tree)
    except ValueError as error:
        # Else the next file would be taken for the rest of this one.
        parser.reset()
        raise OverTimeError from error


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
