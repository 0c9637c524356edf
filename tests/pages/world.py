"""At least one row of everything that has a page, and one person of each role."""

from __future__ import annotations

import datetime as dt
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from evidence.accounts.access import Role
from evidence.accounts.tokens import create_token
from evidence.audit.history_checks import check_history
from evidence.audit.log.publishing import publish_checkpoints
from evidence.audit.records.checking import check_records
from evidence.models import EvidenceItem, TokenScope
from evidence.services.store.checks import check_bytes
from evidence.storage import remove_stored
from incidents.models import Incident
from incidents.services.findings.gathering import gather_findings
from incidents.services.notifications.reminder_settings import set_reminders
from incidents.services.notifications.reminders import follow_clocks
from incidents.services.notifications.webhooks import add_webhook
from incidents.services.postmortems.action_items import (
    ActionItemFields,
    add_action_item,
)
from incidents.services.store_faults import follow_store_faults
from incidents.services.teams import save_team
from incidents.workflow.postmortem import ActionItemType
from incidents.workflow.reminder_documents import write_plan
from incidents.workflow.reminders import ReminderPlan
from tests.factories import NOON, make_evidence, make_incident, make_user
from tests.incidents.alerts.samples import make_rules, receive_one
from tests.incidents.postmortem.cases import make_case, make_signed, make_version
from tests.incidents.pruning.cases import AT_ONCE, make_archived, prune
from tests.policy.world import make_world

PEOPLE = (None, *Role)
"""Everybody who signs in, somebody without a role among them."""


def make_everything() -> Incident:
    """Fill every list; return the case that most of it belongs to."""
    people = {role: make_user(role) for role in PEOPLE}
    root = User.objects.create_superuser("root", "root@example.org", "unguessed")
    make_rules()
    alert = receive_one()
    receive_one("alert-2", severity="info", category="something_else")
    world = make_world(people[Role.RESPONDER])
    make_signed()
    make_version(make_case())
    with override_settings(CASE_RETENTION_DAYS=AT_ONCE):
        prune(make_archived())
    make_incident(lead=people[Role.RESPONDER], actor=people[Role.RESPONDER])
    add_action_item(
        actor=people[Role.RESPONDER],
        incident_id=world.incident.pk,
        item=ActionItemFields(
            text="Watch the broker",
            item_type=ActionItemType.DETECTIVE,
            owner=people[Role.RESPONDER],
            due_on=(NOON + dt.timedelta(days=10)).date(),
        ),
        now=NOON,
    )
    save_team(actor=root, name="Night watch", members=list(people.values())[1:3])
    add_webhook(actor=root, name="room", url="jsons://hooks.example.org/secret")
    set_reminders(actor=root, plan=write_plan(ReminderPlan()), hold_minutes=30)
    follow_clocks()
    create_token(
        user=people[Role.RESPONDER],
        name="a tool",
        scopes=[TokenScope.READ],
        days=1,
        actor=root,
    )
    check_history(actor=None)
    with override_settings(LOG_PLACES=["mailto:auditor@example.org"]):
        publish_checkpoints()
    check_records(actor=None)
    gather_findings(incident_id=world.incident.pk)
    _lose_bytes(make_evidence(world.incident, vector="redacted-full"))
    _sign_in_badly()
    assert alert.incident is not None
    return world.incident


def _lose_bytes(item: EvidenceItem) -> None:
    remove_stored(item.sha256_hex)
    check_bytes(item.sha256_hex)
    follow_store_faults()


def empty_lists() -> list[str]:
    """Return the models that have pages and no row: nothing was tried of them."""
    return [
        model._meta.label
        for model in admin.site._registry
        if not model._default_manager.exists()
    ]


def _sign_in_badly() -> None:
    now = timezone.now()
    seen: dict[str, Any] = {
        "user_agent": "x",
        "ip_address": "127.0.0.1",
        "username": "nobody",
        "http_accept": "*/*",
        "path_info": "/admin/login/",
        "attempt_time": now,
    }
    AccessAttempt.objects.create(
        **seen, get_data="", post_data="", failures_since_start=9
    )
    AccessFailureLog.objects.create(**seen)
    AccessLog.objects.create(**seen)
