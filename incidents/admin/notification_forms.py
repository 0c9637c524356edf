"""Forms of the notification pages: preferences, channels, the plan of reminders."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User

from evidence.admin.form_fields import CommaField, TextField, needed
from incidents.models import NotificationPreference, Team, WebhookChannel
from incidents.services.notifications.reminder_settings import CurrentSettings
from incidents.workflow.phases import Phase
from incidents.workflow.reminder_documents import write_plan

PLANNED = ("default", *(phase.value for phase in Phase if phase is not Phase.DETECT))
MINUTES_DIGITS = 10
COLUMNS = ("fractions", "before", "repeat")
BOTH = "optional: both, or neither"
TIME = forms.TimeInput(format="%H:%M", attrs={"type": "time"})


class PreferenceForm(forms.Form):
    """By which of their own channels a person is told, and when not to be warned."""

    by_email = forms.BooleanField(required=False, label="E-mail")
    webhooks = forms.ModelMultipleChoiceField(
        WebhookChannel.objects.none(),
        required=False,
        label="My webhooks",
        widget=forms.CheckboxSelectMultiple,
    )
    quiet_from = needed(
        forms.TimeField(
            required=False,
            label="Quiet hours from",
            widget=TIME,
            help_text="Warnings and assignments wait; a breach never does.",
        ),
        BOTH,
    )
    quiet_until = needed(
        forms.TimeField(required=False, label="until", widget=TIME), BOTH
    )
    time_zone = TextField(
        max_length=64,
        label="Time zone",
        help_text="Of the quiet hours, and for times in messages: Europe/Berlin.",
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["webhooks"]
        field.queryset = user.webhook_channels.filter(is_active=True)
        if not field.queryset.exists():
            del self.fields["webhooks"]


def preference_values(user: User) -> dict[str, Any]:
    """Return what a person has set, or the defaults."""
    preference = (
        NotificationPreference.objects.filter(user=user)
        .prefetch_related("webhooks_off")
        .first()
    ) or NotificationPreference(user=user)
    off = (
        {webhook.pk for webhook in preference.webhooks_off.all()}
        if preference.pk
        else set()
    )
    return {
        "by_email": preference.by_email,
        "webhooks": user.webhook_channels.filter(is_active=True).exclude(pk__in=off),
        "quiet_from": preference.quiet_from,
        "quiet_until": preference.quiet_until,
        "time_zone": preference.time_zone,
    }


class WebhookForm(forms.Form):
    """A chat room or a pager. The address is taken and never shown again."""

    name = TextField(max_length=100)
    url = TextField(
        label="Address",
        max_length=2_000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="As apprise writes it, such as slack://TokenA/TokenB/TokenC. "
        "It is stored encrypted.",
    )
    owner = forms.ModelChoiceField(
        User.objects.filter(is_active=True).order_by("username"),
        required=False,
        empty_label="Shared",
        help_text="Whose it is, or shared.",
    )
    team = forms.ModelChoiceField(
        Team.objects.all(),
        required=False,
        empty_label="All cases",
        help_text="A shared channel can be for the cases of one team.",
    )
    wants_warnings = forms.BooleanField(
        required=False,
        label="Warnings too",
        help_text="A shared channel always hears of breaches.",
    )
    is_active = forms.BooleanField(required=False, initial=True, label="Active")

    def __init__(
        self, *args: Any, is_new: bool, owner: User | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        if owner is not None and not owner.is_active:
            # Whose it is stays so until somebody changes it.
            field: Any = self.fields["owner"]
            field.queryset = field.queryset | User.objects.filter(pk=owner.pk)
        if is_new:
            del self.fields["is_active"]
        else:
            self.fields["url"].required = False
            self.fields["url"].help_text = "Empty: the address stays as it is."


class PlanForm(forms.Form):
    """The plan of reminders, a row for each phase; an empty row follows the default."""

    hold_minutes = forms.IntegerField(
        min_value=1,
        label="An acknowledgement holds repeats back for (minutes)",
    )
    late_after_seconds = forms.IntegerField(
        min_value=1, label="A message says that it is late after (seconds)"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in PLANNED:
            label = "Every phase" if name == "default" else name.upper()
            for key, text in (
                ("fractions", "warn with this part left, such as 1/2, 1/5"),
                ("before", "warn so many minutes before"),
                ("repeat", "repeat every so many minutes"),
            ):
                self.fields[f"{name}_{key}"] = (
                    forms.IntegerField(min_value=1, required=name == "default")
                    if key == "repeat"
                    else CommaField(required=False)
                )
                self.fields[f"{name}_{key}"].label = f"{label}: {text}"
                self.fields[f"{name}_{key}"].widget.attrs["aria-label"] = (
                    f"{label}: {text}"
                )

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The fields by phase, as the page lays them out."""
        return [
            {
                "label": "Every phase" if name == "default" else name.upper(),
                "fields": [self[f"{name}_{key}"] for key in COLUMNS],
            }
            for name in PLANNED
        ]

    def document(self) -> dict[str, Any]:
        """Return what was entered as a plan's document; the service checks it."""
        phases = {
            name: self._row(name)
            for name in PLANNED[1:]
            if any(
                self.cleaned_data[f"{name}_{key}"] for key in ("fractions", "before")
            )
            or self.cleaned_data[f"{name}_repeat"]
        }
        return {
            "late_after_seconds": self.cleaned_data["late_after_seconds"],
            "default": self._row("default"),
            "phases": phases,
        }

    def _row(self, name: str) -> dict[str, Any]:
        data = self.cleaned_data
        return {
            "fractions_left": data[f"{name}_fractions"],
            "minutes_before": [
                int(text) if text.isdecimal() and len(text) < MINUTES_DIGITS else text
                for text in data[f"{name}_before"]
            ],
            "repeat_minutes": data[f"{name}_repeat"] or data["default_repeat"],
        }


def plan_values(current: CurrentSettings) -> dict[str, Any]:
    """Return the settings as the form's initial values."""
    document = write_plan(current.plan)
    values: dict[str, Any] = {
        "hold_minutes": int(current.hold.total_seconds()) // 60,
        "late_after_seconds": document["late_after_seconds"],
    }
    for name, row in {"default": document["default"], **document["phases"]}.items():
        values[f"{name}_fractions"] = row["fractions_left"]
        values[f"{name}_before"] = [str(minutes) for minutes in row["minutes_before"]]
        values[f"{name}_repeat"] = row["repeat_minutes"]
    return values
