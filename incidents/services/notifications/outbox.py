"""Telling people: writing down who is told what, once each, for a worker to send."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import models, transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import incident_stream, record_entry
from evidence.queue.sending import queue_on_commit
from incidents.errors import NotificationRefused
from incidents.models import (
    Incident,
    IncidentPhase,
    Notification,
    NotificationKind,
    NotificationState,
    WebhookChannel,
)
from incidents.models.notifications import MAX_ATTEMPTS, RETRIED_STATES
from incidents.services.notifications.hearing import may_be_heard
from incidents.services.notifications.recipients import Audience, Target
from incidents.workflow.reminders import after_quiet_hours

DELIVER = "incidents.deliver_notifications"
RETRY = "incidents.retry_notification"
CHANGE_CHANNEL = "incidents.change_webhookchannel"
BATCH_SIZE = 1_000


@dataclass(frozen=True)
class Message:
    """What there is to tell. `key` stays the same however often it is planned.

    `headline` is one plain line without evidence content; reference, severity, phase,
    time left and link, to the page of what it is `about`, are added when it is sent.
    """

    key: str
    kind: NotificationKind
    headline: str
    about: models.Model | None
    owed_at: dt.datetime
    incident: Incident | None = None
    phase: IncidentPhase | None = None


def remind(
    *,
    key: str,
    people: Iterable[User],
    headline: str,
    about: models.Model,
    owed_at: dt.datetime,
    incident: Incident | None = None,
    now: dt.datetime | None = None,
) -> None:
    """Remind people of something, once for each key; quiet hours hold it back.

    For what is due beside the clocks, such as an action item. `key` names the thing
    and its due time: another due time makes another reminder. `about` is what the
    message links to.
    """
    message = Message(
        key, NotificationKind.REMINDER, headline, about, owed_at, incident=incident
    )
    targets = Audience().targets_of(people, kind=message.kind)
    write_down(make_rows(message, targets, now=now or timezone.now()))


def notify_assignment(
    *,
    actor: Actor,
    assignee: User | None,
    incident: Incident,
    what: str,
    key: str,
    now: dt.datetime,
) -> None:
    """Tell somebody that a case or an item is theirs; nobody is told of their own act.

    `what` is "you lead this case" or names the item by its phase, not by its text.
    """
    if assignee is None or assignee == actor:
        return
    message = Message(
        f"{incident.reference}:{key}",
        NotificationKind.ASSIGNED,
        what,
        incident,
        now,
        incident=incident,
    )
    targets = Audience().targets_of([assignee], kind=message.kind)
    write_down(make_rows(message, targets, now=now))


def send_test_message(
    *, actor: User, now: dt.datetime | None = None
) -> list[Notification]:
    """Send the person who asks a message by each of their own channels."""
    moment = now or timezone.now()
    message = Message(
        f"test:{actor.pk}:{moment.isoformat()}",
        NotificationKind.TEST,
        "This is the test message you asked for",
        None,
        moment,
    )
    targets = Audience().targets_of([actor], kind=message.kind)
    write_down(make_rows(message, targets, now=moment))
    return list(Notification.objects.filter(key=message.key))


@transaction.atomic
def send_channel_test(
    *, actor: User, webhook_id: int, now: dt.datetime | None = None
) -> Notification:
    """Send a test message by one channel: for its owner, and who keeps channels."""
    channel = WebhookChannel.objects.select_related("owner").get(pk=webhook_id)
    if channel.owner_id != actor.pk or not actor.is_active:
        require_permission(actor, CHANGE_CHANNEL)
    if not channel.is_active:
        raise NotificationRefused(
            "This channel is switched off, and nothing goes out by it: switch it on, "
            "then test it."
        )
    moment = now or timezone.now()
    message = Message(
        f"test:{actor.pk}:webhook:{channel.pk}:{moment.isoformat()}",
        NotificationKind.TEST,
        f"This is the test message that {actor.get_username()} asked for",
        None,
        moment,
    )
    write_down(make_rows(message, [Target(channel.owner, channel)], now=moment))
    return Notification.objects.get(key=message.key)


@transaction.atomic
def retry_notification(
    *, actor: Actor, notification_id: int, now: dt.datetime | None = None
) -> Notification:
    """Let what reached nobody be tried again, at once and as often as a new one."""
    require_permission(actor, RETRY)
    moment = now or timezone.now()
    # A delivery under way holds the row: this waits, and sees how it ended.
    row = (
        Notification.objects.select_for_update(of=("self",))
        .select_related("recipient", "webhook")
        .get(pk=notification_id)
    )
    before = row.state
    if before not in RETRIED_STATES:
        raise NotificationRefused(
            f"This notification is {row.get_state_display().lower()}: only one that "
            "failed or was only printed is sent again."
        )
    row.state = NotificationState.PENDING
    row.finished_at = None
    row.next_try_at = moment
    row.attempts_left = MAX_ATTEMPTS
    row.save(update_fields=["state", "finished_at", "next_try_at", "attempts_left"])
    streams = [incident_stream(row.incident_id)] if row.incident_id else ["system"]
    record_entry(
        streams=streams,
        action="notification.retried",
        actor=actor,
        obj=row,
        before={"state": before, "problem": row.problem},
        after={"state": row.state},
        now=moment,
    )
    queue_on_commit(DELIVER)
    return row


def make_rows(
    message: Message,
    targets: Iterable[Target],
    *,
    now: dt.datetime,
    found_by_check: bool = False,
) -> list[Notification]:
    """Return the rows of a message, one for each target, not yet written down."""
    phase, about = message.phase, message.about
    rows = []
    for target in targets:
        send_at = after_quiet_hours(message.owed_at, target.quiet_hours)
        rows.append(
            Notification(
                key=message.key,
                kind=message.kind,
                recipient=target.recipient,
                webhook=target.webhook,
                incident=message.incident,
                phase=phase,
                phase_due_at=phase.due_at if phase else None,
                headline=message.headline[:200],
                about_type=about._meta.label_lower if about else "",
                about_id=about.pk if about else None,
                owed_at=message.owed_at,
                send_at=send_at,
                next_try_at=send_at,
                created_at=now,
                found_by_check=found_by_check,
            )
        )
    return rows


@transaction.atomic
def write_down(rows: Sequence[Notification]) -> None:
    """Write rows that are not there yet and wake the workers on commit.

    Left out is what its recipient may not hear of: a case that is hidden from them.
    """
    heard = may_be_heard(rows) if rows else []
    if not heard:
        return
    # Several may plan the same message; its key is unique, and the first stays.
    Notification.objects.bulk_create(
        heard, ignore_conflicts=True, batch_size=BATCH_SIZE
    )
    queue_on_commit(DELIVER)
