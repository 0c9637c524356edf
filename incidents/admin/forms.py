"""Forms of the incident pages. They read input; services decide."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db.models import QuerySet

from incidents.models import Incident, Playbook, PlaybookVersion, Team, TimelineKind
from incidents.services.gates.conditions import STATED
from incidents.services.gates.facts import works_cases
from incidents.services.lifecycle.aftermath import Aftermath
from incidents.services.timeline import BODY_LENGTH, WRITABLE_KINDS
from incidents.workflow.gates import ConditionKey
from incidents.workflow.incident_states import (
    IncidentSource,
    ItemState,
    RemediationAction,
    Severity,
)
from incidents.workflow.phases import Phase

LOCAL_FORMATS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")


def words(members: Any) -> list[tuple[str, str]]:
    return [(one.value, one.value.replace("_", " ").capitalize()) for one in members]


def workers() -> QuerySet[User]:
    """Return the people who can be given work on a case."""
    people = User.objects.filter(works_cases(), is_active=True)
    return people.distinct().order_by("username")


class ZonedMixin(forms.Form):
    """Adds the zone that a time without one is in: the browser's, or UTC."""

    zone = forms.CharField(
        initial="UTC",
        required=False,
        max_length=64,
        label="Time zone",
        widget=forms.TextInput(attrs={"data-zone": "", "autocomplete": "off"}),
    )

    def clean_zone(self) -> zoneinfo.ZoneInfo:
        name = self.cleaned_data.get("zone") or "UTC"
        try:
            return zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            raise forms.ValidationError(
                f"expected a time zone such as Europe/Berlin, got {name!r}"
            ) from None

    def zoned(self, name: str) -> dt.datetime | None:
        """Return a time of the form in its zone; None where it was left out.

        Of the hour that comes twice when clocks go back, the first is meant.
        """
        value: dt.datetime | None = self.cleaned_data.get(name)
        zone = self.cleaned_data.get("zone")
        if value is None or zone is None:
            return None
        return value.replace(tzinfo=zone)


class NaiveDateTimeField(forms.DateTimeField):
    """A time as it was typed; the form's zone says which one is meant."""

    def __init__(self, **options: Any) -> None:
        widget = forms.DateTimeInput(
            format="%Y-%m-%dT%H:%M:%S",
            attrs={"type": "datetime-local", "step": "1"},
        )
        super().__init__(input_formats=LOCAL_FORMATS, widget=widget, **options)

    def to_python(self, value: Any) -> dt.datetime | None:
        if value in self.empty_values:
            return None
        for form in LOCAL_FORMATS:
            try:
                return dt.datetime.strptime(str(value).strip(), form)
            except ValueError:
                continue
        raise forms.ValidationError(self.error_messages["invalid"], code="invalid")


class CommaField(forms.CharField):
    """Words with commas between them, as a list."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        return [one.strip() for one in text.split(",") if one.strip()]

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def validate(self, value: Any) -> None:
        if self.required and not value:
            raise forms.ValidationError(self.error_messages["required"])

    def run_validators(self, value: Any) -> None:
        """Each word is checked by the service."""


class OpenIncidentForm(ZonedMixin):
    """What is asked when a case is opened by hand."""

    playbook = forms.ModelChoiceField(
        Playbook.objects.prefetch_related("versions"), label="Class", empty_label=None
    )
    title = forms.CharField(max_length=200)
    severity = forms.ChoiceField(choices=words(Severity), initial=Severity.HIGH)
    extension_ids = CommaField(
        label="Extensions",
        required=False,
        help_text="Extension IDs as the runtime names them, with commas between.",
    )
    detected_at = NaiveDateTimeField(
        label="Detected at",
        help_text="When the event was seen. Every clock runs from it.",
    )
    detected_at.widget.attrs["data-now"] = ""
    source = forms.ChoiceField(
        choices=words(IncidentSource), initial=IncidentSource.MANUAL
    )
    lead = forms.ModelChoiceField(User.objects.none(), required=False)
    team = forms.ModelChoiceField(Team.objects.all(), required=False)
    labels = CommaField(required=False)

    field_order = (
        "playbook",
        "severity",
        "title",
        "extension_ids",
        "detected_at",
        "zone",
        "lead",
        "team",
        "labels",
        "source",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["lead"].queryset = workers()  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "detected_at" in cleaned and "zone" in cleaned:
            cleaned["detected_at"] = self.zoned("detected_at")
        return cleaned


class EditIncidentForm(forms.Form):
    """The fields that can be edited, with the revision that was read."""

    revision = forms.IntegerField(widget=forms.HiddenInput)
    title = forms.CharField(max_length=200)
    severity = forms.ChoiceField(choices=words(Severity))
    extension_ids = CommaField(label="Extensions", required=False)
    lead = forms.ModelChoiceField(User.objects.none(), required=False)
    team = forms.ModelChoiceField(Team.objects.all(), required=False)
    labels = CommaField(required=False)
    reason = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Needed to lower the severity.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["lead"].queryset = workers()  # type: ignore[attr-defined]


def initial_of(incident: Incident) -> dict[str, Any]:
    """Return the edit form's values as the case stands."""
    return {
        "revision": incident.revision,
        "title": incident.title,
        "severity": incident.severity,
        "extension_ids": [one.extension_id for one in incident.extensions.all()],
        "lead": incident.lead,
        "team": incident.team,
        "labels": incident.labels,
    }


class ReasonForm(forms.Form):
    reason = forms.CharField()


class PhaseForm(ZonedMixin):
    """Completing a phase; with ANALYZE, when REMEDIATE is due."""

    phase = forms.ChoiceField(choices=words(Phase))
    due_at = NaiveDateTimeField(required=False)
    reason = forms.CharField(required=False)


class DueForm(ZonedMixin):
    due_at = NaiveDateTimeField()
    reason = forms.CharField()


class StateForm(forms.Form):
    condition = forms.ChoiceField(choices=words(sorted(STATED)))
    statement = forms.CharField()
    report = forms.IntegerField(required=False)


class WaiveForm(ReasonForm):
    condition = forms.ChoiceField(choices=words(ConditionKey))


class RevokeForm(ReasonForm):
    waiver = forms.IntegerField(min_value=1, max_value=2**63 - 1)


class AnswerForm(forms.Form):
    item = forms.IntegerField()
    state = forms.ChoiceField(choices=words(ItemState))
    note = forms.CharField(required=False)


class ItemForm(forms.Form):
    item = forms.IntegerField()
    note = forms.CharField(required=False)


class AssignForm(forms.Form):
    item = forms.IntegerField()
    assignee = forms.ModelChoiceField(User.objects.all(), required=False)


class LinkForm(forms.Form):
    item = forms.IntegerField()
    artifact = forms.CharField(help_text="kind:id")


class DecideForm(ReasonForm):
    item = forms.IntegerField()
    choice = forms.CharField()
    chosen = forms.ChoiceField(choices=(("yes", "yes"), ("no", "no")))


class ActionForm(forms.Form):
    kind = forms.ChoiceField(choices=words(RemediationAction))
    description = forms.CharField()
    choice = forms.CharField(required=False)
    proof = forms.CharField(required=False)
    ticket = forms.CharField(required=False)
    ticket_url = forms.CharField(required=False)
    evidence = forms.IntegerField(required=False)


class EntryForm(ZonedMixin):
    kind = forms.ChoiceField(
        choices=[(one.value, one.label) for one in WRITABLE_KINDS],
        initial=TimelineKind.NOTE,
    )
    body = forms.CharField(max_length=BODY_LENGTH, strip=False)
    event_at = NaiveDateTimeField(required=False)
    corrects = forms.IntegerField(required=False)


class LeadForm(forms.Form):
    lead = forms.ModelChoiceField(User.objects.all(), required=False)


class TicketForm(forms.Form):
    ticket = forms.CharField()
    url = forms.CharField(required=False)


class RelatedForm(forms.Form):
    reference = forms.CharField()


class CloseForm(forms.Form):
    reason = forms.CharField(required=False)


class FalseAlarmForm(ReasonForm):
    aftermath = forms.ChoiceField(
        choices=[(one.value, one.label) for one in Aftermath], required=False
    )


class DuplicateForm(FalseAlarmForm):
    original = forms.CharField()


class ReclassifyForm(ReasonForm):
    version = forms.ModelChoiceField(PlaybookVersion.objects.all())


class KillForm(ReasonForm):
    extension = forms.IntegerField()


class KillAllForm(ReasonForm):
    reference = forms.CharField()


class ConfirmKillForm(ZonedMixin, ReasonForm):
    switch = forms.IntegerField()
    effective_at = NaiveDateTimeField(required=False)
