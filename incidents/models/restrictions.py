"""Restricted cases: who is named on one, who looks in, and from whom it is hidden."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pgtrigger
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db import connection, models
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from evidence.models import AppendOnlyModel
from evidence.models.case_bound import CaseBound
from evidence.models.columns import has_text, optional_person_field, person_field
from evidence.models.triggers import Protect, ReadOnly
from incidents.models.cases import Incident
from incidents.models.teams import Team

Cases = QuerySet[Any]
_ANY_HIDDEN = """
    SELECT EXISTS (SELECT FROM incidents_incident WHERE is_restricted)
        OR EXISTS (SELECT FROM incidents_team WHERE sees_only_own_cases)
"""
MOST_LOOK_IN = dt.timedelta(hours=24)
"""Long enough for a reviewer's day; who needs longer asks to be named."""


class CaseReader(CaseBound):
    """A person or a team named on a restricted case; the row stays when that ends."""

    case_paths = ("incident",)

    incident = models.ForeignKey(
        Incident, on_delete=models.PROTECT, related_name="readers"
    )
    person = optional_person_field()
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    named_at = models.DateTimeField()
    named_by = optional_person_field()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = optional_person_field()

    class Meta:
        verbose_name = "named reader"
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(person__isnull=True) ^ Q(team__isnull=True),
                name="case_reader_is_one",
            ),
            models.UniqueConstraint(
                fields=("incident", "person", "team"),
                condition=Q(ended_at__isnull=True),
                nulls_distinct=False,
                name="case_reader_named_once",
            ),
        )
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            ReadOnly(
                name="reader_is_fixed",
                fields=["incident", "person", "team", "named_at", "named_by"],
            ),
            Protect(
                name="ended_stays_ended",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__ended_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return str(self.team or self.person)


class LookIn(AppendOnlyModel, CaseBound):
    """A reviewer's look into a restricted case that does not name them, with why."""

    case_paths = ("incident",)

    incident = models.ForeignKey(
        Incident, on_delete=models.PROTECT, related_name="look_ins"
    )
    person = person_field()
    reason = models.TextField()
    since = models.DateTimeField()
    until = models.DateTimeField()

    class Meta(AppendOnlyModel.Meta):
        verbose_name = "look into a restricted case"
        verbose_name_plural = "looks into restricted cases"
        ordering = ("-id",)
        constraints = (
            has_text("look_in_has_reason"),
            models.CheckConstraint(
                condition=Q(until__gt=F("since"), until__lte=F("since") + MOST_LOOK_IN),
                name="look_in_ends",
            ),
        )
        indexes = (
            models.Index(fields=("person", "incident"), name="look_in_by_person"),
        )

    def __str__(self) -> str:
        return f"{self.person} until {self.until:%Y-%m-%d %H:%M %Z}"


def hidden_cases_of(
    person: AbstractBaseUser | AnonymousUser, cases: Cases
) -> tuple[Cases, ...]:
    """Return which of these cases are not there for somebody: the one rule there is.

    A restricted case is there for its lead, for the people and teams named on it, and
    for who looks in. Members of a team that sees only its own cases see those of
    their teams, and what they lead, opened or are named on. Who holds the right to see
    restricted cases sees all. Empty where none is hidden from them.
    """
    if person.pk is None:
        return (cases.filter(is_restricted=True),)
    if not _is_any_hidden():
        return ()
    restricted = _not_naming(person.pk, cases).filter(is_restricted=True)
    is_bound, is_any_restricted = _read_limits(person, restricted)
    found = (restricted,) if is_any_restricted else ()
    return (*found, _foreign_to(person.pk, cases)) if is_bound else found


def _foreign_to(person_id: int, cases: Cases) -> Cases:
    """Return the cases of other teams than a person's."""
    own_team = Team.members.through.objects.filter(
        user_id=person_id, team_id=OuterRef("team_id")
    )
    unopened = Q(opened_by__isnull=True) | ~Q(opened_by=person_id)
    return _not_naming(person_id, cases).filter(unopened, ~Exists(own_team))


def _not_naming(person_id: int, cases: Cases) -> Cases:
    """Return the cases that do not name a person, and that they do not look into."""
    teams = Team.members.through.objects.filter(user_id=person_id).values("team_id")
    named = CaseReader.everything.filter(
        Q(person=person_id) | Q(team__in=teams),
        incident=OuterRef("pk"),
        ended_at__isnull=True,
    )
    looking = LookIn.everything.filter(
        incident=OuterRef("pk"), person=person_id, until__gt=Now()
    )
    unled = Q(lead__isnull=True) | ~Q(lead=person_id)
    return cases.filter(unled, ~Exists(named), ~Exists(looking))


def _is_any_hidden() -> bool:
    """Return whether any case may be hidden from anybody; of most installations, none.

    Every lock of a case asks. The whole question takes twenty times as long to put into
    words as the database to answer it, so this one is put once and for all.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ANY_HIDDEN)
        return bool(cursor.fetchone()[0])


def _read_limits(
    person: AbstractBaseUser | AnonymousUser, restricted: Cases
) -> tuple[bool, bool]:
    """Return whether a person is held to their teams, and whether cases are hidden.

    Being a superuser lets nobody into a restricted case: it takes the right itself.
    """
    right = {"codename": "see_restricted", "content_type__app_label": "incidents"}
    rights = Permission.objects.filter(**right)
    bound = Team.objects.filter(members=OuterRef("pk"), sees_only_own_cases=True)
    sees_all = Q(
        Exists(rights.filter(group__user=OuterRef("pk")))
        | Exists(rights.filter(user=OuterRef("pk")))
    )
    found = User.objects.filter(pk=person.pk or 0).annotate(
        is_bound=Exists(bound), is_any=Exists(restricted), sees_all=sees_all
    )
    row = found.values_list("is_bound", "is_any", "sees_all").first()
    is_bound, is_any, may_see_all = row or (False, True, False)
    return (False, False) if may_see_all else (is_bound, is_any)
