"""Documents as they are stored: unpacked where they are gzip, told apart by kind."""

from __future__ import annotations

import zlib

import orjson
from django.conf import settings

from evidence.errors import UnreadableDocument
from evidence.format import DocumentRefused, read_bytes, verify_document
from evidence.models import VERIFIABLE_KINDS, EvidenceKind
from evidence.storage import Incoming

GZIP_MAGIC = b"\x1f\x8b"
GZIP_WINDOW = 31
# Larger documents are left to the worker: reading one takes several times its size in
# memory, and a web process serves several people at once.
DOOR_MAX_BYTES = 16 * 1024 * 1024
SNIFF_BYTES = 64 * 1024
SCHEMA_PREFIX = b"pi.security."
SCHEMA_KINDS = (
    (b"pi.security.incident_evidence_bundle", EvidenceKind.BUNDLE),
    (b"pi.security.runtime_risk_ledger", EvidenceKind.LEDGER),
)
SNAPSHOT_MEMBERS = ("extensionPolicy", "extensionRisk")
EXPLANATION_MEMBER = "capability_decisions"
# Kinds that say only that the sender knew nothing better.
VAGUE_KINDS = (EvidenceKind.LOG, EvidenceKind.OTHER)
LOG_ENDINGS = (".log", ".txt", ".jsonl", ".ndjson", ".csv", ".md")
SOURCE_ENDINGS = (
    *(".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx"),
    *(".zip", ".tar", ".tar.gz", ".tgz"),
)


def decide_kind(
    incoming: Incoming, *, name: str, declared: EvidenceKind | None
) -> EvidenceKind:
    """Return what kind of evidence this is; the content decides where it can.

    Declared or recognised as a bundle or ledger, it is read strictly here and now, so
    that a responder hears of a broken file while it is at hand. Raise
    UnreadableDocument for one that the reader refuses. Declared as a log or as other,
    nothing is refused: evidence is never lost.
    """
    if declared not in (None, *VERIFIABLE_KINDS, *VAGUE_KINDS):
        return declared
    try:
        document = _read_at_door(incoming)
    except DocumentRefused as refusal:
        return _kind_of_refused(b"", refusal, name=name, declared=declared)
    if document is None:
        return _kind_of_large(incoming, name=name, declared=declared)
    if not _may_be_document(document, name=name, declared=declared):
        return declared or kind_by_name(name)
    try:
        return EvidenceKind(verify_document(document).kind)
    except DocumentRefused as refusal:
        return _kind_of_refused(document, refusal, name=name, declared=declared)


def unpack_document(data: bytes) -> bytes:
    """Return the document, unpacked where it is gzip; raise DocumentRefused otherwise.

    No more than EVIDENCE_MAX_BYTES come out, so a small file cannot fill the memory.
    """
    return read_bytes(data, max_bytes=settings.EVIDENCE_MAX_BYTES)


def kind_by_name(name: str) -> EvidenceKind:
    """Return the kind that a file's name suggests."""
    lowered = name.lower()
    if lowered.endswith(SOURCE_ENDINGS):
        return EvidenceKind.EXTENSION_SOURCE
    if lowered.removesuffix(".gz").endswith(LOG_ENDINGS):
        return EvidenceKind.LOG
    return EvidenceKind.OTHER


def _read_at_door(incoming: Incoming) -> bytes | None:
    """Return the document, or None where it is too large to be read here."""
    if incoming.size_bytes > DOOR_MAX_BYTES:
        return None
    with incoming.open() as file:
        data = file.read()
    try:
        return read_bytes(data, max_bytes=DOOR_MAX_BYTES)
    except DocumentRefused as refusal:
        if refusal.code == "too_large":
            return None
        raise


def _may_be_document(
    document: bytes, *, name: str, declared: EvidenceKind | None
) -> bool:
    if declared in VERIFIABLE_KINDS:
        return True
    if SCHEMA_PREFIX in document:
        return True
    if declared is not None or kind_by_name(name) is not EvidenceKind.OTHER:
        return False
    return not document.strip() or document.lstrip().startswith((b"{", b"["))


def _kind_of_refused(
    document: bytes,
    refusal: DocumentRefused,
    *,
    name: str,
    declared: EvidenceKind | None,
) -> EvidenceKind:
    if declared in VAGUE_KINDS:
        return declared
    if declared is None:
        if refusal.code == "bad_gzip":
            return kind_by_name(name)
        if SCHEMA_PREFIX not in document and (kind := _kind_by_members(document)):
            return kind
    where = f"at {refusal.path}: " if refusal.path else ""
    raise UnreadableDocument(
        f"{name} is not a readable evidence bundle or ledger; {where}"
        f"{refusal.message}. Nothing was stored. Export it from the runtime again, or "
        "send it as kind Log or Other to keep the file as it is.",
        path=refusal.path,
        reason_code=refusal.code,
    ) from refusal


def _kind_by_members(document: bytes) -> EvidenceKind | None:
    try:
        value = orjson.loads(document)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(value, dict):
        return None
    if any(member in value for member in SNAPSHOT_MEMBERS):
        return EvidenceKind.POLICY_SNAPSHOT
    return EvidenceKind.POLICY_EXPLANATION if EXPLANATION_MEMBER in value else None


def _kind_of_large(
    incoming: Incoming, *, name: str, declared: EvidenceKind | None
) -> EvidenceKind:
    if declared in VERIFIABLE_KINDS:
        return declared
    head = _sniff(incoming)
    for schema, kind in SCHEMA_KINDS:
        if schema in head:
            return kind
    return declared or kind_by_name(name)


def _sniff(incoming: Incoming) -> bytes:
    """Return the beginning and the end: a producer may write its schema last."""
    with incoming.open() as file:
        head = file.read(SNIFF_BYTES)
        if head.startswith(GZIP_MAGIC):
            return zlib.decompressobj(GZIP_WINDOW).decompress(head, SNIFF_BYTES)
        file.seek(max(0, incoming.size_bytes - SNIFF_BYTES))
        return head + file.read(SNIFF_BYTES)
