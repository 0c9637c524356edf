"""Ordering extensions to be stopped, and recording that it took effect."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest

from evidence.admin.base import person_of
from evidence.admin.form_fields import TextField
from evidence.admin.page_actions import PageAction
from evidence.admin.telling import Waiting
from incidents.admin.form_fields import ReasonForm, hidden_number
from incidents.models import Incident
from incidents.services.changes import WORK
from incidents.services.policy_records import read_switches
from policy.admin.forms import ConfirmKillForm
from policy.services import kill_switches


class KillForm(ReasonForm):
    extension = hidden_number("Extension")


class KillAllForm(ReasonForm):
    reference = TextField(label="The reference of this case, typed out")

    field_order = ("reference", "reason")

    def prepare(self) -> None:
        self.fields["reference"].label = f"Type {self.obj.reference} to confirm"
        self.fields["reference"].widget.attrs["autocomplete"] = "off"


def _kill(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    extension_pk = data["extension"]
    if not incident.extensions.filter(pk=extension_pk).exists():
        raise Http404
    switch = kill_switches.activate_kill_switch(
        actor=person_of(request),
        incident_id=incident.pk,
        extension_pk=extension_pk,
        reason=data["reason"],
    )
    return Waiting(
        f"The {switch} is ordered, and the extension is quarantined. Nothing has "
        "stopped yet: run the commands below, then record that it took effect."
    )


def _kill_all(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    kill_switches.activate_kill_all(
        actor=person_of(request),
        incident_id=incident.pk,
        typed_reference=data["reference"],
        reason=data["reason"],
    )
    return Waiting(
        "The order to stop every extension is given. Nothing has stopped yet: run the "
        "command below, then record that it took effect."
    )


def _confirm_kill(
    request: HttpRequest, incident: Incident, data: dict[str, Any]
) -> str:
    switch_id = data["switch"]
    if switch_id not in {order.pk for order in read_switches(incident).orders}:
        raise Http404
    confirmation, created = kill_switches.confirm_kill_switch(
        actor=person_of(request),
        kill_switch_id=switch_id,
        means=data["means"],
        effective_at=data["effective_at"],
    )
    if not created:
        return f"The {confirmation.kill_switch} was confirmed before; that stays."
    return f"It is recorded that the {confirmation.kill_switch} took effect."


ACTIONS: dict[str, PageAction] = {
    "kill": PageAction(
        "Activate the kill switch",
        "Activate the kill switch",
        KillForm,
        _kill,
        WORK,
        help=("Orders the runtime to stop it, and quarantines it."),
        tone="danger",
    ),
    "kill-all": PageAction(
        "Stop every extension",
        "Stop every extension",
        KillAllForm,
        _kill_all,
        WORK,
        fields={"typed_reference": "reference"},
        help=(
            "Orders every extension of the runtime to be stopped (pi --no- "
            "extensions). The last resort: a second person is told at once."
        ),
        tone="danger",
    ),
    "confirm-kill": PageAction(
        "Record that the kill switch took effect",
        "Record that it took effect",
        ConfirmKillForm,
        _confirm_kill,
        kill_switches.CONFIRM,
        fields={"reason": "means"},
    ),
}
