"""Roots and proofs of the history's tree, from hashes that somebody else keeps.

RFC 6962, sections 2.1 to 2.1.2. The tree is kept the way C2SP tlog-tiles serves it: the
hashes at heights 0, 8, 16 …, of complete subtrees only. `read(level, start, count)`
returns those of height 8 * level, which stand for 256**level leaves each. Every other
hash follows from fewer than 256 of them.

Pure: no rows, no clock. Checking proofs is verify_archive.py's part, so that what the
product believes is what a stranger's copy of the checker says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from evidence.proof.verify_archive import EMPTY_ROOT, node_hash

TILE_HEIGHT = 8
TILE_WIDTH = 2**TILE_HEIGHT

ReadHashes = Callable[[int, int, int], list[bytes]]


def fold(hashes: list[bytes]) -> bytes:
    """Return the root over a power of two of sibling hashes."""
    while len(hashes) > 1:
        hashes = [
            node_hash(left, right)
            for left, right in zip(hashes[::2], hashes[1::2], strict=True)
        ]
    return hashes[0]


def subtree_of_tile(hashes: list[bytes]) -> bytes:
    """Return the root over a whole tile: what the level above keeps of it."""
    if len(hashes) != TILE_WIDTH:
        raise ValueError(f"a whole tile has {TILE_WIDTH} hashes, not {len(hashes)}")
    return fold(hashes)


def root_of(size: int, read: ReadHashes) -> bytes:
    """Return the root over the first `size` leaves."""
    return _range_root(0, size, read) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read: ReadHashes) -> list[bytes]:
    """Return the hashes from a leaf to the root over `size` leaves, leaf first."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    proof = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(_range_root(middle, end, read))
            end = middle
        else:
            proof.append(_range_root(start, middle, read))
            start = middle
    return proof[::-1]


def consistency_proof(size1: int, size2: int, read: ReadHashes) -> list[bytes]:
    """Return the proof that the tree of `size2` leaves extends that of `size1`."""
    if not 0 <= size1 <= size2:
        raise ValueError(f"a tree of {size2} leaves extends none of {size1}")
    if size1 in (0, size2):
        return []
    proof = []
    start, end, whole = 0, size2, True
    while end != size1:
        middle = start + _split(end - start)
        if size1 <= middle:
            proof.append(_range_root(middle, end, read))
            end = middle
        else:
            proof.append(_range_root(start, middle, read))
            start, whole = middle, False
    if not whole:
        proof.append(_range_root(start, end, read))
    return proof[::-1]


def _split(count: int) -> int:
    """Return the largest power of two below a count of leaves."""
    return 1 << (count - 1).bit_length() - 1


def _range_root(start: int, end: int, read: ReadHashes) -> bytes:
    """Return the root over leaves `start` to `end`, which begin at a subtree."""
    parts = [_subtree_root(*subtree, read) for subtree in _subtrees(start, end)]
    root = parts.pop()
    while parts:
        root = node_hash(parts.pop(), root)
    return root


def _subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (start, height) of the complete subtrees that make up a range."""
    while start < end:
        height = (end - start).bit_length() - 1
        yield start, height
        start += 1 << height


def _subtree_root(start: int, height: int, read: ReadHashes) -> bytes:
    """Return a full subtree's root, folded from the tiles below it."""
    level = height // TILE_HEIGHT
    count = 1 << height - level * TILE_HEIGHT
    return fold(read(level, start >> level * TILE_HEIGHT, count))
