"""A first run's content: one person of each role, and cases to practise on.

Passwords are made at random and returned once; only their hashes are kept. Everything
in the cases goes through the same services as real work, and the evidence is simulated.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import secrets
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from evidence.accounts.access import Role
from evidence.audit.history import SYSTEM_STREAM, record_entry
from evidence.models import Channel
from evidence.services import receive_evidence
from evidence.simulation import simulate_document
from incidents.models import Incident, PlaybookVersion
from incidents.services.gates.conditions import state_condition
from incidents.services.gates.phases import complete_phase
from incidents.services.lifecycle.editing import assign_lead
from incidents.services.lifecycle.opening import open_incident
from incidents.services.timeline import write_entry
from incidents.workflow.conditions import ConditionKey
from incidents.workflow.incident_states import IncidentSource, Severity
from incidents.workflow.phases import Phase

PASSWORD_BYTES = 12
CALLS = 2_000
PEOPLE = (Role.RESPONDER, Role.REVIEWER, Role.AUDITOR, Role.ADMINISTRATOR)


def has_people() -> bool:
    """Return whether anybody can sign in: then this is no first run."""
    return User.objects.exists()


def list_accounts() -> QuerySet[User, str]:
    """Return the names of those who can sign in."""
    return (
        User.objects.filter(is_active=True)
        .order_by("pk")
        .values_list("username", flat=True)
    )


@transaction.atomic
def create_demo_people(*, now: dt.datetime | None = None) -> dict[str, str]:
    """Make one person of each human role; return their passwords, kept nowhere."""
    passwords = {}
    for role in PEOPLE:
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        user = User.objects.create_user(
            role.value, email=f"{role}@localhost", password=password, is_staff=True
        )
        user.groups.set([Group.objects.get(name=role.value)])
        record_entry(
            streams=[SYSTEM_STREAM],
            action="user.created",
            actor=None,
            obj=user,
            after={"role": role.value},
            now=now,
        )
        passwords[role.value] = password
    return passwords


def create_demo_cases(*, now: dt.datetime | None = None) -> list[Incident]:
    """Open a secret exposure that is contained, and a ledger that does not verify."""
    moment = now or timezone.now()
    return [_open_exposure(moment), _open_broken_ledger(moment)]


def _open_exposure(now: dt.datetime) -> Incident:
    responder = User.objects.get(username=Role.RESPONDER.value)
    document = simulate_document(calls=CALLS, seed=7, scenario="inc-2")
    alert = _first_alert(document, "secret_exposure")
    detected_at = now - dt.timedelta(minutes=7)
    incident = open_incident(
        actor=None,
        playbook_version=_newest("INC-2"),
        title=f"Secret reached {alert['extension_id']} (practice case)",
        severity=Severity.CRITICAL,
        detected_at=detected_at,
        source=IncidentSource.RISK_CONTROLLER,
        extension_ids=[alert["extension_id"]],
        labels=["practice"],
        now=detected_at + dt.timedelta(seconds=20),
    )
    assign_lead(
        actor=responder,
        incident_id=incident.pk,
        lead=responder,
        now=detected_at + dt.timedelta(minutes=1),
    )
    _contain(incident, responder, now)
    _attach(incident, document, "practice-bundle.json", responder)
    return incident


def _contain(incident: Incident, responder: User, now: dt.datetime) -> None:
    means = {
        ConditionKey.EXTENSION_KILLED: "Stopped with the runtime that ran it.",
        ConditionKey.ISOLATION_VERIFIED: "No hostcall since; telemetry was watched.",
    }
    for minutes, (condition, statement) in enumerate(means.items(), start=3):
        state_condition(
            actor=responder,
            incident_id=incident.pk,
            condition=condition,
            statement=statement,
            now=now - dt.timedelta(minutes=7 - minutes),
        )
    contained_at = now - dt.timedelta(minutes=2, seconds=30)
    complete_phase(
        actor=responder, incident_id=incident.pk, phase=Phase.CONTAIN, now=contained_at
    )
    write_entry(
        actor=responder,
        incident_id=incident.pk,
        body="Asked the owner of the credential to **prepare its rotation**.",
    )


def _open_broken_ledger(now: dt.datetime) -> Incident:
    document = simulate_document(calls=CALLS, seed=3, scenario="tampered-removed")
    extension = document["risk_ledger"]["entries"][0]["extension_id"]
    incident = open_incident(
        actor=None,
        playbook_version=_newest("INC-3"),
        title="The ledger of a runtime does not verify (practice case)",
        severity=Severity.HIGH,
        detected_at=now - dt.timedelta(minutes=1),
        source=IncidentSource.CI_GATE,
        extension_ids=[extension],
        labels=["practice"],
        now=now,
    )
    _attach(incident, document, "practice-tampered.json", None)
    return incident


def _attach(
    incident: Incident, document: dict[str, Any], name: str, actor: User | None
) -> None:
    receive_evidence(
        incident_id=incident.pk,
        stream=io.BytesIO(json.dumps(document).encode()),
        original_name=name,
        channel=Channel.COMMAND,
        actor=actor,
        source="simulated runtime",
    )


def _first_alert(document: dict[str, Any], category: str) -> dict[str, Any]:
    alerts = document["security_alerts"]
    return next(alert for alert in alerts if alert["category"] == category)


def _newest(code: str) -> PlaybookVersion:
    return PlaybookVersion.objects.filter(playbook__code=code).latest("number")
