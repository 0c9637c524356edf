"""What promotions, lifts and rollbacks share: asked for, then decided on by another."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, name_of, require_permission
from evidence.database.busy import unless_busy
from policy.errors import PolicyConflict, PolicyForbidden, PolicyNotFound
from policy.models import RequestState, ReviewedRequest
from policy.services.changes import (
    REVIEW_POLICY,
    WORK_POLICY,
    clean_text,
    require_reason,
)

Moment: TypeAlias = dt.datetime
_Request = TypeVar("_Request", bound=ReviewedRequest)
REQUEST_LIFETIME = dt.timedelta(days=7)
"""What nobody decided in a week was asked of a state that is no longer so."""
LAPSED_REASON = "Nobody decided within 7 days."
ALONE = (RequestState.WITHDRAWN, RequestState.LAPSED)
"""What ends a request without a second person."""


@dataclass(frozen=True)
class RequestKind(Generic[_Request]):
    """What a kind of request has of its own: its locks, and how its end is recorded.

    `lock_subject` locks what a request is about; `actions` names the audit entry of
    each decision; `record` writes it. `asking` and `deciding` are the permissions of
    who may withdraw and who may decline; `tidy_reason` refuses a missing reason.
    """

    model: type[_Request]
    lock_subject: Callable[[_Request], object]
    actions: Mapping[str, str]
    record: Callable[[_Request, str, Actor, dt.datetime], object]
    missing_code: str = "no_such_request"
    asking: str = WORK_POLICY
    deciding: str = REVIEW_POLICY
    tidy_reason: Callable[[str], str] = require_reason

    def lock(self, request_id: int) -> _Request:
        """Return a request, locked until the transaction ends; refuse a missing one.

        What it is about is locked before it, in the order of all services: who takes
        the request first and the case second would wait for who does the reverse.
        """
        rows: Any = self.model._default_manager
        # Without a lock: only the row itself says what has to be locked first.
        found: _Request | None = rows.filter(pk=request_id).first()
        if found is None:
            raise PolicyNotFound(
                f"No {self.model.what} waits for a decision here: it was decided, or "
                "never made. Reload the page to see how it stands.",
                code=self.missing_code,
            )
        self.lock_subject(found)
        # Read anew: while this waited for the lock, somebody else may have decided.
        locked: _Request = rows.select_for_update().get(pk=found.pk)
        return locked

    def lock_waiting(self, request_id: int, *, now: dt.datetime) -> _Request:
        """Return a locked request; refuse one decided on already, or too old."""
        request = self.lock(request_id)
        require_undecided(request)
        require_in_time(request, now)
        return request

    def end(
        self,
        request: _Request,
        decision: str,
        *,
        actor: Actor,
        reason: str,
        now: Moment,
    ) -> _Request:
        """Write and record a decision on a locked request."""
        decide_request(request, decision, actor=actor, reason=reason, now=now)
        self.record(request, self.actions[decision], actor, now)
        return request

    @transaction.atomic
    def decline(
        self, request_id: int, *, actor: User, reason: str, now: Moment | None
    ) -> _Request:
        """Decline what somebody else asked for, with a reason."""
        require_permission(actor, self.deciding)
        moment = now or timezone.now()
        return self.end(
            self.lock_waiting(request_id, now=moment),
            RequestState.DECLINED,
            actor=actor,
            reason=self.tidy_reason(reason),
            now=moment,
        )

    @transaction.atomic
    def withdraw(
        self, request_id: int, *, actor: User, reason: str, now: Moment | None
    ) -> _Request:
        """Take back one's own request before anybody decided on it."""
        require_permission(actor, self.asking)
        moment = now or timezone.now()
        request = self.lock_waiting(request_id, now=moment)
        require_requester(request, actor)
        return self.end(
            request,
            RequestState.WITHDRAWN,
            actor=actor,
            reason=clean_text(reason),
            now=moment,
        )

    @transaction.atomic
    def lapse(self, request_id: int, *, now: Moment) -> bool:
        """End a request that nobody decided in time; tell whether it was one."""
        request = self.lock(request_id)
        # Who comes by first ends it, the sweep or the next who asks; the second finds
        # it decided.
        if not has_lapsed(request, now):
            return False
        self.end(
            request, RequestState.LAPSED, actor=None, reason=LAPSED_REASON, now=now
        )
        return True

    def lapse_late(self, *, now: Moment) -> int:
        """End the requests that nobody decided in time; return how many there were.

        Each in its own transaction, and none twice, however many run at once; one
        whose case somebody holds is left to the next run.
        """
        late = self.model._default_manager.filter(
            decided_at__isnull=True, requested_at__lte=now - REQUEST_LIFETIME
        )
        keys = list(late.values_list("pk", flat=True))
        return sum(unless_busy(self.lapse, pk, now=now) for pk in keys)


def require_undecided(request: ReviewedRequest) -> None:
    """Refuse a request that was decided on, or withdrawn, already; say by whom."""
    if request.decided_at is not None:
        who = f", by {name_of(request.decided_by)}" if request.decided_by else ""
        raise PolicyConflict(
            f"Nothing waits for a decision any more: this {request.what} is "
            f"{request.get_state_display().lower()} already{who} at "
            f"{_minute(request.decided_at)}.",
            code="already_decided",
        )


def lapses_at(request: ReviewedRequest) -> dt.datetime:
    """Return when a request lapses that nobody decides on."""
    return request.requested_at + REQUEST_LIFETIME


def has_lapsed(request: ReviewedRequest, now: dt.datetime) -> bool:
    """Return whether a request waited too long, swept already or not."""
    return request.decided_at is None and lapses_at(request) <= now


def require_in_time(request: ReviewedRequest, now: dt.datetime) -> None:
    """Refuse a request that waited too long: what it was asked for is long past."""
    if has_lapsed(request, now):
        raise PolicyConflict(
            f"This {request.what} lapsed at {_minute(lapses_at(request))}. Ask again "
            "if it is still wanted.",
            code="request_lapsed",
        )


def require_requester(request: ReviewedRequest, actor: Actor) -> None:
    """Refuse to have a request withdrawn by anybody but who made it."""
    if actor is None or request.requested_by_id != actor.pk:
        raise PolicyForbidden(
            f"only who {request.asked} it can withdraw a {request.what}; a reviewer "
            "can decline it",
            code="not_the_requester",
        )


def decide_request(
    request: ReviewedRequest,
    decision: str,
    *,
    actor: Actor,
    reason: str,
    now: dt.datetime,
) -> None:
    """Write a decision on a locked request: by a second person, or by none.

    Who withdraws decides alone; where a request lapses, nobody does.
    """
    # Again, though most callers asked: the row may have been read before its lock.
    require_undecided(request)
    # A constraint holds the database to it as well; this one says it in words.
    if decision not in ALONE:
        _require_second_person(request, actor)
    request.state = decision
    request.decided_at = now
    request.decided_by = actor
    request.decision_reason = reason
    request.save(update_fields=["state", "decided_at", "decided_by", "decision_reason"])


def _require_second_person(request: ReviewedRequest, actor: Actor) -> None:
    if actor is None or request.requested_by_id == actor.pk:
        raise PolicyForbidden(
            f"a {request.what} is decided on by somebody other than who "
            f"{request.asked} it",
            code="second_person_missing",
        )


def _minute(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
