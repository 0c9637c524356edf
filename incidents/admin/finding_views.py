"""Findings as pages show them: verdict, sentence, and links to the records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from incidents.findings import Verdict
from incidents.models import Finding
from incidents.services.findings.words import review_text, title_of

POINTERS_SHOWN = 5


@dataclass(frozen=True)
class PointerView:
    """A record that a finding points at; without a page of it, the words alone."""

    label: str
    url: str


@dataclass(frozen=True)
class FindingView:
    """One finding, made ready for a page."""

    finding: Finding
    title: str
    review: str
    pointers: list[PointerView]
    more: int

    @property
    def is_reviewed(self) -> bool:
        return bool(self.review)

    @property
    def can_be_confirmed(self) -> bool:
        return not self.review and self.finding.verdict != Verdict.UNKNOWN


def view_findings(
    findings: Iterable[Finding], *, of_item: int | None = None
) -> list[FindingView]:
    """Return findings as pages show them, first the records of an item, where named."""
    return [
        FindingView(
            finding=finding,
            title=title_of(finding),
            review=review_text(finding),
            pointers=[
                _pointer(pointer)
                for pointer in _first_of(finding, of_item)[:POINTERS_SHOWN]
            ],
            more=max(len(finding.pointers) - POINTERS_SHOWN, 0),
        )
        for finding in findings
    ]


def _first_of(finding: Finding, item: int | None) -> list[dict[str, Any]]:
    if item is None:
        return list(finding.pointers)
    return sorted(finding.pointers, key=lambda pointer: pointer.get("item_id") != item)


def _pointer(pointer: dict[str, Any]) -> PointerView:
    section = str(pointer["section"]).replace("_", " ")
    if pointer.get("call_id"):
        label = f"call {pointer['call_id']}"
    elif pointer.get("line"):
        label = f"{pointer.get('file') or pointer['item']} line {pointer['line']}"
    elif pointer.get("index") is not None:
        label = f"{section} {pointer['index']}"
    else:
        label = f"{pointer['item']}, {section}"
    return PointerView(label, _page_of(pointer))


def _page_of(pointer: dict[str, Any]) -> str:
    """Return the page of a record: its step of the replay, else its evidence item."""
    item = pointer.get("item_id")
    if item is None:
        return ""
    url = reverse("admin:evidence_evidenceitem_change", args=[item])
    call = pointer.get("call_id")
    query = urlencode({"view": "replay", "call_id": call}) if call else ""
    return f"{url}?{query}" if query else url
