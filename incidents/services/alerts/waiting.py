"""Alerts whose senders do not wait for the decision: stored first, decided by a worker.

Stored is stored: the row is the alert's own, on the disk before its sender is answered,
and waits there for the rules. The worker's message says only that something waits, so
that one that is lost delays and loses nothing: the sweep looks for itself.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection, transaction
from django.db.models import Count, Min
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.accounts.token_in_force import WHILE_IN_FORCE, facts_of_use
from evidence.database.plans import kept_plans
from evidence.errors import HealthWarning
from evidence.models import TokenScope
from evidence.models.case_bound import unwatched
from evidence.queue.bells import bell
from incidents.models import Alert, AlertDecision
from incidents.services.alerts.incoming import Answer, IncomingAlert, find_known
from incidents.services.alerts.intake import DECIDED_AT_ONCE, decide_waiting
from incidents.services.alerts.intake_state import SEEN_IN
from incidents.workflow.alert_grouping import Group
from policy.services.extensions import note_extension

log = logging.getLogger(__name__)

TASK = "incidents.decide_alerts"
ADD_ALERT = "incidents.add_alert"
LATE_AFTER = dt.timedelta(seconds=30)
"""An alert that waits so long waits for a worker that is not there, or too slow."""
# What a document's alert is stored as, with any sender.
INSERT = """
    INSERT INTO incidents_alert (
           source, alert_id, category, severity, happened_at, capability, method,
           call_id, reason_codes, summary, risk_score, document, document_sha256,
           received_at, decision, extension_id, received_from_id)
    SELECT %(source)s, %(alert_id)s, %(category)s, %(severity)s,
           %(happened_at)s::timestamptz, %(capability)s, %(method)s,
           %(call_id)s, %(reason_codes)s::jsonb, %(summary)s, %(risk_score)s::float8,
           %(document)s::jsonb, %(document_sha256)s,
           %(now)s::timestamptz, 'waiting', extension.id, """
UNLESS_KNOWN = "ON CONFLICT (source, alert_id) DO NOTHING"
STORE = f"""{INSERT} %(sender)s::int
      FROM policy_extension AS extension
     WHERE extension.extension_id = %(extension_id)s
    {UNLESS_KNOWN}
"""
STORE_BY_TOKEN = f"""{INSERT} person.id
      FROM policy_extension AS extension, evidence_apitoken AS token
      JOIN auth_user AS person ON person.id = token.user_id
     WHERE extension.extension_id = %(extension_id)s AND {WHILE_IN_FORCE}
    {UNLESS_KNOWN}
    RETURNING id, received_from_id
"""
# By `id + 0`: in the order of the key itself, which LIMIT makes look cheap, all that
# was ever decided is read to find the few that are not.
OLDEST_GROUPS = """
    SELECT DISTINCT name, category
      FROM (SELECT extension.extension_id AS name, alert.category
              FROM incidents_alert AS alert
              JOIN policy_extension AS extension ON extension.id = alert.extension_id
             WHERE alert.decision = 'waiting'
               AND (extension.extension_id, alert.category) NOT IN (
                   SELECT * FROM unnest(%s::text[], %s::text[]))
             ORDER BY alert.id + 0 LIMIT %s) AS oldest
"""


@unwatched()
def accept_alert(
    *, alert: IncomingAlert, actor: Actor, now: dt.datetime | None = None
) -> Answer:
    """Store an alert that a worker will decide on; one that is known stays as it is."""
    require_permission(actor, ADD_ALERT)
    moment = now or timezone.now()
    known = find_known({alert.key}).get(alert.key)
    is_new = known is None and _store(alert, actor, moment)
    row = known or find_known({alert.key})[alert.key]
    if row.decision == AlertDecision.WAITING:
        transaction.on_commit(partial(bell.ring, TASK, []))
    conflict = row.document_sha256 != alert.document_sha256
    return Answer(row, created=is_new and not conflict, conflict=conflict)


@dataclass(frozen=True)
class StoredAtOnce:
    """A new alert's row, and whose token it came with."""

    pk: int
    sender_id: int


def accept_by_token(
    *,
    alert: IncomingAlert,
    token: int,
    token_digest: str,
    address: str | None,
    now: dt.datetime,
) -> StoredAtOnce | None:
    """Store a new alert if its token may send it, in the statement that asks that.

    None where something else is to be done or said: a token that is not in force or
    whose use is to be noted, an alert or a conflict that is known, an extension that
    is new. Nothing was stored then, and `accept_alert` finds out which it is.
    """
    facts = facts_of_use(
        token,
        token_digest,
        scope=TokenScope.ALERTS_WRITE,
        permission=ADD_ALERT,
        address_text=address,
        now=now,
    )
    with kept_plans() as cursor:
        cursor.execute(STORE_BY_TOKEN, values_of(alert, now) | facts)
        found = cursor.fetchone()
    if found is None:
        return None
    transaction.on_commit(partial(bell.ring, TASK, []))
    return StoredAtOnce(*found)


def values_of(alert: IncomingAlert, now: dt.datetime) -> dict[str, Any]:
    """Return what INSERT takes of an alert, and the extension that it names."""
    read = alert.alert
    return {
        "source": str(alert.source),
        "alert_id": read.alert_id,
        "category": read.category,
        "severity": str(read.severity),
        "happened_at": alert.happened_at,
        "capability": read.capability,
        "method": read.method,
        "call_id": read.call_id,
        "reason_codes": json.dumps(read.reason_codes),
        "summary": read.summary,
        "risk_score": read.risk_score,
        "document": json.dumps(read.content),
        "document_sha256": alert.document_sha256,
        "now": now,
        "extension_id": read.extension_id,
    }


def _store(alert: IncomingAlert, actor: Actor, now: dt.datetime) -> bool:
    """Store it in one statement; return False where another request just did."""
    note_extension(extension_id=alert.alert.extension_id, seen_in=SEEN_IN, now=now)
    sender = actor.pk if actor else None
    with connection.cursor() as cursor:
        cursor.execute(STORE, values_of(alert, now) | {"sender": sender})
        return cursor.rowcount == 1


def decide_alerts() -> int:
    """Decide on all alerts that wait, the oldest first; return on how many.

    A group that cannot be decided on holds up no other: it waits on, and its fault is
    raised once the others are done.
    """
    total, faults = 0, dict[Group, Exception]()
    while groups := _find_oldest_groups(faults):
        total += _decide_on(groups, faults)
    for fault in faults.values():
        raise fault
    return total


def _decide_on(groups: Collection[Group], faults: dict[Group, Exception]) -> int:
    """Decide on what waits in these groups; note those that cannot be decided on."""
    try:
        return decide_waiting(groups, now=timezone.now())
    except SoftTimeLimitExceeded:
        raise
    except Exception as fault:
        if len(groups) > 1:
            # One by one: who it is is known then, and the others are done.
            return sum(_decide_on([group], faults) for group in groups)
        log.exception("alerts_not_decided")
        faults.update(dict.fromkeys(groups, fault))
        return 0


def _find_oldest_groups(but: Collection[Group]) -> list[Group]:
    """Return the groups of the alerts that have waited longest, without these."""
    names = [group.extension_id for group in but]
    categories = [group.category for group in but]
    with connection.cursor() as cursor:
        cursor.execute(OLDEST_GROUPS, [names, categories, DECIDED_AT_ONCE])
        return [Group(*found) for found in cursor.fetchall()]


@dataclass(frozen=True)
class Waiting:
    """How many alerts wait for the rules, and since when the first of them does."""

    count: int
    since: dt.datetime | None

    def is_late(self, now: dt.datetime) -> bool:
        return self.since is not None and now - self.since > LATE_AFTER


def read_waiting_alerts() -> Waiting:
    """Return what waits for the rules just now."""
    found = Alert.everything.waiting().aggregate(
        count=Count("pk"), since=Min("received_at")
    )
    return Waiting(found["count"], found["since"])


def check_waiting_alerts() -> str:
    """Return what waits for the rules, in words.

    Raise HealthWarning where the first of it has waited too long.
    """
    waiting, now = read_waiting_alerts(), timezone.now()
    if waiting.since is None:
        return "none waits for the rules"
    seconds = (now - waiting.since).total_seconds()
    told = f"{waiting.count} wait for the rules, the first for {max(0, seconds):.0f} s"
    if waiting.is_late(now):
        raise HealthWarning(f"{told}: look at the worker of the queue followups")
    return told
