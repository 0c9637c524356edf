"""The fixtures that other tests stand on do what they say."""

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.db import connection

from tests.conftest import sign_in
from tests.live import LiveWorker

ROLES = {"responder", "reviewer", "auditor", "administrator", "machine"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("run", [1, 2])
def test_emptying_between_tests_keeps_groups_and_their_permissions(run: int) -> None:
    assert set(Group.objects.values_list("name", flat=True)) == ROLES
    assert Group.objects.get(name="responder").permissions.exists()
    assert not User.objects.exists()
    User.objects.create_user("somebody")


def test_tests_run_on_postgresql_without_a_tcp_port(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW listen_addresses")
        assert cursor.fetchone() == ("",)


def test_emptying_the_cache_keeps_the_queue(live_worker: LiveWorker) -> None:
    live_worker.kill()
    from celery import current_app

    current_app.send_task("nobody.takes_this")
    cache.clear()
    assert current_app.control.purge() == 1


@pytest.mark.live
def test_live_worker_can_be_killed_and_started_again(live_worker: LiveWorker) -> None:
    first = live_worker.popen
    live_worker.kill()
    live_worker.start()
    assert live_worker.popen is not None
    assert first is not None
    assert live_worker.popen.pid != first.pid


@pytest.mark.browser
def test_browser_signs_in_to_the_admin(
    browser_page, live_server, responder: User
) -> None:
    errors: list[str] = []
    browser_page.on("console", lambda message: errors.append(message.text))
    browser_page.on("pageerror", lambda error: errors.append(str(error)))
    sign_in(browser_page, live_server.url, responder)
    assert "Casefile" in browser_page.title()
    assert errors == []
