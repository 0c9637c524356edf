"""Taking in alerts: each once, grouped into cases as the rules say.

Alerts of one extension and category form a group. Who takes in alerts holds the
locks of their groups to the end of the transaction, so that of many clients only one
opens the case, and all others join it.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import intake_stream, record_entry
from evidence.format import hash_value
from evidence.models.case_bound import unwatched
from incidents.models import (
    Alert,
    AlertAssignment,
    AlertDecision,
    AlertMove,
    Incident,
    PlaybookVersion,
)
from incidents.services.alerts.case_effects import (
    believable_moment,
    raise_to,
    record_joining,
)
from incidents.services.alerts.incoming import (
    Answer,
    IncomingAlert,
    Key,
    find_known,
    make_row,
    read_waiting,
    to_moment,
)
from incidents.services.alerts.intake_state import (
    GroupFacts,
    IntakeState,
    read_state,
)
from incidents.services.alerts.kept_notices import tell_of_kept
from incidents.services.alerts.storing import write_alerts
from incidents.services.lifecycle.opening import open_incident
from incidents.workflow import alert_rules
from incidents.workflow.alert_grouping import Group, NewCase, plan_group

# Each begins after the one it met has ended: a fourth in a row is no accident.
ATTEMPTS = 4
TITLE_LENGTH = 200
# PostgreSQL: deadlock detected, serialization failure, unique violation (the same
# alert sent twice at once under two extensions, which no group lock keeps apart).
TRANSIENT_STATES = frozenset({"40P01", "40001", "23505"})
LOCK_NAMESPACE = 0x0CA5EA1E
LOCK_BUCKETS = 256
"""Groups share these locks: a batch of 1,000 groups must not fill the lock table."""
DECIDED_AT_ONCE = 1_000
"""How many alerts that wait are decided in one transaction: as many as a batch has."""
# Locked in one order, so that no two intakes wait in a circle. What waits and what is
# known is looked for in the same message, and sees what was committed while the locks
# were waited for. What waits is looked for group by group, in its index: in the order
# of IDs, all alerts there are would be read until one fits.
LOCK_GROUPS = """
    SELECT pg_advisory_xact_lock(%s, bucket) FROM unnest(%s::int[]) AS wanted (bucket);
    SELECT found.id
      FROM unnest(%s::text[], %s::text[]) AS wanted (extension_id, category)
      JOIN policy_extension AS extension USING (extension_id)
     CROSS JOIN LATERAL (
           SELECT alert.id FROM incidents_alert AS alert
            WHERE alert.extension_id = extension.id
              AND alert.category = wanted.category AND alert.decision = 'waiting'
            ORDER BY alert.id LIMIT %s) AS found
     ORDER BY found.id LIMIT %s;
    SELECT alert.source, alert.alert_id
      FROM unnest(%s::text[], %s::text[]) AS sent (source, alert_id)
      JOIN incidents_alert AS alert USING (source, alert_id)
"""

Result = TypeVar("Result")


def receive_alerts(
    *,
    alerts: Sequence[IncomingAlert],
    actor: Actor,
    now: dt.datetime | None = None,
) -> list[Answer]:
    """Take in alerts and return the answer to each, in order.

    An alert that is known by its source and ID is not taken in again: its answer is
    the first one. All are stored, or none; they can be sent again without harm.
    """
    require_permission(actor, "incidents.add_alert")
    moment = now or timezone.now()
    take_in = partial(_receive, alerts, actor=actor, now=moment)
    answers = _in_turn(partial(take_in, is_first_look=True))
    if answers is None:
        # They were stored before these were sent, and are decided before these. What
        # else comes meanwhile is behind neither.
        groups = {alert.group for alert in alerts}
        while decide_waiting(groups, now=moment) == DECIDED_AT_ONCE:
            pass
        answers = _in_turn(partial(take_in, is_first_look=False))
    assert answers is not None, "only the first look finds what waits"
    return answers


def decide_waiting(groups: Collection[Group], *, now: dt.datetime) -> int:
    """Decide on the alerts that have waited longest in these groups; return how many.

    At most DECIDED_AT_ONCE, those of a group in the order in which they were stored.
    """
    return _in_turn(partial(_decide_waiting, groups, now=now))


def _in_turn(take: Callable[[], Result]) -> Result:
    """Do it in a transaction, and again where another one came between."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic():
                return take()
        except (OperationalError, IntegrityError) as error:
            state = getattr(error.__cause__, "sqlstate", None)
            # Nothing of the attempt is left, so that another begins from the start.
            if attempt == ATTEMPTS or state not in TRANSIENT_STATES:
                raise
    raise AssertionError("the last attempt returns or raises")


def lock_bucket(group: Group) -> int:
    """Return the number of the lock that a group shares."""
    return zlib.crc32(f"{group.extension_id}\n{group.category}".encode()) % LOCK_BUCKETS


# What becomes of an alert does not depend on which cases its sender may see, and so
# nobody asks which these are, but for the answer.
@unwatched()
def _receive(
    alerts: Sequence[IncomingAlert],
    *,
    actor: Actor,
    now: dt.datetime,
    is_first_look: bool,
) -> list[Answer] | None:
    """Take in alerts; None where others of their groups wait and come first."""
    first: dict[Key, IncomingAlert] = {}
    for alert in alerts:
        # Twice in one batch is as twice in two: the first one counts.
        first.setdefault(alert.key, alert)
    # Before what is known is read: who waited here sees what the other stored.
    groups = {alert.group for alert in first.values()}
    waiting, stored = _lock_groups(groups, limit=1, sent=first)
    if waiting and is_first_look:
        return None
    known = find_known(stored) if stored else {}
    fresh = [alert for key, alert in first.items() if key not in known]
    rows = known | (_store(fresh, actor=actor, now=now) if fresh else {})
    return [
        Answer(
            row=rows[alert.key],
            created=first[alert.key] is alert and alert.key not in known,
            conflict=rows[alert.key].document_sha256 != alert.document_sha256,
        )
        for alert in alerts
    ]


@unwatched()
def _decide_waiting(groups: Collection[Group], *, now: dt.datetime) -> int:
    # Only who holds a group's lock decides on what waits in it, so that no row of it
    # is locked here, and each is decided once.
    waiting, _ = _lock_groups(groups, limit=DECIDED_AT_ONCE)
    if waiting:
        rows = Alert.everything.filter(pk__in=waiting).order_by("pk")
        rows = rows.select_related("extension", "received_from").defer("document")
        _store([read_waiting(row) for row in rows], actor=None, now=now)
    return len(waiting)


def _lock_groups(
    groups: Iterable[Group], *, limit: int, sent: Collection[Key] = ()
) -> tuple[list[int], list[Key]]:
    """Take the groups' locks; return the oldest alerts that wait in them.

    And which of the alerts that were sent are stored already.
    """
    wanted = sorted(set(groups))
    buckets = sorted({lock_bucket(group) for group in wanted})
    names = [group.extension_id for group in wanted]
    categories = [group.category for group in wanted]
    sources = [source for source, _ in sent]
    ids = [alert_id for _, alert_id in sent]
    values: list[Any] = [LOCK_NAMESPACE, buckets, names, categories, limit, limit]
    with connection.cursor() as cursor:
        cursor.execute(LOCK_GROUPS, [*values, sources, ids])
        cursor.nextset()
        waiting = [pk for (pk,) in cursor.fetchall()]
        cursor.nextset()
        return waiting, cursor.fetchall()


def _store(
    fresh: Sequence[IncomingAlert], *, actor: Actor, now: dt.datetime
) -> dict[Key, Alert]:
    groups: dict[Group, list[IncomingAlert]] = defaultdict(list)
    for alert in fresh:
        groups[alert.group].append(alert)
    spans = {group: _span(members) for group, members in groups.items()}
    state = read_state(spans, now=now)
    placed: list[_Placed] = []
    # In the order of the locks, so that two intakes open and join cases in one order.
    for group in sorted(groups):
        placed.append(_place_group(groups[group], state, actor=actor, now=now))
    rows = [row for outcome in placed for row in outcome.rows]
    write_alerts(rows, now=now)
    tell_of_kept(
        [
            ([row for row in outcome.rows if row.incident_id is None], outcome.rules)
            for outcome in placed
        ],
        now=now,
    )
    _record(rows, placed, now=now)
    return {(row.source, row.alert_id): row for row in rows}


@dataclass
class _Placed:
    """One group after its plan: rows to be stored, and the cases they go to."""

    group: Group
    rows: list[Alert]
    cases: dict[int, Incident]
    taken_in: list[Alert]
    rules: tuple[alert_rules.AlertRule, ...]


def _span(members: Sequence[IncomingAlert]) -> tuple[dt.datetime, dt.datetime]:
    moments = [member.happened_at for member in members]
    return min(moments), max(moments)


def _place_group(
    members: Sequence[IncomingAlert],
    state: IntakeState,
    *,
    actor: Actor,
    now: dt.datetime,
) -> _Placed:
    """Plan one group, open the cases that the plan opens, and make the rows."""
    facts = state.groups[members[0].group]
    plan = plan_group([member.alert for member in members], facts.state)
    cases = dict(facts.cases)
    taken_in: list[Alert] = []
    for new in plan.new_cases:
        case = _open_case(new, members[new.opened_by], facts, now=now)
        cases[new.case_id] = case
        taken_in += _take_in_kept(new, case, facts, members[0].group.category)
    rows = []
    for member, placement in zip(members, plan.placements, strict=True):
        row = member.row or make_row(member, facts.extension, actor=actor, now=now)
        row.decision = AlertDecision(placement.action)
        if placement.rule_key is not None:
            row.rule_id = state.rule_ids[placement.rule_key]
        if placement.case_id is not None:
            row.incident = row.decided_incident = cases[placement.case_id]
        rows.append(row)
    used = {row.incident_id for row in rows}
    severities = {cases[ref].pk: severity for ref, severity in plan.severities.items()}
    for case in {case.pk: case for case in cases.values()}.values():
        # A case that was looked at and got no alert keeps its severity.
        if case.pk in used and case.pk in severities:
            reason = f"An alert of {members[0].group.category} asks for it."
            raise_to(case, severities[case.pk], actor=None, reason=reason, now=now)
    return _Placed(
        members[0].group,
        rows,
        {case.pk: case for case in cases.values() if case.pk in used},
        taken_in,
        facts.state.rules,
    )


def _open_case(
    new: NewCase, opener: IncomingAlert, facts: GroupFacts, *, now: dt.datetime
) -> Incident:
    assert facts.playbook_version_id is not None, "no rule opens without a playbook"
    # Its clocks run from when the alert was received, however long that waited.
    received_at = opener.row.received_at if opener.row else now
    version = PlaybookVersion.objects.select_related("playbook").get(
        pk=facts.playbook_version_id
    )
    return open_incident(
        actor=None,
        playbook_version=version,
        title=f"{version.playbook.title}: {facts.extension.extension_id}"[
            :TITLE_LENGTH
        ],
        severity=new.rule.opens_severity,
        detected_at=believable_moment(opener.happened_at, received_at),
        source=opener.source,
        extension_ids=[facts.extension.extension_id],
        now=received_at,
    )


def _take_in_kept(
    new: NewCase, case: Incident, facts: GroupFacts, category: str
) -> list[Alert]:
    """Give the case what was kept around the alert that opens it."""
    window_ms = facts.state.join_window_seconds * 1000
    # Locked: a person may be moving one of them by hand just now.
    kept = list(
        Alert.everything.select_for_update(of=("self",))
        .filter(
            incident__isnull=True,
            decision=AlertDecision.KEPT,
            # What a person split off does not come back by itself.
            assignments__isnull=True,
            extension=facts.extension,
            category=category,
            happened_at__gte=to_moment(new.ts_ms - window_ms),
            happened_at__lte=to_moment(new.ts_ms + window_ms),
        )
        .defer("document")
        .order_by("pk")
    )
    Alert.everything.filter(pk__in=[row.pk for row in kept]).update(incident=case)
    for row in kept:
        row.incident = case
    return kept


def _record(
    rows: Sequence[Alert],
    placed: Sequence[_Placed],
    *,
    now: dt.datetime,
) -> None:
    """Write who came along, and who went where: the cases' histories, the system's."""
    moved = [row for row in rows if row.incident_id is not None]
    taken_in = [row for outcome in placed for row in outcome.taken_in]
    AlertAssignment.everything.bulk_create(
        AlertAssignment(
            alert=row,
            kind=AlertMove.JOINED,
            incident_id=row.incident_id,
            rule_id=row.rule_id,
            assigned_at=now,
        )
        for row in taken_in
    )
    by_case: dict[int, list[Alert]] = defaultdict(list)
    for row in (*moved, *taken_in):
        if row.incident_id is not None:
            by_case[row.incident_id].append(row)
    cases = {pk: case for outcome in placed for pk, case in outcome.cases.items()}
    for pk in sorted(by_case):
        record_joining(cases[pk], by_case[pk], actor=None, now=now)
    # Last, and one stream only: others share it, and it is held until the commit.
    stream = intake_stream(lock_bucket(placed[0].group))
    by_sender: dict[int | None, list[Alert]] = defaultdict(list)
    for row in rows:
        by_sender[row.received_from_id].append(row)
    for sent in by_sender.values():
        _record_received(sent, stream, now=now)


def _record_received(rows: Sequence[Alert], stream: str, *, now: dt.datetime) -> None:
    """Write what a sender sent; `waited` where that was before it is written."""
    waited = any(row.received_at != now for row in rows)
    record_entry(
        streams=[stream],
        action="alerts.received",
        actor=rows[0].received_from,
        obj=rows[0],
        after={
            "count": len(rows),
            "alerts": [rows[0].pk, rows[-1].pk],
            "documents_sha256": hash_value([row.document_sha256 for row in rows]),
            **({"waited": True} if waited else {}),
        },
        now=now,
    )
