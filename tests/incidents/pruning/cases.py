"""Closed cases with an archive, as they are pruned."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User

from evidence.accounts.access import Role
from evidence.audit.log.growing import grow_log
from incidents.models import Alert, Incident, PruneRequest, PruneRun
from incidents.services.pruning.requests import approve_pruning, request_pruning
from incidents.services.pruning.running import run_pruning
from tests.factories import close_false_alarm, make_evidence, make_incident, make_user
from tests.incidents.alerts.samples import alert_document, receive
from tests.incidents.postmortem.cases import archive_case

AT_ONCE = 1e-9
"""A time to keep cases, in days, that has passed once a test has closed one."""


def make_archived(*, alerts: int = 2) -> Incident:
    """Return a closed case with a verified bundle and alerts, archived whole."""
    incident = make_incident(extension_ids=("ext.pruned",))
    make_evidence(incident)
    add_alerts(incident, alerts)
    close_false_alarm(incident)
    archive_case(incident)
    grow_log(state_now=True)
    return Incident.objects.get(pk=incident.pk)


def add_alerts(incident: Incident, count: int, prefix: str = "alert") -> None:
    """Have alerts come in that no rule opens a case for, and put them into this one."""
    ids = [f"{prefix}-{incident.pk}-{number}" for number in range(count)]
    kept: dict[str, Any] = {
        "category": "something_else",
        "severity": "info",
        "note": "x" * 300,
    }
    # Numbers that PostgreSQL gives back otherwise than they were written.
    kept |= {"odd": {"huge": [1e23, -1.5e300], "tiny": 1e-300}}
    receive(*(alert_document(alert_id, **kept) for alert_id in ids))
    Alert.objects.filter(alert_id__in=ids).update(incident=incident)


def ask(incident: Incident, actor: User | None = None) -> PruneRequest:
    return request_pruning(
        actor=actor or make_user(Role.ADMINISTRATOR),
        incident_id=incident.pk,
        reason="Kept for long enough.",
    )


def approve(request: PruneRequest, actor: User | None = None) -> PruneRun:
    """Approve a request and return the run that waits for a worker."""
    approve_pruning(actor=actor or make_user(Role.REVIEWER), request_id=request.pk)
    return PruneRun.objects.get(request=request)


def prune(incident: Incident) -> PruneRun:
    """Ask, approve, and do what a worker does."""
    made = run_pruning(run_id=approve(ask(incident)).pk)
    assert made is not None
    return made
