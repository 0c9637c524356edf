"""What a case makes of its rollbacks: a verified one answers what asks for its proof.

The rollbacks themselves are policy's: `follow_rollback` is registered there, and is
called in the transaction of each proof.
"""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from evidence.accounts.access import Actor
from incidents.models import EntryAction
from incidents.services.changes import lock_incident
from incidents.services.checklist_entries import set_state
from incidents.services.timeline import touch
from incidents.workflow.incident_states import ItemState
from policy.models import Rollback, RollbackState

ROLLBACK_ITEM = "rollback-verified"
"""The item of every playbook that asks for the proof of a rollback."""


@transaction.atomic
def follow_rollback(rollback: Rollback, actor: Actor, now: dt.datetime) -> None:
    """Note a proof as activity of the case, and answer its item once it is verified.

    A proof with deviations answers nothing, and neither does one for a closed case.
    """
    incident = lock_incident(rollback.incident_id)
    touch(incident, now)
    if rollback.state != RollbackState.VERIFIED or not incident.is_open:
        return
    asked = incident.current_cycle.checklist.asked()
    item = asked.filter(key=ROLLBACK_ITEM, state=ItemState.OPEN).first()
    if item is not None:
        set_state(
            item,
            ItemState.DONE,
            action=EntryAction.ANSWERED,
            actor=actor,
            now=now,
            note=f"Rollback {rollback.pk} is verified: everything in its proof is as "
            "planned.",
        )
