"""Containing a case: the policy app's kill switch, with what the case makes of it."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from incidents.errors import IncidentError
from incidents.models import Incident
from incidents.services.changes import lock_open_incident
from incidents.services.checklist_entries import answer_matching_item
from incidents.services.gates.policy_facts import find_kill_switched
from incidents.services.timeline import touch
from incidents.workflow.gates import ConditionKey
from policy.models import KillSwitch
from policy.services.kill_switches import (
    activate_kill_all,
    activate_kill_switch,
    confirm_kill_switch,
)


@transaction.atomic
def kill_extension(
    *,
    actor: User,
    incident_id: int,
    extension_pk: int,
    reason: str,
    now: dt.datetime | None = None,
) -> KillSwitch:
    """Order an extension of the case to be stopped, which quarantines it."""
    moment = now or timezone.now()
    incident = lock_open_incident(incident_id)
    if not incident.extensions.filter(pk=extension_pk).exists():
        raise IncidentError("this extension is not one of this case: name it first")
    switch = activate_kill_switch(
        incident_id=incident_id,
        extension_pk=extension_pk,
        reason=reason,
        actor=actor,
        now=moment,
    )
    _follow(incident, switch, actor=actor, now=moment)
    return switch


@transaction.atomic
def kill_all_extensions(
    *,
    actor: User,
    incident_id: int,
    typed_reference: str,
    reason: str,
    now: dt.datetime | None = None,
) -> KillSwitch:
    """Order every extension to be stopped; the case's reference has to be typed."""
    moment = now or timezone.now()
    incident = lock_open_incident(incident_id)
    switch = activate_kill_all(
        incident_id=incident_id,
        typed_reference=typed_reference,
        reason=reason,
        actor=actor,
        now=moment,
    )
    _follow(incident, switch, actor=actor, now=moment)
    return switch


@transaction.atomic
def confirm_kill(
    *,
    actor: User,
    incident_id: int,
    kill_switch_id: int,
    means: str,
    now: dt.datetime | None = None,
) -> KillSwitch:
    """Record that an order of this case took effect, and how that is known."""
    moment = now or timezone.now()
    incident = lock_open_incident(incident_id)
    switch = KillSwitch.objects.filter(pk=kill_switch_id, incident=incident).first()
    if switch is None:
        raise IncidentError("this kill switch is not one of this case")
    confirm_kill_switch(
        kill_switch_id=kill_switch_id, means=means, actor=actor, now=moment
    )
    _follow(incident, switch, actor=actor, now=moment)
    return switch


def _follow(
    incident: Incident,
    switch: KillSwitch,
    *,
    actor: User,
    now: dt.datetime,
) -> None:
    """Answer the checklist item once every extension of the case is stopped."""
    touch(incident, now)
    names = {one.extension_id for one in incident.extensions.all()}
    if names <= find_kill_switched(incident):
        answer_matching_item(
            incident.current_cycle,
            ConditionKey.EXTENSION_KILLED,
            actor=actor,
            now=now,
            note=str(switch),
        )
