"""What people are told, by which channel, and what became of it."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from evidence.models import AppendOnlyModel
from evidence.models.case_bound import CaseBound, CaseBoundManager
from evidence.models.columns import known, optional_person_field
from evidence.models.triggers import Protect
from incidents.models.cases import Incident, Team
from incidents.models.phases import IncidentPhase
from incidents.workflow.reminders import QuietHours


class NotificationKind(models.TextChoices):
    """Why somebody is told. The first three are reminders of a phase's clock."""

    WARNING = "warning", "Warning"
    BREACH = "breach", "Breach"
    REPEAT = "repeat", "Still overdue"
    ASSIGNED = "assigned", "Assignment"
    KILL_ALL = "kill_all", "Kill-all"
    REMINDER = "reminder", "Reminder"
    TEST = "test", "Test message"
    ACCOUNT = "account", "Own account"


URGENT_KINDS = (
    NotificationKind.BREACH,
    NotificationKind.REPEAT,
    NotificationKind.KILL_ALL,
    NotificationKind.TEST,
    NotificationKind.ACCOUNT,
)
"""What quiet hours never hold back."""


class NotificationState(models.TextChoices):
    PENDING = "pending", "Waiting"
    SENDING = "sending", "Being sent"
    SENT = "sent", "Sent"
    PRINTED = "printed", "Printed, not sent"
    FAILED = "failed", "Failed"
    OVERTAKEN = "overtaken", "Overtaken"


RETRIED_STATES = (NotificationState.FAILED, NotificationState.PRINTED)
"""What reached nobody, and may be tried again."""

UNFINISHED_STATES = (NotificationState.PENDING, NotificationState.SENDING)

MAX_ATTEMPTS = 8
"""With a pause that doubles from 30 s, the last try comes about an hour after the
first: an outage that lasts longer needs a person, who sees the failure in the log."""


class WebhookChannel(models.Model):
    """A chat room or a pager, behind an address that is a secret.

    With an owner it is that person's; without one it is shared, by the cases of one
    team or by all. `sealed_url` is encrypted and never shown, logged or audited.
    """

    name = models.CharField(max_length=100, unique=True)
    owner = optional_person_field(
        related_name="webhook_channels", help_text="Whose it is. Empty: shared."
    )
    team = models.ForeignKey(
        Team,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="webhook_channels",
        help_text="A shared channel for the cases of one team. Empty: all cases.",
    )
    wants_warnings = models.BooleanField(
        default=False,
        help_text="A shared channel always hears of breaches; this adds warnings.",
    )
    scheme = models.CharField(max_length=20, editable=False)
    sealed_url = models.TextField(editable=False)
    is_active = models.BooleanField(default=True)
    added_at = models.DateTimeField(editable=False)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
    )

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=Q(owner__isnull=True) | Q(team__isnull=True),
                name="webhook_of_a_person_or_a_team",
            ),
        )
        triggers = (Protect(name="never_deleted", operation=pgtrigger.Delete),)

    def __str__(self) -> str:
        return self.name

    @property
    def masked_url(self) -> str:
        """What may be shown of the address."""
        return f"{self.scheme}://…"


class NotificationPreference(models.Model):
    """How one person wants to be told. Without a row: e-mail and all own webhooks."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="notification_preference",
    )
    by_email = models.BooleanField(default=True)
    webhooks_off = models.ManyToManyField(WebhookChannel, blank=True, related_name="+")
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | (
                    Q(quiet_from__isnull=False, quiet_until__isnull=False)
                    & ~Q(quiet_from=F("quiet_until"))
                ),
                name="quiet_hours_have_both_ends",
            ),
        )

    def __str__(self) -> str:
        return f"notification preferences of user {self.user_id}"

    @property
    def zone(self) -> dt.tzinfo:
        """The person's zone; UTC where this machine does not know it."""
        try:
            return zoneinfo.ZoneInfo(self.time_zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            return dt.UTC

    @property
    def quiet_hours(self) -> QuietHours | None:
        if self.quiet_from is None or self.quiet_until is None:
            return None
        return QuietHours(self.quiet_from, self.quiet_until, self.zone)


class NotificationQuerySet(models.QuerySet["Notification"]):
    def unfinished(self) -> NotificationQuerySet:
        return self.filter(state__in=UNFINISHED_STATES)

    def claimable(self, now: dt.datetime) -> NotificationQuerySet:
        """Keep what a worker may take now: waiting, or claimed by one that ended.

        Of the claimed, where nobody holds the claim any more.
        """
        return self.unfinished().filter(next_try_at__lte=now)


class Notification(CaseBound):
    """One message to one recipient by one channel; no webhook means e-mail.

    The three are unique together, so that nothing is sent twice however often it is
    planned. `owed_at` is the moment the message is for, `send_at` that moment after
    quiet hours. `next_try_at` is when a worker may take the row; while one sends, it
    is when another may ask whether that one still holds it.
    `about_type` and `about_id` name the row that the message is about
    (`incidents.incident`), whose page its link opens; a test message has none.
    """

    case_paths = ("incident", "phase__cycle__incident")

    key = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=NotificationKind)
    recipient = optional_person_field(related_name="notifications")
    webhook = models.ForeignKey(
        WebhookChannel,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="notifications",
    )
    incident = models.ForeignKey(
        Incident,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="notifications",
    )
    phase = models.ForeignKey(
        IncidentPhase,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="notifications",
    )
    phase_due_at = models.DateTimeField(null=True, blank=True)
    to_address = models.EmailField(
        blank=True,
        default="",
        db_default="",
        help_text="Where mail goes; empty: to the recipient's address of then.",
    )
    headline = models.CharField(max_length=200)
    about_type = models.CharField(max_length=100, blank=True)
    about_id = models.BigIntegerField(null=True, blank=True)
    owed_at = models.DateTimeField()
    send_at = models.DateTimeField()
    created_at = models.DateTimeField()
    found_by_check = models.BooleanField(default=False)
    state = models.CharField(
        max_length=10, choices=NotificationState, default=NotificationState.PENDING
    )
    next_try_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    attempts_left = models.PositiveSmallIntegerField(default=MAX_ATTEMPTS)
    was_late = models.BooleanField(default=False)
    subject = models.CharField(max_length=300, blank=True)
    body = models.TextField(blank=True)
    problem = models.CharField(max_length=300, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = CaseBoundManager.from_queryset(NotificationQuerySet)()
    everything = NotificationQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("key", "recipient", "webhook"),
                name="notification_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(recipient__isnull=False) | Q(webhook__isnull=False),
                name="notification_reaches_somebody",
            ),
            known("notification_kind_known", "kind", NotificationKind),
            models.CheckConstraint(
                condition=Q(state__in=UNFINISHED_STATES, finished_at__isnull=True)
                | Q(
                    state__in=("sent", "printed", "failed", "overtaken"),
                    finished_at__isnull=False,
                ),
                name="notification_finished_has_time",
            ),
        )
        indexes = (
            models.Index(
                fields=("next_try_at", "id"),
                condition=Q(state__in=UNFINISHED_STATES),
                name="notification_to_send",
            ),
            models.Index(fields=("state", "-id"), name="notification_by_state"),
            models.Index(
                fields=("recipient", "webhook", "-id"), name="notification_newest"
            ),
        )
        permissions = (("retry_notification", "Can send a failed notification again"),)
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            Protect(
                name="sent_stays_sent",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__state__in=("sent", "overtaken")),
            ),
        )

    def __str__(self) -> str:
        return f"{self.headline} to {self.addressee}"

    @property
    def is_urgent(self) -> bool:
        return self.kind in URGENT_KINDS

    @property
    def addressee(self) -> str:
        """Who is told; never an address."""
        who = self.recipient.get_username() if self.recipient else ""
        mail = "e-mail to the former address" if self.to_address else "e-mail"
        by = self.webhook.name if self.webhook else mail
        return f"{who} by {by}" if who else by


class AttemptOutcome(models.TextChoices):
    SENT = "sent", "Sent"
    PRINTED = "printed", "Printed, not sent"
    FAILED = "failed", "Failed, worth another try"
    REFUSED = "refused", "Refused for good"
    LOST = "lost", "The worker ended"


class NotificationAttempt(AppendOnlyModel, CaseBound):
    """One try to send a notification and what came of it."""

    case_paths = ("notification__incident", "notification__phase__cycle__incident")

    notification = models.ForeignKey(
        Notification, on_delete=models.PROTECT, related_name="tries"
    )
    number = models.PositiveSmallIntegerField()
    outcome = models.CharField(max_length=10, choices=AttemptOutcome)
    detail = models.CharField(max_length=300, blank=True)
    ended_at = models.DateTimeField()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("id",)
        constraints = (known("attempt_outcome_known", "outcome", AttemptOutcome),)

    def __str__(self) -> str:
        return f"{self.number}: {self.get_outcome_display()}"
