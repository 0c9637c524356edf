"""Who signed a postmortem, whether that counts, and in which words it is told."""

from __future__ import annotations

import datetime as dt

from evidence.accounts.access import name_of
from incidents.models import (
    Postmortem,
    PostmortemReview,
    PostmortemVersion,
    ReviewVerdict,
)
from incidents.workflow.postmortem import PostmortemState


def current_signature(postmortem: Postmortem) -> PostmortemReview | None:
    """Return the signature that counts: of the newest version, and not voided."""
    version = postmortem.newest_version
    if version is None or postmortem.state != PostmortemState.SIGNED:
        return None
    return version.reviews.filter(verdict=ReviewVerdict.SIGNED).first()


def signature_of(version: PostmortemVersion) -> PostmortemReview | None:
    """Return the signature of a version where it counts."""
    signature = current_signature(version.postmortem)
    is_its = signature is not None and signature.version_id == version.pk
    return signature if is_its else None


def describe_signature(review: PostmortemReview | None) -> str:
    """Return who signed, and when; "" without a signature."""
    if review is None:
        return ""
    when = review.reviewed_at.astimezone(dt.UTC)
    return f"signed by {name_of(review.reviewer)}, {when:%Y-%m-%d %H:%M:%S} UTC"
