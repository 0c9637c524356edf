"""What only administrators or reviewers send asks again who is there."""

from __future__ import annotations

import pytest
from django.contrib.sessions.backends.base import SessionBase
from django.test import Client
from pytest_django import Settings

from evidence.accounts.presence import PROVED
from incidents.models import Incident
from tests.access.asking import address, ask
from tests.access.people import Who
from tests.access.stated import ADMINISTRATORS, REVIEWERS, stated_pages

pytestmark = [pytest.mark.django_db, pytest.mark.walk]
NOT_ASKED = {
    "admin/incidents/alertrule/add/": "what an alert opens: no way to see or do more",
    "admin/incidents/alertrule/<path:object_id>/change/": "as the page that adds one",
    "admin/incidents/remindersettings/": "when people are told, and not who",
    "admin/incidents/webhookchannel/<int:channel_id>/test/": "says only that it works",
    "admin/incidents/incident/system/repeat/": "does again what was asked for before",
    "admin/incidents/prunerequest/add/": "waits for another person, who is asked",
}
"""What asks nothing though few may send it, and why it need not."""
PRIVILEGED = {
    path: page
    for path, page in stated_pages().items()
    if page.sends and page.sends <= ADMINISTRATORS | REVIEWERS
}
"""The buttons of pages are in tests/evidence/accounts/test_presence.py."""


def long_ago(session: SessionBase) -> None:
    session[PROVED] = "2026-01-01T00:00:00+00:00"
    session.save()


def test_what_few_may_send_asks_who_is_there(
    browsers: dict[Who, Client], everything: Incident, settings: Settings
) -> None:
    settings.PRESENCE_MINUTES = 15
    client = browsers[Who.SUPERUSER]
    long_ago(client.session)
    asked = {
        path
        for path in PRIVILEGED
        for answer in [ask(client, "post", address(path, everything), data={"x": "x"})]
        if answer.headers.get("Location", "").startswith("/admin/confirm/")
    }
    assert {*PRIVILEGED} - asked == {*NOT_ASKED}
    assert len(asked) > 12
