"""Submitting a postmortem, and the review by somebody who had no part in it."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from evidence.accounts.access import Actor, name_of, require_permission
from evidence.format import hash_value
from evidence.text import tidy_text
from incidents.errors import FourEyesRefused, PostmortemConflict, PostmortemRefused
from incidents.models import (
    Incident,
    Postmortem,
    PostmortemReview,
    PostmortemVersion,
    ReviewVerdict,
    TimelineKind,
)
from incidents.services.changes import (
    REVIEW,
    WORK,
    record_change,
    require_reason,
)
from incidents.services.checklist_entries import answer_matching_item
from incidents.services.findings.gathering import reports_without_findings
from incidents.services.lifecycle.endings import utc
from incidents.services.notifications.waiting import tell_returned
from incidents.services.postmortems.archiving import queue_archiving
from incidents.services.postmortems.case_facts import gather_case_facts
from incidents.services.postmortems.drafts import (
    author_names,
    current_draft,
    lock_postmortem,
    move,
    reopen_items,
    require_move,
)
from incidents.workflow.conditions import ConditionKey
from incidents.workflow.postmortem import (
    PostmortemError,
    PostmortemState,
    build_content,
    canonical_text,
    content_sha256,
)


@transaction.atomic
def submit_postmortem(
    *,
    actor: User,
    postmortem_id: int,
    revision: int | None = None,
    now: dt.datetime | None = None,
) -> PostmortemVersion:
    """Make the newest draft a version with the facts as they are now, for review.

    `revision` is the draft that was read; None takes the newest. Raise
    PostmortemRefused where a section is missing or a worker still looks for findings
    (the sweep has it look again, should the first request be lost).
    """
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident, postmortem = lock_postmortem(postmortem_id, actor=actor)
    require_move(postmortem, PostmortemState.SUBMITTED)
    if revision is not None and revision != postmortem.draft_revision:
        raise PostmortemConflict(
            f"You read draft {revision}, and draft {postmortem.draft_revision} was "
            "saved since. Read it again, then submit it.",
            code="edit_conflict",
        )
    # Findings first: a version never changes, and would lack what comes a moment later.
    _require_findings(incident)
    version = _add_version(incident, postmortem, actor=actor, now=moment)
    move(postmortem, PostmortemState.SUBMITTED, now=moment)
    record_change(
        incident,
        action="postmortem.submitted",
        actor=actor,
        now=moment,
        body=f"**Postmortem submitted for review: version {version.number}**",
        after={"version": version.number, "content_sha256": version.content_sha256},
    )
    answer_matching_item(
        postmortem.cycle,
        ConditionKey.POSTMORTEM_WRITTEN,
        actor=actor,
        now=moment,
        note=f"Version {version.number} submitted.",
    )
    return version


@transaction.atomic
def sign_postmortem(
    *,
    actor: User,
    version_id: int,
    content_sha256: str,
    comment: str = "",
    now: dt.datetime | None = None,
) -> PostmortemReview:
    """Sign a version by its hash: what was read is what is signed.

    Nobody who had a part in the writing can, whatever their rights. The artifacts are
    archived by a worker after the commit.
    """
    require_permission(actor, REVIEW)
    moment = now or timezone.now()
    incident, postmortem, version = _lock_version(version_id, actor)
    require_move(postmortem, PostmortemState.SIGNED)
    _require_other_person(postmortem, version, actor)
    if content_sha256 != version.content_sha256:
        raise PostmortemRefused(
            f"Version {version.number} has the hash {version.content_sha256}, and "
            f"you were shown {content_sha256[:64]!r}. Read the version that you sign."
        )
    # The page showed the stored hash, so only this finds a document that was changed
    # beneath it.
    if hash_value(version.content) != version.content_sha256:
        raise PostmortemConflict(
            "The stored document does not hash to what it was submitted with: do "
            "not sign it, and look into the database.",
            code="document_damaged",
        )
    review = _add_review(
        version, ReviewVerdict.SIGNED, actor=actor, comment=comment, now=moment
    )
    move(postmortem, PostmortemState.SIGNED, now=moment)
    record_change(
        incident,
        action="postmortem.signed",
        actor=actor,
        now=moment,
        body=f"**Postmortem signed: version {version.number}**\n\n"
        f"SHA-256 `{version.content_sha256}`",
        after={"version": version.number, "content_sha256": version.content_sha256},
        reason=review.comment,
        kind=TimelineKind.DECISION,
    )
    answer_matching_item(
        postmortem.cycle,
        ConditionKey.POSTMORTEM_SIGNED,
        actor=actor,
        now=moment,
        note=f"Version {version.number} signed by {name_of(actor)}.",
    )
    queue_archiving(review, actor=actor, now=moment)
    return review


@transaction.atomic
def return_postmortem(
    *, actor: User, version_id: int, comment: str, now: dt.datetime | None = None
) -> PostmortemReview:
    """Give a version back to its authors, with what has to change."""
    require_permission(actor, REVIEW)
    moment = now or timezone.now()
    incident, postmortem, version = _lock_version(version_id, actor)
    text = require_reason(comment)
    require_move(postmortem, PostmortemState.RETURNED)
    _require_other_person(postmortem, version, actor)
    review = _add_review(
        version, ReviewVerdict.RETURNED, actor=actor, comment=text, now=moment
    )
    move(postmortem, PostmortemState.RETURNED, now=moment)
    record_change(
        incident,
        action="postmortem.returned",
        actor=actor,
        now=moment,
        body=f"**Postmortem returned: version {version.number}**",
        after={"version": version.number},
        reason=text,
        kind=TimelineKind.DECISION,
    )
    reopen_items(postmortem, actor=actor, now=moment, note=text)
    tell_returned(
        postmortem, people=authors_of(postmortem), key=str(review.pk), now=moment
    )
    return review


def authors_of(postmortem: Postmortem) -> list[User]:
    """Return everybody who had a part in the writing, in any version or draft."""
    wrote = Q(pk__in=postmortem.drafts.values("saved_by"))
    submitted = Q(pk__in=postmortem.versions.values("submitted_by"))
    return list(User.objects.filter(wrote | submitted).order_by("pk"))


def is_author(postmortem: Postmortem, user: User) -> bool:
    """Return whether somebody had a part in the writing, in any version or draft."""
    return (
        postmortem.drafts.filter(saved_by=user).exists()
        or postmortem.versions.filter(submitted_by=user).exists()
    )


def _require_findings(incident: Incident) -> None:
    waiting = reports_without_findings(incident)
    if waiting:
        names = ", ".join(pending.item.original_name for pending in waiting[:5])
        raise PostmortemRefused(
            f"Findings are still being looked for in {names}: try again in a moment.",
            code="findings_missing",
        )


def _add_version(
    incident: Incident, postmortem: Postmortem, *, actor: User, now: dt.datetime
) -> PostmortemVersion:
    newest = postmortem.newest_version
    number = newest.number + 1 if newest else 1
    try:
        content = build_content(
            reference=incident.reference,
            cycle=postmortem.cycle.number,
            version=number,
            sections=current_draft(postmortem).sections,
            facts=gather_case_facts(incident, postmortem.cycle, now=now),
            authors=[*author_names(postmortem), name_of(actor)],
            submitted_by=name_of(actor),
            submitted_at=utc(now) or "",
        )
    except PostmortemError as error:
        raise PostmortemRefused(error.message, code=error.code) from error
    return PostmortemVersion.objects.create(
        postmortem=postmortem,
        number=number,
        document=canonical_text(content),
        content_sha256=content_sha256(content),
        submitted_at=now,
        submitted_by=actor,
    )


def _lock_version(
    version_id: int, actor: Actor
) -> tuple[Incident, Postmortem, PostmortemVersion]:
    version = PostmortemVersion.objects.get(pk=version_id)
    incident, postmortem = lock_postmortem(version.postmortem_id, actor=actor)
    newest = postmortem.newest_version
    if newest is None or newest.pk != version.pk:
        raise PostmortemConflict(
            f"Version {version.number} is not the newest: read version "
            f"{newest.number if newest else '–'}",
            code="not_newest_version",
        )
    return incident, postmortem, version


def _require_other_person(
    postmortem: Postmortem, version: PostmortemVersion, actor: User
) -> None:
    if is_author(postmortem, actor):
        raise FourEyesRefused(
            f"{name_of(actor)} wrote a part of this postmortem: it takes a reviewer "
            f"who did not (authors: {', '.join(author_names(postmortem))})."
        )


def _add_review(
    version: PostmortemVersion,
    verdict: ReviewVerdict,
    *,
    actor: User,
    comment: str,
    now: dt.datetime,
) -> PostmortemReview:
    return PostmortemReview.objects.create(
        version=version,
        verdict=verdict,
        content_sha256=version.content_sha256,
        comment=tidy_text(comment),
        reviewed_at=now,
        reviewer=actor,
    )
