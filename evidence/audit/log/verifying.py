"""Holding today's history against checkpoints that somebody kept.

Every entry is read once, in the order of its leaf, and hashed anew from its content;
the roots over the kept sizes come out of the same pass, in memory that does not grow.
What the database itself notes (indexes, subtrees, checkpoints) is compared too, and
believed in nothing: who may rewrite entries may rewrite those as well. The kept
checkpoint is the one thing that they cannot.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from evidence.audit.chain import ChainFault, entry_hash
from evidence.audit.history import entry_document
from evidence.audit.log.frontier import Frontier
from evidence.errors import HistoryError
from evidence.format import DocumentRefused
from evidence.models import AuditEntry, LogCheckpoint, LogLeaf, LogSubtree
from evidence.proof.tree import TILE_WIDTH
from evidence.proof.verify_archive import (
    EMPTY_ROOT,
    Checkpoint,
    Key,
    leaf_hash,
    open_checkpoint,
)

LOG = "log"
CHUNK = 2_000


@dataclass
class LogVerdict:
    """What holding the history against checkpoints found."""

    entries: int = 0
    faults: list[ChainFault] = field(default_factory=list)
    agreed: list[int] = field(default_factory=list)

    def fault(self, sequence: int, code: str, message: str, stream: str = LOG) -> None:
        self.faults.append(ChainFault(stream, sequence, code, message))

    def has(self, code: str) -> bool:
        return any(fault.code == code for fault in self.faults)


def open_kept(note: bytes, keys: list[Key]) -> Checkpoint:
    """Return what a kept checkpoint states. Raise HistoryError for an unsound one."""
    try:
        return open_checkpoint(note, keys)
    except ValueError as error:
        raise HistoryError(
            f"The checkpoint that was given cannot be relied on: {error}. Give the "
            "file as it was kept, and the key it was signed with.",
            code="checkpoint_unsound",
        ) from None


def verify_log(kept: list[Checkpoint]) -> LogVerdict:
    """Hold today's history against kept checkpoints, and against what it notes itself.

    Codes: `log_forked` (the tree of a kept size is another), `log_cut` (it has fewer
    leaves), `leaf_missing` (an index is given to no entry), `hash_mismatch` (content
    that does not give its hash), `leaf_order` (indexes of a stream do not rise with its
    entries), `subtree_mismatch` and `checkpoint_mismatch` (noted hashes), and
    `entry_unplaced` (an entry that has no leaf though later ones do).
    """
    verdict = LogVerdict()
    wanted = {checkpoint.size: checkpoint for checkpoint in kept}
    noted = _noted_checkpoints()
    roots: dict[int, bytes] = {0: EMPTY_ROOT}
    frontier, subtrees = Frontier(), _Subtrees(verdict)
    sequences: dict[str, int] = {}
    for index, entry in _leaves():
        if index != frontier.size:
            message = f"leaf {frontier.size} stands for no entry"
            verdict.fault(frontier.size, "leaf_missing", message)
            break
        _check_entry(entry, sequences, verdict)
        leaf = leaf_hash(bytes.fromhex(entry.entry_hash))
        frontier.add(leaf)
        subtrees.add(leaf)
        if frontier.size in wanted or frontier.size in noted:
            roots[frontier.size] = frontier.root()
    verdict.entries = frontier.size
    _compare_kept(kept, roots, frontier.size, verdict)
    for size, root_hex in noted.items():
        if size not in roots or roots[size].hex() != root_hex:
            message = f"the noted checkpoint of {size} entries is not that of today's"
            verdict.fault(size, "checkpoint_mismatch", message)
    _find_unplaced(verdict)
    return verdict


def _leaves() -> Iterator[tuple[int, AuditEntry]]:
    rows = LogLeaf.objects.order_by("leaf_index").select_related("entry")
    return ((row.leaf_index, row.entry) for row in rows.iterator(chunk_size=CHUNK))


def _noted_checkpoints() -> dict[int, str]:
    rows = LogCheckpoint.objects.order_by("tree_size")
    return dict(rows.values_list("tree_size", "root_hex"))


def _check_entry(
    entry: AuditEntry, sequences: dict[str, int], verdict: LogVerdict
) -> None:
    try:
        sound = entry_hash(entry_document(entry)) == entry.entry_hash
    except DocumentRefused:
        sound = False
    if not sound:
        message = "the content does not hash to its entry_hash: it was changed"
        verdict.fault(entry.sequence, "hash_mismatch", message, entry.stream)
    if sequences.get(entry.stream, 0) >= entry.sequence:
        message = "its leaf stands after that of a later entry of its stream"
        verdict.fault(entry.sequence, "leaf_order", message, entry.stream)
    sequences[entry.stream] = entry.sequence


class _Subtrees:
    """Compares the noted roots of whole tiles with those of today's entries."""

    def __init__(self, verdict: LogVerdict) -> None:
        self.verdict = verdict
        self.levels: list[list[bytes]] = []
        self.counts: list[int] = []

    def add(self, root: bytes, level: int = 0) -> None:
        if level == len(self.levels):
            self.levels.append([])
            self.counts.append(0)
        self.levels[level].append(root)
        if len(self.levels[level]) < TILE_WIDTH:
            return
        frontier = Frontier()
        for node in self.levels[level]:
            frontier.add(node)
        self.levels[level] = []
        place = self.counts[level]
        self.counts[level] += 1
        whole = frontier.root()
        noted = LogSubtree.objects.filter(level=level + 1, place=place).first()
        if noted is None or noted.root_hex != whole.hex():
            message = f"the noted hash of tile {level}/{place} is not that of today's"
            self.verdict.fault(place, "subtree_mismatch", message)
        self.add(whole, level + 1)


def _compare_kept(
    kept: list[Checkpoint], roots: dict[int, bytes], size: int, verdict: LogVerdict
) -> None:
    agreed = 0
    for checkpoint in sorted(kept, key=lambda checkpoint: checkpoint.size):
        if checkpoint.size > size and verdict.has("leaf_missing"):
            message = (
                f"without that leaf, the first {checkpoint.size} cannot be compared"
            )
            verdict.fault(checkpoint.size, "log_forked", message)
        elif checkpoint.size > size:
            message = (
                f"the checkpoint is over {checkpoint.size} entries, today's history "
                f"has {size}: {checkpoint.size - size} were cut off"
            )
            verdict.fault(checkpoint.size, "log_cut", message)
        elif roots[checkpoint.size] != checkpoint.root:
            root = base64.b64encode(roots[checkpoint.size]).decode()
            message = (
                f"the first {checkpoint.size} entries are not those that were signed: "
                f"what was changed, taken out or put in stands among the entries "
                f"{agreed + 1} to {checkpoint.size} (today's root is {root})"
            )
            verdict.fault(checkpoint.size, "log_forked", message)
        else:
            agreed = checkpoint.size
            verdict.agreed.append(checkpoint.size)


def _find_unplaced(verdict: LogVerdict) -> None:
    """Report entries without a leaf whose stream goes on in the tree after them."""
    unplaced: Any = AuditEntry.everything.filter(log_leaf__isnull=True).order_by("id")
    for entry in unplaced.iterator(chunk_size=CHUNK):
        later = LogLeaf.objects.filter(
            entry__stream=entry.stream, entry__sequence__gt=entry.sequence
        )
        if later.exists():
            message = "the entry has no leaf, and entries after it do"
            verdict.fault(entry.sequence, "entry_unplaced", message, entry.stream)
