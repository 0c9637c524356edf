"""Teams: who is in which, changed by administrators and recorded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import record_entry
from evidence.text import one_line
from incidents.errors import IncidentError
from incidents.models import Team


@transaction.atomic
def save_team(
    *,
    actor: Actor,
    name: str,
    members: Iterable[User],
    team_id: int | None = None,
    sees_only_own_cases: bool | None = None,
    now: dt.datetime | None = None,
) -> Team:
    """Make a team, or set an existing one's name and members; record what changed."""
    permission = "incidents.add_team" if team_id is None else "incidents.change_team"
    require_permission(actor, permission)
    moment = now or timezone.now()
    # Locked, so that the entry says what this change changed, not another's.
    team = (
        Team() if team_id is None else Team.objects.select_for_update().get(pk=team_id)
    )
    before = None if team_id is None else _state_of(team)
    team.name = _require_free_name(name, team_id)
    if sees_only_own_cases is not None:
        team.sees_only_own_cases = sees_only_own_cases
    team.save()
    team.members.set(members)
    after = _state_of(team)
    if before == after:
        return team
    record_entry(
        action="team.created" if before is None else "team.changed",
        actor=actor,
        obj=team,
        before=before,
        after=after,
        now=moment,
    )
    return team


def _state_of(team: Team) -> dict[str, object]:
    names = team.members.order_by("username").values_list("username", flat=True)
    state: dict[str, object] = {"name": team.name, "members": list(names)}
    # Teams of before it was there, and most since, see all cases.
    return state | ({"sees_only_own_cases": True} if team.sees_only_own_cases else {})


def _require_free_name(name: str, team_id: int | None) -> str:
    text = one_line(name)
    limit = Team._meta.get_field("name").max_length or 0
    if not 1 <= len(text) <= limit:
        raise IncidentError(
            f"Give a name of 1 to {limit} characters. This one has {len(text)}.",
            field="name",
        )
    others = Team.objects.filter(name=text)
    if team_id is not None:
        others = others.exclude(pk=team_id)
    if others.exists():
        raise IncidentError(
            f"There is a team {text!r} already: choose another name.", field="name"
        )
    return text
