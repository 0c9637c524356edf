"""What a case makes of kill switches: it follows each order, from anybody.

The orders themselves are policy's: `follow_kill_switch` is registered there, and is
called in the transaction of each order, confirmation and lift. So the page of a case,
the page of an extension and the API have one outcome.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db import transaction

from evidence.accounts.access import Actor
from evidence.lookalikes import quote_name
from evidence.models.case_bound import unwatched
from incidents.models import Incident
from incidents.services.changes import bump_revision, lock_incident, record_change
from incidents.services.checklist_entries import answer_matching_item
from incidents.services.lifecycle.editing import field_texts
from incidents.services.policy_records import read_switches
from incidents.services.timeline import touch
from incidents.workflow.conditions import ConditionKey
from policy.models import KillSwitch
from policy.rules.kill_switch import KillSwitchState


@unwatched()
@transaction.atomic
def follow_kill_switch(switch: KillSwitch, actor: Actor, now: dt.datetime) -> None:
    """Bring every case up to date that a kill switch concerns.

    The case that ordered it names the extension from then on. Each open case that it
    concerns has had activity, and its checklist item is answered once every extension
    of the case is confirmed to be stopped: an order alone answers nothing.
    """
    # Policy's service has locked all of these cases, in their order: this waits for
    # nobody.
    own = lock_incident(switch.incident_id)
    if switch.state is KillSwitchState.ORDERED and own.is_open:
        _name_extension(own, switch, actor=actor, now=now)
    touch(own, now)
    for incident in _concerned(switch):
        touch(incident, now)
        if switch.state is KillSwitchState.CONFIRMED:
            _answer_item(incident, switch, actor=actor, now=now)


def _concerned(switch: KillSwitch) -> Iterable[Incident]:
    open_cases = Incident.objects.open().order_by("pk")
    if switch.extension_id is None:
        return open_cases
    return open_cases.filter(extensions=switch.extension_id)


def _name_extension(
    incident: Incident, switch: KillSwitch, *, actor: Actor, now: dt.datetime
) -> None:
    """Have the case name the extension that it stops, where it does not yet."""
    extension = switch.extension
    if extension is None or incident.extensions.filter(pk=extension.pk).exists():
        return
    before = field_texts(incident)["extensions"]
    incident.extensions.add(extension)
    bump_revision(incident)
    record_change(
        incident,
        action="incident.edited",
        actor=actor,
        now=now,
        body=f"The case names {quote_name(extension.extension_id)} now: "
        "it ordered it to be stopped.",
        before={"extensions": before},
        after={
            "revision": incident.revision,
            "extensions": field_texts(incident)["extensions"],
        },
    )


def _answer_item(
    incident: Incident, switch: KillSwitch, *, actor: Actor, now: dt.datetime
) -> None:
    """Answer the checklist item once every extension of the case is stopped."""
    if read_switches(incident).are_all_confirmed:
        answer_matching_item(
            incident.current_cycle,
            ConditionKey.EXTENSION_KILLED,
            actor=actor,
            now=now,
            note=f"{switch}, confirmed",
        )
