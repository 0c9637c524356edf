"""Archiving a signed postmortem: its JSON, Markdown and PDF become evidence."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Collection

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from evidence.handling import Tlp
from evidence.models import Channel, EvidenceItem, EvidenceKind
from evidence.services.receipt import receive_evidence
from incidents.models import (
    PostmortemArchive,
    PostmortemReview,
    PostmortemVersion,
    ReviewVerdict,
    TimelineKind,
)
from incidents.services.archives.requests import queue_archive
from incidents.services.changes import lock_incident, record_change
from incidents.services.postmortems.marks import mark_of_version
from incidents.services.postmortems.pdfs import pdf_bytes
from incidents.services.postmortems.signatures import (
    current_signature,
    describe_signature,
)
from incidents.workflow.postmortem_markdown import render_postmortem


def archive_postmortem(
    *, review_id: int, now: dt.datetime | None = None
) -> PostmortemArchive:
    """Store a signed version's files as evidence; twice is once.

    The files depend on nothing but the version, its signature and its mark, so that a
    repeat makes the same bytes, and the same bytes are the same evidence item. The mark
    is the one of now: Markdown and PDF say it. The JSON is the very text that was
    signed; its item has the mark.
    """
    review = PostmortemReview.objects.select_related(
        "version__postmortem__cycle__incident", "reviewer"
    ).get(pk=review_id, verdict=ReviewVerdict.SIGNED)
    existing = PostmortemArchive.objects.filter(review=review).first()
    if existing is not None:
        return existing
    version = review.version
    # The bytes are stored before the rows: outside the transaction, as all uploads.
    tlp = mark_of_version(version)
    files = {
        "json_item": _store(version, "json", version.document.encode(), tlp),
        "markdown_item": _store(
            version, "md", render_version(version, review, tlp).encode(), tlp
        ),
        "pdf_item": _store(version, "pdf", pdf_bytes(version, review, tlp), tlp),
    }
    return _record(review, files, tlp, now or timezone.now())


def find_void_files(items: Collection[EvidenceItem]) -> dict[int, str]:
    """Return which of these items are files of a void signature, by evidence ID."""
    ids = {item.pk for item in items if item.channel == Channel.WORKER}
    is_file = Q(json_item__in=ids) | Q(markdown_item__in=ids) | Q(pdf_item__in=ids)
    archives = PostmortemArchive.objects.filter(is_file if ids else Q(pk__in=()))
    return {
        item_id: f"Void: version {archive.review.version.number} was taken up again"
        for archive in archives.select_related("review__version__postmortem")
        if current_signature(archive.review.version.postmortem) != archive.review
        for item_id in {
            archive.json_item_id,
            archive.markdown_item_id,
            archive.pdf_item_id,
        }
        & ids
    }


def render_version(
    version: PostmortemVersion, review: PostmortemReview | None, tlp: Tlp
) -> str:
    """Return a version as Markdown that says its mark of handling at both ends."""
    return render_postmortem(
        version.content,
        sha256_hex=version.content_sha256,
        signature=describe_signature(review),
        mark=tlp.label,
    )


def _store(
    version: PostmortemVersion, ending: str, data: bytes, tlp: Tlp
) -> EvidenceItem:
    incident = version.postmortem.incident
    item, _ = receive_evidence(
        incident_id=incident.pk,
        stream=io.BytesIO(data),
        original_name=f"{incident.reference}-postmortem-v{version.number}.{ending}",
        channel=Channel.WORKER,
        actor=None,
        kind=EvidenceKind.OTHER,
        source=f"postmortem version {version.number}, {version.content_sha256}",
        tlp=tlp,
    )
    return item


@transaction.atomic
def _record(
    review: PostmortemReview,
    files: dict[str, EvidenceItem],
    tlp: Tlp,
    now: dt.datetime,
) -> PostmortemArchive:
    version = review.version
    incident = lock_incident(version.postmortem.cycle.incident_id)
    archive, is_new = PostmortemArchive.objects.get_or_create(
        review=review,
        defaults={**files, "tlp": tlp.value, "archived_at": now},
    )
    if is_new:
        record_change(
            incident,
            action="postmortem.archived",
            actor=None,
            now=now,
            kind=TimelineKind.EVIDENCE,
            body=f"**Postmortem archived: version {version.number}** as JSON, Markdown "
            "and PDF",
            after={
                "version": version.number,
                "tlp": archive.tlp,
                "items": {
                    item.original_name: item.sha256_hex for item in archive.items
                },
            },
        )
        # The condition is met by the whole case's archive, once it passes its checker.
        queue_archive(incident, actor=None, now=now)
    return archive
