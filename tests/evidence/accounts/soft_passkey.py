"""A passkey in software: answers what a browser is asked, as a real device would.

Every part can be made wrong, one at a time.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import secrets
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

ORIGIN = "http://testserver"
FLAG = AuthenticatorData.FLAG
TOUCHED = FLAG.UP | FLAG.UV


def read_options(page: str) -> dict[str, Any]:
    """Return what a page of ours asks of the browser."""
    found = re.search(r'data-options="([^"]+)"', page)
    assert found, "the page asks for no passkey"
    options: dict[str, Any] = json.loads(html.unescape(found.group(1)))
    return options


class SoftPasskey:
    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = secrets.token_bytes(32)
        self.handle = b""
        self.counter = 0

    def make(self, options: dict[str, Any], **wrong: Any) -> str:
        """Answer a request for a new passkey."""
        self.handle = websafe_decode(options["user"]["id"])
        public = ES256.from_cryptography_key(self.key.public_key())
        credential = AttestedCredentialData.create(
            Aaguid.NONE, wrong.get("id", self.id), wrong.get("public", public)
        )
        attested = (FLAG(0), b"") if "bare" in wrong else (FLAG.AT, credential)
        data = self._data(attested[0], wrong, options["rp"]["id"], attested[1])
        client = self._client("webauthn.create", options, wrong)
        response = {
            "clientDataJSON": websafe_encode(client),
            "attestationObject": websafe_encode(
                AttestationObject.create("none", data, {})
            ),
        }
        return self._write(response)

    def show(self, options: dict[str, Any], **wrong: Any) -> str:
        """Answer a request to show the passkey."""
        self.counter += 1
        data = self._data(FLAG(0), wrong, options["rpId"])
        client = self._client("webauthn.get", options, wrong)
        signed = data + hashlib.sha256(client).digest()
        key = wrong.get("key", self.key)
        response = {
            "clientDataJSON": websafe_encode(client),
            "authenticatorData": websafe_encode(data),
            "signature": websafe_encode(key.sign(signed, ec.ECDSA(SHA256()))),
            "userHandle": websafe_encode(wrong.get("handle", self.handle)),
        }
        return self._write(response)

    def _data(
        self, flags: FLAG, wrong: dict[str, Any], site: str, credential: bytes = b""
    ) -> AuthenticatorData:
        return AuthenticatorData.create(
            hashlib.sha256(wrong.get("site", site).encode()).digest(),
            wrong.get("flags", TOUCHED) | flags,
            wrong.get("counter", self.counter),
            credential,
        )

    def _client(
        self, kind: str, options: dict[str, Any], wrong: dict[str, Any]
    ) -> CollectedClientData:
        return CollectedClientData.create(
            wrong.get("type", kind),
            wrong.get("challenge", options["challenge"]),
            wrong.get("origin", ORIGIN),
        )

    def _write(self, response: dict[str, Any]) -> str:
        name = websafe_encode(self.id)
        whole = {
            "id": name,
            "rawId": name,
            "type": "public-key",
            "response": response,
            "clientExtensionResults": {},
        }
        return json.dumps(whole)
