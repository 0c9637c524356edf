"""*My settings*: a person's own address and time zone."""

from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.widgets import UnfoldAdminEmailInputWidget

from evidence.accounts.readers import save_own_settings
from evidence.admin.base import person_of
from evidence.admin.drawing import draw_page
from evidence.admin.form_answers import answer_form
from evidence.admin.methods import takes_forms
from evidence.errors import CasefileError
from evidence.models import ReaderSettings


class SettingsForm(forms.Form):
    email = forms.EmailField(
        required=False,
        label="E-mail address",
        widget=UnfoldAdminEmailInputWidget,
        help_text="Where reminders go. Send yourself a test message under My "
        "notifications once it is changed.",
    )
    time_zone = forms.ChoiceField(
        required=False,
        label="Time zone",
        help_text="Every page shows its times in it. UTC stands behind each of them: "
        "rest the pointer on a time.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["time_zone"]
        names = [(name, name) for name in sorted(zoneinfo.available_timezones())]
        field.choices = [("", "My browser's"), *names]  # type: ignore[attr-defined]


@takes_forms
def settings_page(request: HttpRequest) -> HttpResponse:
    """Show a person their own settings, and save what they choose."""
    person = person_of(request)

    def carry_out(form: Any) -> HttpResponse:
        save_own_settings(actor=person, **form.cleaned_data)
        messages.success(request, "Saved.")
        return HttpResponseRedirect(reverse("admin:auth_user_settings"))

    def show(form: Any, error: CasefileError | None) -> HttpResponse:
        template = "evidence/people/form.html"
        title = "My settings"
        return draw_page(request, template, title=title, form=form, button="Save")

    return answer_form(
        request,
        make=lambda data, files: SettingsForm(data, initial=_settings_of(person)),
        run=carry_out,
        show=show,
    )


def _settings_of(person: User) -> dict[str, Any]:
    row = ReaderSettings.objects.filter(user=person).first()
    return {"time_zone": row.time_zone if row else "", "email": person.email}
