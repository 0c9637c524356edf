"""What waits for a second person, over all cases: shown to them, and told once.

Policy's requests (lifts, promotions, releases, rollbacks), looser marks of handling,
pruning, and postmortems that were submitted. What was returned waits for its authors
again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Model, Prefetch, Q, QuerySet
from django.utils import timezone

from evidence.database.states import find_in_states
from incidents.models import (
    Incident,
    LooseningRequest,
    Notification,
    Postmortem,
    PostmortemDraft,
    PostmortemVersion,
    PruneRequest,
)
from incidents.services.changes import REVIEW, WORK
from incidents.services.notifications.outbox import remind
from incidents.services.notifications.recipients import people_with
from incidents.workflow.postmortem import PostmortemState
from policy.models import RequestState
from policy.services.changes import REVIEW_POLICY
from policy.services.requests import REQUEST_LIFETIME, lapses_at
from policy.services.waiting_decisions import UNDECIDED as UNDECIDED_POLICY
from policy.services.waiting_decisions import WaitingDecision, list_waiting

WORDS = {
    "lift": "A lift",
    "promotion": "A promotion",
    "release": "A release",
    "rollback": "A rollback",
    "signature": "A signature",
    "loosening": "A looser mark",
    "pruning": "Pruning a case",
}
"""What waits, as messages and pages name it."""
SIGNATURES = 50
"""Of the postmortems that wait for a person, so many are listed: the oldest."""
UNDECIDED: dict[type[Model], tuple[str, ...]] = {
    **UNDECIDED_POLICY,
    Postmortem: (PostmortemState.SUBMITTED,),
    LooseningRequest: (RequestState.PENDING,),
    PruneRequest: (RequestState.PENDING,),
}
"""In which states something waits for a reviewer, or did until it lapsed."""


@dataclass(frozen=True)
class Waiting:
    """One thing that waits for somebody: what, since when, on which row's page.

    `barred` are those who may not decide it. `lapses_at` None: it waits for ever.
    `permission` is what deciding needs.
    """

    kind: str
    key: str
    text: str
    asked_by: User
    since: dt.datetime
    lapses_at: dt.datetime | None
    about: Model
    barred: frozenset[int]
    permission: str
    incident: Incident | None

    @property
    def words(self) -> str:
        return WORDS[self.kind]

    def is_for(self, person: User) -> bool:
        """Return whether this person may decide it."""
        return person.pk not in self.barred and person.has_perm(self.permission)


@dataclass(frozen=True)
class Returned:
    """A postmortem that was given back: by whom, why, and to whom it is shown."""

    postmortem: Postmortem
    comment: str
    returned_by: User
    returned_at: dt.datetime
    authors: frozenset[int]


def list_all_waiting(*, now: dt.datetime | None = None) -> list[Waiting]:
    """Return what waits for a reviewer, oldest first. The queries do not grow
    with how much that is."""
    return _list_waiting(_postmortems(PostmortemState.SUBMITTED), now=now)


def _list_waiting(
    submitted: QuerySet[Postmortem], *, now: dt.datetime | None
) -> list[Waiting]:
    decisions = list_waiting(now=now)
    cases = Incident.objects.in_bulk(
        {
            decision.incident_id
            for decision in decisions
            if decision.incident_id is not None
        }
    )
    found = [_of_policy(decision, cases) for decision in decisions]
    found += _signatures(submitted)
    found += _loosenings(now or timezone.now())
    found += _prunings(now or timezone.now())
    return sorted(found, key=lambda waiting: waiting.since)


def waiting_for(person: User, *, now: dt.datetime | None = None) -> list[Waiting]:
    """Return what this person may decide, of the cases that they may see.

    Of postmortems to sign the first SIGNATURES.
    """
    if not (person.has_perm(REVIEW) or person.has_perm(REVIEW_POLICY)):
        return []
    submitted = _postmortems(PostmortemState.SUBMITTED).order_by("pk")
    written = Q(drafts__saved_by=person) | Q(versions__submitted_by=person)
    own = Postmortem.everything.filter(written, state=PostmortemState.SUBMITTED)
    signable = submitted.exclude(pk__in=own.order_by().values("pk"))[:SIGNATURES]
    found = _list_waiting(signable, now=now)
    mine = [waiting for waiting in found if waiting.is_for(person)]
    visible = set(
        Incident.objects.visible_to(person)
        .filter(pk__in={waiting.incident.pk for waiting in mine if waiting.incident})
        .values_list("pk", flat=True)
    )
    return [
        waiting
        for waiting in mine
        if waiting.incident is None or waiting.incident.pk in visible
    ]


def returned_to(person: User) -> list[Returned]:
    """Return the postmortems that wait for this author, or lead, to mend them."""
    if not person.has_perm(WORK):
        return []
    visible = Postmortem.objects.visible_to(person)
    rows = _postmortems(PostmortemState.RETURNED).filter(pk__in=visible)
    return [
        returned
        for returned in map(_returned, rows)
        if person.pk in returned.authors
        or returned.postmortem.incident.lead_id == person.pk
    ]


def notify_waiting(*, now: dt.datetime | None = None) -> int:
    """Tell reviewers what began to wait for them, once each; return how many things.

    Not those who asked, nor who may not decide it. Harmless to run twice, or late.
    """
    moment = now or timezone.now()
    if not find_in_states(UNDECIDED):
        return 0
    waiting = {f"waiting:{entry.key}": entry for entry in list_all_waiting(now=moment)}
    known = Notification.objects.filter(key__in=waiting).values_list("key", flat=True)
    new = set(waiting) - set(known)
    reviewers = list(people_with("review_incident")) if new else []
    for key in sorted(new):
        entry = waiting[key]
        remind(
            key=key,
            people=[person for person in reviewers if entry.is_for(person)],
            headline=f"{entry.words} waits for a reviewer",
            about=entry.about,
            owed_at=entry.since,
            incident=entry.incident,
            now=moment,
        )
    return len(new)


def tell_returned(
    postmortem: Postmortem, *, people: Iterable[User], key: str, now: dt.datetime
) -> None:
    """Tell the authors and the lead that a postmortem came back; why is on its page."""
    told = {person.pk: person for person in people}
    if (lead := postmortem.incident.lead) is not None:
        told[lead.pk] = lead
    remind(
        key=f"returned:{key}",
        people=told.values(),
        headline="The postmortem was returned to its authors",
        about=postmortem,
        owed_at=now,
        incident=postmortem.incident,
        now=now,
    )


def _of_policy(decision: WaitingDecision, cases: dict[int, Incident]) -> Waiting:
    return Waiting(
        kind=decision.kind,
        key=decision.key,
        text=decision.text,
        asked_by=decision.requested_by,
        since=decision.requested_at,
        lapses_at=decision.lapses_at,
        about=decision.subject,
        barred=decision.barred,
        permission=REVIEW_POLICY,
        incident=cases.get(decision.incident_id or 0),
    )


def _signatures(submitted: QuerySet[Postmortem]) -> Iterator[Waiting]:
    for row in submitted:
        version = _newest(row)
        yield Waiting(
            kind="signature",
            key=f"signature:{version.pk}",
            text=f"Sign the postmortem of {row.incident.reference}, "
            f"version {version.number}",
            asked_by=version.submitted_by,
            since=version.submitted_at,
            lapses_at=None,
            about=row,
            barred=_authors(row),
            permission=REVIEW,
            incident=row.incident,
        )


def _loosenings(now: dt.datetime) -> Iterator[Waiting]:
    rows = LooseningRequest.objects.filter(
        state=RequestState.PENDING, requested_at__gt=now - REQUEST_LIFETIME
    ).select_related("incident", "item", "requested_by")
    for row in rows:
        about = row.item.shown_name if row.item else row.incident.reference
        yield Waiting(
            kind="loosening",
            key=f"loosening:{row.pk}",
            text=f"Mark {about} {row.get_to_tlp_display()}, "
            f"now {row.get_from_tlp_display()}",
            asked_by=row.requested_by,
            since=row.requested_at,
            lapses_at=lapses_at(row),
            about=row.item or row.incident,
            barred=frozenset({row.requested_by_id}),
            permission=REVIEW,
            incident=row.incident,
        )


def _prunings(now: dt.datetime) -> Iterator[Waiting]:
    rows = PruneRequest.objects.filter(
        state=RequestState.PENDING, requested_at__gt=now - REQUEST_LIFETIME
    ).select_related("incident", "requested_by")
    for row in rows:
        yield Waiting(
            kind="pruning",
            key=f"pruning:{row.pk}",
            text=f"Prune {row.incident.reference}",
            asked_by=row.requested_by,
            since=row.requested_at,
            lapses_at=lapses_at(row),
            about=row,
            barred=frozenset({row.requested_by_id}),
            permission=REVIEW,
            incident=row.incident,
        )


def _returned(row: Postmortem) -> Returned:
    review = max(_newest(row).reviews.all(), key=lambda review: review.pk)
    return Returned(
        postmortem=row,
        comment=review.comment,
        returned_by=review.reviewer,
        returned_at=review.reviewed_at,
        authors=_authors(row),
    )


def _postmortems(state: PostmortemState) -> QuerySet[Postmortem]:
    """Return those of running cycles in a state, with all that is read of them."""
    return (
        Postmortem.objects.filter(
            state=state,
            cycle__ended_at__isnull=True,
            cycle__incident__in=Incident.objects.open(),
        )
        .select_related("cycle__incident__lead")
        .prefetch_related(
            Prefetch("drafts", PostmortemDraft.objects.defer("sections")),
            Prefetch("versions", PostmortemVersion.objects.defer("document")),
            "versions__submitted_by",
            "versions__reviews__reviewer",
        )
    )


def _newest(row: Postmortem) -> PostmortemVersion:
    """Return the newest version; what was submitted or returned has one."""
    return max(row.versions.all(), key=lambda version: version.number)


def _authors(row: Postmortem) -> frozenset[int]:
    saved = {draft.saved_by_id for draft in row.drafts.all()}
    return frozenset(
        pk
        for pk in saved | {version.submitted_by_id for version in row.versions.all()}
        if pk is not None
    )
