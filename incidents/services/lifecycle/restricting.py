"""Restricted cases: who is named on one, who lifts that, and who looks in.

For whom a restricted case is not there, it is nowhere: `incidents/models/restrictions`
says which those are, and the managers of all that hangs from a case hold to it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from evidence.accounts.access import Actor, name_of, require_permission
from evidence.models.case_bound import shown_to, unwatched
from incidents.errors import IncidentError, TransitionError
from incidents.models import (
    MOST_LOOK_IN,
    CaseReader,
    Incident,
    LookIn,
    Team,
    TimelineKind,
)
from incidents.services.changes import (
    REVIEW,
    WORK,
    lock_incident,
    record_change,
    require_reason,
)
from incidents.services.notifications.outbox import remind

VIEW = "incidents.view_incident"
Named = User | Team


@dataclass(frozen=True)
class Readers:
    """The people and teams that are named on a restricted case."""

    people: Collection[User] = field(default=())
    teams: Collection[Team] = field(default=())

    def all(self) -> set[Named]:
        return {*self.people, *self.teams}


def named_on(incident: Incident) -> Readers:
    """Return who is named on a case now."""
    rows = _standing(incident).select_related("person", "team")
    return Readers(
        [row.person for row in rows if row.person],
        [row.team for row in rows if row.team],
    )


@transaction.atomic
def restrict_case(
    *,
    actor: User,
    incident_id: int,
    readers: Readers,
    reason: str,
    now: dt.datetime | None = None,
) -> Incident:
    """Leave a case to its lead and those named; who restricts it is named as well.

    For everybody else it is not there from now on, but for who may see all cases.
    """
    require_permission(actor, WORK)
    incident = lock_incident(incident_id, actor)
    moment, text = now or timezone.now(), require_reason(reason)
    if incident.is_restricted:
        raise TransitionError(
            f"{incident.reference} is restricted already: change who sees it instead.",
            code="restricted_already",
        )
    start_restricted(incident, readers, actor=actor, reason=text, now=moment)
    return incident


def start_restricted(
    incident: Incident,
    readers: Readers,
    *,
    actor: Actor,
    reason: str,
    now: dt.datetime,
) -> None:
    """Restrict a locked or a new case, inside the caller's transaction."""
    people = {*readers.people, *([actor] if actor is not None else [])}
    named = Readers(people, readers.teams)
    _require_readers(incident, named)
    incident.is_restricted = True
    incident.save(update_fields=["is_restricted"])
    _set_readers(incident, named, actor=actor, now=now)
    record_change(
        incident,
        action="incident.restricted",
        actor=actor,
        now=now,
        kind=TimelineKind.DECISION,
        body=f"**Restricted** to its lead and {_in_words(named)}",
        before={"is_restricted": False},
        after={"is_restricted": True, "readers": _names(named)},
        reason=reason,
    )


@transaction.atomic
def change_readers(
    *,
    actor: User,
    incident_id: int,
    readers: Readers,
    reason: str,
    now: dt.datetime | None = None,
) -> Incident:
    """Name exactly these on a restricted case; somebody has to be left who sees it."""
    require_permission(actor, WORK)
    incident = _lock_restricted(incident_id, actor)
    moment, text = now or timezone.now(), require_reason(reason)
    before = named_on(incident)
    if before.all() == readers.all():
        return incident
    _require_readers(incident, readers)
    record_change(
        incident,
        action="incident.readers_changed",
        actor=actor,
        now=moment,
        kind=TimelineKind.DECISION,
        body=f"**Seen from now on** by its lead and {_in_words(readers)}",
        before={"readers": _names(before)},
        after={"readers": _names(readers)},
        reason=text,
    )
    # Last: who takes themselves off the case has written why.
    _set_readers(incident, readers, actor=actor, now=moment)
    return incident


@transaction.atomic
def lift_restriction(
    *, actor: User, incident_id: int, reason: str, now: dt.datetime | None = None
) -> Incident:
    """Show a case to everybody again, as a reviewer who sees it."""
    require_permission(actor, REVIEW)
    incident = _lock_restricted(incident_id, actor)
    moment, text = now or timezone.now(), require_reason(reason)
    before = named_on(incident)
    _tell(
        incident,
        f"{name_of(actor)} lifted the restriction of this case",
        key=f"{incident.reference}:lifted:{moment.isoformat()}",
        but=actor,
        now=moment,
    )
    _set_readers(incident, Readers(), actor=actor, now=moment)
    incident.is_restricted = False
    incident.save(update_fields=["is_restricted"])
    record_change(
        incident,
        action="incident.restriction_lifted",
        actor=actor,
        now=moment,
        kind=TimelineKind.DECISION,
        body="**Restriction lifted**: who may see cases sees this one again",
        before={"is_restricted": True, "readers": _names(before)},
        after={"is_restricted": False},
        reason=text,
    )
    return incident


@transaction.atomic
def look_in(
    *, actor: User, reference: str, reason: str, now: dt.datetime | None = None
) -> LookIn:
    """Let a reviewer see a case that is hidden from them, for a day.

    The reason stands in the case, and those named and the lead are told. A case that
    they see anyway needs no look, and says so.
    """
    require_permission(actor, REVIEW)
    moment, text = now or timezone.now(), require_reason(reason)
    with unwatched():
        incident = _find_hidden(reference, actor)
        look = LookIn.objects.create(
            incident=incident,
            person=actor,
            reason=text,
            since=moment,
            until=moment + MOST_LOOK_IN,
        )
        record_change(
            incident,
            action="incident.looked_into",
            actor=actor,
            now=moment,
            kind=TimelineKind.DECISION,
            body=f"**{name_of(actor)} looks in** for a day, without being named",
            after={"look_in": look.pk, "until": look.until.isoformat()},
            reason=text,
        )
        _tell(
            incident,
            f"{name_of(actor)} looks into this restricted case, without being named",
            key=f"{incident.reference}:look-in:{look.pk}",
            but=actor,
            now=moment,
        )
    return look


def _find_hidden(reference: str, actor: User) -> Incident:
    """Return a hidden case, locked; raise IncidentError where there is none."""
    cases = Incident.objects.filter(reference=reference.strip().upper())
    if shown_to(actor, cases).exists():
        raise IncidentError(
            "You see this case already: open it from the list of incidents.",
            code="seen_already",
            field="reference",
        )
    found = cases.values_list("pk", flat=True).first()
    if found is None:
        raise IncidentError(
            f"There is no case {reference.strip()!r}. Give a reference such as "
            "SEC-INC-2026-0042.",
            field="reference",
        )
    return lock_incident(found)


def _lock_restricted(incident_id: int, actor: User) -> Incident:
    incident = lock_incident(incident_id, actor)
    if not incident.is_restricted:
        raise TransitionError(
            f"{incident.reference} is not restricted: everybody who may see cases "
            "sees it.",
            code="not_restricted",
        )
    return incident


def _require_readers(incident: Incident, readers: Readers) -> None:
    """Raise IncidentError where somebody cannot see cases, or nobody would see it."""
    people = list(readers.people)
    for person in people:
        if not (person.is_active and person.has_perm(VIEW)):
            raise IncidentError(
                f"{name_of(person)} cannot see cases: name somebody whose account is "
                "on and whose role shows cases.",
                field="people",
            )
    members = User.objects.filter(incident_teams__in=readers.teams, is_active=True)
    lead = incident.lead
    if not people and not members.exists() and not (lead and lead.is_active):
        raise IncidentError(
            "Nobody would see this case: name a person, or a team with members.",
            field="people",
        )


def _set_readers(
    incident: Incident, readers: Readers, *, actor: Actor, now: dt.datetime
) -> None:
    wanted, there = readers.all(), named_on(incident).all()
    for gone in _standing(incident).select_related("person", "team"):
        if (gone.person or gone.team) not in wanted:
            gone.ended_at, gone.ended_by = now, actor
            gone.save(update_fields=["ended_at", "ended_by"])
    new = sorted(wanted - there, key=lambda named: (type(named).__name__, named.pk))
    CaseReader.objects.bulk_create(
        CaseReader(
            incident=incident,
            person=named if isinstance(named, User) else None,
            team=named if isinstance(named, Team) else None,
            named_at=now,
            named_by=actor,
        )
        for named in new
    )


def _standing(incident: Incident) -> QuerySet[CaseReader]:
    rows: QuerySet[CaseReader] = CaseReader.everything.filter(
        incident=incident, ended_at__isnull=True
    )
    return rows.order_by("pk")


def _tell(
    incident: Incident, headline: str, *, key: str, but: User, now: dt.datetime
) -> None:
    """Tell those who are named, and the lead, but not who did it."""
    named = named_on(incident)
    members = User.objects.filter(incident_teams__in=named.teams, is_active=True)
    people = {*named.people, *members, *([incident.lead] if incident.lead else [])}
    remind(
        key=key,
        people=sorted(people - {but}, key=lambda person: person.pk),
        headline=headline,
        about=incident,
        owed_at=now,
        incident=incident,
        now=now,
    )


def _names(readers: Readers) -> dict[str, list[str]]:
    return {
        "people": sorted(map(name_of, readers.people)),
        "teams": sorted(team.name for team in readers.teams),
    }


def _in_words(readers: Readers) -> str:
    names = _names(readers)
    return _joined([*names["people"], *(f"the team {name}" for name in names["teams"])])


def _joined(names: Iterable[str]) -> str:
    return ", ".join(names) or "nobody else"
