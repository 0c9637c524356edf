"""Documents as they are stored: read through their wrapping, told apart by structure.

What is stored is always what was sent. Reading takes off what a document is wrapped
in (evidence/format/wrapping.py), and what it is follows from its top-level members
(evidence/format/structure.py), at any size, never from a word inside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from django.conf import settings

from evidence.errors import UnreadableDocument
from evidence.format import DocumentKind, DocumentRefused, unwrap, verify_document
from evidence.format.structure import (
    Form,
    Structure,
    kind_by_structure,
    read_structure,
)
from evidence.format.wrapping import PACKED_HEAD_BYTES, name_packed, unwrap_stream
from evidence.lookalikes import show_hidden
from evidence.models import VERIFIABLE_KINDS, EvidenceKind
from evidence.services.content_kinds import Content, content_of

# Larger documents are left to the worker: reading one takes several times its size in
# memory, and a web process serves several people at once.
DOOR_MAX_BYTES = 16 * 1024 * 1024
LOG_ENDINGS = (".log", ".txt", ".jsonl", ".ndjson", ".csv", ".md")
SOURCE_ENDINGS = (
    *(".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx"),
    *(".zip", ".tar", ".tar.gz", ".tgz"),
)
# File names that only this format's documents have.
DOCUMENT_NAME = re.compile(r"(incident|evidence)_?(evidence)?_bundle|risk_ledger")
DOCUMENT_ENDINGS = (".json", ".gz")


@dataclass(frozen=True)
class Recognised:
    """What evidence is. `content` is empty where nothing but its name tells."""

    kind: EvidenceKind
    content: str
    wrapping: str

    @property
    def words(self) -> str:
        """What was recognised, in words, for the chain of custody."""
        through = f", read through: {self.wrapping}" if self.wrapping else ""
        return f"{self.content or EvidenceKind(self.kind).label}{through}"


@dataclass(frozen=True)
class _Look:
    """What one pass over a file found; `packed` names what was not read through."""

    structure: Structure
    wrapping: tuple[str, ...] = ()
    packed: str = ""
    size_bytes: int = 0
    fault: DocumentRefused | None = None


def recognise(
    file: IO[bytes], *, name: str, declared: EvidenceKind | None
) -> Recognised:
    """Return what evidence is, by its structure where that tells.

    A bundle or ledger by structure is one whatever was declared. Up to DOOR_MAX_BYTES
    it is read strictly here and now, so that a responder hears of a broken file while
    it is at hand; larger ones are the worker's. Raise UnreadableDocument for what is
    declared or named as one and cannot be read as one. Declared as anything else,
    nothing is refused: evidence is never lost.
    """
    look = _look_at(file)
    found = kind_by_structure(look.structure)
    content = content_of(look.structure)
    may_refuse = declared is None or declared in VERIFIABLE_KINDS
    is_said = declared in VERIFIABLE_KINDS or (
        declared is None and is_named_as_document(name)
    )
    kind: EvidenceKind | None = None
    if found is not None or is_said:
        try:
            kind = _read_strictly(file, look, found)
        except DocumentRefused as refusal:
            if may_refuse:
                raise _unreadable(name, refusal) from refusal
    if kind is None:
        kind = declared or content.kind or kind_by_name(name)
    return _recognised(kind, content, look)


def read_top(file: IO[bytes]) -> Structure:
    """Return what stands at the top of a file, read through its wrapping."""
    file.seek(0)
    return _look_at(file).structure


def unpack_document(data: bytes) -> bytes:
    """Return the document without its wrapping; raise DocumentRefused otherwise.

    No more than EVIDENCE_MAX_BYTES come out, so a small file cannot fill the memory.
    """
    return unwrap(data, max_bytes=settings.EVIDENCE_MAX_BYTES)


def kind_by_name(name: str) -> EvidenceKind:
    """Return the kind that a file's name suggests."""
    lowered = name.lower()
    if lowered.endswith(SOURCE_ENDINGS):
        return EvidenceKind.EXTENSION_SOURCE
    if lowered.removesuffix(".gz").endswith(LOG_ENDINGS):
        return EvidenceKind.LOG
    return EvidenceKind.OTHER


def is_named_as_document(name: str) -> bool:
    """Return whether a file's name is that of a bundle or a ledger."""
    path = PurePosixPath(re.sub(r"[-. _]+(?=.*\.)", "_", name.lower()))
    return path.suffix in DOCUMENT_ENDINGS and bool(DOCUMENT_NAME.search(path.stem))


def _look_at(file: IO[bytes]) -> _Look:
    counted, head = 0, b""

    def count(chunk: bytes) -> bytes:
        nonlocal counted, head
        counted += len(chunk)
        if len(head) < PACKED_HEAD_BYTES:
            head += chunk[:PACKED_HEAD_BYTES]
        return chunk

    wrapping: tuple[str, ...] = ()
    structure = Structure()
    try:
        unwrapped = unwrap_stream(file, max_bytes=settings.EVIDENCE_MAX_BYTES)
        wrapping = unwrapped.wrappings
        read_structure(map(count, unwrapped.chunks), into=structure)
        # The scanner stops where it knows enough: the rest says how much there is.
        for chunk in unwrapped.chunks:
            count(chunk)
    except DocumentRefused as fault:
        packed = "" if wrapping else name_packed(_head_of(file))
        return _Look(structure, wrapping, packed, counted, fault)
    return _Look(structure, wrapping, name_packed(head), counted)


def _head_of(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read(PACKED_HEAD_BYTES)


def _read_strictly(
    file: IO[bytes], look: _Look, found: DocumentKind | None
) -> EvidenceKind:
    """Read a document as a bundle or ledger; raise DocumentRefused if it is none."""
    if look.fault is not None:
        raise look.fault
    if look.size_bytes <= DOOR_MAX_BYTES:
        file.seek(0)
        return EvidenceKind(verify_document(unpack_document(file.read())).kind)
    if not look.structure.is_whole:
        raise DocumentRefused(
            "not_json", "not JSON, or cut off before its end: collect or send it again"
        )
    if found is None:
        raise DocumentRefused(
            "no_document", "expected the members of a bundle or a ledger", "$"
        )
    return EvidenceKind(found)


def _recognised(kind: EvidenceKind, content: Content, look: _Look) -> Recognised:
    words = content.words
    if look.structure.form is Form.OTHER and (look.packed or not look.wrapping):
        words = look.packed
    return Recognised(kind, words, ", ".join(look.wrapping))


def _unreadable(name: str, refusal: DocumentRefused) -> UnreadableDocument:
    where = f"at {refusal.path}: " if refusal.path else ""
    return UnreadableDocument(
        f"{show_hidden(name)} is not a readable evidence bundle or ledger; {where}"
        f"{refusal.message}. Nothing was stored. Export it from the runtime again, or "
        "send it as kind Log or Other to keep the file as it is.",
        path=refusal.path,
        reason_code=refusal.code,
    )
