"""The files of a version: what the page shows of those that a worker makes."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from evidence.models import UNFINISHED_STATES, QueuedWork
from incidents.admin.postmortem_views import VersionView
from incidents.models import Postmortem, PostmortemArchiving, PostmortemPdf
from incidents.services.postmortems.marks import mark_of_version
from incidents.services.postmortems.pdfs import find_archive, find_pdf


def files_context(postmortem: Postmortem, shown: VersionView | None) -> dict[str, Any]:
    """Return what the card of exports shows: the PDF, the archive, the work on both."""
    if shown is None:
        return {}
    review, tlp = shown.signature, mark_of_version(shown.version)
    archived_pdf = find_archive(review, tlp)
    return {
        "archive": getattr(review, "archive", None),
        "archived_pdf": archived_pdf,
        "archiving": review.archivings.first() if review else None,
        "pdf": None if archived_pdf else find_pdf(shown.version, review, tlp),
        "pending": pending_files(postmortem),
        "status_url": reverse(
            "admin:incidents_postmortem_status", args=[postmortem.pk]
        ),
    }


def pending_files(postmortem: Postmortem) -> list[QueuedWork]:
    """Return what workers still have to do for the files of a postmortem."""
    pdfs = PostmortemPdf.objects.filter(
        version__postmortem=postmortem, state__in=UNFINISHED_STATES
    )
    archivings = PostmortemArchiving.objects.filter(
        review__version__postmortem=postmortem, state__in=UNFINISHED_STATES
    )
    return [*pdfs, *archivings]
