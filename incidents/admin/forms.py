"""Forms of the incident pages. They read input; services decide."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.urls import reverse_lazy

from evidence.admin.form_fields import (
    CommaField,
    LongTextField,
    NaiveDateTimeField,
    PageForm,
    TextField,
    ZonedMixin,
    needed,
)
from evidence.storable_values import BIGINT_MAX
from evidence.text import REASON_LENGTH
from evidence.wording import label_of
from incidents.errors import IncidentError
from incidents.models import Incident, Playbook, PlaybookVersion, Team, TimelineKind
from incidents.services.alerts.taking_over import find_leftovers
from incidents.services.checklists.remediation import PROOF_MISSING, TICKET_MISSING
from incidents.services.gates.conditions import STATED
from incidents.services.gates.gathering import works_cases
from incidents.services.gates.phases import DUE_TIME
from incidents.services.lifecycle.aftermath import Aftermath, find_standing
from incidents.services.lifecycle.links import (
    TICKET_LENGTH,
    URL_LENGTH,
    require_web_address,
)
from incidents.services.lifecycle.opening import DETECTION_TIME
from incidents.services.policy_records import read_switches
from incidents.services.timeline import BODY_LENGTH, EVENT_TIME, WRITABLE_KINDS
from incidents.workflow.gates import ConditionKey
from incidents.workflow.incident_states import (
    IncidentSource,
    ItemState,
    RemediationKind,
    Severity,
)
from incidents.workflow.outcomes import (
    FunctionalImpact,
    InformationImpact,
    Recoverability,
    Resolution,
)
from incidents.workflow.phases import Phase

PERSONS_SOURCES = tuple(
    source for source in IncidentSource if source is not IncidentSource.SELF_CHECK
)
PREVIEW = "incidents/_preview.html"
EVIDENCE_SHOWN = 50
STATEMENTS: dict[str, str] = {
    ConditionKey.EXTENSION_KILLED: "By which means, who and when",
    ConditionKey.ISOLATION_VERIFIED: "Who verified it, and how",
    ConditionKey.ROOT_CAUSE_WRITTEN: "Which control failed, and why",
}
OUTCOME_FIELDS = (
    "resolution",
    "functional_impact",
    "information_impact",
    "recoverability",
    "lead",
)
EDITABLE = ("title", "severity", "extension_ids", "lead", "team", "labels")
COMMA_HELP = (
    "Extension IDs as the runtime names them, with commas between. One that holds a "
    'comma stands in quotation marks: "one,name".'
)


def words(members: Any) -> list[tuple[str, str]]:
    return [(member.value, label_of(member.value)) for member in members]


def workers() -> QuerySet[User]:
    """Return the people who can be given work on a case."""
    people = User.objects.filter(works_cases(), is_active=True)
    return people.distinct().order_by("username")


class WorkerField(forms.ModelChoiceField):
    """Somebody who can work; who does it already stays, whatever became of them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(User.objects.none(), **options)

    def offer(self, current: User | None = None) -> None:
        people = User.objects.filter(works_cases(), is_active=True)
        if current is not None:
            people = people | User.objects.filter(pk=current.pk)
        self.queryset = people.distinct().order_by("username")

    def label_from_instance(self, obj: Any) -> str:
        return str(obj) if obj.is_active else f"{obj} (account switched off)"


class WebAddressField(TextField):
    """An address of the web, judged as its service judges it."""

    widget = forms.URLInput

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, max_length=URL_LENGTH, **options)

    def validate(self, value: Any) -> None:
        super().validate(value)
        try:
            require_web_address(value)
        except IncidentError as error:
            raise forms.ValidationError(error.message) from error


class ExtensionsField(CommaField):
    """Extension IDs; known ones are suggested while typing, new ones are named."""

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {
            **super().widget_attrs(widget),
            "data-extensions": reverse_lazy("admin:policy_extension_suggest"),
            "autocomplete": "off",
            "spellcheck": "false",
        }


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
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["lead"].offer()  # type: ignore[attr-defined]


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


def _reason(label: str = "Why", **options: Any) -> LongTextField:
    return LongTextField(label=label, max_length=REASON_LENGTH, **options)


def _hidden_number(label: str, **options: Any) -> forms.IntegerField:
    return forms.IntegerField(label=label, widget=forms.HiddenInput, **options)


def _offer(field: Any, rows: QuerySet[Any], shown: Iterable[Any]) -> None:
    """Let a field take any of `rows` and list those that are likely meant.

    What it takes and cannot do is refused by the service, which says why.
    """
    field.queryset = rows
    field.choices = [("", field.empty_label), *((row.pk, str(row)) for row in shown)]


def offer_workers(form: PageForm, name: str) -> None:
    """Let a field of a case's form name anybody, and list who can work on cases."""
    people = form.once("workers", lambda: list(workers()))
    _offer(form.fields[name], User.objects.all(), people)


def _hinted(hint: str) -> forms.TextInput:
    return forms.TextInput(attrs={"placeholder": hint})


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


def _choice(
    label: str, members: Any, *, empty: str = "Choose one", required: bool = True
) -> forms.ChoiceField:
    """Return a field of a fixed set where nothing is chosen beforehand."""
    return forms.ChoiceField(
        label=label, choices=[("", empty), *words(members)], required=required
    )


class ReasonForm(PageForm):
    reason = _reason()


class PhaseForm(ZonedMixin, PageForm):
    """Completing a phase; with ANALYZE, when REMEDIATE is due."""

    phase = forms.ChoiceField(choices=words(Phase), widget=forms.HiddenInput)
    due_at = NaiveDateTimeField(required=False, label="REMEDIATE due", span=DUE_TIME)
    reason = needed(_reason("Why then", required=False), "needed with a due time")

    field_order = ("phase", "due_at", "zone", "occurrence", "reason")

    def prepare(self) -> None:
        """Ask for the due time of REMEDIATE with the phase before it, and only then."""
        phase = self.data.get("phase") if self.is_bound else self.initial.get("phase")
        if phase != Phase.ANALYZE:
            for name in ("due_at", "zone", "reason"):
                self.fields[name].widget = forms.HiddenInput()

    def clean(self) -> dict[str, Any]:
        """Take a due time and its reason together, or neither."""
        cleaned = super().clean()
        if "due_at" in self.data and self.data["due_at"] and not cleaned.get("reason"):
            self.add_error("reason", "Say why it is due then.")
        if cleaned.get("reason") and "due_at" in cleaned and not cleaned["due_at"]:
            self.add_error("due_at", "Say when it is due, or leave out the reason.")
        return cleaned


class AcknowledgeForm(PageForm):
    phase = forms.ChoiceField(choices=words(Phase), widget=forms.HiddenInput)


class DueForm(ZonedMixin, PageForm):
    due_at = NaiveDateTimeField(label="Due", span=DUE_TIME)
    reason = _reason("Why then")

    field_order = ("due_at", "zone", "occurrence", "reason")


class StateForm(PageForm):
    condition = forms.ChoiceField(
        choices=words(sorted(STATED)), widget=forms.HiddenInput
    )
    statement = _reason("Your statement")
    report = _hidden_number("Report", required=False)

    def prepare(self) -> None:
        """Ask for what has to be stated about this condition, or this report."""
        question = STATEMENTS.get(self.told("condition"), "Your statement")
        is_of_report = self.told("report")
        self.fields["statement"].label = (
            "Why verification failed" if is_of_report else question
        )


class WaiveForm(ReasonForm):
    reason = _reason("Why this can be let go")
    condition = forms.ChoiceField(choices=words(ConditionKey), widget=forms.HiddenInput)


class RevokeForm(ReasonForm):
    reason = _reason("Why it no longer holds")
    waiver = _hidden_number("Waiver", min_value=1, max_value=BIGINT_MAX)


class AnswerForm(PageForm):
    item = _hidden_number("Item")
    state = forms.ChoiceField(choices=words(ItemState), label="Answer")
    note = _reason("Note", required=False, preview_template=PREVIEW)


class ItemForm(PageForm):
    item = _hidden_number("Item")
    note = _reason("Note", required=False)


class ConfirmForm(PageForm):
    item = _hidden_number("Item")


class ConfirmShownForm(PageForm):
    """The findings that the page showed, by their numbers: no other is confirmed."""

    findings = forms.RegexField(
        r"\A\d{1,18}(?:-\d{1,18}){0,99}\Z", widget=forms.HiddenInput
    )

    def clean_findings(self) -> list[int]:
        return [int(number) for number in self.cleaned_data["findings"].split("-")]


class OpenShownForm(PageForm):
    code = forms.CharField(max_length=10, widget=forms.HiddenInput)


class OverruleForm(ReasonForm):
    reason = _reason("Why the finding is wrong")
    item = _hidden_number("Item")
    finding = _hidden_number("Finding", min_value=1, max_value=BIGINT_MAX)


class AssignForm(PageForm):
    item = _hidden_number("Item")
    assignee: Any = forms.ModelChoiceField(
        None, required=False, label="Who", empty_label="Nobody"
    )

    def prepare(self) -> None:
        offer_workers(self, "assignee")


class LinkForm(PageForm):
    item = _hidden_number("Item")
    artifact = TextField(help_text="kind:id", widget=forms.HiddenInput)


class DecideForm(ReasonForm):
    item = _hidden_number("Item")
    choice = TextField(widget=forms.HiddenInput)
    chosen = forms.ChoiceField(
        choices=(("yes", "Choose it"), ("no", "Do not choose it")), label="Decision"
    )
    despite_diagnosis = forms.BooleanField(
        required=False, label="Choose it although the diagnosis is another"
    )


class ActionForm(PageForm):
    kind = forms.ChoiceField(choices=words(RemediationKind), label="What kind")
    description = _reason("What was done")
    choice = TextField(required=False, widget=forms.HiddenInput)
    proof = needed(
        _reason("What proves it", required=False, rows=2),
        "this, a ticket or an artifact is needed",
    )
    ticket = needed(
        TextField(required=False, max_length=TICKET_LENGTH, widget=_hinted("bd-1234")),
        "or a proof or an artifact",
    )
    ticket_url = WebAddressField(label="Its web address")
    evidence: Any = needed(
        forms.ModelChoiceField(
            None, required=False, label="Artifact", empty_label="None"
        ),
        "or a proof or a ticket",
    )

    def prepare(self) -> None:
        _offer(
            self.fields["evidence"],
            self.obj.evidence_items.all(),
            self.obj.evidence_items.order_by("-id")[:EVIDENCE_SHOWN],
        )

    def clean(self) -> dict[str, Any]:
        """Name a missing proof, or ticket, with all the other faults."""
        cleaned = super().clean() or self.cleaned_data
        proofs = ("proof", "ticket", "evidence")
        if not any(cleaned.get(name) or name in self.errors for name in proofs):
            self.add_error("proof", PROOF_MISSING)
        if self.data.get("ticket_url") and cleaned.get("ticket") == "":
            self.add_error("ticket", TICKET_MISSING)
        return cleaned


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
    corrects = _hidden_number("Entry to correct", required=False)

    field_order = ("kind", "body", "event_at", "zone", "occurrence", "corrects")

    def prepare(self) -> None:
        if self.told("corrects"):
            self.fields["body"].label = "What it should say"


class LeadForm(PageForm):
    lead: Any = forms.ModelChoiceField(None, required=False, empty_label="Nobody")

    def prepare(self) -> None:
        offer_workers(self, "lead")


class TicketForm(PageForm):
    ticket = TextField(max_length=TICKET_LENGTH, widget=_hinted("bd-1234"))
    url = WebAddressField(label="Web address")


class RelatedForm(PageForm):
    reference = TextField(label="Related incident", widget=_hinted("SEC-INC-2026-0042"))


class OutcomeForm(PageForm):
    """What is asked when a case is closed: what it was, what it did, who led it."""

    resolution = _choice("What it turned out to be", Resolution)
    functional_impact = _choice("Functional impact", FunctionalImpact)
    information_impact = _choice("Information impact", InformationImpact)
    recoverability = _choice(
        "Recoverability", Recoverability, empty="Not known", required=False
    )
    lead: Any = forms.ModelChoiceField(
        None, required=False, label="Led by", empty_label="Choose one"
    )

    def prepare(self) -> None:
        offer_workers(self, "lead")
        self.fields["lead"].initial = self.obj.lead_id
        self.fields["lead"].required = self.obj.lead_id is None


class CloseForm(OutcomeForm):
    reason = needed(
        _reason(required=False), "needed where a kill switch is not confirmed"
    )

    def prepare(self) -> None:
        """Name the orders that nobody confirmed: closing over them takes a reason."""
        super().prepare()
        orders = read_switches(self.obj).own_orders
        if orders:
            named = "; ".join(str(order) for order in orders)
            self.fields["reason"].help_text = f"Ordered, not confirmed: {named}"


class AftermathForm(ReasonForm):
    aftermath = forms.ChoiceField(
        choices=[
            ("", "Choose one"),
            *((aftermath.value, aftermath.label) for aftermath in Aftermath),
        ],
        required=False,
        label="What becomes of kill switches and quarantines",
    )

    def prepare(self) -> None:
        """Ask where the case leaves something in force, and say what."""
        super().prepare()
        standing = self.once("standing", lambda: find_standing(self.obj))
        if standing:
            self.fields[
                "aftermath"
            ].help_text = f"This case leaves in force: {standing}"
        else:
            self.fields["aftermath"].widget = forms.HiddenInput()


class FalseAlarmForm(AftermathForm, OutcomeForm):
    resolution = _choice(
        "What it turned out to be", (Resolution.FALSE_POSITIVE, Resolution.BENIGN)
    )

    field_order = (*OUTCOME_FIELDS, "reason", "aftermath")


class DuplicateForm(AftermathForm):
    original = TextField(label="Duplicate of")

    field_order = ("original", "reason", "aftermath")


class TakeOverForm(ReasonForm):
    """Offers the duplicates of a case, or a duplicate itself, with what they hold."""

    duplicate = forms.TypedChoiceField(coerce=int, label="What is taken over")

    field_order = ("duplicate", "reason")

    def prepare(self) -> None:
        field: Any = self.fields["duplicate"]
        field.choices = [
            (leftover.duplicate.pk, str(leftover))
            for leftover in find_leftovers(self.obj)
        ]


class ReclassifyForm(ReasonForm):
    version = forms.ModelChoiceField(PlaybookVersion.objects.all(), label="New class")

    field_order = ("version", "reason")

    def prepare(self) -> None:
        """Offer the newest version of each class but the case's own."""
        field: Any = self.fields["version"]
        choices = self.once("playbooks", lambda: playbook_choices(self.obj))
        field.choices = [("", field.empty_label), *choices]


class KillForm(ReasonForm):
    extension = _hidden_number("Extension")


class KillAllForm(ReasonForm):
    reference = TextField(label="The reference of this case, typed out")

    field_order = ("reference", "reason")

    def prepare(self) -> None:
        self.fields["reference"].label = f"Type {self.obj.reference} to confirm"
        self.fields["reference"].widget.attrs["autocomplete"] = "off"
