"""Forms that open and edit a case. They read input; services decide."""

from __future__ import annotations

from typing import Any

from django import forms

from evidence.admin.form_fields import (
    CommaField,
    LongTextField,
    NaiveDateTimeField,
    TextField,
    ZonedMixin,
    needed,
)
from evidence.text import REASON_LENGTH
from incidents.admin.form_fields import COMMA_HELP, ExtensionsField, WorkerField, words
from incidents.admin.restriction_actions import PeopleField, TeamsField
from incidents.models import Incident, Playbook, Team
from incidents.services.lifecycle.opening import DETECTION_TIME
from incidents.services.lifecycle.restricting import Readers
from incidents.workflow.incident_states import IncidentSource, Severity

PERSONS_SOURCES = tuple(
    source for source in IncidentSource if source is not IncidentSource.SELF_CHECK
)
EDITABLE = ("title", "severity", "extension_ids", "lead", "team", "labels")


class OpenIncidentForm(ZonedMixin):
    """What is asked when a case is opened by hand."""

    playbook = forms.ModelChoiceField(
        Playbook.objects.prefetch_related("versions"), label="Class", empty_label=None
    )
    title = TextField(max_length=200)
    severity = forms.ChoiceField(
        choices=[("", "As the class says"), *words(Severity)],
        required=False,
        help_text="Left alone, the case starts as severe as its playbook has it.",
    )
    extension_ids = ExtensionsField(
        label="Extensions",
        required=False,
        help_text=COMMA_HELP,
    )
    detected_at = NaiveDateTimeField(
        label="Detected at",
        help_text="When the event was seen. Every clock runs from it.",
        span=DETECTION_TIME,
    )
    detected_at.widget.attrs["data-now"] = ""
    source = forms.ChoiceField(
        choices=words(PERSONS_SOURCES), initial=IncidentSource.MANUAL
    )
    lead = WorkerField(required=False)
    team = forms.ModelChoiceField(Team.objects.all(), required=False)
    labels = CommaField(required=False)
    is_restricted = forms.BooleanField(
        label="Restricted",
        required=False,
        help_text="Only its lead, you and those named here ever see it, and auditors.",
    )
    people = PeopleField()
    teams = TeamsField()

    field_order = (
        "playbook",
        "severity",
        "title",
        "extension_ids",
        "detected_at",
        "zone",
        "occurrence",
        "lead",
        "team",
        "labels",
        "source",
        "is_restricted",
        "people",
        "teams",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["lead"].offer()  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Refuse names without the box: they would restrict nothing, and look it."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        named = [name for name in ("people", "teams") if data.get(name)]
        if named and not data.get("is_restricted"):
            self.add_error(
                "is_restricted",
                "Tick this as well: people and teams are named on a restricted case.",
            )
        return data

    @property
    def restricted_to(self) -> Readers | None:
        """Who sees the case; None where everybody does."""
        data = self.cleaned_data
        if not data["is_restricted"]:
            return None
        return Readers(data["people"], data["teams"])


class EditIncidentForm(forms.Form):
    """The fields that can be edited, with the revision that was read."""

    revision = forms.IntegerField(
        widget=forms.HiddenInput, min_value=0, max_value=2**31 - 1
    )
    title = TextField(max_length=200)
    severity = forms.ChoiceField(choices=words(Severity))
    extension_ids = needed(
        ExtensionsField(label="Extensions", required=False, help_text=COMMA_HELP),
        "at least one",
    )
    lead = WorkerField(required=False)
    team = forms.ModelChoiceField(Team.objects.all(), required=False)
    labels = CommaField(required=False)
    reason = needed(
        LongTextField(required=False, rows=2, max_length=REASON_LENGTH),
        "needed to lower the severity",
    )

    def __init__(self, data: Any = None, *, incident: Incident) -> None:
        super().__init__(data, initial=initial_of(incident))
        self.incident = incident
        self.fields["lead"].offer(incident.lead)  # type: ignore[attr-defined]

    @property
    def touched(self) -> list[str]:
        """The fields that were changed, or all where somebody else saved meanwhile."""
        if self.cleaned_data["revision"] != self.incident.revision:
            return list(EDITABLE)
        return [name for name in EDITABLE if name in self.changed_data]


def initial_of(incident: Incident) -> dict[str, Any]:
    """Return the edit form's values as the case stands."""
    return {
        "revision": incident.revision,
        "title": incident.title,
        "severity": incident.severity,
        "extension_ids": [
            extension.extension_id for extension in incident.extensions.all()
        ],
        "lead": incident.lead,
        "team": incident.team,
        "labels": incident.labels,
    }
