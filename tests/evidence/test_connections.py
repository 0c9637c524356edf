"""A connection is asked if it is well where nothing else can tell only."""

from __future__ import annotations

import select
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.accounts.rights import read_rights
from evidence.counting_cache import counting_cache

pytestmark = pytest.mark.django_db


@pytest.fixture
def other() -> Iterator[Any]:
    """Another connection, as a thread of the web server keeps one between requests."""
    made: Any = connection.copy()
    made.health_check_enabled = made.settings_dict["CONN_HEALTH_CHECKS"] = True
    yield made
    made.close()


def ask(other: Any) -> int:
    """Answer a request: ask for the session's number, and be done."""
    other.close_if_unusable_or_obsolete()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        number: int = cursor.fetchone()[0]
    other.close_if_unusable_or_obsolete()
    return number


def test_connection_that_the_server_ended_is_replaced_unseen(other: Any) -> None:
    number, raw = ask(other), other.connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [number])
    assert select.select([raw.fileno()], [], [], 30)[0], "the server says that it ends"
    assert ask(other) != number


def test_connection_that_was_not_used_for_long_is_asked(
    other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    number, is_usable = ask(other), other.is_usable
    monkeypatch.setattr(other, "is_usable", lambda: asked.append(True) or is_usable())
    assert ask(other) == number
    assert asked == []
    other.used_until = float("-inf")
    other.health_check_done = False
    with other.cursor():
        assert asked == [True]


@pytest.mark.parametrize("who", ["machine", "responder", "auditor"])
def test_rights_read_at_once_are_those_that_django_finds(
    who: str, request: pytest.FixtureRequest
) -> None:
    user: User = request.getfixturevalue(who)
    found = User.objects.get(pk=user.pk)
    read_rights(found)
    with CaptureQueriesContext(connection) as queries:
        rights = found.get_all_permissions()
    assert len(queries) == 0
    assert rights == User.objects.get(pk=user.pk).get_all_permissions() != set()


def test_rights_of_who_is_switched_off_are_none(machine: User) -> None:
    machine.is_active = False
    machine.save()
    found = User.objects.get(pk=machine.pk)
    read_rights(found)
    assert found.get_all_permissions() == set()


def test_counter_counts_each_once_and_ends() -> None:
    counter = counting_cache()
    assert [counter.count("of-this-test", timeout=60) for _ in range(3)] == [1, 2, 3]
    assert cache.get("of-this-test") == 3
    cache.touch("of-this-test", 0)
    assert counter.count("of-this-test", timeout=60) == 1
