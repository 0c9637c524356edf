"""Forms of the policy pages. They read values; services judge them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.urls import reverse_lazy

from evidence.admin.form_fields import (
    LongTextField,
    NaiveDateTimeField,
    PageForm,
    TextField,
    ZonedMixin,
    needed,
)
from evidence.storable_values import BIGINT_MAX
from evidence.text import REASON_LENGTH
from policy.models import KillSwitch, PolicySnapshot, RequestState
from policy.rules.documents import MAX_DOCUMENT_BYTES
from policy.rules.rollback import (
    OVERRIDE_CONSEQUENCES,
    RISK_CONSEQUENCES,
    OverrideChoice,
    RiskChoice,
)
from policy.rules.runtime_history import MAX_HISTORY_BYTES
from policy.services.concerned_cases import (
    incident_model,
)
from policy.services.snapshots import SHOWN_TIME
from policy.templatetags.policy import inline_code

SHOWN_INCIDENTS = 300


def _reason(label: str = "Why", **kwargs: Any) -> LongTextField:
    return LongTextField(label=label, max_length=REASON_LENGTH, **kwargs)


def _open_incidents(user: Any, **filters: Any) -> QuerySet[Any]:
    incidents: Any = incident_model().objects
    return incidents.visible_to(user).filter(closed_at__isnull=True, **filters)


class IncidentField(forms.ModelChoiceField):
    """A case by its reference and title."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(queryset=None, label="Case", **kwargs)


class ReasonForm(PageForm):
    reason = _reason()


class OptionalReasonForm(PageForm):
    reason = _reason("A word to go with it", required=False)


class CaseReasonForm(PageForm):
    """A reason, and one of the extension's cases where there is one."""

    incident = IncidentField(required=False, empty_label="No case")
    reason = _reason()

    def prepare(self) -> None:
        field: Any = self.fields["incident"]
        field.queryset = _open_incidents(self.user, extensions=self.obj)
        if not self.is_bound and len(field.queryset) == 1:
            self.initial["incident"] = field.queryset[0].pk


class KillForm(CaseReasonForm):
    incident = IncidentField(
        empty_label=None,
        help_text="The case that orders it; it names the extension from then on.",
        error_messages={"required": "Choose a case. Where none is open, open one."},
    )

    def prepare(self) -> None:
        super().prepare()
        field: Any = self.fields["incident"]
        if not field.queryset.exists():
            field.queryset = _open_incidents(self.user)
            # Of many cases some are shown and all are taken: a queryset that is cut
            # cannot be looked up in, and would refuse every choice.
            shown = field.queryset.order_by("-last_activity_at", "-pk")[
                :SHOWN_INCIDENTS
            ]
            field.choices = [(row.pk, str(row)) for row in shown]


class PromotionForm(CaseReasonForm):
    pass


class DecisionForm(PageForm):
    """A decision on the request that the person has read, and on no later one."""

    request = forms.IntegerField(
        required=False, min_value=1, max_value=BIGINT_MAX, widget=forms.HiddenInput
    )

    def prepare(self) -> None:
        waiting = requests_of(self.obj).filter(state=RequestState.PENDING).first()
        self.initial["request"] = waiting.pk if waiting else None


class DeclineForm(DecisionForm):
    reason = _reason()


class WithdrawForm(DecisionForm):
    reason = _reason("A word to go with it", required=False)


class ApproveForm(DecisionForm):
    exception = needed(
        _reason(
            "Exception",
            required=False,
            help_text="Your own statement; it is kept with the decision.",
        ),
        "needed where something open stands in the way",
    )


class ApproveReleaseForm(PageForm):
    exception = needed(
        _reason(
            "Exception",
            required=False,
            help_text="Your own statement, kept with each extension that needs it.",
        ),
        "needed where an open case stands in the way",
    )


def requests_of(obj: Any) -> QuerySet[Any]:
    """Return the requests of an extension or a kill switch, newest first."""
    if isinstance(obj, KillSwitch):
        return obj.lift_requests.order_by("-id")
    rows: QuerySet[Any] = obj.promotion_requests.order_by("-id")
    return rows


def chosen_request(obj: Any, data: dict[str, Any]) -> int:
    """Return the ID of the request that a decision is on; 0 where there never was one.

    The one that the page showed, else the newest: the service says what became of it.
    """
    rows = requests_of(obj)
    shown = rows.filter(pk=data.get("request")).first() if data.get("request") else None
    chosen = shown or rows.filter(state=RequestState.PENDING).first() or rows.first()
    return chosen.pk if chosen else 0


class ExtensionForm(PageForm):
    name = TextField(max_length=255, required=False)
    publisher = TextField(max_length=255, required=False)
    version = TextField(max_length=100, required=False, label="A version that was seen")
    notes = TextField(
        required=False, max_length=20_000, widget=forms.Textarea(attrs={"rows": 4})
    )

    def prepare(self) -> None:
        self.initial = {
            "name": self.obj.name,
            "publisher": self.obj.publisher,
            "notes": self.obj.notes,
        }


class NewExtensionForm(PageForm):
    extension_id = TextField(
        max_length=2000,
        label="Extension ID",
        help_text="As the runtime writes it.",
        widget=forms.TextInput(
            attrs={
                "data-extensions": reverse_lazy("admin:policy_extension_suggest"),
                "data-single": "",
                "autocomplete": "off",
                "spellcheck": "false",
            }
        ),
    )
    name = TextField(max_length=255, required=False)
    publisher = TextField(max_length=255, required=False)
    is_another = forms.BooleanField(
        required=False,
        label="It looks like a known ID and is another",
        help_text="Only where the runtime really names an ID that looks like another.",
    )


class QuotaForm(CaseReasonForm):
    to_mb = forms.IntegerField(label="New memory quota in MB")
    documentation = needed(
        TextField(
            required=False,
            widget=forms.Textarea(attrs={"rows": 2}),
            help_text="Where the legitimate use is documented.",
        ),
        "needed to raise the quota",
    )
    field_order = ("to_mb", "documentation", "incident", "reason")


class ConfirmForm(ZonedMixin, PageForm):
    effective_at = NaiveDateTimeField(
        required=False, label="Took effect at", help_text="Left empty: now."
    )
    means = _reason("What was run, and what it showed")

    field_order = ("effective_at", "zone", "occurrence", "means")


class ConfirmKillForm(ConfirmForm):
    """The same beside an order of a page that may show several."""

    switch = forms.IntegerField(widget=forms.HiddenInput)


class RollbackToDefaultsForm(PageForm):
    """The two choices have no default: the proposer makes them."""

    risk = forms.ChoiceField(
        label="Risk controller",
        widget=forms.RadioSelect,
        choices=[
            (choice.value, inline_code(RISK_CONSEQUENCES[choice]))
            for choice in RiskChoice
        ],
    )
    overrides = forms.ChoiceField(
        label="Overrides of single extensions",
        widget=forms.RadioSelect,
        choices=[
            (choice.value, inline_code(OVERRIDE_CONSEQUENCES[choice]))
            for choice in OverrideChoice
        ],
    )
    reason = _reason()


class RollbackToSnapshotForm(PageForm):
    target = forms.ModelChoiceField(
        queryset=PolicySnapshot.objects.none(), label="Earlier snapshot"
    )
    reason = _reason()

    def prepare(self) -> None:
        field: Any = self.fields["target"]
        field.queryset = earlier_snapshots(self.obj)


class CompareForm(PageForm):
    other = forms.ModelChoiceField(
        queryset=PolicySnapshot.objects.none(), label="Compare with"
    )

    def prepare(self) -> None:
        field: Any = self.fields["other"]
        rows = PolicySnapshot.objects.filter(incident=self.obj.incident)
        field.queryset = rows.exclude(pk=self.obj.pk)


class ApplyForm(PageForm):
    proof = forms.ModelChoiceField(
        queryset=PolicySnapshot.objects.none(),
        label="Snapshot that proves it",
        help_text="One of this case, taken after the approval.",
    )
    output = TextField(
        label="Output of the verification commands",
        widget=forms.Textarea(attrs={"rows": 6}),
    )

    def prepare(self) -> None:
        field: Any = self.fields["proof"]
        rows = PolicySnapshot.objects.filter(incident=self.obj.incident)
        if self.obj.decided_at:
            rows = rows.filter(captured_at__gte=self.obj.decided_at)
        field.queryset = rows


def earlier_snapshots(snapshot: PolicySnapshot) -> QuerySet[PolicySnapshot]:
    """Return the case's snapshots that show an earlier moment."""
    rows = PolicySnapshot.objects.filter(incident=snapshot.incident)
    return rows.filter(captured_at__lt=snapshot.captured_at)


class CaseFileForm(PageForm):
    """Base of the pages that take a file into a case."""

    incident = IncidentField(empty_label="Choose a case")

    def prepare(self) -> None:
        field: Any = self.fields["incident"]
        field.queryset = _open_incidents(self.user)


ONE_OF_TWO = "needed: this or the other"
NONE_OR_ONE = "optional: this, the other or neither"


class SnapshotForm(ZonedMixin, CaseFileForm):
    settings_file = needed(
        forms.FileField(required=False, label="settings.json"), ONE_OF_TWO
    )
    settings_text = needed(
        TextField(
            required=False,
            strip=False,
            label="or settings.json, pasted",
            widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
        ),
        ONE_OF_TWO,
    )
    explanation_file = needed(
        forms.FileField(
            required=False, label="Output of pi --explain-extension-policy"
        ),
        NONE_OR_ONE,
    )
    explanation_text = needed(
        TextField(
            required=False,
            strip=False,
            label="or the output, pasted",
            widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        ),
        NONE_OR_ONE,
    )
    cli_profile = TextField(
        required=False, max_length=60, label="Profile on the command line"
    )
    env_profile = TextField(
        required=False, max_length=60, label="Value of PI_EXTENSION_POLICY"
    )
    captured_at = NaiveDateTimeField(
        required=False,
        label="Moment it shows",
        help_text="Left empty: now.",
        span=SHOWN_TIME,
    )

    field_order = (
        "incident",
        "settings_file",
        "settings_text",
        "explanation_file",
        "explanation_text",
        "cli_profile",
        "env_profile",
        "captured_at",
        "zone",
        "occurrence",
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        data["settings"] = _either(data, "settings")
        data["explanation"] = _either(data, "explanation")
        if not data["settings"]:
            self.add_error("settings_text", "Choose settings.json, or paste it.")
        return data


class HistoryForm(CaseFileForm):
    file = forms.FileField(
        label="The runtime's record, JSON lines", allow_empty_file=True
    )

    def read(self) -> bytes:
        return _read(self.cleaned_data["file"], MAX_HISTORY_BYTES)


class SourceForm(CaseFileForm):
    file = forms.FileField(label="Extension source: a file, zip or tar")


def _either(data: dict[str, Any], name: str) -> bytes | None:
    """Return the file's bytes, or those of what was pasted; None for neither."""
    file = data.get(f"{name}_file")
    if file is not None:
        return _read(file, MAX_DOCUMENT_BYTES)
    text = data.get(f"{name}_text") or ""
    # A form sends text with CRLF; JSON does not mind.
    return text.encode("utf-8", "surrogatepass") if text.strip() else None


def _read(file: UploadedFile, limit: int) -> bytes:
    """Return a file, one byte more than may be at most: the reader refuses it then."""
    return bytes(file.read(limit + 1))
