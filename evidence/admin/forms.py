"""Forms of the evidence pages. They read choices; services judge them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from evidence.admin.base import read_key
from evidence.admin.form_fields import NaiveDateTimeField, TextField, ZonedMixin
from evidence.format import REDACTION_FLAGS, Severity
from evidence.models import EvidenceItem, EvidenceKind
from evidence.stored_moments import to_ms

OPEN_INCIDENTS_SHOWN = 500
BUNDLES_OFFERED = 50
FLAG_LABELS = {
    flag: flag.removeprefix("redact_").replace("_", " ") for flag in REDACTION_FLAGS
}


class SeveralFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True
    template_name = "django/forms/widgets/file.html"


class SeveralFilesField(forms.FileField):
    """A file field that gives a list."""

    widget = SeveralFilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        files = data if isinstance(data, list | tuple) else [data]
        # No file at all is refused as one that is missing.
        files = files or [None]
        return [super(SeveralFilesField, self).clean(file, initial) for file in files]


class UploadForm(forms.Form):
    """Files for one incident."""

    incident: Any = forms.ModelChoiceField(
        queryset=None, widget=UnfoldAdminSelectWidget, empty_label="Choose an incident"
    )
    kind = forms.ChoiceField(
        choices=[("", "Let the content decide"), *EvidenceKind.choices],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    source = TextField(
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text="Where it comes from: a host, a gate, a person.",
    )
    # A file without a byte is refused by the service, which says why.
    file = SeveralFilesField(allow_empty_file=True, label="Files")

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        incidents: Any = EvidenceItem._meta.get_field("incident").related_model
        field: Any = self.fields["incident"]
        # A closed case takes evidence too: what turns up late is not lost.
        field.queryset = incidents.objects.visible_to(user)
        shown = list(field.queryset.open()[:OPEN_INCIDENTS_SHOWN])
        chosen = str(self.initial.get("incident") or self.data.get("incident") or "")
        if read_key(chosen) not in {0, *(case.pk for case in shown)}:
            shown += field.queryset.filter(pk=read_key(chosen))
        field.choices = [
            ("", field.empty_label),
            *((incident.pk, str(incident)) for incident in shown),
        ]


class KindForm(forms.Form):
    """Another kind for an item, with the reason."""

    kind = forms.ChoiceField(
        choices=EvidenceKind.choices, widget=UnfoldAdminSelectWidget
    )
    reason = TextField(
        max_length=2000,
        label="Why",
        widget=UnfoldAdminTextInputWidget,
        help_text="It is recorded. A bundle or ledger is verified then.",
    )


class ExportForm(ZonedMixin):
    """Filter and redaction of an export (docs/evidence-format.md, sections 4 and 5)."""

    start_at = NaiveDateTimeField(required=False, label="From (inclusive)")
    end_at = NaiveDateTimeField(required=False, label="To (inclusive)")
    extension_id = TextField(required=False, label="Extension ID", strip=False)
    alert_categories = TextField(
        required=False, help_text="Separated by commas; none means all."
    )
    min_severity = forms.ChoiceField(
        choices=[("", "Any severity"), *((s.value, s.value) for s in Severity)],
        required=False,
        label="Least severity",
    )
    redaction = forms.ChoiceField(
        choices=[
            ("full", "Full: for sharing outside"),
            ("none", "None: for forensics inside"),
            ("chosen", "Chosen below"),
        ],
        initial="full",
    )
    flags = forms.MultipleChoiceField(
        choices=FLAG_LABELS.items(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Redact",
    )

    deep = forms.BooleanField(
        label="Deep redaction",
        required=False,
        help_text="Takes out what leaks, too: a value in a text, a name that a summary "
        "spells, in whatever coding. Without it, a leak fails the export.",
    )

    more_items = forms.TypedMultipleChoiceField(
        coerce=int,
        required=False,
        label="Draw on these bundles of the case, too",
        widget=forms.CheckboxSelectMultiple,
        help_text="All go into one new bundle. What stands in several counts once; "
        "what contradicts each other is refused.",
    )

    field_order = ("start_at", "end_at", "zone", "occurrence")

    def __init__(self, *args: Any, item: EvidenceItem, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = EvidenceItem.objects.filter(
            incident=item.incident_id, kind=EvidenceKind.BUNDLE, derived_from=None
        )
        shown = others.exclude(pk=item.pk).order_by("-pk")[:BUNDLES_OFFERED]
        field: Any = self.fields["more_items"]
        field.choices = [(each.pk, each.shown_name) for each in shown]
        if not field.choices:
            del self.fields["more_items"]

    def clean(self) -> dict[str, Any]:
        """Refuse a choice of nothing where something is to be taken out."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        choice = data.get("redaction")
        if choice == "chosen" and not data.get("flags"):
            self.add_error(
                "flags", "Choose what is to be redacted, or take None above."
            )
        elif choice == "none" and data.get("deep"):
            self.add_error(
                "deep", "With nothing redacted, nothing can leak: untick it."
            )
        return data

    def filter_members(self) -> dict[str, Any]:
        data = self.cleaned_data
        words = [word.strip() for word in data["alert_categories"].split(",")]
        return {
            "start_ms": _to_ms(data["start_at"]),
            "end_ms": _to_ms(data["end_at"]),
            "extension_id": data["extension_id"] or None,
            "alert_categories": [word for word in words if word] or None,
            "min_severity": data["min_severity"] or None,
        }

    def redaction_members(self) -> dict[str, bool]:
        choice = self.cleaned_data["redaction"]
        if choice == "chosen":
            return {
                flag: flag in self.cleaned_data["flags"] for flag in REDACTION_FLAGS
            }
        return dict.fromkeys(REDACTION_FLAGS, choice == "full")


def _to_ms(moment: dt.datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)
