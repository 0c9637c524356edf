"""A tree that only grows, in memory that does not: no rows, no clock."""

from __future__ import annotations

from evidence.proof.verify_archive import EMPTY_ROOT, node_hash


class Frontier:
    """The roots of the complete subtrees of a growing tree, largest first."""

    def __init__(self) -> None:
        self.size = 0
        self._parts: list[tuple[int, bytes]] = []

    def add(self, leaf: bytes) -> None:
        """Append one leaf hash."""
        height, root = 0, leaf
        while self._parts and self._parts[-1][0] == height:
            root = node_hash(self._parts.pop()[1], root)
            height += 1
        self._parts.append((height, root))
        self.size += 1

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        if not self._parts:
            return EMPTY_ROOT
        root = self._parts[-1][1]
        for _, left in reversed(self._parts[:-1]):
            root = node_hash(left, root)
        return root
