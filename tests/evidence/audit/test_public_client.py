"""A public client of C2SP's tlog-tiles reads this log, and judges its proofs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidSignature
from django.test import Client
from pytest_django import Settings
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey, VkeySet
from tlog_scales.tlog import (
    Checkpoint,
    ConsistencyProof,
    ConsistencyProofInvalid,
    InclusionProof,
    InclusionProofInvalid,
)

from evidence.audit.log.growing import grow_log
from evidence.audit.log.keys import rotate_log_key, verifier_keys
from evidence.audit.log.publishing import publish_checkpoints
from evidence.audit.log.reading import entry_proof, newest_checkpoint, prove_consistency
from evidence.models import AuditEntry, LogCheckpoint
from evidence.proof.notes import encode_verifier
from evidence.proof.tree import EMPTY_ROOT
from evidence.proof.verify_archive import leaf_hash, parse_key
from tests.evidence.audit.test_log import MINUTE, write
from tests.evidence.audit.test_publishing import Witness, witness
from tests.factories import NOON

pytestmark = pytest.mark.long

__all__ = ("witness",)
# Below, at and beyond the edges of a tile of 256.
SIZES = (1, 2, 255, 256, 257, 300)


class Pages:
    """What the client reads from: the pages below /log/, as anybody gets them."""

    def __init__(self) -> None:
        self.client = Client()

    def get(self, *path: str) -> bytes | None:
        answer = self.client.get(f"/log/{'/'.join(path)}")
        return answer.content if answer.status_code == 200 else None


@pytest.fixture
def checkpoints(db: None, settings: Settings) -> list[LogCheckpoint]:
    """A public log, with a checkpoint of each size."""
    settings.LOG_IS_PUBLIC = True
    made, written = [], 0
    for turn, size in enumerate(SIZES):
        write(size - written)
        written = size
        made.append(grow_log(now=NOON + turn * MINUTE, state_now=True))
    assert [one.tree_size for one in made] == list(SIZES)
    return made


def read_checkpoint(row: LogCheckpoint) -> Checkpoint:
    return Checkpoint.from_text(row.note)


def _proof_of(entry: AuditEntry) -> list[str]:
    found: list[str] = entry_proof(entry, newest_checkpoint())["inclusion"]
    return found


def our_keys() -> list[Vkey]:
    return [Vkey.from_string(encode_verifier(key)) for key in verifier_keys()]


def test_it_reads_the_checkpoint_and_builds_the_root_from_the_tiles(
    checkpoints: list[LogCheckpoint],
) -> None:
    reader = TilesReader(Pages())
    stated = reader.get_checkpoint()
    (key,) = our_keys()
    stated.verify(key)
    assert stated.size == SIZES[-1]
    assert reader.calculate_root_hash() == stated.root_hash
    assert stated.serialize() == newest_checkpoint().note
    with pytest.raises(InvalidSignature):
        replace(stated, size=stated.size + 1).verify(key)


@pytest.mark.parametrize("index", [0, 1, 254, 255, 256, 299])
def test_its_proof_of_an_entry_is_ours_and_it_takes_ours(
    index: int, checkpoints: list[LogCheckpoint]
) -> None:
    reader = TilesReader(Pages())
    stated = reader.get_checkpoint()
    entry = AuditEntry.objects.get(log_leaf__leaf_index=index)
    leaf = reader.get_entry(index)
    assert leaf.hex() == entry.entry_hash
    ours = [bytes.fromhex(one) for one in _proof_of(entry)]
    proof = reader.get_inclusion_proof(index, stated.size)
    assert proof.node_hashes == ours
    InclusionProof(index, stated.size, ours).check(leaf_hash(leaf), stated.root_hash)
    with pytest.raises(InclusionProofInvalid):
        InclusionProof(index, stated.size, ours).check(
            leaf_hash(leaf[::-1]), stated.root_hash
        )


def test_its_proofs_between_checkpoints_are_ours_and_it_takes_ours(
    checkpoints: list[LogCheckpoint],
) -> None:
    reader = TilesReader(Pages())
    reader.get_checkpoint()
    stated = [read_checkpoint(row) for row in checkpoints]
    for place, newer in enumerate(stated):
        for older in stated[:place]:
            ours = [
                bytes.fromhex(one) for one in prove_consistency(older.size, newer.size)
            ]
            found = reader.get_consistency_proof(older.size, newer.size)
            assert found.node_hashes == ours
            proof = ConsistencyProof(older.size, newer.size, ours)
            proof.check(older.root_hash, newer.root_hash)
            with pytest.raises(ConsistencyProofInvalid):
                proof.check(EMPTY_ROOT, newer.root_hash)


def test_it_verifies_both_keys_of_a_change_and_a_witness_beside_them(
    witness: Witness, settings: Settings
) -> None:
    settings.LOG_IS_PUBLIC = True
    settings.LOG_PLACES = [f"witness+{witness.url}#{witness.verifier}"]
    write(2)
    grow_log(now=NOON)
    rotate_log_key(actor=None, now=NOON)
    write()
    grow_log(now=NOON + MINUTE, state_now=True)
    publish_checkpoints(now=NOON + MINUTE)
    stated = TilesReader(Pages()).get_checkpoint()
    judges = [*our_keys(), Vkey.from_string(witness.verifier)]
    found = VkeySet(*judges).verify(stated.signatures, stated)
    assert {key.serialize() for key, _ in found} == {key.serialize() for key in judges}
    assert len(found) == 3


def test_a_key_is_written_as_it_writes_it() -> None:
    key = Vkey("log.example/a", None, 1, bytes(range(32)))
    assert encode_verifier(parse_key(key.serialize())) == key.serialize()
