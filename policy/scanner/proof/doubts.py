"""What a proof says of a file: the modules that it loads, and what is not proved."""

from __future__ import annotations

from dataclasses import dataclass, field

from tree_sitter import Node

MAX_DOUBTS = 200


@dataclass(frozen=True)
class Doubt:
    """A place of which it is not proved what it loads, runs or reaches."""

    node: Node
    rule: str
    why: str


@dataclass(frozen=True)
class Load:
    """A place that loads a module, with every name that it may load."""

    node: Node
    how: str
    texts: frozenset[str]


@dataclass
class Proof:
    """What is proved of a file, and what is not."""

    loads: list[Load] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)

    def doubt(self, node: Node, rule: str, why: str) -> None:
        """Note a place that is not proved harmless, up to `MAX_DOUBTS`."""
        if len(self.doubts) < MAX_DOUBTS:
            self.doubts.append(Doubt(node, rule, why))
