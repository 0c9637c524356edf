"""Quotas: what is in force, and changes of it, recorded with their reason."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, F, Max, Min, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone

from evidence.accounts.access import require_permission
from evidence.models import EvidenceItem, Outcome
from policy.errors import PolicyRefused, require_allowed
from policy.models import Extension, PolicySnapshot, QuotaBreach, QuotaChange
from policy.rules.precedence import DEFAULT_MAX_MEMORY_MB
from policy.rules.quotas import (
    decide_quota_change,
    effective_max_memory_mb,
    has_own_quota,
)
from policy.services.changes import (
    WORK_POLICY,
    clean_text,
    record_change,
    require_reason,
)
from policy.services.concerned_cases import (
    lock_extension,
    lock_incident,
)
from policy.services.snapshots import newest_snapshot, read_snapshot

BIGGEST_MB = 2**31 - 1


@dataclass(frozen=True)
class QuotaInForce:
    """The memory quota that the newest snapshot gives an extension.

    `snapshot` None: no snapshot was taken, and the runtime's default is assumed.
    """

    max_memory_mb: int
    is_own: bool
    snapshot: PolicySnapshot | None


@dataclass(frozen=True)
class BreachFigures:
    """How often one resource was exceeded, by how much, and from when to when."""

    resource: str
    count: int
    lowest_limit: float
    highest_limit: float
    peak_actual: float
    worst_ratio: float | None
    first_at: dt.datetime
    last_at: dt.datetime

    @property
    def duration(self) -> dt.timedelta:
        return self.last_at - self.first_at


def quota_in_force(
    extension: Extension, *, snapshot: PolicySnapshot | None = None
) -> QuotaInForce:
    """Return an extension's quota by a snapshot; None takes the newest there is."""
    snapshot = snapshot or newest_snapshot()
    if snapshot is None:
        return QuotaInForce(DEFAULT_MAX_MEMORY_MB, is_own=False, snapshot=None)
    policy = read_snapshot(snapshot).effective
    return QuotaInForce(
        effective_max_memory_mb(policy, extension.extension_id),
        is_own=has_own_quota(policy, extension.extension_id),
        snapshot=snapshot,
    )


@transaction.atomic
def record_quota_change(
    *,
    extension_pk: int,
    to_mb: int,
    reason: str,
    actor: User,
    documentation: str = "",
    incident_id: int | None = None,
    now: dt.datetime | None = None,
) -> QuotaChange:
    """Record that an extension's memory quota is to be changed, and why.

    Raising needs documentation of the legitimate use. The runtime's settings file is
    changed by its operator; the next snapshot shows whether it was.
    """
    require_permission(actor, WORK_POLICY)
    moment = now or timezone.now()
    # The case before the extension, as everywhere; what is in force is read after both.
    if incident_id is not None:
        lock_incident(incident_id, actor)
    extension = lock_extension(extension_pk)
    current_mb = quota_in_force(extension).max_memory_mb
    documents = clean_text(documentation)
    if to_mb > BIGGEST_MB:
        raise PolicyRefused(
            f"The quota is too large: {BIGGEST_MB} MB is the most.",
            code="quota_out_of_range",
            field="to_mb",
        )
    require_allowed(
        decide_quota_change(
            current_mb=current_mb,
            proposed_mb=to_mb,
            reason=reason,
            documentation=documents,
        )
    )
    change = QuotaChange.objects.create(
        extension=extension,
        from_mb=current_mb,
        to_mb=to_mb,
        reason=require_reason(reason),
        documentation=documents,
        incident_id=incident_id,
        changed_at=moment,
        changed_by=actor,
    )
    record_change(
        change,
        action="quota.changed",
        actor=actor,
        now=moment,
        incident_id=incident_id,
        extensions=(extension,),
        reason=change.reason,
        before={"max_memory_mb": current_mb},
        after={"max_memory_mb": to_mb, "documentation": documents},
    )
    return change


def summarise_stored_breaches(extension: Extension) -> list[BreachFigures]:
    """Return the figures of each resource, the most often exceeded first.

    The same breach in two bundles of overlapping times is counted once. What stands in
    a bundle that failed verification proves nothing and is left out.
    """
    same = Concat(
        Cast("limit", TextField()),
        Value("/"),
        Cast("actual", TextField()),
        Value("/"),
        Cast("breached_at", TextField()),
        output_field=TextField(),
    )
    rows = (
        QuotaBreach.objects.filter(extension=extension)
        .exclude(pk__in=_untrusted_breaches(extension))
        .order_by()
        .values("resource")
        .annotate(
            count=Count(same, distinct=True),
            lowest_limit=Min("limit"),
            highest_limit=Max("limit"),
            peak_actual=Max("actual"),
            worst_ratio=Max(F("actual") / F("limit"), filter=Q(limit__gt=0)),
            first_at=Min("breached_at"),
            last_at=Max("breached_at"),
        )
        .order_by("-count", "resource")
    )
    return [BreachFigures(**row) for row in rows]


def count_untrusted_breaches(extension: Extension) -> int:
    """Return how many breaches stand in bundles that failed verification."""
    return _untrusted_breaches(extension).count()


def _untrusted_breaches(extension: Extension) -> QuerySet[QuotaBreach]:
    failed = EvidenceItem.objects.filter(
        latest_outcome=Outcome.FAILED, extension_appearances__extension=extension
    )
    return QuotaBreach.objects.filter(extension=extension, item__in=failed.values("pk"))
