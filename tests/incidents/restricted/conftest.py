"""The filled world of the pages' tests, with every case of it hidden."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from evidence.accounts.access import Role
from incidents.models import Incident, Postmortem, PruneRequest, Team
from tests.factories import make_incident, make_user
from tests.pages.conftest import (  # noqa: F401 (fixtures)
    _django_db_helper,
    everything,
    evidence_folder,
    filled,
    shared_store,
)

ORDINARY = "An ordinary case"
STRANGERS = (Role.RESPONDER, Role.REVIEWER, Role.ADMINISTRATOR)


def stranger(role: Role) -> User:
    """Return somebody of a role whom no case knows."""
    return make_user(role, f"stranger-{role}")


def keep_restricted(person: User) -> None:
    """Leave the cases restricted, as they are: nobody is named on them."""


def give_to_another_team(person: User) -> None:
    """Hide the cases as another team's, from who is in one that sees only its own."""
    own = Team.objects.create(name="Sees only its own", sees_only_own_cases=True)
    own.members.add(person)
    others = Team.objects.create(name="Another")
    Incident.everything.update(is_restricted=False, team=others)
    Incident.everything.filter(title=ORDINARY).update(team=own)


WAYS = (keep_restricted, give_to_another_team)
HIDDEN_FROM = (
    (Role.ADMINISTRATOR, keep_restricted),
    (Role.REVIEWER, give_to_another_team),
    pytest.param(Role.RESPONDER, keep_restricted, marks=pytest.mark.slow),
    pytest.param(Role.REVIEWER, keep_restricted, marks=pytest.mark.slow),
)


@pytest.fixture
def hidden(everything: Incident) -> Incident:  # noqa: F811
    """Restrict every case of the world, and open one that everybody sees."""
    Incident.everything.update(is_restricted=True)
    make_incident(title=ORDINARY, actor=stranger(Role.RESPONDER))
    return everything


@pytest.fixture
def browse() -> Callable[[User], Client]:
    def sign_in(user: User) -> Client:
        client = Client(raise_request_exception=False)
        client.force_login(user)
        return client

    return sign_in


def hide_most(person: User, case: Incident) -> None:
    """Restrict a case; leave a team two others, and all the rest to another team."""
    own = Team.objects.create(name="Sees only its own", sees_only_own_cases=True)
    own.members.add(person)
    others = Team.objects.create(name="Another")
    seen = {
        Postmortem.everything.latest("pk").cycle.incident_id,
        PruneRequest.everything.latest("pk").incident_id,
    }
    assert case.pk not in seen
    Incident.everything.exclude(pk__in=seen).update(team=others)
    Incident.everything.filter(pk__in=seen).update(team=own)
    Incident.everything.filter(pk=case.pk).update(team=own, is_restricted=True)


@pytest.fixture
def outsider(everything: Incident) -> User:  # noqa: F811
    """Return a reviewer from whom all but two cases are hidden, one by its names."""
    person = stranger(Role.REVIEWER)
    hide_most(person, everything)
    return person
