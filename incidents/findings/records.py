"""Reading the records of evidence, whatever is in them, and how far each is trusted.

A record of the ledger is trusted up to the ledger's break. The other sections have no
chain: the bundle's hash stands for them, and, where the ledger breaks, only what
belongs to calls before the break is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from evidence.format.json_numbers import integer_of, is_number
from evidence.format.names import PLACEHOLDER, RECORD_SECTIONS
from incidents.findings.finding import Pointer, counted

LEDGER = "risk_ledger"


@dataclass(frozen=True)
class Record:
    """One record of a section of an item, and whether it can be trusted."""

    item: str
    section: str
    index: int
    members: Mapping[str, Any]
    is_trusted: bool = True

    def text(self, name: str) -> str:
        """Return a text member; empty where it is missing, redacted or no text."""
        value = self.members.get(name)
        return value if isinstance(value, str) and value != PLACEHOLDER else ""

    def number(self, name: str) -> float | None:
        """Return a number member; None where it is missing or no number."""
        value = self.members.get(name)
        return value if is_number(value) else None

    def moment(self) -> int | None:
        """Return when it happened, in ms; None where it does not say."""
        return integer_of(self.members.get("ts_ms"))

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts of an array member; none where it is no array."""
        value = self.members.get(name)
        if not isinstance(value, list):
            return ()
        return tuple(member for member in value if isinstance(member, str))

    def is_redacted(self, name: str) -> bool:
        """Return whether a member holds the placeholder."""
        return self.members.get(name) == PLACEHOLDER

    @property
    def sequence(self) -> int | None:
        """Return the ledger's number of the record; None where it has none."""
        return integer_of(self.members.get("sequence"))

    @property
    def extension(self) -> str:
        """Return whose record it is."""
        return self.text("extension_id") or "unknown extension"

    @property
    def call(self) -> tuple[str, str] | None:
        """Return what joins the sections: extension and call ID; None without one."""
        call_id = self.text("call_id")
        return (self.text("extension_id"), call_id) if call_id else None

    @property
    def pointer(self) -> Pointer:
        """Return where the record stands."""
        return Pointer(
            self.item,
            self.section,
            self.index,
            self.sequence,
            self.text("call_id") or None,
        )


@dataclass(frozen=True)
class Document:
    """A bundle or a ledger as evidence: what it holds, and what its report says.

    ``ledger_report`` is the RuntimeRiskLedgerVerificationReport of section 2 of
    docs/evidence-format.md, None where there is no ledger to verify. ``failed_steps``
    are the names of the five steps that failed; ``short_sections`` those whose number
    of records is not the summary's.
    """

    item: str
    sha256: str
    members: Mapping[str, Any]
    ledger_report: Mapping[str, Any] | None
    failed_steps: frozenset[str] = frozenset()
    short_sections: frozenset[str] = frozenset()

    @cached_property
    def is_bundle(self) -> bool:
        """Return whether the document has any section of a bundle."""
        return LEDGER in self.members or any(
            name in self.members for name in RECORD_SECTIONS
        )

    @cached_property
    def trusted_prefix(self) -> int:
        """Return how many ledger entries stand before the break; 0 without a report."""
        report = self.ledger_report or {}
        return integer_of(report.get("trusted_prefix")) or 0

    @cached_property
    def has_broken_ledger(self) -> bool:
        """Return whether verification found the ledger's chain not to hold."""
        report = self.ledger_report
        return report is not None and report.get("chain_valid") is not True

    @cached_property
    def entries(self) -> tuple[Record, ...] | None:
        """Return the ledger's entries; None where there is no ledger to read."""
        ledger = self.members.get(LEDGER) if self.is_bundle else self.members
        entries = ledger.get("entries") if isinstance(ledger, Mapping) else None
        if not isinstance(entries, list) or self.ledger_report is None:
            return None
        return tuple(
            Record(
                self.item,
                LEDGER,
                index,
                entry if isinstance(entry, Mapping) else {},
                index < self.trusted_prefix,
            )
            for index, entry in enumerate(entries)
        )

    def section(self, name: str) -> tuple[Record, ...] | None:
        """Return the records of a section; None where the document has none."""
        return self._sections[name]

    @cached_property
    def _sections(self) -> dict[str, tuple[Record, ...] | None]:
        """Return the records of each section; None for one that is missing."""
        return {
            LEDGER: self.entries,
            **{name: self._read_section(name) for name in RECORD_SECTIONS},
        }

    def _read_section(self, name: str) -> tuple[Record, ...] | None:
        """Return the records of a section, each marked as trusted or not."""
        records = self.members.get(name) if self.is_bundle else None
        if not isinstance(records, list):
            return None
        found = (
            Record(
                self.item, name, index, member if isinstance(member, Mapping) else {}
            )
            for index, member in enumerate(records)
        )
        return tuple(
            record
            if self._is_trusted(record)
            else Record(record.item, name, record.index, record.members, False)
            for record in found
        )

    def _is_trusted(self, record: Record) -> bool:
        """Return whether a record can be relied on."""
        if "bundle_hash" in self.failed_steps:
            return False
        if not self.has_broken_ledger:
            return True
        if record.call in self._trusted_calls:
            return True
        if record.call in self._untrusted_calls:
            return False
        moment, last = record.moment(), self._last_trusted_ms
        return moment is not None and last is not None and moment <= last

    @cached_property
    def _trusted_calls(self) -> frozenset[tuple[str, str] | None]:
        """Return the calls whose entries stand before any break."""
        calls = {entry.call for entry in self.entries or () if entry.is_trusted}
        return frozenset(calls - {None})

    @cached_property
    def _untrusted_calls(self) -> frozenset[tuple[str, str] | None]:
        """Return the calls whose entries stand behind a break."""
        calls = {entry.call for entry in self.entries or () if not entry.is_trusted}
        return frozenset(calls - {None})

    @cached_property
    def _last_trusted_ms(self) -> int | None:
        """Return the moment of the last trusted entry; None where there is none."""
        moments = [e.moment() for e in self.entries or () if e.is_trusted]
        return max((m for m in moments if m is not None), default=None)

    def gaps(self, name: str) -> Iterator[str]:
        """Yield what of a section could not be read, for people."""
        records = self.section(name)
        if records is None:
            return
        untrusted = sum(not record.is_trusted for record in records)
        if untrusted:
            yield f"{self._untrusted_text(name, untrusted, len(records))}"
        if name in self.short_sections:
            yield (
                f"{name} of {self.item} has another number of records than its "
                "summary: some may be missing"
            )

    def _untrusted_text(self, name: str, untrusted: int, total: int) -> str:
        """Describe how much of a section cannot be relied on, and from where."""
        if name == LEDGER:
            first = (self.entries or ())[self.trusted_prefix]
            place = (
                f"index {first.index}"
                if first.sequence is None
                else f"sequence {first.sequence}"
            )
            entries = counted(self.trusted_prefix, "entry", "entries")
            return (
                f"{self.item} failed verification, only the trusted prefix of "
                f"{entries} was read; {untrusted} of {total} from {place} on are "
                "untrusted"
            )
        why = (
            "was changed after it was sealed"
            if "bundle_hash" in self.failed_steps
            else "has a broken ledger"
        )
        return f"{self.item} {why}: {untrusted} of {total} in {name} are untrusted"


@dataclass(frozen=True)
class Library:
    """All documents that are read together, as one runtime's."""

    documents: tuple[Document, ...] = ()
    _cache: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def has(self, section: str) -> bool:
        """Return whether any document has the section."""
        return any(document.section(section) is not None for document in self.documents)

    def trusted(self, section: str) -> tuple[Record, ...]:
        """Return a section's trusted records, over all documents."""
        if section not in self._cache:
            self._cache[section] = tuple(
                record
                for document in self.documents
                for record in document.section(section) or ()
                if record.is_trusted
            )
        return self._cache[section]

    def gaps(self, *sections: str) -> list[str]:
        """Return what could not be read of sections that a question needs."""
        found = []
        for section in sections:
            if not self.has(section):
                found.append(f"no evidence has the section {section}")
            for document in self.documents:
                found += document.gaps(section)
        return found

    def inputs(self, *others: tuple[str, str]) -> dict[str, str]:
        """Return the digests of the documents, and of other inputs, by item."""
        digests = {document.item: document.sha256 for document in self.documents}
        return {**digests, **dict(others)}

    @cached_property
    def outcomes(self) -> Mapping[tuple[str, str], str]:
        """Return what became of each call: by the ledger, else by the telemetry."""
        found: dict[tuple[str, str], str] = {}
        for section in ("hostcall_telemetry", LEDGER):
            for record in self.trusted(section):
                if record.call is not None and record.text("outcome"):
                    found[record.call] = record.text("outcome")
        return found


def call_text(record: Record) -> str:
    """Return extension, capability, method and call of a record, for people."""
    names = (("capability", "{}"), ("method", "by {}"), ("call_id", "call {}"))
    parts = [
        form.format(record.text(name)) for name, form in names if record.text(name)
    ]
    return f"{record.extension}: {', '.join(parts)}" if parts else record.extension


# What tells records apart that are of one call.
_OWN_MEMBERS = ("sequence", "ts_ms", "name_hash", "exposure_path", "resource")


def distinct(records: Iterable[Record]) -> list[Record]:
    """Return records without those that another bundle holds as well."""
    seen: dict[object, Record] = {}
    for record in records:
        own = tuple(str(record.members.get(name)) for name in _OWN_MEMBERS)
        place = record.call or (record.extension, "")
        seen.setdefault((record.section, place, own), record)
    return list(seen.values())
