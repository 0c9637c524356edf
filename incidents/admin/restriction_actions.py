"""Restricted cases on the pages: who sees one, the end of that, and looking in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from evidence.admin.base import person_of
from evidence.admin.drawing import draw_page
from evidence.admin.form_answers import answer_form
from evidence.admin.form_fields import PageForm, TextField
from evidence.admin.methods import takes_forms
from evidence.admin.page_actions import PageAction
from evidence.admin.presence_page import ask_presence
from evidence.models.case_bound import unwatched
from incidents.admin.form_fields import ReasonForm, reason_field, workers
from incidents.models import Incident, LookIn, Team
from incidents.services.changes import REVIEW, WORK
from incidents.services.lifecycle.restricting import (
    Readers,
    change_readers,
    lift_restriction,
    look_in,
    named_on,
    restrict_case,
)

Data = dict[str, Any]
CHOOSE_SEVERAL = "Hold Ctrl to choose several."


class PeopleField(forms.ModelMultipleChoiceField):
    """The people who are named on a restricted case."""

    def __init__(self) -> None:
        super().__init__(
            User.objects.filter(is_active=True),
            label="People",
            required=False,
            help_text=f"Beside the lead and you. {CHOOSE_SEVERAL}",
        )


class TeamsField(forms.ModelMultipleChoiceField):
    """The teams that are named on a restricted case."""

    def __init__(self) -> None:
        super().__init__(
            Team.objects.all(),
            label="Teams",
            required=False,
            help_text=f"All their members, as the team stands then. {CHOOSE_SEVERAL}",
        )


class RestrictForm(PageForm):
    """Who sees the case, and why nobody else does."""

    people = PeopleField()
    teams = TeamsField()
    reason = reason_field()

    def prepare(self) -> None:
        people: Any = self.fields["people"]
        listed = self.once("workers", lambda: list(workers()))
        people.choices = [(person.pk, str(person)) for person in listed]


class ReadersForm(RestrictForm):
    """The same, beginning with who sees the case now."""

    def prepare(self) -> None:
        super().prepare()
        named = named_on(self.obj) if self.obj.is_restricted else Readers()
        self.initial["people"], self.initial["teams"] = named.people, named.teams
        people: Any = self.fields["people"]
        listed = {pk for pk, _ in people.choices}
        people.choices = [
            *people.choices,
            *((each.pk, str(each)) for each in named.people if each.pk not in listed),
        ]


class LookInForm(forms.Form):
    """A case that a reviewer knows by its reference, and why they have to see it."""

    reference = TextField(
        max_length=24,
        help_text="Such as SEC-INC-2026-0042.",
    )
    reason = reason_field(
        help_text="It stands in the case, and those named on it and its lead read it."
    )


def restriction_context(request: HttpRequest, incident: Any) -> dict[str, Any]:
    """Return who sees a restricted case, and what this person can do about it."""
    if not incident.is_restricted:
        return {"can_restrict": request.user.has_perm(WORK)}
    return {
        "readers": named_on(incident),
        "looks": LookIn.objects.filter(incident=incident).select_related("person")[:5],
        "can_change_readers": request.user.has_perm(WORK),
        "can_lift": request.user.has_perm(REVIEW),
    }


@takes_forms
def look_in_view(request: HttpRequest) -> HttpResponse:
    """Ask a reviewer for a reference and a reason, and lead on to the case."""
    if not request.user.has_perm(REVIEW):
        raise PermissionDenied
    if (asked := ask_presence(request)) is not None:
        return asked
    return answer_form(
        request,
        make=lambda data, files: LookInForm(data, label_suffix=""),
        run=lambda form: _look_in(request, form),
        show=lambda form, error: draw_page(
            request, "incidents/look_in.html", title="Look into a case", form=form
        ),
    )


def _look_in(request: HttpRequest, form: LookInForm) -> HttpResponse:
    data = form.cleaned_data
    look = look_in(
        actor=person_of(request), reference=data["reference"], reason=data["reason"]
    )
    messages.success(
        request,
        "You see this case for a day. Why stands in the case; those named on it and "
        "its lead get a message.",
    )
    return HttpResponseRedirect(
        reverse("admin:incidents_incident_change", args=[look.incident_id])
    )


def _restrict(request: HttpRequest, incident: Incident, data: Data) -> str:
    restrict_case(
        actor=person_of(request),
        incident_id=incident.pk,
        readers=Readers(data["people"], data["teams"]),
        reason=data["reason"],
    )
    return f"{incident.reference} is restricted to those named on it."


def _change(request: HttpRequest, incident: Incident, data: Data) -> str | HttpResponse:
    change_readers(
        actor=person_of(request),
        incident_id=incident.pk,
        readers=Readers(data["people"], data["teams"]),
        reason=data["reason"],
    )
    said = "Saved who sees the case."
    # Found out anew: what is hidden from them was read before this change.
    with unwatched():
        seen = Incident.objects.visible_to(request.user).filter(pk=incident.pk)
        if seen.exists():
            return said
    # Who took themselves off it has no page of the case to go back to.
    messages.success(request, said)
    return HttpResponseRedirect(reverse("admin:incidents_incident_changelist"))


def _lift(request: HttpRequest, incident: Incident, data: Data) -> str:
    lift_restriction(
        actor=person_of(request), incident_id=incident.pk, reason=data["reason"]
    )
    return f"{incident.reference} is seen by everybody again who may see cases."


RESTRICTION_ACTIONS: dict[str, PageAction] = {
    "restrict": PageAction(
        "Restrict",
        "Restrict",
        RestrictForm,
        _restrict,
        WORK,
        help="For everybody else but auditors the case is not there any more: not in "
        "lists, searches, figures or messages.",
        fields={"reason_missing": "reason"},
        applies=lambda incident: not incident.is_restricted,
    ),
    "readers": PageAction(
        "Change who sees it",
        "Save",
        ReadersForm,
        _change,
        WORK,
        fields={"reason_missing": "reason"},
        applies=lambda incident: incident.is_restricted,
    ),
    "lift-restriction": PageAction(
        "Lift the restriction",
        "Lift the restriction",
        ReasonForm,
        _lift,
        REVIEW,
        help="All who may see cases see this one again, with all that is in it.",
        fields={"reason_missing": "reason"},
        applies=lambda incident: incident.is_restricted,
    ),
}
