"""What is stated of a role is what its rights give it, where a right decides."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import RequestFactory

from evidence.accounts.access import Role
from tests.access.people import Who
from tests.access.routes import all_routes
from tests.access.stated import TABLES
from tests.access.stated_api import stated_resources
from tests.factories import make_user

pytestmark = pytest.mark.django_db
ROLES = {
    Who.OUTSIDER: None,
    Who.RESPONDER: Role.RESPONDER,
    Who.REVIEWER: Role.REVIEWER,
    Who.AUDITOR: Role.AUDITOR,
    Who.ADMINISTRATOR: Role.ADMINISTRATOR,
    Who.MACHINE: Role.MACHINE,
}


@pytest.fixture
def people(db: None) -> dict[Who, User]:
    found = {who: make_user(role) for who, role in ROLES.items()}
    found[Who.SUPERUSER] = User.objects.create_superuser("root", "r@example.org", "x")
    return found


def holders(people: dict[Who, User], permission: str) -> set[Who]:
    return {who for who, person in people.items() if person.has_perm(permission)}


def test_a_button_is_for_whom_its_right_is_given(people: dict[Who, User]) -> None:
    tried, wrong = 0, []
    for model, page in admin.site._registry.items():
        for key, action in getattr(page, "page_actions", {}).items():
            stated = set(TABLES[model._meta.label_lower].buttons[key])
            # A machine has no pages: it is no member of staff.
            held = holders(people, action.permission) - {Who.MACHINE}
            tried += 1
            if held != stated:
                wrong.append((model._meta.label, key, held ^ stated))
    assert wrong == []
    assert tried > 60


def test_a_table_is_read_and_deleted_from_by_whom_it_is_stated_to(
    people: dict[Who, User],
) -> None:
    wrong = []
    for model, page in admin.site._registry.items():
        table = TABLES[model._meta.label_lower]
        for right, stated in (("view", table.reads), ("delete", table.deletes)):
            allowed = {who for who in people if _may(page, right, people[who])}
            if allowed - {Who.MACHINE} != set(stated):
                wrong.append((model._meta.label, right, allowed ^ set(stated)))
    assert wrong == []


def _may(page: Any, right: str, person: User) -> bool:
    request = RequestFactory().get("/")
    request.user = person
    return bool(getattr(page, f"has_{right}_permission")(request))


def test_a_resource_is_read_by_whom_its_right_is_given(people: dict[Who, User]) -> None:
    tried, wrong = 0, []
    for path, resource in stated_resources().items():
        permission = getattr(all_routes()[path].resource, "read_permission", None)
        if permission is None or not resource.reads or len(resource.scopes) > 1:
            continue
        tried += 1
        held = holders(people, permission)
        if held != set(resource.reads):
            wrong.append((path, permission, held ^ set(resource.reads)))
    assert wrong == []
    assert tried > 100
