"""Rows and moments that several of these tests need."""

from __future__ import annotations

import datetime as dt

from django.db import connection

from evidence.accounts.access import Role
from evidence.queue.holding import Holding
from incidents.models import (
    Incident,
    IncidentPhase,
    Notification,
    ReferenceCounter,
    WebhookChannel,
)
from incidents.services.notifications.claims import claim_batch
from incidents.services.notifications.delivery import deliver_notifications
from incidents.services.notifications.reminders import follow_clocks
from incidents.services.notifications.webhooks import add_webhook
from tests.factories import NOON, make_user
from tests.incidents.notifications.sinks import Sink

SECRET_PATH = "T0KEN-0f-the-channel"


def after(**length: float) -> dt.datetime:
    """Return a moment this long after noon."""
    return NOON + dt.timedelta(**length)


def poll(now: dt.datetime) -> list[str]:
    """Plan and deliver at a moment; return the keys of reminders sent by then."""
    follow_clocks(now=now)
    deliver_notifications(now=now)
    return sent_keys()


def claim_and_die(most: int, *, now: dt.datetime) -> list[Notification] | None:
    """Claim as a worker does that ends before it sends."""
    with Holding() as holding:
        return claim_batch(most, holding, now=now)


def drop_sessions() -> int:
    """End the database's sessions of all others, as its restart does; return how many.

    What they held is let go of, before they know.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        return int(cursor.fetchone()[0])


def sent_keys() -> list[str]:
    """Return the distinct reminder names sent so far, in order: contain:breach."""
    rows = Notification.objects.filter(state="sent").order_by("id")
    return list(dict.fromkeys(name_of(row) for row in rows if row.phase_id))


def name_of(row: Notification) -> str:
    return ":".join(row.key.split(":")[2:4])


def rows_named(name: str) -> list[Notification]:
    rows = Notification.objects.select_related("recipient", "webhook").order_by("id")
    return [row for row in rows if row.phase_id and name_of(row) == name]


def people_of(name: str) -> set[str]:
    return {row.recipient.username for row in rows_named(name) if row.recipient}


def add_sink(sink: Sink, name: str = "room", **fields: object) -> WebhookChannel:
    return add_webhook(
        actor=make_user(Role.ADMINISTRATOR),
        name=name,
        url=f"json://127.0.0.1:{sink.port}/{SECRET_PATH}",
        now=NOON,
        **fields,
    )


def phase_of(incident: Incident, name: str):
    return incident.current_cycle.phases.get(phase=name)


def copy_case(
    incident: Incident, count: int, *, spread: dt.timedelta = dt.timedelta(0)
) -> None:
    """Open a case many times over, as rows: a thousand openings take a minute.

    The clocks of the last are `spread` later than those of the first, with the others
    between them.
    """
    taken = Incident.objects.count()
    values = {
        field.attname: getattr(incident, field.attname)
        for field in Incident._meta.concrete_fields
        if field.attname not in ("id", "number", "reference")
    }
    cases = Incident.objects.bulk_create(
        Incident(
            **values, number=taken + n + 1, reference=f"SEC-INC-2026-{taken + n + 1:04}"
        )
        for n in range(count)
    )
    counters = ReferenceCounter.objects.filter(year=2026, last_number__lt=taken + count)
    counters.update(last_number=taken + count)
    cycle = incident.current_cycle
    cycles = type(cycle).objects.bulk_create(
        type(cycle)(incident=case, number=1, started_at=cycle.started_at)
        for case in cases
    )
    phases = list(cycle.phases.all())
    IncidentPhase.objects.bulk_create(
        IncidentPhase(
            cycle=new_cycle,
            phase=phase.phase,
            position=phase.position,
            completed_at=phase.completed_at,
            **_clock_of(phase, later=spread * (place / count)),
        )
        for place, new_cycle in enumerate(cycles)
        for phase in phases
    )


def _clock_of(
    phase: IncidentPhase, *, later: dt.timedelta
) -> dict[str, dt.datetime | None]:
    moments = {
        name: getattr(phase, name) for name in ("counted_from", "started_at", "due_at")
    }
    return {name: moment and moment + later for name, moment in moments.items()}
