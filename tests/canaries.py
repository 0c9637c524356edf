"""Values that may not be in any byte of a redacted copy, in every form there is."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from functools import cache
from urllib.parse import quote

from evidence.format.names import REDACTED_MEMBERS
from tests.evidence.helpers import read_vector

NAME = "CANARY_DATABASE_URL"
MEMBERS = sorted({m for pairs in REDACTED_MEMBERS.values() for _, m in pairs})
VALUES = {
    member: f"Kanarie:{member}/0815-voGel"
    for member in MEMBERS
    if member != "name_hash"
}
VALUES["name_hash"] = hashlib.sha256(NAME.encode()).hexdigest()
CANARIES = [*VALUES.values(), NAME]


def forms(canary: str) -> Iterator[str]:
    """Yield a canary in every form that none may be left in."""
    data = canary.encode()
    yield from (canary, canary.upper(), canary.lower())
    for before in (b"", b" ", b": "):
        yield base64.b64encode(before + data + b" end").decode()
    yield base64.urlsafe_b64encode(data).decode().rstrip("=")
    yield from (data.hex(), data.hex().upper(), data.hex(":"))
    yield from (quote(canary, safe=""), "".join(f"%{byte:02X}" for byte in data))
    yield f"{canary[:7]}\n{canary[7:]}"
    yield f"{canary[:4]}\r\n  {canary[4:9]}\r\n  {canary[9:]}"


@cache
def song() -> str:
    """Return a text with every canary in every form, each on lines of its own."""
    return "\n\n".join(f"Note: {form} so." for one in CANARIES for form in forms(one))


def verse() -> str:
    """Return a text with every canary as it is: for what asks for no other form."""
    return " ".join(f"Note: {one} so." for one in CANARIES)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text).lower()


def traces(text: str) -> list[str]:
    """Return which canaries a text still gives away, decoding all that it can."""
    shown = {squeezed(text)}
    for run in re.findall(r"[A-Za-z0-9+/_-]{8,}", re.sub(r"\s*\n\s*", "", text)):
        plain = run.translate(str.maketrans("-_", "+/")).rstrip("=")
        for start in range(4):
            part = plain[start:]
            part = part[: len(part) - (len(part) % 4 == 1)]
            data = base64.b64decode(part + "=" * (-len(part) % 4))
            shown.add(squeezed(data.decode("latin-1")))
    for run in re.findall(r"(?:[0-9a-fA-F]{2}:?){8,}", text):
        data = bytes.fromhex(run.replace(":", ""))
        shown.add(squeezed(data.decode("latin-1")))
    shown.add(squeezed(re.sub("%([0-9A-Fa-f]{2})", lambda m: chr(int(m[1], 16)), text)))
    return [c for c in CANARIES if any(c.lower() in one for one in shown)]


def planted_bundle(text: str = "") -> bytes:
    """Return a bundle with a canary in each redactable field, and in each free text.

    The texts are of one record of each kind: to look through every form takes long.
    """
    text = text or song()
    document = json.loads(read_vector("redaction.source"))
    for flag_members in REDACTED_MEMBERS.values():
        for section, member in flag_members:
            held = document[section]
            records = held["entries"] if section == "risk_ledger" else held
            assert records, f"the sample has no {section}"
            for record in records:
                record[member] = VALUES[member]
    for alert in document["security_alerts"][:1]:
        alert["summary"] = text
    for record in document["exec_mediation"][:1]:
        record["reason"] = text
        record["an_unknown_member"] = {text: [text]}
    for entry in document["risk_ledger"]["entries"][:1]:
        entry["triggers"] = [text]
    return json.dumps(document).encode()
