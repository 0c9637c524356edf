"""The filled world of the pages' tests, with every case of it restricted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from evidence.accounts.access import Role
from incidents.models import Incident
from tests.factories import make_incident, make_user
from tests.pages.conftest import (  # noqa: F401 (fixtures)
    _django_db_helper,
    everything,
    evidence_folder,
    filled,
    shared_store,
)

STRANGERS = (Role.RESPONDER, Role.REVIEWER, Role.ADMINISTRATOR)


def stranger(role: Role) -> User:
    """Return somebody of a role whom no case knows."""
    return make_user(role, f"stranger-{role}")


@pytest.fixture
def hidden(everything: Incident) -> Incident:  # noqa: F811
    """Restrict every case of the world, and open one that everybody sees."""
    Incident.everything.update(is_restricted=True)
    make_incident(title="An ordinary case", actor=stranger(Role.RESPONDER))
    return everything


@pytest.fixture
def browse() -> Callable[[User], Client]:
    def sign_in(user: User) -> Client:
        client = Client(raise_request_exception=False)
        client.force_login(user)
        return client

    return sign_in
