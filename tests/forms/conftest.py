"""One object for every page that has buttons, and somebody who may press them all."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client, override_settings
from django.utils import timezone

from evidence.admin.page_actions import ActionPages
from incidents.services.postmortems.action_items import (
    ActionItemFields,
    add_action_item,
)
from incidents.services.postmortems.drafts import open_postmortem
from incidents.workflow.postmortem import ActionItemType
from tests.factories import make_user
from tests.incidents.pruning.cases import AT_ONCE, ask, make_archived
from tests.policy.world import make_world


def admins_with_actions() -> list[Any]:
    return [
        model_admin
        for model_admin in admin.site._registry.values()
        if isinstance(model_admin, ActionPages)
    ]


@pytest.fixture
def root(client: Client) -> User:
    user = User.objects.create_superuser("root", "root@example.org", "x" * 20)
    client.force_login(user)
    return user


def make_pages() -> dict[str, Any]:
    """Return an object of every model whose page has buttons, by the model's name."""
    actor = make_user()
    world = make_world(actor)
    item = add_action_item(
        actor=actor,
        incident_id=world.incident.pk,
        item=ActionItemFields(
            text="Rotate the keys",
            item_type=next(iter(ActionItemType)),
            owner=actor,
            due_on=timezone.now().date() + dt.timedelta(days=3),
            ticket="",
            ticket_url="",
        ),
    )
    with override_settings(CASE_RETENTION_DAYS=AT_ONCE):
        pruning = ask(make_archived())
    return {
        "incident": world.incident,
        "extension": world.extension,
        "killswitch": world.switch,
        "policysnapshot": world.snapshot,
        "rollback": world.rollback,
        "scanreport": world.scan,
        "runtimehistoryimport": world.history,
        "actionitem": item,
        "prunerequest": pruning,
        "postmortem": open_postmortem(actor=actor, incident_id=world.incident.pk),
    }
