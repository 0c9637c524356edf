"""The contents of an archive for outsiders: docs/proof-format.md, section 3.

Redacted copies of bundles stand in place of what was received; what cannot be redacted
is left out. Entries of the history are skeletons, whose links and proofs are checked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from evidence.audit.history import entry_document
from evidence.audit.log.reading import entry_proof
from evidence.format import (
    DocumentRefused,
    IncidentBundleRedactionPolicy,
    canonical_bytes,
    read_document,
    serialize_document,
    verify_document,
)
from evidence.format.hiding import Secrets, strings_held
from evidence.format.redaction import redacted_members
from evidence.format.redactor import Redactor
from evidence.handling import Tlp
from evidence.models import AuditEntry, EvidenceItem, EvidenceKind
from evidence.proof.archive_file import Member, member_of
from evidence.proof.verify_archive import SKELETON_SCHEMA, member_name
from evidence.queue.children import Tell, run_apart
from evidence.services.documents import unpack_document
from evidence.services.downloads import load_bytes
from evidence.stored_moments import to_ms
from incidents.errors import ArchiveLeaks
from incidents.models import PostmortemArchive
from incidents.services.archives.making import Contents
from incidents.workflow.postmortem_markdown import render_postmortem

SHOWN_LEAKS = 20
SIGNED_WHOLE = "signed is the unredacted text, of which this is a redacted copy"


@dataclass(frozen=True)
class _Copy:
    """A bundle's redacted copy, and what the redactor has found by then."""

    name: str
    data: bytes
    is_valid: bool
    steps: dict[str, str]
    replaced: Counter[tuple[str, str]]
    leaks: list[tuple[str, str]]


class RedactedContents(Contents):
    """The members of a redacted archive, and what was taken out of them."""

    def prepare(self) -> None:
        """Look through the documents, and collect what the flags hide in any of them.

        None is kept: a case has hundreds, and each is read again for its copy.
        """
        # Streams of extensions tell of other cases too: they are left out.
        self.streams = [self.case]
        policy = IncidentBundleRedactionPolicy.from_dict(self.archive.redaction)
        flagged = frozenset(name for _, name in redacted_members(policy.flags))
        self.readable: list[EvidenceItem] = []
        secrets = Secrets.of_held(self._held_by(flagged))
        self.redactor = Redactor(policy, secrets, deep=self.archive.deep)
        self.evidence: list[dict[str, Any]] = []
        self.reports: list[dict[str, Any]] = []

    def evidence_members(self, note: Callable[[float], None]) -> Iterator[Member]:
        """Yield the redacted copies of the case's bundles."""
        for place, item in enumerate(self.readable):
            note(place / len(self.readable))
            data = unpack_document(load_bytes(item))
            made = run_apart(partial(self._copy, item, data), reads=[data])
            # What a child noted would end with it.
            self.redactor.replaced, self.redactor.leaks = made.replaced, made.leaks
            copy = member_of(member_name(made.name), made.data)
            self._note_copy(item, made, copy)
            yield member_of(f"evidence/{copy.sha256_hex}/{copy.name}", made.data)

    def record_lines(self, kind: str) -> Iterable[dict[str, Any]]:
        """Yield a list's documents without what they must not tell."""
        file = f"records/{kind}.ndjson"
        for line, document in enumerate(super().record_lines(kind), 1):
            yield self.redactor.document(document, file=file, line=line)
        if kind == "reports":
            yield from self.reports

    def history_lines(self, entries: Iterable[AuditEntry]) -> Iterator[dict[str, Any]]:
        return (_skeleton(entry_document(entry)) for entry in entries)

    def proofs(self) -> Iterator[dict[str, Any]]:
        for entry in self.proved_entries():
            proof = entry_proof(entry, self.checkpoint)
            yield {**proof, "entry": _skeleton(proof["entry"])}

    def postmortem_members(self) -> Iterator[Member]:
        """Yield the signed versions, laid out anew from their redacted documents."""
        for name, archive in self.signed_versions():
            yield from self._redacted_version(name, archive)

    def predicate(self) -> dict[str, Any]:
        kept = {row["derived_from"] for row in self.evidence}
        whole = super().predicate()
        return {
            **whole,
            "title": self.redactor.text(whole["title"], path="manifest.json title"),
            "evidence": self.evidence,
            "redaction": {
                "flags": self.redactor.policy.as_dict(),
                "deep": self.archive.deep,
                "left_out": sorted({*self.items, *kept}),
                "replaced": self.redactor.listing(),
            },
        }

    def readme_title(self) -> str:
        return self.redactor.text(super().readme_title(), path="README.txt title")

    def require_no_leak(self) -> None:
        """Raise ArchiveLeaks where something leaks that was not to be replaced."""
        leaks = list(dict.fromkeys(self.redactor.leaks))
        if not leaks:
            return
        shown = ", ".join(f"{path} ({kind})" for path, kind in leaks[:SHOWN_LEAKS])
        more = len(leaks) - SHOWN_LEAKS
        rest = f" and {more} more" if more > 0 else ""
        raise ArchiveLeaks(
            "Something that is to be redacted stands elsewhere too, so the archive was "
            f"not kept. What leaks, and where: {shown}{rest}. Have it made with deep "
            "redaction, which takes that out as well."
        )

    def _held_by(self, flagged: frozenset[str]) -> Iterator[tuple[str, str]]:
        """Yield what flagged members hold, and note the bundles that can be read."""
        for item in self.items.values():
            if item.kind not in (EvidenceKind.BUNDLE, EvidenceKind.LEDGER):
                continue
            try:
                data = unpack_document(load_bytes(item))
                held = run_apart(partial(_held_in, data, flagged), reads=[data])
            except DocumentRefused:
                # What cannot be read cannot be redacted: it is left out.
                continue
            yield from held
            if item.kind == EvidenceKind.BUNDLE:
                self.readable.append(item)
        for alert in self.frozen.alerts():
            yield from strings_held(alert, flagged)

    def _copy(self, item: EvidenceItem, data: bytes, tell: Tell) -> _Copy:
        """Make the copy of a bundle; without the database or the store."""
        where = f"evidence/{item.sha256_hex}"
        made = self.redactor.bundle(
            read_document(data), file=where, generated_at_ms=to_ms(self.moment)
        )
        name = self.redactor.text(item.original_name, path=f"{where} name")
        copy = serialize_document(made)
        report = verify_document(copy).as_dict()["report"]
        return _Copy(
            name=name,
            data=copy,
            is_valid=report["valid"],
            steps=report["steps"],
            replaced=self.redactor.replaced,
            leaks=self.redactor.leaks,
        )

    def _note_copy(self, item: EvidenceItem, made: _Copy, copy: Member) -> None:
        self.evidence.append(
            {
                "sha256": copy.sha256_hex,
                "name": made.name,
                "kind": str(item.kind),
                "size_bytes": copy.size_bytes,
                "received_at_ms": to_ms(item.received_at),
                "derived_from": item.sha256_hex,
            }
        )
        self.reports.append(
            {
                "record": "redacted_copy",
                "id": f"copy-{len(self.evidence)}",
                "sha256": copy.sha256_hex,
                "outcome": "valid" if made.is_valid else "invalid",
                "document_kind": "bundle",
                "steps": made.steps,
            }
        )

    def _redacted_version(
        self, name: str, archive: PostmortemArchive
    ) -> Iterator[Member]:
        version = archive.review.version
        # As in pdfs.py: few processes ever draw.
        from incidents.postmortem_pdf import write_pdf

        content = self.redactor.document(version.content, file=f"{name}.json")
        told = {"sha256_hex": version.content_sha256, "signature": SIGNED_WHOLE}
        # What stands in two fields may stand side by side in the text.
        tlp = Tlp(self.archive.own_tlp)
        whole = render_postmortem(content, **told, mark=tlp.label)
        text = self.redactor.text(whole, path=f"{name}.md")
        yield member_of(f"{name}.json", canonical_bytes({**content, "tlp": tlp.label}))
        yield member_of(f"{name}.md", text.encode())
        pdf = write_pdf(content, **told, text=text, tlp=tlp)
        yield member_of(f"{name}.pdf", pdf)


def _skeleton(entry: dict[str, Any]) -> dict[str, Any]:
    kept = ("stream", "sequence", "previous_hash", "entry_hash")
    return {"schema": SKELETON_SCHEMA, **{name: entry[name] for name in kept}}


def _held_in(data: bytes, flagged: frozenset[str], tell: Tell) -> set[tuple[str, str]]:
    return set(strings_held(read_document(data), flagged))
