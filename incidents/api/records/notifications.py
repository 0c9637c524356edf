"""Who is told what, by which way, and when."""

from __future__ import annotations

from evidence.api.base.records import RecordKind
from incidents.models import (
    Notification,
    NotificationAttempt,
    ReminderAcknowledgement,
    ReminderSettings,
    Team,
    WebhookChannel,
)

NOTIFICATION_KINDS = (
    RecordKind(
        path="notifications",
        model=Notification,
        also_ordered_by=("headline", "state", "kind", "attempts", "problem"),
        has=("webhook",),
        about="Who was told what by which way, or why not.",
        fields=(
            "incident",
            "kind",
            "recipient",
            "webhook",
            "phase",
            "headline",
            "about_type",
            "about_id",
            "owed_at",
            "send_at",
            "created_at",
            "found_by_check",
            "state",
            "attempts",
            "was_late",
            "subject",
            "body",
            "problem",
            "finished_at",
        ),
        incident_lookup="incident",
    ),
    RecordKind(
        path="notification-attempts",
        model=NotificationAttempt,
        about="Every attempt to deliver a notification, and what came of it.",
        fields=("notification", "number", "outcome", "detail", "ended_at"),
        incident_lookup="notification__incident",
    ),
    RecordKind(
        path="reminder-acknowledgements",
        model=ReminderAcknowledgement,
        about="Who said that they know of a breached clock, and for how long it holds.",
        fields=("phase", "acknowledged_at", "acknowledged_by", "holds_until"),
        incident_lookup="phase__cycle__incident",
    ),
    RecordKind(
        path="reminder-settings",
        model=ReminderSettings,
        about="When reminders are sent: the newest counts.",
        fields=("plan", "hold_minutes", "set_at", "set_by"),
    ),
    RecordKind(
        path="webhooks",
        model=WebhookChannel,
        also_ordered_by=("name", "team", "wants_warnings", "is_active"),
        about="Chat rooms and pagers that are told; never their addresses.",
        fields=(
            "name",
            "owner",
            "team",
            "wants_warnings",
            "scheme",
            "is_active",
            "added_at",
            "added_by",
        ),
        also_by=("scheme",),
    ),
    RecordKind(
        path="teams",
        model=Team,
        also_ordered_by=("name", "sees_only_own_cases"),
        about="Teams and who is in them.",
        fields=("name", "members", "sees_only_own_cases"),
        also_by=("name",),
    ),
)
