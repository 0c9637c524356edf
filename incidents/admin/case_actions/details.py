"""What a case says of itself: timeline, lead, links and class."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest

from evidence.admin.base import person_of
from evidence.admin.form_fields import (
    LongTextField,
    NaiveDateTimeField,
    PageForm,
    TextField,
    ZonedMixin,
)
from evidence.admin.page_actions import PageAction
from incidents.admin.form_fields import (
    PREVIEW,
    ReasonForm,
    WebAddressField,
    hidden_number,
    hinted,
    offer_workers,
)
from incidents.models import Incident, Playbook, PlaybookVersion, TimelineKind
from incidents.services import timeline
from incidents.services.changes import WORK
from incidents.services.lifecycle import editing, links, reclassifying, shown_classes
from incidents.services.lifecycle.links import TICKET_LENGTH
from incidents.services.timeline import BODY_LENGTH, EVENT_TIME, WRITABLE_KINDS


class EntryForm(ZonedMixin, PageForm):
    kind = forms.ChoiceField(
        choices=[(kind.value, kind.label) for kind in WRITABLE_KINDS],
        initial=TimelineKind.NOTE,
    )
    body = LongTextField(
        max_length=BODY_LENGTH,
        strip=False,
        rows=8,
        label="Text (Markdown)",
        preview_template=PREVIEW,
    )
    event_at = NaiveDateTimeField(
        required=False,
        label="When it happened",
        help_text="Left empty: now.",
        span=EVENT_TIME,
    )
    corrects = hidden_number("Entry to correct", required=False)

    field_order = ("kind", "body", "event_at", "zone", "occurrence", "corrects")

    def prepare(self) -> None:
        if self.told("corrects"):
            self.fields["body"].label = "What it should say"


class LeadForm(PageForm):
    lead: Any = forms.ModelChoiceField(None, required=False, empty_label="Nobody")

    def prepare(self) -> None:
        offer_workers(self, "lead")


class TicketForm(PageForm):
    ticket = TextField(max_length=TICKET_LENGTH, widget=hinted("bd-1234"))
    url = WebAddressField(label="Web address")


class RelatedForm(PageForm):
    reference = TextField(label="Related incident", widget=hinted("SEC-INC-2026-0042"))


class OpenShownForm(PageForm):
    code = forms.CharField(max_length=10, widget=forms.HiddenInput)


class ReclassifyForm(ReasonForm):
    version = forms.ModelChoiceField(PlaybookVersion.objects.all(), label="New class")

    field_order = ("version", "reason")

    def prepare(self) -> None:
        """Offer the newest version of each class but the case's own."""
        field: Any = self.fields["version"]
        choices = self.once("playbooks", lambda: playbook_choices(self.obj))
        field.choices = [("", field.empty_label), *choices]


def playbook_choices(incident: Incident) -> list[tuple[int, str]]:
    """Return the versions that the case can be reclassified to: the newest of each."""
    playbooks = Playbook.objects.prefetch_related("versions")
    versions = [
        playbook.current_version for playbook in playbooks if playbook.versions.all()
    ]
    return [
        (version.pk, f"{version.playbook} (version {version.number})")
        for version in versions
        if version.pk != incident.playbook_version_id
    ]


def _write(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    timeline.write_entry(
        actor=person_of(request),
        incident_id=incident.pk,
        body=data["body"],
        kind=data["kind"],
        event_at=data["event_at"],
        corrects_id=data["corrects"],
    )
    return "Written to the timeline."


def _lead(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    lead = data["lead"]
    editing.assign_lead(actor=person_of(request), incident_id=incident.pk, lead=lead)
    return f"{lead.get_username()} leads." if lead else "Nobody leads."


def _ticket(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    links.link_ticket(
        actor=person_of(request),
        incident_id=incident.pk,
        ticket=data["ticket"],
        url=data["url"],
    )
    return f"{data['ticket']} is linked."


def _related(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    other = links.link_related(
        actor=person_of(request),
        incident_id=incident.pk,
        reference=data["reference"],
    )
    return f"{other.reference} is linked."


def _open_shown(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    opened = shown_classes.open_shown_case(
        actor=person_of(request), incident_id=incident.pk, code=data["code"]
    )
    return f"{opened.reference} is open and linked to this case."


def _reclassify(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    plan = reclassifying.reclassify_incident(
        actor=person_of(request),
        incident_id=incident.pk,
        playbook_version=data["version"],
        reason=data["reason"],
    )
    return (
        f"Reclassified to {data['version']}: {len(plan.add)} items are new, "
        f"{len(plan.close)} are no longer asked, answers are kept."
    )


ACTIONS: dict[str, PageAction] = {
    "write": PageAction(
        "Write to the timeline",
        "Write to the timeline",
        EntryForm,
        _write,
        WORK,
    ),
    "lead": PageAction("Set the lead", "Set the lead", LeadForm, _lead, WORK),
    "ticket": PageAction(
        "Link a ticket",
        "Link the ticket",
        TicketForm,
        _ticket,
        WORK,
    ),
    "related": PageAction(
        "Link a related incident",
        "Link as related",
        RelatedForm,
        _related,
        WORK,
    ),
    "open-shown": PageAction(
        "Open a related case",
        "Open a related case",
        OpenShownForm,
        _open_shown,
        WORK,
    ),
    "reclassify": PageAction(
        "Reclassify",
        "Reclassify",
        ReclassifyForm,
        _reclassify,
        WORK,
        help=(
            "Answers are kept. Open items and running clocks follow the new playbook."
        ),
    ),
}
