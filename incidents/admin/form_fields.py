"""Fields that the forms about cases share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.urls import reverse_lazy

from evidence.admin.form_fields import CommaField, LongTextField, PageForm, TextField
from evidence.text import REASON_LENGTH
from evidence.wording import label_of
from incidents.errors import IncidentError
from incidents.services.gates.gathering import works_cases
from incidents.services.lifecycle.links import URL_LENGTH, require_web_address

PREVIEW = "incidents/_preview.html"
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


def reason_field(label: str = "Why", **options: Any) -> LongTextField:
    return LongTextField(label=label, max_length=REASON_LENGTH, **options)


def hidden_number(label: str, **options: Any) -> forms.IntegerField:
    return forms.IntegerField(label=label, widget=forms.HiddenInput, **options)


def offer_rows(field: Any, rows: QuerySet[Any], shown: Iterable[Any]) -> None:
    """Let a field take any of `rows` and list those that are likely meant.

    What it takes and cannot do is refused by the service, which says why.
    """
    field.queryset = rows
    field.choices = [("", field.empty_label), *((row.pk, str(row)) for row in shown)]


def offer_workers(form: PageForm, name: str) -> None:
    """Let a field of a case's form name anybody, and list who can work on cases."""
    people = form.once("workers", lambda: list(workers()))
    offer_rows(form.fields[name], User.objects.all(), people)


def hinted(hint: str) -> forms.TextInput:
    return forms.TextInput(attrs={"placeholder": hint})


def choice_field(
    label: str, members: Any, *, empty: str = "Choose one", required: bool = True
) -> forms.ChoiceField:
    """Return a field of a fixed set where nothing is chosen beforehand."""
    return forms.ChoiceField(
        label=label, choices=[("", empty), *words(members)], required=required
    )


class ReasonForm(PageForm):
    reason = reason_field()
