"""Drafts, reviews and files of postmortems."""

from __future__ import annotations

from evidence.api.base.records import RecordKind
from evidence.api.records import WORK
from incidents.models import (
    ArchiveSeal,
    PostmortemArchive,
    PostmortemArchiving,
    PostmortemDraft,
    PostmortemPdf,
    PostmortemReview,
)

POSTMORTEM_KINDS = (
    RecordKind(
        path="postmortem-drafts",
        model=PostmortemDraft,
        about="Drafts of postmortems, revision by revision.",
        fields=("postmortem", "revision", "sections", "saved_at", "saved_by"),
        incident_lookup="postmortem__cycle__incident",
    ),
    RecordKind(
        path="postmortem-reviews",
        model=PostmortemReview,
        about="Reviews of postmortems: signatures, and versions that were sent back.",
        fields=(
            "version",
            "verdict",
            "content_sha256",
            "comment",
            "reviewed_at",
            "reviewer",
        ),
        incident_lookup="version__postmortem__cycle__incident",
        also_by=("content_sha256",),
    ),
    RecordKind(
        path="postmortem-archives",
        model=PostmortemArchive,
        about="The files in which signed postmortems are kept as evidence.",
        fields=("review", "json_item", "markdown_item", "pdf_item", "archived_at"),
        incident_lookup="review__version__postmortem__cycle__incident",
    ),
    RecordKind(
        path="archive-seals",
        model=ArchiveSeal,
        about="What made archives were signed and time-stamped with.",
        fields=(
            "archive",
            "manifest_sha256_hex",
            "signatures",
            "time_stamps",
            "problem",
            "sealed_at",
        ),
        incident_lookup="archive__incident",
        permission="incidents.view_casearchive",
    ),
    RecordKind(
        path="postmortem-archivings",
        model=PostmortemArchiving,
        about="Archiving of signed postmortems, and how far each has come.",
        fields=("review", *WORK),
        incident_lookup="review__version__postmortem__cycle__incident",
    ),
    RecordKind(
        path="postmortem-pdfs",
        model=PostmortemPdf,
        about="PDFs of postmortems that were asked for, and how far each has come.",
        fields=("version", *WORK, "signature", "sha256_hex"),
        incident_lookup="version__postmortem__cycle__incident",
    ),
)
