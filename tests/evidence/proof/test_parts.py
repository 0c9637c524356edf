"""The parts of the proof format, held against vectors and other people's code."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from evidence.format import canonical_bytes, read_document, verify_document
from evidence.format.errors import DocumentRefused
from evidence.proof import notes, tree
from evidence.proof.verify_archive import (
    L,
    Unreadable,
    canonical,
    consistency_holds,
    inclusion_holds,
    leaf_hash,
    open_checkpoint,
    parse_key,
    read_json,
    verdict_of,
    verify_ed25519,
    verify_note,
)
from tests.evidence.format import vectors
from tests.evidence.proof.archives import FOLDER
from tests.suites import leave_slow

MERKLE = json.loads((FOLDER / "merkle.json").read_bytes())
NOTES = json.loads((FOLDER / "notes.json").read_bytes())
ED25519 = json.loads((FOLDER / "ed25519.json").read_bytes())["vectors"]
LEAVES = [bytes.fromhex(leaf) for leaf in MERKLE["leaves"]]
PUBLISHED = MERKLE["published"]


def what(vector: dict[str, Any]) -> str:
    return vector["what"]


def reader_of(leaves: list[bytes]) -> tree.ReadHashes:
    """Return a reader over leaf hashes that counts as far as level 1."""
    hashes = [leaf_hash(leaf) for leaf in leaves]

    def read(level: int, start: int, count: int) -> list[bytes]:
        width = tree.TILE_WIDTH**level
        return [
            tree.fold(hashes[place * width : (place + 1) * width])
            for place in range(start, start + count)
        ]

    return read


@pytest.mark.parametrize("vector", ED25519, ids=what)
def test_a_signature_is_judged_as_the_vector_says(vector: dict[str, Any]) -> None:
    parts = [bytes.fromhex(vector[n]) for n in ("public", "message", "signature")]
    assert verify_ed25519(*parts) is vector["good"]


@pytest.mark.parametrize("vector", [v for v in ED25519 if "secret" in v], ids=what)
def test_signing_gives_the_published_signature(vector: dict[str, Any]) -> None:
    key = notes.SigningKey("a", bytes.fromhex(vector["secret"]))
    assert key.public.hex() == vector["public"]
    assert key.sign(bytes.fromhex(vector["message"])).hex() == vector["signature"]


def test_plain_python_and_openssl_agree_on_spoilt_signatures() -> None:
    chance = random.Random(6962)
    for _ in range(40):
        key = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
        public, message = key.public_key().public_bytes_raw(), chance.randbytes(20)
        signature = bytearray(key.sign(message))
        place = chance.randrange(96)
        if place < 64:
            signature[place] ^= 1 << chance.randrange(8)
        assert verify_ed25519(public, message, bytes(signature)) is (place >= 64)
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(bytes(signature), message)
            agreed = True
        except InvalidSignature:
            agreed = False
        assert agreed is (place >= 64)


def test_a_malleable_signature_is_refused() -> None:
    key = notes.SigningKey("a", b"\x07" * 32)
    signature = key.sign(b"text")
    s = int.from_bytes(signature[32:], "little") + L
    other = signature[:32] + s.to_bytes(32, "little")
    assert verify_ed25519(key.public, b"text", signature)
    assert not verify_ed25519(key.public, b"text", other)


@pytest.mark.parametrize("size", range(41))
def test_roots_are_the_vectors(size: int) -> None:
    root = tree.root_of(size, reader_of(LEAVES))
    assert root.hex() == MERKLE["roots"][size]


def test_published_roots_are_met() -> None:
    leaves = [bytes.fromhex(leaf) for leaf in PUBLISHED["leaves"]]
    for size, root in enumerate(PUBLISHED["roots"]):
        assert tree.root_of(size, reader_of(leaves)).hex() == root


@pytest.mark.parametrize("vector", MERKLE["inclusion"])
def test_inclusion_is_judged_as_the_vector_says(vector: dict[str, Any]) -> None:
    proof = [bytes.fromhex(one) for one in vector["proof"]]
    leaf = leaf_hash(LEAVES[vector["leaf"]])
    place = vector["leaf_index"], vector["tree_size"]
    root = bytes.fromhex(vector["root"])
    assert inclusion_holds(leaf, *place, proof, root) is vector["good"]
    if vector["good"]:
        assert tree.inclusion_proof(*place, reader_of(LEAVES)) == proof


@pytest.mark.parametrize("vector", MERKLE["consistency"])
def test_consistency_is_judged_as_the_vector_says(vector: dict[str, Any]) -> None:
    proof = [bytes.fromhex(one) for one in vector["proof"]]
    sizes = vector["size1"], vector["size2"]
    roots = [bytes.fromhex(vector[name]) for name in ("root1", "root2")]
    holds = consistency_holds(sizes[0], roots[0], sizes[1], roots[1], proof)
    assert holds is vector["good"]
    if vector["good"]:
        assert tree.consistency_proof(*sizes, reader_of(LEAVES)) == proof


@pytest.mark.parametrize("size", [255, 256, 257, 511, 512, 513, 700])
def test_proofs_hold_across_the_edges_of_tiles(size: int) -> None:
    leaves = [bytes([n % 256, n // 256]) for n in range(size)]
    read = reader_of(leaves)
    root = tree.root_of(size, read)
    for index in {0, 1, 254, size // 2, size - 1}:
        proof = tree.inclusion_proof(index, size, read)
        assert inclusion_holds(leaf_hash(leaves[index]), index, size, proof, root)
    for older in {0, 1, 128, 255, size - 1, size}:
        proof = tree.consistency_proof(older, size, read)
        first = tree.root_of(older, read)
        assert consistency_holds(older, first, size, root, proof)


@pytest.mark.parametrize("vector", NOTES["vkeys"], ids=what)
def test_a_verifier_key_is_judged_as_the_vector_says(vector: dict[str, Any]) -> None:
    if not vector["good"]:
        with pytest.raises(ValueError):
            parse_key(vector["vkey"])
        return
    assert notes.encode_verifier(parse_key(vector["vkey"])) == vector["vkey"]


@pytest.mark.parametrize("vector", NOTES["notes"], ids=what)
def test_a_note_is_judged_as_the_vector_says(vector: dict[str, Any]) -> None:
    keys = [parse_key(text) for text in vector["vkeys"]]
    data = (
        base64.b64decode(vector["note_base64"])
        if "note_base64" in vector
        else vector["note"].encode()
    )
    check = open_checkpoint if vector["is"] == "checkpoint" else verify_note
    if vector["good"]:
        assert check(data, keys)
    else:
        with pytest.raises(ValueError):
            check(data, keys)


def test_a_signed_checkpoint_opens_under_its_key_alone() -> None:
    key = notes.SigningKey("log.example/a", b"\x01" * 32)
    other = notes.SigningKey("log.example/a", b"\x02" * 32)
    text = notes.checkpoint_text("log.example/a", 3, b"\x05" * 32)
    note = notes.sign_note(text, [key, other]).encode()
    for one in (key, other):
        assert open_checkpoint(note, [one.verifier]).size == 3
    with pytest.raises(ValueError, match="no signature"):
        open_checkpoint(note, [notes.SigningKey("log.example/a", b"3" * 32).verifier])


def test_a_secret_key_is_read_as_it_was_written() -> None:
    key = notes.SigningKey("log.example/a", b"\x01" * 32)
    text = notes.encode_signing_key(key)
    assert notes.parse_signing_key(text) == key
    for spoilt in (text[:-1], text.replace("/a", "/b"), "PRIVATE+KEY", ""):
        with pytest.raises(ValueError):
            notes.parse_signing_key(spoilt)


@pytest.mark.parametrize(
    "name",
    leave_slow(vectors.NAMES, "big"),
)
def test_the_checker_and_the_engine_agree_on_every_bundle(name: str) -> None:
    data, source = vectors.document_bytes(name), vectors.source_bytes(name)
    try:
        verdict = "valid" if verify_document(data, source=source).valid else "invalid"
    except DocumentRefused:
        verdict = "refused"
    assert verdict_of(data, source) == verdict


@pytest.mark.parametrize(
    "text",
    [
        *('{"a":1e400}', '{"a":NaN}', '{"a":9007199254740993}', '{"a":1,"a":2}', "[]"),
        *('{"a":"\\ud800"}', "", "{", '\ufeff{"a":1}', '{"a":01}', "{'a':1}"),
        '{"a":' * 65 + "1" + "}" * 65,
        '{"a":' + "[" * 5000 + "]" * 5000 + "}",
    ],
)
def test_what_is_no_document_is_not_read(text: str) -> None:
    with pytest.raises(Unreadable):
        read_json(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        *(
            '{"a":1.0,"b":-0.0,"c":1e21,"d":1e-7,"e":1E+2}',
            '{"a":100000000000000000000}',
        ),
        *(
            '{"é":1,"z":2,"\\u20ac":3}',
            '{"\U0001f600":1,"\ufb33":2}',
            '{"a":"\\u0001\\n"}',
        ),
        *('{"a":0.000001,"b":1.5e-9,"c":123456789012345683968}', "{}"),
        '{"a":' * 64 + "1" + "}" * 64,
    ],
)
def test_the_canonical_form_is_the_engines(text: str) -> None:
    value = read_json(text.encode())
    assert canonical(value) == canonical_bytes(read_document(text.encode()))
