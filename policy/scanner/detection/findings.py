"""What every rule needs: the file, the folder, and how an entry is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tree_sitter import Node

from policy.scanner.detection.merges import may_hold_merge
from policy.scanner.families import (
    FAMILIES,
    describe,
    order_techniques,
    primary_family,
)
from policy.scanner.folding import Folder
from policy.scanner.parsing.scopes import (
    Program,
)
from policy.scanner.parsing.syntax import Syntax
from policy.scanner.report_entries import Classification, Entry
from policy.scanner.semantics.values import (
    Via,
)

FORBIDDEN, FLAGGED, SAFE = (
    Classification.FORBIDDEN,
    Classification.FLAGGED,
    Classification.SAFE,
)
MAX_EXCERPT = 160
MAX_ENTRIES = 1_000
BINDINGS = frozenset(("process.binding", "process.dlopen", "process._linkedBinding"))
VISIBLE = frozenset(("global-object", "this-object"))


_Key = tuple[int, str, Classification]


@dataclass
class Findings:
    """What a file's detection came to."""

    entries: list[Entry] = field(default_factory=list)
    is_complete: bool = True
    incomplete_because: str = ""
    loads: tuple[str, ...] = ()


class Detector:
    """Collects the entries of one file, and knows what every rule needs."""

    def __init__(
        self,
        syntax: Syntax,
        path: str,
        program: Program,
        folder: Folder,
        nested: NestedScan,
    ) -> None:
        self.syntax, self.path = syntax, path
        self._nested = nested
        self.program, self.folder = program, folder
        self.entries: dict[_Key, Entry] = {}
        self.nodes: dict[_Key, Node] = {}
        self.callees: set[int] = set()
        # Files that are loaded, as the source names them.
        self.loads: set[str] = set()
        self.is_full = False
        self.may_merge = may_hold_merge(syntax.source)
        # The last place that was counted: a line may be as long as the file.
        self._counted = (0, 0, 0)

    def add(
        self,
        node: Node,
        rule: str,
        classification: Classification,
        why: str,
        via: Iterable[str] = (),
    ) -> None:
        """Record an entry; of several for one place and rule, the worst stays."""
        key = (node.start_byte, rule, classification)
        if key in self.entries:
            return
        # What is forbidden has room even where others filled the report.
        room = MAX_ENTRIES * (2 if classification is FORBIDDEN else 1)
        if len(self.entries) >= room:
            self.is_full = True
            return
        techniques = order_techniques(set(via))
        family = FAMILIES[primary_family(techniques)]
        hidden = describe(techniques)
        line, column = self.position(node)
        self.nodes[key] = node
        self.entries[key] = Entry(
            file=self.path,
            line=line,
            column=column,
            rule=rule,
            classification=classification,
            excerpt=excerpt(node),
            why=f"{why} ({hidden})." if hidden else f"{why}.",
            family=family.name,
            techniques=techniques,
            suggested_pattern=family.suggested_pattern,
            regression_test_idea=family.regression_test_idea,
            end_line=node.end_point.row + 1,
        )

    def nested(self, node: Node, code: str, via: Via) -> None:
        """Scan code that a string carries, and report it at the place that runs it."""
        self._nested(self, node, code, via)

    def position(self, node: Node) -> tuple[int, int]:
        """Return line and column of a node, both from 1; columns count characters."""
        row, column_bytes = node.start_point
        start = node.start_byte - column_bytes
        line, place, characters = self._counted
        if line != start or place > node.start_byte:
            place, characters = start, 0
        between = self.syntax.source[place : node.start_byte]
        characters += len(between.decode("utf-8", "replace"))
        self._counted = (start, node.start_byte, characters)
        return row + 1, characters + 1


def excerpt(node: Node) -> str:
    """Return a node's text on one line, cut to MAX_EXCERPT characters."""
    raw = (node.text or b"")[: MAX_EXCERPT * 4].decode("utf-8", "replace")
    flat = visible(" ".join(raw.split()))
    return flat if len(flat) <= MAX_EXCERPT else flat[: MAX_EXCERPT - 1] + "…"


def visible(text: str, keep: str = "") -> str:
    """Return text with what cannot be printed spelt out, apart from `keep`."""
    return "".join(
        c if c.isprintable() or c in keep else f"\\u{ord(c):04x}" for c in text
    )


NestedScan = Callable[[Detector, Node, str, Via], None]
