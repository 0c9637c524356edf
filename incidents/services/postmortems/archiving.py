"""Having a signed version archived: queued with the signature, asked for again."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import require_permission
from evidence.models import WorkState
from evidence.queue.claiming import end_work, lock_unfinished
from evidence.queue.names import QueueName
from evidence.queue.running import WorkKind, queue_work, register_kind, run_work
from incidents.errors import PostmortemConflict
from incidents.models import (
    PostmortemArchive,
    PostmortemArchiving,
    PostmortemReview,
    TimelineKind,
)
from incidents.services.changes import WORK, lock_incident, record_change
from incidents.services.postmortems.archive import archive_postmortem


def queue_archiving(
    review: PostmortemReview, *, actor: User, now: dt.datetime
) -> PostmortemArchiving:
    """Have a signature's files archived, inside the caller's transaction."""
    archiving = PostmortemArchiving.objects.create(
        review=review, requested_by=actor, requested_at=now, touched_at=now
    )
    queue_work(archiving)
    return archiving


@transaction.atomic
def archive_again(
    *, actor: User, review_id: int, now: dt.datetime | None = None
) -> PostmortemArchiving:
    """Ask once more for an archive that the workers gave up."""
    require_permission(actor, WORK)
    moment = now or timezone.now()
    review = PostmortemReview.objects.select_related("version__postmortem__cycle").get(
        pk=review_id
    )
    incident = lock_incident(review.version.postmortem.cycle.incident_id, actor)
    newest = review.archivings.first()
    if newest is None or not newest.gave_up:
        raise PostmortemConflict(
            f"Version {review.version.number} is archived or under way: only what "
            "was given up is asked for again.",
            code="not_given_up",
        )
    archiving = queue_archiving(review, actor=actor, now=moment)
    record_change(
        incident,
        action="postmortem.archive_requested",
        actor=actor,
        now=moment,
        kind=TimelineKind.EVIDENCE,
        body=f"**Archive of postmortem version {review.version.number} asked for "
        "again**",
        after={"version": review.version.number, "archiving": archiving.pk},
    )
    return archiving


def run_archiving(*, archiving_id: int) -> PostmortemArchive | None:
    """Archive what was asked for and return the archive, as run_work does."""
    return run_work(ARCHIVING, archiving_id)


def _archive(archiving: PostmortemArchiving) -> PostmortemArchive:
    archive = archive_postmortem(review_id=archiving.review_id)
    with transaction.atomic():
        locked = lock_unfinished(archiving)
        if locked is not None:
            end_work(locked, WorkState.DONE, now=timezone.now())
    return archive


@transaction.atomic
def _give_up(archiving: PostmortemArchiving, why: str) -> PostmortemArchive | None:
    version = archiving.review.version
    incident = lock_incident(version.postmortem.cycle.incident_id)
    locked = lock_unfinished(archiving)
    if locked is None:
        return _find_archive(archiving)
    now = timezone.now()
    end_work(locked, WorkState.GAVE_UP, now=now, failure=why)
    record_change(
        incident,
        action="postmortem.archive_given_up",
        actor=None,
        now=now,
        kind=TimelineKind.EVIDENCE,
        body=f"**Postmortem version {version.number} could not be archived**",
        reason=f"{why[:1].upper()}{why[1:]}",
        after={"version": version.number, "archiving": archiving.pk},
    )
    return None


def _find_archive(archiving: PostmortemArchiving) -> PostmortemArchive | None:
    return PostmortemArchive.objects.filter(review_id=archiving.review_id).first()


ARCHIVING = register_kind(
    WorkKind(
        model=PostmortemArchiving,
        task="incidents.archive_postmortem",
        run=_archive,
        give_up=_give_up,
        find_answer=_find_archive,
        find_queue=lambda archiving: QueueName.DOCUMENTS,
    )
)
