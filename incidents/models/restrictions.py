"""Restricted cases: who is named on one, who looks in, and from whom it is hidden."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pgtrigger
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import connection, models
from django.db.models import F, Q, QuerySet

from evidence.models import AppendOnlyModel
from evidence.models.case_bound import AskedOfEachRow, CaseBound
from evidence.models.columns import has_text, optional_person_field, person_field
from evidence.models.triggers import Protect, ReadOnly
from incidents.models.cases import Incident
from incidents.models.teams import Team

Cases = QuerySet[Any]
_ANY_HIDDEN = """
    SELECT EXISTS (SELECT FROM incidents_incident WHERE is_restricted)
        OR EXISTS (SELECT FROM incidents_team WHERE sees_only_own_cases)
"""
_UNNAMED = """
    {1} IS DISTINCT FROM %s
    AND NOT EXISTS (
        SELECT FROM incidents_casereader AS named
         WHERE named.incident_id = {0} AND named.ended_at IS NULL
           AND (named.person_id = %s OR named.team_id IN (
               SELECT team_id FROM incidents_team_members WHERE user_id = %s)))
    AND NOT EXISTS (
        SELECT FROM incidents_lookin AS looking
         WHERE looking.incident_id = {0} AND looking.person_id = %s
           AND looking.until > statement_timestamp())
"""
"""A case that neither names a person nor is looked into by them; 0 is its key."""
_OF_OTHER_TEAMS = """
    {0} IS DISTINCT FROM %s
    AND NOT EXISTS (
        SELECT FROM incidents_team_members AS member
         WHERE member.team_id = {1} AND member.user_id = %s)
"""
_LIMITS = f"""
    SELECT EXISTS (
               SELECT FROM incidents_team_members AS member
                 JOIN incidents_team AS team ON team.id = member.team_id
                WHERE member.user_id = %s AND team.sees_only_own_cases),
           EXISTS (
               SELECT FROM incidents_incident AS incident
                WHERE incident.is_restricted
                  AND {_UNNAMED.format("incident.id", "incident.lead_id")}),
           EXISTS (
               SELECT FROM auth_permission AS permission
                 JOIN django_content_type AS kind
                   ON kind.id = permission.content_type_id
                WHERE permission.codename = 'see_restricted'
                  AND kind.app_label = 'incidents'
                  AND (EXISTS (
                          SELECT FROM auth_group_permissions AS given
                            JOIN auth_user_groups AS belonging USING (group_id)
                           WHERE given.permission_id = permission.id
                             AND belonging.user_id = %s)
                       OR EXISTS (
                          SELECT FROM auth_user_user_permissions AS given
                           WHERE given.permission_id = permission.id
                             AND given.user_id = %s)))
      FROM auth_user WHERE id = %s
"""  # noqa: S608 - of this module's own words
_SHOWN = """
    SELECT id FROM incidents_incident WHERE lead_id = %s
     UNION ALL
    SELECT id FROM incidents_incident WHERE opened_by_id = %s
     UNION ALL
    SELECT id FROM incidents_incident WHERE team_id IN (
        SELECT team_id FROM incidents_team_members WHERE user_id = %s)
     UNION ALL
    SELECT incident_id FROM incidents_casereader
     WHERE ended_at IS NULL
       AND (person_id = %s OR team_id IN (
           SELECT team_id FROM incidents_team_members WHERE user_id = %s))
     UNION ALL
    SELECT incident_id FROM incidents_lookin
     WHERE person_id = %s AND until > statement_timestamp()
"""
"""The keys of the cases that are not foreign to somebody: what _OF_OTHER_TEAMS and
_UNNAMED say, turned round, so that indexes lead to them. A case may come twice."""
_SHOWN_IF_BOUND = f"""
    SELECT CASE WHEN EXISTS (
        SELECT FROM incidents_team_members AS member
          JOIN incidents_team AS team ON team.id = member.team_id
         WHERE member.user_id = %s AND team.sees_only_own_cases)
    THEN ARRAY(SELECT DISTINCT id FROM ({_SHOWN}) AS every LIMIT %s) END
"""  # noqa: S608 - of this module's own words
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
    is_bound, is_any_restricted = _read_limits(person.pk)
    restricted = _not_naming(person.pk, cases).filter(is_restricted=True)
    found = (restricted,) if is_any_restricted else ()
    return (*found, _foreign_to(person.pk, cases)) if is_bound else found


def shown_if_bound(
    person: AbstractBaseUser | AnonymousUser, *, most: int
) -> list[int] | None:
    """Return the keys of up to `most` cases that are there for somebody.

    None for who is held to no team. Restricted cases that name others may be among
    them.
    """
    if person.pk is None:
        return None
    people = [person.pk] * (_SHOWN.count("%s") + 1)
    with connection.cursor() as cursor:
        cursor.execute(_SHOWN_IF_BOUND, [*people, most])
        keys = cursor.fetchone()[0]
    return None if keys is None else sorted(keys)


class _Shown(models.Func):
    """Whether a case, by its key, is there for somebody held to their teams."""

    output_field = models.BooleanField()

    def __init__(self, key: Any, person_id: int) -> None:
        super().__init__(key)
        self.person_id = person_id

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, Any]:  # type: ignore[override]
        column, params = compiler.compile(self.source_expressions[0])
        people = (self.person_id,) * _SHOWN.count("%s")
        return f"({column} IN ({_SHOWN}))", (*params, *people)


def among_shown(cases: Any, person: Any) -> Any:
    """Return the cases that are not foreign to somebody, found by indexes."""
    return cases.filter(_Shown(F("pk"), person.pk))


class _OfPerson(models.Func):
    """A condition on a case that somebody's name is in, as constant SQL.

    It stands many times in a page's statements. To put it into words as querysets of
    querysets more than doubled what a request calls (docs/benchmarks.md).
    """

    output_field = models.BooleanField()

    def __init__(self, sql: str, person_id: int, *columns: Any) -> None:
        super().__init__(*columns)
        self.sql, self.person_id = sql, person_id

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, Any]:  # type: ignore[override]
        columns = [compiler.compile(column)[0] for column in self.source_expressions]
        text = f"({self.sql.format(*columns)})"
        return text, (self.person_id,) * text.count("%s")


def _foreign_to(person_id: int, cases: Cases) -> Cases:
    """Return the cases of other teams than a person's: mostly nearly all there are.

    So they are never joined, which reads them all: each row is asked for its own case.
    """
    of_others = _OfPerson(_OF_OTHER_TEAMS, person_id, F("opened_by_id"), F("team_id"))
    return _not_naming(person_id, cases).filter(AskedOfEachRow(), of_others)


def _not_naming(person_id: int, cases: Cases) -> Cases:
    """Return the cases that do not name a person, and that they do not look into."""
    return cases.filter(_OfPerson(_UNNAMED, person_id, F("pk"), F("lead_id")))


def _is_any_hidden() -> bool:
    """Return whether any case may be hidden from anybody; of most installations, none.

    Every lock of a case asks. The whole question takes twenty times as long to put into
    words as the database to answer it, so this one is put once and for all.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ANY_HIDDEN)
        return bool(cursor.fetchone()[0])


def _read_limits(person_id: int) -> tuple[bool, bool]:
    """Return whether a person is held to their teams, and whether cases are hidden.

    Being a superuser lets nobody into a restricted case: it takes the right itself.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LIMITS, [person_id] * _LIMITS.count("%s"))
        is_bound, is_any, may_see_all = cursor.fetchone() or (False, True, False)
    return (False, False) if may_see_all else (is_bound, is_any)
