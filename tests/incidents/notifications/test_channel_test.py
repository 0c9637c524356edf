"""A channel can be tried by its owner and by who keeps channels, and by nobody else."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from evidence.errors import PermissionRefused
from incidents.errors import NotificationRefused
from incidents.models import Notification, WebhookChannel
from incidents.services.notifications.outbox import send_channel_test
from incidents.services.notifications.webhooks import add_webhook
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def make_channel(owner: User | None = None) -> WebhookChannel:
    return add_webhook(
        actor=make_user("administrator"),
        name="room",
        url="discord://1234567890/abcdefghijklmnop",
        owner=owner,
        team=None,
        wants_warnings=False,
    )


def test_an_administrator_tries_a_shared_one_from_its_page(client: Client) -> None:
    channel = make_channel()
    client.force_login(make_user("administrator"))
    page = f"/admin/incidents/webhookchannel/{channel.pk}"
    assert f'action="{page}/test/"' in client.get(f"{page}/change/").content.decode()
    answer = client.post(f"{page}/test/")
    row = Notification.objects.get(kind="test")
    assert (row.webhook, row.recipient) == (channel, None)
    assert answer.url == f"/admin/incidents/notification/{row.pk}/change/"


def test_its_owner_tries_their_own() -> None:
    owner = make_user("responder")
    row = send_channel_test(actor=owner, webhook_id=make_channel(owner).pk)
    assert row.recipient == owner


@pytest.mark.parametrize("role", ["responder", "reviewer", "auditor"])
def test_nobody_else_tries_it(client: Client, role: str) -> None:
    channel = make_channel(make_user("responder", "owner"))
    person = make_user(role)
    with pytest.raises(PermissionRefused):
        send_channel_test(actor=person, webhook_id=channel.pk)
    client.force_login(person)
    page = f"/admin/incidents/webhookchannel/{channel.pk}"
    assert "/test/" not in client.get(f"{page}/change/").content.decode()
    client.post(f"{page}/test/")
    assert not Notification.objects.exists()


def test_one_that_is_off_sends_nothing() -> None:
    channel = make_channel()
    WebhookChannel.objects.filter(pk=channel.pk).update(is_active=False)
    with pytest.raises(NotificationRefused, match="switched off"):
        send_channel_test(actor=make_user("administrator"), webhook_id=channel.pk)


def test_one_that_is_not_there_is_not_found(client: Client) -> None:
    client.force_login(make_user("administrator"))
    assert client.post("/admin/incidents/webhookchannel/99/test/").status_code == 404
