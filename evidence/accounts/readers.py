"""What people set about how pages are shown to them."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User
from django.db import transaction

from evidence.accounts.people import change_own_email
from evidence.audit.history import record_entry
from evidence.errors import PersonError
from evidence.models import ReaderSettings
from evidence.zones import find_zone


@transaction.atomic
def save_own_settings(
    *, actor: User, email: str, time_zone: str, now: dt.datetime | None = None
) -> None:
    """Set one's own address and zone: both, or neither where one is refused."""
    change_own_email(actor=actor, email=email, now=now)
    set_reader_zone(actor=actor, time_zone=time_zone, now=now)


@transaction.atomic
def set_reader_zone(
    *, actor: User, time_zone: str, now: dt.datetime | None = None
) -> ReaderSettings:
    """Set in which zone a person reads times; an empty name means their browser's."""
    name = time_zone.strip()
    if name and find_zone(name) is None:
        raise PersonError(
            f"“{name[:40]}” is no time zone. Choose one such as Europe/Berlin, or UTC.",
            field="time_zone",
        )
    # Made first, then locked: two pages of one person may both find none.
    ReaderSettings.objects.get_or_create(user=actor)
    row = ReaderSettings.objects.select_for_update().get(user=actor)
    if row.time_zone == name:
        return row
    before, row.time_zone = row.time_zone, name
    row.save(update_fields=["time_zone"])
    record_entry(
        action="reader_settings.changed",
        actor=actor,
        obj=row,
        before={"time_zone": before},
        after={"time_zone": name},
        now=now,
    )
    return row
