"""Who is told, and by which channels: read once for a whole batch of cases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from incidents.models import (
    Incident,
    NotificationKind,
    NotificationPreference,
    WebhookChannel,
)
from incidents.models.notifications import URGENT_KINDS
from incidents.workflow.reminders import QuietHours

OVERDUE_KINDS = (NotificationKind.BREACH, NotificationKind.REPEAT)


@dataclass(frozen=True)
class Target:
    """One recipient by one channel; no webhook means e-mail."""

    recipient: User | None
    webhook: WebhookChannel | None = None
    quiet_hours: QuietHours | None = None


class Audience:
    """Finds the targets of messages; keeps what it has read.

    The queries do not grow with the number of cases, provided that `lead` and
    `team__members` of the cases are loaded already.
    """

    def people_of(self, incident: Incident, kind: NotificationKind) -> list[User]:
        """Return who is told of a case's clock: lead and team, at a breach reviewers.

        Of a case that nobody leads and no team has, everybody who works cases is told:
        somebody has to take it.
        """
        people = {user.pk: user for user in self._assigned(incident)}
        if not people:
            people = {user.pk: user for user in self.workers}
        if kind in OVERDUE_KINDS:
            people |= {user.pk: user for user in self.reviewers}
        return [people[pk] for pk in sorted(people)]

    def targets_of(
        self, people: Iterable[User], *, kind: NotificationKind
    ) -> list[Target]:
        """Return each person by each of their channels; one without any by e-mail.

        Quiet hours are left out of what is urgent: a breach is never silenced.
        """
        return [
            target
            for person in people
            if person.is_active
            for target in self._targets_of(person, is_urgent=kind in URGENT_KINDS)
        ]

    def shared_targets(
        self, incident: Incident | None, *, kind: NotificationKind
    ) -> list[Target]:
        """Return the shared webhooks that hear of this."""
        return [
            Target(None, webhook)
            for webhook in self.shared_webhooks
            if (kind != NotificationKind.WARNING or webhook.wants_warnings)
            and (
                webhook.team_id is None
                or (incident is not None and webhook.team_id == incident.team_id)
            )
        ]

    @cached_property
    def reviewers(self) -> list[User]:
        return list(people_with("review_incident"))

    @cached_property
    def workers(self) -> list[User]:
        return list(people_with("work_incident"))

    @cached_property
    def shared_webhooks(self) -> list[WebhookChannel]:
        return [webhook for webhook in self._webhooks if webhook.owner_id is None]

    @cached_property
    def _webhooks(self) -> list[WebhookChannel]:
        return list(WebhookChannel.objects.filter(is_active=True))

    @cached_property
    def _own_webhooks(self) -> dict[int, list[WebhookChannel]]:
        found: dict[int, list[WebhookChannel]] = defaultdict(list)
        for webhook in self._webhooks:
            if webhook.owner_id is not None:
                found[webhook.owner_id].append(webhook)
        return found

    @cached_property
    def _preferences(self) -> dict[int, NotificationPreference]:
        rows = NotificationPreference.objects.prefetch_related("webhooks_off")
        return {row.user_id: row for row in rows}

    def _assigned(self, incident: Incident) -> list[User]:
        people = [incident.lead] if incident.lead else []
        if incident.team:
            people += incident.team.members.all()
        return [person for person in people if person.is_active]

    def _targets_of(self, person: User, *, is_urgent: bool) -> list[Target]:
        wishes = self._preferences.get(person.pk)
        quiet = wishes.quiet_hours if wishes and not is_urgent else None
        off = {webhook.pk for webhook in wishes.webhooks_off.all()} if wishes else set()
        targets = [
            Target(person, webhook, quiet)
            for webhook in self._own_webhooks[person.pk]
            if webhook.pk not in off
        ]
        if wishes is None or wishes.by_email or not targets:
            targets.insert(0, Target(person, None, quiet))
        return targets


def people_with(codename: str) -> QuerySet[User]:
    """Return the active people to whom a role or a grant gives a permission.

    Being a superuser alone puts nobody on call.
    """
    permission = Q(
        groups__permissions__codename=codename,
        groups__permissions__content_type__app_label="incidents",
    ) | Q(
        user_permissions__codename=codename,
        user_permissions__content_type__app_label="incidents",
    )
    return User.objects.filter(permission, is_active=True).distinct().order_by("pk")
