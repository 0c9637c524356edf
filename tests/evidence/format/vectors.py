"""The vectors in tests/data/vectors, and how a result is held against one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evidence.format import DocumentRefused, read_bytes, verify_document

FOLDER = Path(__file__).parents[2] / "data" / "vectors"
NAMES = sorted(
    path.name.removesuffix(".expected.json") for path in FOLDER.glob("*.expected.json")
)


def document_bytes(name: str) -> bytes:
    """Return a vector's document, unpacked."""
    path = FOLDER / f"{name}.json"
    if not path.exists():
        path = FOLDER / f"{name}.json.gz"
    return read_bytes(path.read_bytes())


def expected(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.expected.json").read_bytes())


def source_bytes(name: str) -> bytes | None:
    source = expected(name).get("source")
    return None if source is None else (FOLDER / source).read_bytes()


def result_of(data: bytes, source: bytes | None = None) -> dict[str, Any]:
    """Verify, and return what an expected file would say, messages included."""
    try:
        return verify_document(data, source=source).as_dict()
    except DocumentRefused as refusal:
        return {"kind": "refused", **refusal.as_dict()}


def only_members_of(pattern: Any, value: Any) -> Any:
    """Return the value without object members that the pattern does not have.

    Arrays keep all their elements: one too many shows as a difference.
    """
    if isinstance(pattern, dict) and isinstance(value, dict):
        return {
            name: only_members_of(pattern[name], value[name])
            for name in pattern
            if name in value
        }
    if isinstance(pattern, list) and isinstance(value, list):
        if not pattern:
            return value
        patterns = pattern + pattern[-1:] * max(0, len(value) - len(pattern))
        return [
            only_members_of(each, item)
            for each, item in zip(patterns, value, strict=False)
        ]
    return value
