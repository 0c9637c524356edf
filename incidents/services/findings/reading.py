"""The evidence of a case as the findings read it.

Exports of the case's own evidence are left out: they say nothing that their source does
not say, and a redacted one says less.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from evidence.errors import CasefileError, StorageUnavailable
from evidence.format import DocumentRefused, hash_value, read_document
from evidence.models import (
    VERIFIABLE_KINDS,
    EvidenceItem,
    EvidenceKind,
    Outcome,
    VerificationReport,
)
from evidence.services.documents import unpack_document
from evidence.services.downloads import load_bytes
from evidence.stored_moments import to_ms
from incidents.findings import (
    CaseEvidence,
    Document,
    ExplanationInput,
    HistoryInput,
    PolicyInput,
    SourceInput,
    inputs,
)
from incidents.models import Incident
from incidents.services.gates.gathering import (
    find_current_report_keys,
    find_current_reports,
)
from policy.models import PolicySnapshot, RuntimeHistoryImport
from policy.rules.errors import DocumentError
from policy.rules.explanation import interpret_explanation
from policy.services import case_records
from policy.services.runtime_histories import lift_allowed_from
from policy.services.snapshots import read_snapshot

if TYPE_CHECKING:
    from policy.scanner.report import SourceReport

log = logging.getLogger(__name__)

Read = TypeVar("Read", covariant=True)
READABLE = (Outcome.VERIFIED, Outcome.FAILED)
OWN_RECORD = "Casefile's own record"


class _File(Protocol[Read]):
    @property
    def name(self) -> str: ...

    def read(self) -> Read: ...


@dataclass(frozen=True)
class _StoredDocument:
    """A bundle's or ledger's bytes, and what its verification report says of it."""

    name: str
    sha256_hex: str
    is_bundle: bool
    stored: dict[str, Any]
    data: bytes

    def read(self) -> Document:
        """Return the document; raise DocumentRefused where it cannot be read."""
        members = read_document(self.data)
        if not self.is_bundle:
            ledger = self.stored["ledger"]
            return Document(self.name, self.sha256_hex, members, ledger)
        return inputs.document_of_bundle(
            self.name, self.sha256_hex, members, self.stored
        )


@dataclass(frozen=True)
class _StoredHistory:
    """A runtime's record, and from when on a lift was in time for its case."""

    name: str
    sha256_hex: str
    data: bytes
    lift_allowed_from: dict[str, dt.datetime | None]

    def read(self) -> HistoryInput:
        """Return what it holds; raise DocumentError where it is too large."""
        return inputs.read_history(
            self.name,
            self.data,
            self.sha256_hex,
            lift_allowed_from=self.lift_allowed_from,
        )


@dataclass(frozen=True)
class _StoredSource:
    """An extension's source, and what its scan reported."""

    name: str
    file_name: str
    sha256_hex: str
    data: bytes
    report: SourceReport
    extension_ids: frozenset[str]

    def read(self) -> SourceInput:
        source = inputs.source_of(
            self.file_name, self.data, self.sha256_hex, self.report
        )
        return replace(source, item=self.name, extension_ids=self.extension_ids)


@dataclass(frozen=True)
class CaseMaterial:
    """All that a case's evidence is read from; nothing of it needs the database.

    `besides` is what was read already: it comes from the database's rows.
    """

    documents: list[_StoredDocument]
    histories: list[_StoredHistory]
    source: _StoredSource | None
    besides: CaseEvidence
    problems: list[str]

    def bytes_to_read(self) -> list[bytes]:
        # A source is read by Python alone, which says where memory runs out.
        documents = [document.data for document in self.documents]
        return documents + [history.data for history in self.histories]

    def read(self) -> tuple[CaseEvidence, list[str]]:
        """Return the evidence, and what could not be read of it."""
        problems = list(self.problems)
        documents = list(_read_each(self.documents, problems))
        histories = list(_read_each(self.histories, problems))
        evidence = replace(
            self.besides,
            documents=tuple(documents),
            histories=(*histories, *self.besides.histories),
            source=self.source.read() if self.source is not None else None,
        )
        return inputs.with_names(evidence), problems


def _read_each(files: Iterable[_File[Read]], problems: list[str]) -> Iterator[Read]:
    """Yield what can be read; note what cannot."""
    for file in files:
        try:
            yield file.read()
        except (DocumentRefused, DocumentError) as refusal:
            problems.append(_problem(file.name, refusal.message))


def readable_reports(incident: Incident) -> list[VerificationReport]:
    """Return the current reports of the case's own bundles and ledgers, by item."""
    items = incident.evidence_items.arrived().filter(kind__in=VERIFIABLE_KINDS)
    reports = find_current_reports(items)
    return [reports[pk] for pk in sorted(reports) if reports[pk].outcome in READABLE]


def readable_report_keys(incident_ids: Collection[int]) -> dict[int, list[int]]:
    """Return the keys of the readable reports of each case, by item, in one query."""
    items = EvidenceItem.objects.arrived().filter(
        kind__in=VERIFIABLE_KINDS, incident__in=incident_ids
    )
    found: dict[int, list[int]] = {pk: [] for pk in incident_ids}
    for case, report, outcome in find_current_report_keys(items):
        if outcome in READABLE:
            found[case].append(report)
    return found


def load_case(
    incident: Incident,
) -> tuple[CaseMaterial, dict[str, EvidenceItem], list[VerificationReport]]:
    """Load what a case is read from, with the items by name and the reports.

    What cannot be loaded is a problem that says so. Slow: call it outside of
    transactions. Raise StorageUnavailable where the store is away for now.
    """
    reader = _Reader(incident)
    reports = readable_reports(incident)
    documents = [
        document for report in reports if (document := reader.document(report))
    ]
    snapshots = list(incident.policy_snapshots.order_by("captured_at", "pk"))
    besides = CaseEvidence(
        policies=tuple(reader.policy(snapshot) for snapshot in snapshots),
        explanation=reader.explanation(snapshots),
        histories=tuple(reader.own_history()),
    )
    histories, source = list(reader.histories()), reader.source()
    material = CaseMaterial(documents, histories, source, besides, reader.problems)
    return material, reader.items, reports


class _Reader:
    """Reads one case's evidence, and keeps which item each name stands for."""

    def __init__(self, incident: Incident) -> None:
        self.incident = incident
        self.items: dict[str, EvidenceItem] = {}
        self.problems: list[str] = []
        names = incident.evidence_items.values_list("original_name", flat=True)
        self._counts = Counter(names)

    def name(self, item: EvidenceItem) -> str:
        """Return an item's name, with its number where another has the same."""
        name = item.original_name
        if self._counts[name] > 1:
            name = f"{name} (item {item.pk})"
        self.items[name] = item
        return name

    def document(self, report: VerificationReport) -> _StoredDocument | None:
        item = report.item
        try:
            data = unpack_document(load_bytes(item))
        except StorageUnavailable:
            raise
        except (CasefileError, DocumentRefused) as error:
            self._note(item, error.message)
            return None
        stored = {
            "steps": report.steps,
            "details": report.details.get("details", {}),
            "ledger": ledger_report(report),
        }
        is_bundle = report.document_kind == "bundle"
        return _StoredDocument(
            self.name(item), item.sha256_hex, is_bundle, stored, data
        )

    def policy(self, snapshot: PolicySnapshot) -> PolicyInput:
        item = snapshot.settings_item
        return PolicyInput(
            self.name(item),
            item.sha256_hex,
            read_snapshot(snapshot).effective,
            since_ms=to_ms(snapshot.captured_at),
        )

    def explanation(self, snapshots: list[PolicySnapshot]) -> ExplanationInput | None:
        explained = [
            snapshot for snapshot in snapshots if snapshot.explanation_item is not None
        ]
        if not explained:
            return None
        item = explained[-1].explanation_item
        document = explained[-1].explanation
        if item is None or document is None:
            return None
        return ExplanationInput(
            self.name(item), item.sha256_hex, interpret_explanation(document)
        )

    def histories(self) -> Iterator[_StoredHistory]:
        allowed_from = lift_allowed_from(self.incident)
        rows = RuntimeHistoryImport.objects.filter(incident=self.incident)
        for row in rows.select_related("item").order_by("pk"):
            data = self._bytes(row.item)
            if data is not None:
                name, digest = self.name(row.item), row.item.sha256_hex
                yield _StoredHistory(name, digest, data, allowed_from)

    def own_history(self) -> Iterator[HistoryInput]:
        own = case_records.own_record(self.incident)
        if own.stops or own.moves or own.doubts:
            said = [*map(str, own.stops), *map(str, own.moves), *own.doubts]
            lines = len(own.stops + own.moves)
            yield HistoryInput(
                OWN_RECORD, hash_value(said), own.stops, own.moves, lines, own.doubts
            )

    def source(self) -> _StoredSource | None:
        items = self.incident.evidence_items.filter(kind=EvidenceKind.EXTENSION_SOURCE)
        item = items.order_by("-pk").first()
        # Scanning takes seconds for each megabyte: what was stored is read back.
        report = case_records.newest_scan(item) if item is not None else None
        data = self._bytes(item) if report is not None and item is not None else None
        if item is None or report is None or data is None:
            return None
        names = {extension.extension_id for extension in self.incident.extensions.all()}
        return _StoredSource(
            name=self.name(item),
            file_name=item.original_name,
            sha256_hex=item.sha256_hex,
            data=data,
            report=report,
            extension_ids=frozenset(names) if len(names) == 1 else frozenset(),
        )

    def _bytes(self, item: EvidenceItem) -> bytes | None:
        try:
            return load_bytes(item)
        except StorageUnavailable:
            raise
        except CasefileError as error:
            self._note(item, error.message)
            return None

    def _note(self, item: EvidenceItem, why: str) -> None:
        log.warning("evidence %s could not be read for findings", item.pk)
        self.problems.append(_problem(item.original_name, why))


def _problem(name: str, why: str) -> str:
    return f"{name} could not be read: {why}"[:300]


def ledger_report(report: VerificationReport) -> dict[str, Any]:
    """Return the ledger's part of a stored report as the engine wrote it."""
    ledger = report.details.get("ledger", report.details)
    errors = report.errors.values_list("entry_index", "sequence", "code", "message")
    return {
        **ledger,
        "verification_errors": [
            {
                "index": index,
                "sequence": int(sequence) if sequence.isdecimal() else None,
                "code": code,
                "message": message,
            }
            for index, sequence, code, message in errors
        ],
    }
