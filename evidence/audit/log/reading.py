"""Reading the tree: hashes, checkpoints, and the proofs made from them."""

from __future__ import annotations

import base64
from typing import Any

from evidence.audit.history import entry_document
from evidence.errors import LogRefused
from evidence.models import AuditEntry, LogCheckpoint, LogLeaf, LogSubtree
from evidence.proof.tree import consistency_proof, inclusion_proof
from evidence.proof.verify_archive import PROOF_SCHEMA, leaf_hash


def leaf_data(start: int, count: int) -> list[bytes]:
    """Return the data of leaves: the raw bytes of each entry's hash."""
    found = LogLeaf.objects.filter(leaf_index__gte=start, leaf_index__lt=start + count)
    hashes = found.order_by("leaf_index").values_list("entry__entry_hash", flat=True)
    return [bytes.fromhex(entry_hash) for entry_hash in hashes]


def read_hashes(level: int, start: int, count: int) -> list[bytes]:
    """Return hashes of a level of tiles, as `evidence.proof.tree` asks for them."""
    if level == 0:
        found = [leaf_hash(data) for data in leaf_data(start, count)]
    else:
        rows = LogSubtree.objects.filter(
            level=level, place__gte=start, place__lt=start + count
        )
        roots = rows.order_by("place").values_list("root_hex", flat=True)
        found = [bytes.fromhex(root) for root in roots]
    if len(found) != count:
        raise LogRefused(
            f"The history log has {len(found)} of the {count} hashes from {start} on "
            f"of level {level}."
        )
    return found


def newest_checkpoint() -> LogCheckpoint:
    """Return the newest checkpoint. Raise LogRefused where none was made yet."""
    checkpoint = LogCheckpoint.objects.first()
    if checkpoint is None:
        raise LogRefused("No checkpoint was made yet: the first comes within a minute.")
    return checkpoint


def entry_proof(entry: AuditEntry, checkpoint: LogCheckpoint) -> dict[str, Any]:
    """Return the document that proves an entry under a checkpoint.

    Raise LogRefused where the entry is not under it yet.
    """
    return {
        "schema": PROOF_SCHEMA,
        "entry": entry_document(entry),
        **leaf_proof(entry, checkpoint),
    }


def leaf_proof(entry: AuditEntry, checkpoint: LogCheckpoint) -> dict[str, Any]:
    """Return an entry proof's members apart from the entry itself."""
    leaf = LogLeaf.objects.filter(entry=entry).first()
    if leaf is None or leaf.leaf_index >= checkpoint.tree_size:
        raise LogRefused(
            "This entry is not under a checkpoint yet: entries are within a minute. "
            "Ask again then."
        )
    proof = inclusion_proof(leaf.leaf_index, checkpoint.tree_size, read_hashes)
    return {
        "leaf_index": leaf.leaf_index,
        "inclusion": [node_hash.hex() for node_hash in proof],
        "checkpoint": checkpoint.note,
    }


def prove_consistency(older: int, newer: int) -> list[str]:
    """Return the hex hashes that prove one size to extend another; LogRefused."""
    newest = newest_checkpoint().tree_size
    if not 0 <= older <= newer <= newest:
        raise LogRefused(
            f"Give two sizes from 0 to {newest}, that of the newest checkpoint, the "
            "smaller first."
        )
    return [
        node_hash.hex() for node_hash in consistency_proof(older, newer, read_hashes)
    ]


def entry_bundle(start: int, count: int) -> bytes:
    """Return leaves as C2SP's bundle: each preceded by its length in two bytes."""
    return b"".join(
        len(data).to_bytes(2, "big") + data for data in leaf_data(start, count)
    )


def checkpoint_members(checkpoint: LogCheckpoint) -> dict[str, Any]:
    """Return a checkpoint as the API shows it."""
    root = base64.b64encode(bytes.fromhex(checkpoint.root_hex)).decode()
    return {
        "tree_size": checkpoint.tree_size,
        "root_hash": root,
        "made_at": checkpoint.made_at,
        "note": checkpoint.note,
    }
