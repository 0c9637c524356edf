"""A body as its schema says, where no real one is kept: plausible values, no data."""

from __future__ import annotations

from typing import Any

COMPONENT = "#/components/schemas/"
MOMENT = "2026-03-02T09:30:00Z"
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
BY_FORMAT = {
    "date-time": MOMENT,
    "date": MOMENT[:10],
    "uri": "https://tickets.example.org/SEC-1",
    "email": "ana@example.org",
    "ip": "192.0.2.7",
    "ipv4": "192.0.2.7",
    "uuid": "0b0f6f3c-6a34-4c0e-9d0a-5d6a1c2f7e11",
    "binary": "the bytes of the file",
}
BY_NAME = {
    "incident": "SEC-INC-2026-0001",
    "original": "SEC-INC-2026-0001",
    "reference": "SEC-INC-2026-0001",
    "extension": "acme.notes",
    "extension_id": "acme.notes",
    "version": "1.4.2",
    "reason": "Seen twice, and confirmed by the runtime's log.",
    "release_reason": "The inquiry ended.",
    "detail": "Taken by the receiver.",
    "code": "hash_mismatch",
    "sequence": "7",
    "source": "runtime-7",
    "alert_id": "alert-1",
}
PEOPLE = ("owner", "lead", "assignee", "recipient", "username")


def sketch(schema: dict[str, Any], components: dict[str, Any], name: str = "") -> Any:
    """Return a value that fits a schema, by its field's name where that tells more."""
    if "$ref" in schema:
        inner = components[schema["$ref"].removeprefix(COMPONENT)]
        return sketch(inner, components, name)
    for choice in ("oneOf", "anyOf", "allOf"):
        if schema.get(choice):
            return sketch(schema[choice][0], components, name)
    if schema.get("enum"):
        return schema["enum"][0]
    kinds = schema.get("type", "object")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object":
        parts = schema.get("properties", {})
        return {key: sketch(part, components, key) for key, part in parts.items()}
    if kind == "array":
        return [sketch(schema["items"], components, name)]
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 1), 1)
    return False if kind == "boolean" else _write_text(schema, name)


def _write_text(schema: dict[str, Any], name: str) -> str:
    named = BY_NAME.get(name)
    if name in PEOPLE or name.endswith(("_by", "_by_name")):
        named = "ana"
    elif name.endswith(("sha256", "sha256_hex", "_hash")):
        named = DIGEST
    text = BY_FORMAT.get(schema.get("format", "")) or named or name.replace("_", " ")
    return (text or "text")[: schema.get("maxLength")]
