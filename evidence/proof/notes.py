"""Signing: keys, signed notes and checkpoints as C2SP has them, and DSSE envelopes.

Pure: keys and texts in, bytes out. Reading and verifying is verify_archive.py's part.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from evidence.proof.verify_archive import (
    DSSE_TYPE,
    Key,
    decode_base64,
    is_key_name,
    key_id_of,
    pae,
    split_note,
    verify_ed25519,
)

ED25519 = 1
COSIGNATURE = 4
SEED_BYTES = 32
PRIVATE_PREFIX = "PRIVATE+KEY"


@dataclass(frozen=True)
class SigningKey:
    """A key that signs: its name and the 32 secret bytes it grows from."""

    name: str
    seed: bytes

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public key."""
        key = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return key.public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def verifier(self) -> Key:
        """What a reader needs to check this key's signatures."""
        public = self.public
        return Key(self.name, key_id_of(self.name, public), public)

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)


def encode_verifier(key: Key) -> str:
    """Write a verifier key: name, key ID in hex, and the public key in base64."""
    data = base64.b64encode(bytes([ED25519]) + key.public).decode()
    return f"{key.name}+{key.key_id.hex()}+{data}"


def encode_signing_key(key: SigningKey) -> str:
    """Write a secret key the way Go's note package does."""
    data = base64.b64encode(bytes([ED25519]) + key.seed).decode()
    return f"{PRIVATE_PREFIX}+{key.name}+{key.verifier.key_id.hex()}+{data}"


def parse_signing_key(text: str) -> SigningKey:
    """Read what `encode_signing_key` writes; raise ValueError for anything else."""
    parts = text.strip().split("+", 4)
    data = decode_base64(parts[4]) if len(parts) == 5 else None
    if (
        data is None
        or "+".join(parts[:2]) != PRIVATE_PREFIX
        or not is_key_name(parts[2])
        or len(data) != SEED_BYTES + 1
        or data[0] != ED25519
    ):
        raise ValueError("no secret key of the form PRIVATE+KEY+name+ID+key")
    key = SigningKey(parts[2], data[1:])
    if key.verifier.key_id.hex() != parts[3]:
        raise ValueError("the secret key's ID is not that of its name and bytes")
    return key


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """Return what a checkpoint states, the part that is signed."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def signature_line(name: str, key_id: bytes, signature: bytes) -> str:
    """Return one signature line of a note."""
    return f"— {name} {base64.b64encode(key_id + signature).decode()}\n"


def sign_note(text: str, keys: Iterable[SigningKey]) -> str:
    """Return a text as a note that every key signed."""
    lines = [
        signature_line(key.name, key.verifier.key_id, key.sign(text.encode()))
        for key in keys
    ]
    return f"{text}\n{''.join(lines)}"


def sign_payload(payload: bytes, keys: Iterable[SigningKey]) -> list[dict[str, str]]:
    """Return the signatures of a DSSE envelope over a Statement's bytes."""
    message = pae(DSSE_TYPE, payload)
    return [
        {
            "keyid": key.verifier.key_id.hex(),
            "sig": base64.b64encode(key.sign(message)).decode(),
        }
        for key in keys
    ]


def envelope_of(payload: bytes, signatures: list[dict[str, str]]) -> dict[str, Any]:
    """Return the DSSE envelope of a Statement's bytes and signatures over them."""
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": DSSE_TYPE,
        "signatures": signatures,
    }


# --- Witnesses: C2SP tlog-cosignature ------------------------------------------------


def parse_witness_key(text: str) -> Key:
    """Read a witness's key, `<name>+<hex ID>+<base64(0x04 || key)>`, or ValueError."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    data = decode_base64(encoded)
    if not is_key_name(name) or data is None or len(data) != SEED_BYTES + 1:
        raise ValueError("no witness key of the form name+ID+key")
    if data[0] != COSIGNATURE:
        raise ValueError("the key is not one for cosignatures: its type is not 4")
    if key_id_of(name, data[1:], COSIGNATURE).hex() != key_id:
        raise ValueError("the witness key's ID is not that of its name and bytes")
    return Key(name, bytes.fromhex(key_id), data[1:])


def cosigned_message(text: str, timestamp: int) -> bytes:
    """Return what a witness signs: the moment in seconds, and the checkpoint's text."""
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def find_cosignature(text: str, lines: str, witness: Key) -> tuple[str, int] | None:
    """Return (line, seconds since 1970) of a witness's valid cosignature, or None."""
    try:
        _, signatures = split_note(f"{text}\n{lines}".encode())
    except ValueError:
        return None
    for name, key_id, data in signatures:
        if (name, key_id) != (witness.name, witness.key_id) or len(data) != 72:
            continue
        (timestamp,) = struct.unpack(">Q", data[:8])
        message = cosigned_message(text, timestamp)
        if verify_ed25519(witness.public, message, data[8:]):
            return signature_line(name, key_id, data), timestamp
    return None
