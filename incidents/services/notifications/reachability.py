"""Whether people can be told: by which channels, and how the last messages went.

A person counts as reached only where the newest message by a channel of theirs was
delivered. No message yet is a sign of nothing, and printed mail reaches nobody.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from django.contrib.auth.models import User
from django.db.models import Max, OuterRef, Q, Subquery

from evidence.errors import HealthWarning
from evidence.models import AuditEntry
from incidents.models import (
    Incident,
    Notification,
    NotificationKind,
    NotificationState,
    Team,
    WebhookChannel,
)
from incidents.services.notifications.channels import why_mail_is_not_sent
from incidents.services.notifications.recipients import Audience, Target, people_with

TRIED_STATES = (
    NotificationState.SENT,
    NotificationState.PRINTED,
    NotificationState.FAILED,
)
EMAIL_CHANGES = ("person.email_changed", "person.own_email_changed")


class ReachState(StrEnum):
    """How it stands with reaching somebody."""

    REACHED = "reached"
    UNTRIED = "untried"
    DOUBTFUL = "doubtful"
    UNREACHABLE = "unreachable"


WORDS = {
    ReachState.REACHED: "Last message delivered",
    ReachState.UNTRIED: "No message tried yet",
    ReachState.DOUBTFUL: "A channel fails",
    ReachState.UNREACHABLE: "Cannot be reached",
}


@dataclass(frozen=True)
class Reach:
    """How one person can be told. `problems` are sentences without an address."""

    person: User
    state: ReachState
    problems: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        return WORDS[self.state]

    @property
    def is_unreachable(self) -> bool:
        return self.state is ReachState.UNREACHABLE

    @property
    def needs_a_look(self) -> bool:
        return self.state in (ReachState.UNREACHABLE, ReachState.DOUBTFUL)


def read_reach(people: Iterable[User]) -> dict[int, Reach]:
    """Return for each person, by ID, whether they can be told.

    The queries do not grow with the people."""
    wanted = {person.pk: person for person in people}
    if not wanted:
        return {}
    audience = Audience()
    targets = {
        pk: audience.targets_of([person], kind=NotificationKind.TEST)
        for pk, person in wanted.items()
    }
    newest = _newest_messages(list(wanted))
    changed = _address_changes(list(wanted))
    off = _switched_off(list(wanted))
    return {
        pk: _reach_of(person, targets[pk], newest, changed.get(pk), off[pk])
        for pk, person in wanted.items()
    }


def people_on_call() -> list[User]:
    """Return whom the clocks of open cases tell, and members of teams.

    Leads of open cases, switched off or not; active members of teams; reviewers, who
    hear of breaches; everybody who works cases, where one has nobody.
    """
    cases = Incident.objects.open()
    members = Q(is_active=True, pk__in=Team.objects.values("members"))
    found = User.objects.filter(Q(pk__in=cases.values("lead")) | members)
    people = {person.pk: person for person in [*found, *people_with("review_incident")]}
    teams = Team.objects.filter(members__is_active=True).values("pk")
    alone = cases.filter(lead__isnull=True).exclude(team__in=teams)
    if alone.exists():
        people |= {person.pk: person for person in people_with("work_incident")}
    return [people[pk] for pk in sorted(people)]


def list_hard_to_reach() -> list[Reach]:
    """Return who is on call and cannot be reached, or not by every channel."""
    found = read_reach(people_on_call()).values()
    order = list(reversed(ReachState))
    return sorted(
        (reach for reach in found if reach.needs_a_look),
        key=lambda reach: (order.index(reach.state), reach.person.get_username()),
    )


def reach_of_case(incident: Incident) -> list[Reach]:
    """Return who of a case's lead and team cannot be reached by every channel.

    A lead who is switched off is among them; members who are are told nothing, and
    left out.
    """
    people = [incident.lead] if incident.lead else []
    if incident.team is not None:
        people += list(incident.team.members.filter(is_active=True))
    return [reach for reach in read_reach(people).values() if reach.needs_a_look]


def _reach_of(
    person: User,
    targets: list[Target],
    newest: dict[tuple[int, int | None], Notification],
    address_changed_at: dt.datetime | None,
    off: list[str],
) -> Reach:
    if not person.is_active:
        problem = "The account is switched off, and nothing is sent to it."
        return Reach(person, ReachState.UNREACHABLE, (problem,))
    problems, delivered = [], False
    for target in targets:
        webhook = target.webhook
        last = newest.get((person.pk, webhook.pk if webhook else None))
        if webhook is None and _is_before(last, address_changed_at):
            last = None
        problem = _problem_of(target, last)
        if problem:
            problems.append(problem)
        elif last is not None and last.state == NotificationState.SENT:
            delivered = True
    if len(problems) == len(targets):
        state = ReachState.UNREACHABLE
    elif problems:
        state = ReachState.DOUBTFUL
    else:
        state = ReachState.REACHED if delivered else ReachState.UNTRIED
    return Reach(person, state, (*problems, *off))


def _problem_of(target: Target, last: Notification | None) -> str:
    """Return why a channel does not reach its person, or ""."""
    if target.webhook is None and target.recipient is not None:
        if not target.recipient.email:
            return "The account has no e-mail address."
        if why := why_mail_is_not_sent():
            return f"E-mail reaches nobody: {why}."
    name = target.webhook.name if target.webhook else "e-mail"
    # What was printed was so for want of a mail server; there is one now.
    if last is None or last.state != NotificationState.FAILED:
        return ""
    return f"The last message by {name} failed: {last.problem or 'no reason is known'}."


def _switched_off(people: list[int]) -> dict[int, list[str]]:
    """Return a sentence for each own channel that is off, by person."""
    found: dict[int, list[str]] = defaultdict(list)
    rows = WebhookChannel.objects.filter(owner__in=people, is_active=False)
    for owner, name in rows.values_list("owner", "name"):
        found[owner].append(f"The channel {name} is switched off.")
    return found


def _is_before(last: Notification | None, moment: dt.datetime | None) -> bool:
    """Return whether a message is older than the address that the person has now."""
    return (
        last is not None
        and moment is not None
        and last.finished_at is not None
        and last.finished_at < moment
    )


def _newest_messages(
    people: list[int],
) -> dict[tuple[int, int | None], Notification]:
    """Return the newest message that was tried, by person and webhook."""
    tried = Notification.objects.filter(state__in=TRIED_STATES).order_by("-id")
    by_email = User.objects.filter(pk__in=people).annotate(
        newest=Subquery(
            tried.filter(recipient=OuterRef("pk"), webhook__isnull=True).values("id")[
                :1
            ]
        )
    )
    by_webhook = WebhookChannel.objects.filter(owner__in=people).annotate(
        newest=Subquery(
            tried.filter(recipient=OuterRef("owner"), webhook=OuterRef("pk")).values(
                "pk"
            )[:1]
        )
    )
    ids = [
        *by_email.values_list("newest", flat=True),
        *by_webhook.values_list("newest", flat=True),
    ]
    rows = Notification.objects.defer("body").filter(pk__in=[pk for pk in ids if pk])
    return {
        (row.recipient_id, row.webhook_id): row
        for row in rows
        if row.recipient_id is not None
    }


def _address_changes(people: list[int]) -> dict[int, dt.datetime]:
    """Return when the address of each was changed last, where it ever was."""
    rows = (
        AuditEntry.objects.filter(
            object_type=User._meta.label_lower,
            object_id__in=[str(pk) for pk in people],
            action__in=EMAIL_CHANGES,
        )
        .order_by()
        .values("object_id")
        .annotate(at=Max("recorded_at"))
    )
    return {int(row["object_id"]): row["at"] for row in rows}


class OnCallUnreachable(HealthWarning):
    """Somebody on call cannot be told of anything."""


def check_on_call() -> str:
    """Say that everybody on call can be told; raise a warning with how many cannot."""
    people = people_on_call()
    lost = [reach for reach in read_reach(people).values() if reach.is_unreachable]
    if lost:
        raise OnCallUnreachable(
            f"{len(lost)} of {len(people)} on call cannot be reached: the dashboard "
            "says who, and why"
        )
    return f"{len(people)} on call, each by a channel" if people else "nobody on call"
