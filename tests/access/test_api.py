"""Every resource of the API is stated, with its methods and who may use them."""

from __future__ import annotations

from evidence.models import TokenScope
from tests.access.routes import all_routes
from tests.access.stated import REVIEWERS
from tests.access.stated_api import BESIDES, stated_resources

ROUTES = {path: route for path, route in all_routes().items() if route.is_api}
WRITING = ("post", "put", "patch", "delete")


def test_every_resource_is_stated_and_every_stated_one_is_there() -> None:
    stated = {*stated_resources(), *BESIDES}
    assert set(ROUTES) - stated == set(), "State in tests/access who may do what."
    assert stated - set(ROUTES) == set(), "There is no such route any more."


def test_every_method_of_a_resource_is_stated_and_open_to_somebody() -> None:
    for path, resource in stated_resources().items():
        actions = set(ROUTES[path].actions)
        assert {*WRITING} & actions == set(resource.writes), path
        assert ("get" in actions) == bool(resource.reads), path
        assert resource.reads or resource.writes, path
        assert all(write.roles for write in resource.writes.values()), path


def test_what_reviewers_alone_decide_takes_a_scope_of_its_own() -> None:
    """Pages ask for presence there; a token that was made to work cases is no proof."""
    scopes = {
        path: write.scope
        for path, resource in stated_resources().items()
        for write in resource.writes.values()
        if write.roles <= REVIEWERS
    }
    assert len(scopes) >= 3
    assert set(scopes.values()) == {TokenScope.CASES_REVIEW}, scopes
