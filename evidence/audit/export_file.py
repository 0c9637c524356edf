"""The audit history as a file: JSON lines, and at the end the heads.

Pure: lines in, faults out. An auditor verifies such a file on a machine of their own,
without the database, and keeps its heads to hold a later export against.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from evidence.audit.chain import SCHEMA, ChainFault, find_chain_faults
from evidence.errors import HistoryError
from evidence.format import DocumentRefused, read_document

HEADS_SCHEMA = "casefile.audit_heads.v1"
ENTRY_MEMBERS = ("stream", "sequence", "previous_hash", "entry_hash")


def make_heads(heads: Mapping[str, tuple[int, str]]) -> dict[str, Any]:
    """Return the closing line of an export; `heads` is (sequence, hash) by stream."""
    return {
        "schema": HEADS_SCHEMA,
        "heads": {
            stream: {"sequence": sequence, "entry_hash": entry_hash}
            for stream, (sequence, entry_hash) in sorted(heads.items())
        },
    }


def verify_lines(lines: Iterable[bytes]) -> tuple[dict[str, int], list[ChainFault]]:
    """Verify an export; return the number of entries by stream, and the faults.

    Beside the faults of audit_chain: `head_lost` (the file's heads name an entry that
    it does not hold) and `heads_missing` (the closing line is gone). Raise
    HistoryError for a line that is neither an entry nor the heads.
    """
    reader = _Reader()
    faults: list[ChainFault] = []
    counts: dict[str, int] = {}
    last: dict[str, dict[str, Any]] = {}
    stream: str | None = None
    documents: list[dict[str, Any]] = []
    for document in reader.read(lines):
        name = str(document["stream"])
        if name != stream:
            faults += find_chain_faults(documents)
            stream, documents = name, []
            if name in counts:
                raise HistoryError(f"The stream {name} stands in two places.")
        documents.append(document)
        counts[name] = counts.get(name, 0) + 1
        last[name] = document
    faults += find_chain_faults(documents)
    return counts, faults + _compare_heads(reader.heads, last)


def read_heads_line(lines: Iterable[bytes]) -> dict[str, dict[str, Any]]:
    """Return the heads that an export closes with, {sequence, entry_hash} by stream.

    Raise HistoryError where the closing line is missing or no such thing.
    """
    last = b""
    for line in lines:
        last = line if line.strip() else last
    document = _read_line(0, last)
    if document.get("schema") != HEADS_SCHEMA:
        raise HistoryError(
            f"The last line is not of the schema {HEADS_SCHEMA}: the file may be cut "
            "off."
        )
    heads = _require_heads(0, document)
    for head in heads.values():
        if set(head) != {"sequence", "entry_hash"} or type(head["sequence"]) is not int:
            raise HistoryError("A head is not {sequence, entry_hash}.")
    return heads


class _Reader:
    """Reads lines strictly, and keeps the closing one."""

    def __init__(self) -> None:
        self.heads: dict[str, Any] | None = None

    def read(self, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        """Yield the entries; raise HistoryError at a line that is none."""
        found = False
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            found = True
            document = _read_line(number, line)
            if document.get("schema") == HEADS_SCHEMA:
                self.heads = _require_heads(number, document)
            elif document.get("schema") == SCHEMA:
                yield _require_entry(number, document)
            else:
                raise HistoryError(
                    f"Line {number}: the schema is neither {SCHEMA} nor {HEADS_SCHEMA}."
                )
        if not found:
            raise HistoryError("The file is empty. Give an export of the history.")


def _read_line(number: int, line: bytes) -> dict[str, Any]:
    """Return the document of a line. Raise HistoryError naming the line."""
    try:
        return read_document(line)
    except DocumentRefused as refusal:
        raise HistoryError(f"Line {number}: {refusal}") from refusal


def _require_entry(number: int, document: dict[str, Any]) -> dict[str, Any]:
    """Return the document if it is an audit entry. Raise HistoryError otherwise."""
    missing = [name for name in ENTRY_MEMBERS if name not in document]
    if missing or not isinstance(document["sequence"], int):
        raise HistoryError(f"Line {number}: not an audit entry.")
    return document


def _require_heads(number: int, document: dict[str, Any]) -> dict[str, Any]:
    """Return the document if it is the list of heads. Raise HistoryError otherwise."""
    heads = document.get("heads")
    if not isinstance(heads, dict) or not all(
        isinstance(head, dict) for head in heads.values()
    ):
        raise HistoryError(f"Line {number}: not the heads of a history.")
    return heads


def _compare_heads(
    heads: dict[str, Any] | None, last: dict[str, dict[str, Any]]
) -> list[ChainFault]:
    """Compare the heads that the file states with the last entries it holds."""
    if heads is None:
        return [
            ChainFault("", 0, "heads_missing", "the closing line is gone: cut short")
        ]
    faults = []
    for stream in sorted({*heads, *last}):
        head = heads.get(stream, {})
        found = last.get(stream, {})
        if any(head.get(n) != found.get(n) for n in ("sequence", "entry_hash")):
            faults.append(
                ChainFault(
                    stream,
                    int(head.get("sequence") or 0),
                    "head_lost",
                    f"the heads name #{head.get('sequence')}, "
                    f"the file ends at #{found.get('sequence')}",
                )
            )
    return faults
