"""The digest that a sender announces: `X-Content-SHA256`, or RFC 9530's fields."""

from __future__ import annotations

import base64
import binascii
import re

from rest_framework.exceptions import ParseError
from rest_framework.request import Request

PLAIN_HEADER = "X-Content-SHA256"
# RFC 9530, sections 2 and 3. A raw body without content coding is its representation.
FIELDS = ("Repr-Digest", "Content-Digest")
MEMBER = re.compile(r"\s*([a-z0-9-]+)\s*=\s*:([A-Za-z0-9+/=]*):\s*", re.IGNORECASE)
SHA256_BYTES = 32


def read_declared_sha256(request: Request) -> str | None:
    """Return the announced SHA-256 (hex), None where there is none.

    Raise ParseError for a field that cannot be read, and where two disagree: a digest
    that was announced is compared, and never passed over.
    """
    announced = {
        name: _read_field(name, request.headers[name])
        for name in FIELDS
        if name in request.headers
    }
    if PLAIN_HEADER in request.headers:
        announced[PLAIN_HEADER] = request.headers[PLAIN_HEADER].strip().lower()
    if len(set(announced.values())) > 1:
        raise ParseError(
            f"The digests announced in {', '.join(announced)} differ.",
            code="malformed_digest",
        )
    return next(iter(announced.values()), None)


def _read_field(name: str, value: str) -> str:
    for member in value.split(","):
        found = MEMBER.fullmatch(member)
        if found and found[1].lower() == "sha-256":
            try:
                digest = base64.b64decode(found[2], validate=True)
            except binascii.Error:
                break
            if len(digest) == SHA256_BYTES:
                return digest.hex()
    raise ParseError(
        f"Expected {name}: sha-256=:<base64 of 32 bytes>:", code="malformed_digest"
    )
