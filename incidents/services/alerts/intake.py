"""Taking in alerts: each once, grouped into cases as the rules say.

Alerts of one extension and category form a group. Who takes in alerts holds the
locks of their groups to the end of the transaction, so that of many clients only one
opens the case, and all others join it.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import intake_stream, record_entry
from evidence.format import hash_value
from evidence.models.case_bound import unwatched
from evidence.stored_moments import from_ms, to_ms
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
from incidents.services.alerts.intake_state import (
    GroupFacts,
    IntakeState,
    read_state,
)
from incidents.services.alerts.kept_notices import tell_of_kept
from incidents.services.lifecycle.opening import open_incident
from incidents.workflow import alert_rules
from incidents.workflow.alert_grouping import Group, NewCase, plan_group
from incidents.workflow.errors import AlertError, Problem
from incidents.workflow.incident_states import IncidentSource
from policy.services.extensions import clean_extension_id

# Each begins after the one it met has ended: a fourth in a row is no accident.
ATTEMPTS = 4
TITLE_LENGTH = 200
# PostgreSQL: deadlock detected, serialization failure, unique violation (the same
# alert sent twice at once under two extensions, which no group lock keeps apart).
TRANSIENT_STATES = frozenset({"40P01", "40001", "23505"})
LOCK_NAMESPACE = 0x0CA5EA1E
LOCK_BUCKETS = 256
"""Groups share these locks: a batch of 1,000 groups must not fill the lock table."""
LATEST = dt.datetime(9999, 12, 30, tzinfo=dt.UTC)
"""Every time zone can show it; a machine may send any millisecond of the year 9999."""

Key = tuple[str, str]


@dataclass(frozen=True)
class IncomingAlert:
    """A checked alert, who raised it, and the hash of the document that it came as."""

    source: IncidentSource
    alert: alert_rules.Alert
    document_sha256: str

    @property
    def key(self) -> Key:
        return self.source, self.alert.alert_id

    @property
    def group(self) -> Group:
        return Group(self.alert.extension_id, self.alert.category)

    @property
    def happened_at(self) -> dt.datetime:
        return _to_moment(self.alert.ts_ms)


def read_incoming(source: IncidentSource, document: dict[str, Any]) -> IncomingAlert:
    """Check a strictly read document; raise AlertError with every fault found."""
    alert = alert_rules.parse_alert(document)
    extension_id = clean_extension_id(alert.extension_id)
    if not extension_id:
        problem = Problem("$.extension_id", "expected more than white space")
        raise AlertError("alert", (problem,))
    cleaned = replace(alert, extension_id=extension_id)
    return IncomingAlert(source, cleaned, hash_value(document))


@dataclass(frozen=True)
class Answer:
    """The row that holds an alert. `conflict`: it holds other content under the ID."""

    row: Alert
    created: bool
    conflict: bool


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
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic():
                return _receive(alerts, actor=actor, now=moment)
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
    alerts: Sequence[IncomingAlert], *, actor: Actor, now: dt.datetime
) -> list[Answer]:
    first: dict[Key, IncomingAlert] = {}
    for alert in alerts:
        # Twice in one batch is as twice in two: the first one counts.
        first.setdefault(alert.key, alert)
    # Before what is known is read: who waited here sees what the other stored.
    _lock_groups({alert.group for alert in first.values()})
    known = _find_known(first)
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


def _lock_groups(groups: Iterable[Group]) -> None:
    """Take the groups' locks in one order, so that no two intakes wait in a circle."""
    buckets = sorted({lock_bucket(group) for group in groups})
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, bucket)"
            " FROM unnest(%s::int[]) AS wanted (bucket)",
            [LOCK_NAMESPACE, buckets],
        )


def _find_known(keys: Iterable[Key]) -> dict[Key, Alert]:
    by_source: dict[str, list[str]] = defaultdict(list)
    for source, alert_id in keys:
        by_source[source].append(alert_id)
    wanted = Q(pk__in=())
    for source, ids in by_source.items():
        wanted |= Q(source=source, alert_id__in=ids)
    rows = Alert.everything.filter(wanted).select_related("decided_incident")
    return {(row.source, row.alert_id): row for row in rows.defer("document")}


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
    # Here a twin shows that no lock kept apart: its ID is unique for a source.
    Alert.everything.bulk_create(rows)
    tell_of_kept(
        [
            ([row for row in outcome.rows if row.incident_id is None], outcome.rules)
            for outcome in placed
        ],
        now=now,
    )
    _record(rows, placed, actor=actor, now=now)
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
        row = _make_row(member, facts, actor=actor, now=now)
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
        detected_at=believable_moment(opener.happened_at, now),
        source=opener.source,
        extension_ids=[facts.extension.extension_id],
        now=now,
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
            # What a person split off does not come back by itself.
            assignments__isnull=True,
            extension=facts.extension,
            category=category,
            happened_at__gte=_to_moment(new.ts_ms - window_ms),
            happened_at__lte=_to_moment(new.ts_ms + window_ms),
        )
        .defer("document")
        .order_by("pk")
    )
    Alert.everything.filter(pk__in=[row.pk for row in kept]).update(incident=case)
    for row in kept:
        row.incident = case
    return kept


def _make_row(
    incoming: IncomingAlert, facts: GroupFacts, *, actor: Actor, now: dt.datetime
) -> Alert:
    alert = incoming.alert
    return Alert(
        source=incoming.source,
        alert_id=alert.alert_id,
        extension=facts.extension,
        category=alert.category,
        severity=alert.severity,
        happened_at=incoming.happened_at,
        capability=alert.capability,
        method=alert.method,
        call_id=alert.call_id,
        reason_codes=list(alert.reason_codes),
        summary=alert.summary,
        risk_score=alert.risk_score,
        document=alert.content,
        document_sha256=incoming.document_sha256,
        received_at=now,
        received_from=actor,
    )


def _record(
    rows: Sequence[Alert],
    placed: Sequence[_Placed],
    *,
    actor: Actor,
    now: dt.datetime,
) -> None:
    """Write who went where: assignments, the cases' histories, the system's."""
    moved = [row for row in rows if row.incident_id is not None]
    taken_in = [row for outcome in placed for row in outcome.taken_in]
    AlertAssignment.everything.bulk_create(
        AlertAssignment(
            alert=row,
            kind=AlertMove.OPENED
            if row.decision == AlertDecision.OPENED
            else AlertMove.JOINED,
            incident_id=row.incident_id,
            rule_id=row.rule_id,
            assigned_at=now,
        )
        for row in (*moved, *taken_in)
    )
    by_case: dict[int, list[Alert]] = defaultdict(list)
    for row in (*moved, *taken_in):
        if row.incident_id is not None:
            by_case[row.incident_id].append(row)
    cases = {pk: case for outcome in placed for pk, case in outcome.cases.items()}
    for pk in sorted(by_case):
        record_joining(cases[pk], by_case[pk], actor=None, now=now)
    # Last, and one only: others share it, and it is held until the commit.
    first = placed[0].group
    record_entry(
        streams=[intake_stream(lock_bucket(first))],
        action="alerts.received",
        actor=actor,
        obj=rows[0],
        after={
            "count": len(rows),
            "alerts": [rows[0].pk, rows[-1].pk],
            "documents_sha256": hash_value([row.document_sha256 for row in rows]),
        },
        now=now,
    )


def _to_moment(ts_ms: int) -> dt.datetime:
    """Return the moment, or the nearest that a datetime can hold."""
    return from_ms(max(0, min(ts_ms, to_ms(LATEST))))
