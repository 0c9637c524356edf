"""The PDF of a version: asked for, made once by a worker, and handed out as stored."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from evidence import storage
from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import incident_stream, record_entry
from evidence.database.reading import Purpose, written_for_reader
from evidence.handling import Tlp
from evidence.models import UNFINISHED_STATES, WorkState
from evidence.queue.claiming import end_work, lock_unfinished
from evidence.queue.names import QueueName
from evidence.queue.running import WorkKind, queue_work, register_kind, run_work
from evidence.services.store.claims import claim_bytes
from evidence.services.store.faults import keep_received
from incidents.models import (
    PostmortemArchive,
    PostmortemPdf,
    PostmortemReview,
    PostmortemVersion,
)
from incidents.services.changes import lock_incident
from incidents.services.postmortems.marks import mark_of_version
from incidents.services.postmortems.signatures import describe_signature, signature_of

READ = "incidents.view_postmortem"
STANDING = (*UNFINISHED_STATES, WorkState.DONE)


@written_for_reader(Purpose.POSTMORTEM)
@transaction.atomic
def request_pdf(
    *,
    actor: Actor,
    version_id: int,
    now: dt.datetime | None = None,
) -> PostmortemPdf:
    """Ask for a version as PDF, with its mark and the signature that counts, if any.

    What is under way or made already is the answer as it is; what gave up is asked
    for again. A mark that was changed since asks for another PDF.
    """
    require_permission(actor, READ)
    moment = now or timezone.now()
    version = PostmortemVersion.objects.select_related("postmortem__cycle").get(
        pk=version_id
    )
    incident = lock_incident(version.postmortem.cycle.incident_id, actor)
    review = signature_of(version)
    tlp = mark_of_version(version)
    found = find_pdf(version, review, tlp)
    if found is not None and found.state in STANDING:
        return found
    pdf = PostmortemPdf.objects.create(
        version=version,
        signature=describe_signature(review),
        tlp=tlp.value,
        content_key=content_key(version, review, tlp),
        requested_by=actor,
        requested_at=moment,
        touched_at=moment,
    )
    record_entry(
        streams=[incident_stream(incident.pk)],
        action="postmortem.pdf_requested",
        actor=actor,
        obj=incident,
        after={"version": version.number, "pdf": pdf.pk, "tlp": pdf.tlp},
        now=moment,
    )
    queue_work(pdf)
    return pdf


def run_pdf(*, pdf_id: int) -> PostmortemPdf | None:
    """Make the PDF that was asked for and return its row, as run_work does."""
    return run_work(PDF, pdf_id)


def find_pdf(
    version: PostmortemVersion, review: PostmortemReview | None, tlp: Tlp
) -> PostmortemPdf | None:
    """Return the newest PDF of just this content, made or not; None before one."""
    key = content_key(version, review, tlp)
    return PostmortemPdf.objects.filter(version=version, content_key=key).first()


def find_archive(review: PostmortemReview | None, tlp: Tlp) -> PostmortemArchive | None:
    """Return the archive whose PDF has just this mark; None while there is none."""
    archive = getattr(review, "archive", None)
    return archive if archive is not None and archive.tlp == tlp.value else None


def stored_pdf(
    version: PostmortemVersion, review: PostmortemReview | None
) -> bytes | None:
    """Return the PDF of just this content: the archived one, or the one made for it.

    None while there is none, as after a change of the mark. Raise EvidenceDamaged or
    EvidenceMissing where the store no longer has its bytes.
    """
    return _stored(version, review, mark_of_version(version))


def pdf_bytes(
    version: PostmortemVersion, review: PostmortemReview | None, tlp: Tlp
) -> bytes:
    """Return the PDF with this mark as it is stored; lay it out where there is none.

    For workers: laying out a long postmortem takes long.
    """
    stored = _stored(version, review, tlp)
    if stored is not None:
        return stored
    return render_pdf(version, describe_signature(review), tlp)


def render_pdf(version: PostmortemVersion, signature: str, tlp: Tlp | None) -> bytes:
    """Return a version as PDF, its mark of handling, if any, on every page."""
    # reportlab takes long to load, and few processes ever draw.
    from incidents.postmortem_pdf import write_pdf

    return write_pdf(
        version.content,
        sha256_hex=version.content_sha256,
        signature=signature,
        tlp=tlp,
    )


def content_key(
    version: PostmortemVersion, review: PostmortemReview | None, tlp: Tlp
) -> str:
    """Return the SHA-256 over what the PDF shows."""
    shown = f"{version.content_sha256}\n{describe_signature(review)}\n{tlp.label}"
    return hashlib.sha256(shown.encode()).hexdigest()


def _stored(
    version: PostmortemVersion, review: PostmortemReview | None, tlp: Tlp
) -> bytes | None:
    archive = find_archive(review, tlp)
    if archive is not None:
        return storage.read_verified(archive.pdf_item.sha256_hex)
    found = find_pdf(version, review, tlp)
    if found is None or found.state != WorkState.DONE:
        return None
    return storage.read_verified(found.sha256_hex)


def list_stored_pdfs() -> QuerySet[PostmortemPdf, Any]:
    """Return (digest, when it was made) of every PDF that the store has."""
    made = PostmortemPdf.objects.filter(state=WorkState.DONE, finished_at__isnull=False)
    return made.order_by().values_list("sha256_hex", "finished_at")


def _make(pdf: PostmortemPdf) -> PostmortemPdf:
    # What was asked for before there were marks is made without one, as its key says.
    tlp = Tlp(pdf.tlp) if pdf.tlp else None
    data = render_pdf(pdf.version, pdf.signature, tlp)
    # The bytes before the row: a row that is done always has them.
    with storage.receive_stream(io.BytesIO(data)) as incoming:
        keep_received(incoming)
    return _end(pdf, WorkState.DONE, sha256_hex=incoming.sha256_hex)


def _give_up(pdf: PostmortemPdf, why: str) -> PostmortemPdf:
    said = f"The PDF could not be made: {why}. Markdown and JSON are complete."
    return _end(pdf, WorkState.GAVE_UP, failure=said)


@transaction.atomic
def _end(
    pdf: PostmortemPdf, state: WorkState, *, sha256_hex: str = "", failure: str = ""
) -> PostmortemPdf:
    locked = lock_unfinished(pdf)
    if locked is None:
        return PostmortemPdf.objects.get(pk=pdf.pk)
    if sha256_hex:
        claim_bytes(sha256_hex)
    locked.sha256_hex = sha256_hex
    end_work(locked, state, now=timezone.now(), failure=failure)
    return locked


PDF = register_kind(
    WorkKind(
        model=PostmortemPdf,
        task="incidents.make_pdf",
        run=_make,
        give_up=_give_up,
        find_answer=lambda pdf: pdf,
        find_queue=lambda pdf: QueueName.DOCUMENTS,
    )
)
