"""The one entry point for bytes: read, tell what they are, verify them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .bundle import require_bundle, verify_incident_evidence_bundle
from .errors import DocumentRefused
from .ledger import verify_runtime_risk_ledger_artifact
from .names import LEDGER_SCHEMA
from .pieces import CUT, Cut, open_document
from .reading import collector_paused, read
from .reports import IncidentEvidenceBundleReport, RuntimeRiskLedgerVerificationReport

Progress = Callable[[float], None]


class DocumentKind(StrEnum):
    """What can be verified by content."""

    BUNDLE = "bundle"
    LEDGER = "ledger"


@dataclass(frozen=True, slots=True)
class DocumentReport:
    """What a document is, and what verifying it found."""

    kind: DocumentKind
    report: IncidentEvidenceBundleReport | RuntimeRiskLedgerVerificationReport

    @property
    def valid(self) -> bool:
        """Return whether nothing in the document failed."""
        return self.report.valid

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {"kind": self.kind.value, "report": self.report.as_dict()}


def verify_document(
    data: bytes,
    *,
    source: bytes | None = None,
    progress: Progress | None = None,
    max_bytes: int | None = None,
    cut: Cut = CUT,
) -> DocumentReport:
    """Verify the bytes of a bundle or a ledger; raise `DocumentRefused` for others.

    `source` is the unredacted bundle that a redacted one is checked against.
    `progress` is called with the fraction done. `max_bytes` refuses more. A document
    that is long by `cut` is read in pieces, unless it has to be held against a source.
    """
    require_size(data, max_bytes)
    if source is not None:
        require_size(source, max_bytes)
    # The documents are gone before the collector looks around again.
    with collector_paused():
        if source is None and len(data) >= cut.long_bytes:
            # What is refused is read as a whole, which says why.
            with suppress(DocumentRefused):
                return _verify(open_document(data, cut=cut), progress=progress)
        reading = read(data)
        return _verify(reading.value, source, plain=reading.plain, progress=progress)


def _verify(
    document: dict[str, Any],
    source: bytes | None = None,
    *,
    plain: bool = False,
    progress: Progress | None,
) -> DocumentReport:
    """Verify a document by the kind that its members show."""
    if kind_of(document) is DocumentKind.LEDGER:
        # It stands alone: no filter explains its holes.
        ledger_report = verify_runtime_risk_ledger_artifact(document, plain=plain)
        return DocumentReport(DocumentKind.LEDGER, ledger_report)
    report = verify_incident_evidence_bundle(
        document,
        source=None if source is None else _read_source(source),
        plain=plain,
        progress=progress,
    )
    return DocumentReport(DocumentKind.BUNDLE, report)


def kind_of(document: dict[str, Any]) -> DocumentKind:
    """Tell a bundle from a ledger by its members, since `schema` may be wrong."""
    if "risk_ledger" in document:
        return DocumentKind.BUNDLE
    if "entries" in document or document.get("schema") == LEDGER_SCHEMA:
        return DocumentKind.LEDGER
    return DocumentKind.BUNDLE


def require_size(data: bytes, max_bytes: int | None) -> None:
    """Raise DocumentRefused for more bytes than allowed; None allows any number."""
    if max_bytes is not None and len(data) > max_bytes:
        raise DocumentRefused(
            "too_large", f"expected at most {max_bytes} bytes, got {len(data)}"
        )


def _read_source(data: bytes) -> dict[str, Any]:
    """Read the source; what is wrong with it is said to be the source's fault."""
    try:
        document = read(data).value
        require_bundle(document)
    except DocumentRefused as refusal:
        raise DocumentRefused(
            "source_refused", f"in the source: {refusal.message}", refusal.path
        ) from None
    return document
