"""Reading the records of a bundle, or of a ledger by itself, whatever is in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from incidents.findings.finding import Finding, FindingSeverity, counted, listed, refs

# None, or no names at all, means every extension.
Extensions = frozenset[str]
ALL_EXTENSIONS: Extensions = frozenset()


@dataclass(frozen=True)
class Record:
    """One record of a section, with its index there and its JSON path."""

    index: int
    path: str
    members: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Return a text member; empty where it is missing or no text."""
        value = self.members.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> float | None:
        """Return a number member; None where it is missing or no number."""
        value = self.members.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts of an array member; none where it is no array."""
        value = self.members.get(name)
        if not isinstance(value, list):
            return ()
        return tuple(member for member in value if isinstance(member, str))


def records(
    bundle: Mapping[str, Any], section: str, extension_ids: Extensions = ALL_EXTENSIONS
) -> Iterator[Record]:
    """Yield the objects of a section that are of the extensions asked for."""
    yield from _of(bundle.get(section), f"$.{section}", extension_ids)


def ledger_entries(
    document: Mapping[str, Any], extension_ids: Extensions = ALL_EXTENSIONS
) -> Iterator[Record]:
    """Yield the entries of a bundle's ledger, or of a ledger that stands alone."""
    ledger = document.get("risk_ledger")
    if isinstance(ledger, Mapping):
        yield from _of(ledger.get("entries"), "$.risk_ledger.entries", extension_ids)
    else:
        yield from _of(document.get("entries"), "$.entries", extension_ids)


def _of(
    entries: object, path: str, extension_ids: Extensions = ALL_EXTENSIONS
) -> Iterator[Record]:
    if not isinstance(entries, list):
        return
    for index, members in enumerate(entries):
        if not isinstance(members, Mapping):
            continue
        record = Record(index, f"{path}[{index}]", members)
        if not extension_ids or record.text("extension_id") in extension_ids:
            yield record


def alert_finding(
    bundle: Mapping[str, Any],
    category: str,
    *,
    extension_ids: Extensions,
    playbook_item: str,
) -> Finding:
    """Return the alerts of a category: which calls of which extensions."""
    alerts = [
        alert
        for alert in records(bundle, "security_alerts", extension_ids)
        if alert.text("category") == category
    ]
    if not alerts:
        return Finding(
            key=f"no-{category.replace('_', '-')}-alerts",
            title=f"No alert with category {category}",
            severity=FindingSeverity.INFO,
            detail="The bundle holds none; check its filter and its time range.",
            playbook_item=playbook_item,
        )
    return Finding(
        key=f"{category.replace('_', '-')}-alerts",
        title=f"{counted(len(alerts), 'alert')} with category {category}",
        severity=FindingSeverity.INFO,
        detail=listed(call_text(alert) for alert in alerts),
        playbook_item=playbook_item,
        evidence_refs=refs(alert.path for alert in alerts),
        count=len(alerts),
    )


def call_text(record: Record) -> str:
    """Return extension, capability, method and call of a record, for people."""
    names = (("capability", "{}"), ("method", "by {}"), ("call_id", "call {}"))
    parts = [
        form.format(record.text(name)) for name, form in names if record.text(name)
    ]
    who = record.text("extension_id") or "unknown extension"
    return f"{who}: {', '.join(parts)}" if parts else who


def untrusted_note(entries: Iterable[Record], ledger_report: object) -> str:
    """Return a sentence on how many entries stand from the break on; empty for none."""
    trusted = trusted_prefix(ledger_report)
    if trusted is None:
        return ""
    number = sum(entry.index >= trusted for entry in entries)
    if not number:
        return ""
    verb = "stands" if number == 1 else "stand"
    return f" {number} of these {verb} after the break of the ledger: untrusted."


def trusted_prefix(ledger_report: object) -> int | None:
    """Return how many entries the report trusts; None without such a report."""
    if not isinstance(ledger_report, Mapping):
        return None
    value = ledger_report.get("trusted_prefix")
    return value if isinstance(value, int) and not isinstance(value, bool) else None
