"""Who may hear of a case: nobody is told of one that is not there for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from evidence.models.case_bound import hidden_from, leave_out
from incidents.models import CaseReader, Incident, Notification, Team


def may_be_heard(rows: Sequence[Notification]) -> list[Notification]:
    """Return the messages that their recipients may have, in the order given.

    A shared webhook hears of a restricted case only where its team is named on it: who
    else reads its channel, nobody knows. Costs a query or two where nothing is hidden,
    however many there are.
    """
    hidden = _hidden_pairs(rows) | _unheard_channels(rows)
    return [row for row in rows if _pair(row) not in hidden]


Pair = tuple[int | None, int | None, int | None]


def _pair(row: Notification) -> Pair:
    """Return who is told, by which shared channel, and of which case."""
    channel = row.webhook_id if row.recipient_id is None else None
    return row.recipient_id, channel, row.incident_id


def _hidden_pairs(rows: Sequence[Notification]) -> set[Pair]:
    told: dict[int, set[int]] = defaultdict(set)
    people = {}
    bound = set(
        Team.members.through.objects.filter(
            team__sees_only_own_cases=True,
            user__in={row.recipient_id for row in rows if row.recipient_id},
        ).values_list("user_id", flat=True)
    )
    for row in rows:
        if row.incident is None or row.recipient is None:
            continue
        if row.incident.is_restricted or row.recipient_id in bound:
            people[row.recipient.pk] = row.recipient
            told[row.recipient.pk].add(row.incident.pk)
    found: set[Pair] = set()
    for pk, cases in told.items():
        all_of_them = Incident.everything.filter(pk__in=cases)
        seen = leave_out(all_of_them, hidden_from(people[pk]))
        unseen = cases - set(seen.values_list("pk", flat=True))
        found |= {(pk, None, case) for case in unseen}
    return found


def _unheard_channels(rows: Sequence[Notification]) -> set[Pair]:
    shared = [
        row
        for row in rows
        if row.recipient_id is None and row.incident and row.incident.is_restricted
    ]
    if not shared:
        return set()
    named = set(
        CaseReader.everything.filter(
            incident__in={row.incident_id for row in shared},
            team__isnull=False,
            ended_at__isnull=True,
        ).values_list("incident_id", "team_id")
    )
    return {
        _pair(row)
        for row in shared
        if row.webhook is None or (row.incident_id, row.webhook.team_id) not in named
    }
