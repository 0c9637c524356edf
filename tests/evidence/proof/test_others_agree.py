"""Other people's code and vectors, as judges of what is signed and stated here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from evidence.proof import notes
from evidence.proof.verify_archive import Key, pae, parse_key, verify_ed25519
from tests.evidence.proof.archives import FOLDER, members_of

WYCHEPROOF = json.loads(
    (Path(__file__).parents[2] / "data/wycheproof/ed25519_test.json").read_bytes()
)
SIGNATURES = [
    (group["publicKey"]["pk"], test)
    for group in WYCHEPROOF["testGroups"]
    for test in group["tests"]
]
GOOD = {
    name.partition("/")[2]: data
    for name, data in members_of(FOLDER / "good.zip").items()
}


def test_wycheproofs_vectors_are_all_here() -> None:
    assert len(SIGNATURES) == WYCHEPROOF["numberOfTests"] > 100


@pytest.mark.parametrize(
    ("public", "vector"), SIGNATURES, ids=[str(v["tcId"]) for _, v in SIGNATURES]
)
def test_wycheproof_agrees_on_each_signature(
    public: str, vector: dict[str, Any]
) -> None:
    key, message, signature = (
        bytes.fromhex(text) for text in (public, vector["msg"], vector["sig"])
    )
    found = verify_ed25519(key, message, signature)
    # `acceptable` ones satisfy RFC 8032's equation, under keys that nobody makes.
    assert found is (vector["result"] != "invalid"), vector["comment"]


def key_for_judges(key: Key) -> SSlibKey:
    """Return one of our keys as securesystemslib has it."""
    return SSlibKey(
        key.key_id.hex(), "ed25519", "ed25519", {"public": key.public.hex()}
    )


@pytest.mark.parametrize("name", ["good.zip", "good-two-keys.zip", "good-redacted.zip"])
def test_securesystemslib_verifies_the_envelope_of_an_archive(name: str) -> None:
    members = members_of(FOLDER / name)
    (envelope,) = (v for k, v in members.items() if k.endswith("/manifest.dsse.json"))
    (manifest,) = (v for k, v in members.items() if k.endswith("/manifest.json"))
    key = key_for_judges(parse_key((FOLDER / "log.vkey").read_text()))

    judged = Envelope.from_dict(json.loads(envelope))

    assert judged.verify([key], 1) == {key.keyid: key}
    assert judged.payload == manifest
    assert judged.pae() == pae(judged.payload_type, manifest)


def test_securesystemslib_verifies_what_is_signed_here_and_nothing_else() -> None:
    keys = [notes.SigningKey("log.example/a", bytes([n]) * 32) for n in (1, 2)]
    manifest = GOOD["manifest.json"]
    made = notes.envelope_of(manifest, notes.sign_payload(manifest, keys))
    judges = [key_for_judges(key.verifier) for key in keys]

    found = Envelope.from_dict(json.loads(json.dumps(made))).verify(judges, 2)

    assert len(found) == 2
    other = key_for_judges(notes.SigningKey("log.example/a", b"\x03" * 32).verifier)
    with pytest.raises(VerificationError):
        Envelope.from_dict(json.loads(json.dumps(made))).verify([other], 1)


@pytest.mark.parametrize("name", ["good.zip", "good-two-keys.zip", "good-redacted.zip"])
def test_in_toto_takes_the_manifest_for_a_statement(name: str) -> None:
    members = members_of(FOLDER / name)
    (manifest,) = (v for k, v in members.items() if k.endswith("/manifest.json"))
    require_statement(manifest)


def require_statement(manifest: bytes) -> None:
    """Have in-toto's own classes read and validate a Statement, every member of it."""
    parsed = json_format.Parse(manifest, statement_pb2.Statement())
    Statement.copy_from_pb(parsed).validate()
    subject = json.loads(manifest)["subject"]
    assert [(row.name, row.digest["sha256"]) for row in parsed.subject] == [
        (row["name"], row["digest"]["sha256"]) for row in subject
    ]


def test_in_toto_refuses_what_is_no_statement() -> None:
    document = json.loads(GOOD["manifest.json"])
    document["_type"] = "https://in-toto.io/Statement/v0.1"
    with pytest.raises(ValueError, match="Wrong statement type"):
        require_statement(json.dumps(document).encode())
    document["_type"], document["surplus"] = "https://in-toto.io/Statement/v1", 1
    with pytest.raises(json_format.ParseError):
        require_statement(json.dumps(document).encode())
