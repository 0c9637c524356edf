"""How each person wants to be told; each sets their own only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.audit.history import record_entry
from evidence.database.reading import Purpose, written_for_reader
from evidence.errors import PermissionRefused
from evidence.zones import find_zone
from incidents.errors import NotificationRefused
from incidents.models import NotificationPreference, WebhookChannel


@written_for_reader(Purpose.OWN_SETTINGS)
@transaction.atomic
def set_preferences(
    *,
    actor: User,
    user: User,
    by_email: bool,
    webhooks: Collection[WebhookChannel],
    quiet_from: dt.time | None,
    quiet_until: dt.time | None,
    time_zone: str,
    now: dt.datetime | None = None,
) -> NotificationPreference:
    """Set by which of their own channels a person is told, and when not to warn.

    At least one channel stays on: a breach has to reach everybody it concerns.
    """
    if actor != user or not actor.is_active:
        raise PermissionRefused(
            f"{actor.get_username()} may not set how {user.get_username()} is told: "
            "everybody sets their own preferences."
        )
    own = {
        channel.pk: channel for channel in user.webhook_channels.filter(is_active=True)
    }
    chosen = {webhook.pk for webhook in webhooks}
    _require_choice(by_email=by_email, chosen=chosen, own=set(own))
    _require_hours(quiet_from, quiet_until)
    # A form holds all of it: of two tabs that save at once, the later stands whole.
    preference, _ = NotificationPreference.objects.select_for_update().get_or_create(
        user=user
    )
    before = _described(preference)
    preference.by_email = by_email
    preference.quiet_from, preference.quiet_until = quiet_from, quiet_until
    preference.time_zone = _require_zone(time_zone)
    preference.save()
    preference.webhooks_off.set(
        [webhook for pk, webhook in own.items() if pk not in chosen]
    )
    record_entry(
        action="notification_preferences.changed",
        actor=actor,
        obj=preference,
        before=before,
        after=_described(preference),
        now=now or timezone.now(),
    )
    return preference


def _require_choice(*, by_email: bool, chosen: set[int], own: set[int]) -> None:
    if not chosen <= own:
        raise NotificationRefused("A channel of somebody else cannot be chosen.")
    if not by_email and not chosen:
        raise NotificationRefused(
            "At least one channel has to stay on: a breach must reach you.",
            field="by_email",
        )


def _require_hours(start: dt.time | None, end: dt.time | None) -> None:
    if (start is None) != (end is None):
        raise NotificationRefused(
            "Quiet hours need a start and an end, or neither.", field="quiet_from"
        )
    if start is not None and start == end:
        raise NotificationRefused(
            "Quiet hours that start when they end have no length.", field="quiet_from"
        )


def _require_zone(name: str) -> str:
    zone = find_zone(name)
    if zone is None:
        raise NotificationRefused(
            f"There is no time zone {name[:40]!r}. Choose one such as Europe/Berlin.",
            field="time_zone",
        )
    return zone.key


def _described(preference: NotificationPreference) -> dict[str, Any]:
    start, end = preference.quiet_from, preference.quiet_until
    return {
        "by_email": preference.by_email,
        "webhooks_off": sorted(
            webhook.name for webhook in preference.webhooks_off.all()
        ),
        "quiet_from": start.isoformat() if start else None,
        "quiet_until": end.isoformat() if end else None,
        "time_zone": preference.time_zone,
    }
