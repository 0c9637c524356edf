"""Fields and base forms of the pages: they read what was typed, services judge it."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable
from typing import Any

from django import forms
from django.utils import timezone

from evidence.errors import MomentRefused
from evidence.stored_moments import Span
from evidence.text import unify_lines
from evidence.zones import find_zone, moments_of

LOCAL_FORMATS = (
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
)
FIRST, SECOND = "first", "second"


def needed(field: Any, when: str) -> Any:
    """Return a field that may be empty by itself, and says when it may not."""
    field.need = when
    return field


class TextField(forms.CharField):
    """Text whose line ends count once, as the browser counts them."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str):
            value = unify_lines(value)
        return super().to_python(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        # A browser sends every line end as CR LF, and nobody typed those.
        return super().has_changed(
            unify_lines(initial) if isinstance(initial, str) else initial,
            unify_lines(data) if isinstance(data, str) else data,
        )


class LongTextField(TextField):
    """Text of several lines; the browser stops at `max_length` while one types.

    `preview_template` draws the button that shows the text as it will look.
    """

    def __init__(
        self, *, rows: int = 3, preview_template: str = "", **options: Any
    ) -> None:
        self.preview_template = preview_template
        options.setdefault("widget", forms.Textarea(attrs={"rows": rows}))
        super().__init__(**options)


class CommaField(TextField):
    """Words with commas between them, as a list.

    A word that holds a comma or a quotation mark stands in quotation marks, as in CSV.
    """

    def to_python(self, value: Any) -> Any:
        text = " ".join((super().to_python(value) or "").split("\n"))
        row = next(csv.reader([text], skipinitialspace=True), [])
        return [text.strip() for text in row if text.strip()]

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        return ", ".join(_quoted(word) for word in value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        before = self.prepare_value(initial) or ""
        return str(before).strip() != str(data or "").strip()

    def validate(self, value: Any) -> None:
        if self.required and not value:
            raise forms.ValidationError(self.error_messages["required"])

    def run_validators(self, value: Any) -> None:
        """Each word is checked by the service."""


class NaiveDateTimeField(forms.DateTimeField):
    """A time as it was typed; the form's zone says which one is meant.

    `span` is where it has to lie, as the service behind the form has it.
    """

    def __init__(self, *, span: Span | None = None, **options: Any) -> None:
        self.span = span
        widget = forms.DateTimeInput(
            format="%Y-%m-%dT%H:%M:%S",
            attrs={"type": "datetime-local", "step": "1"},
        )
        super().__init__(input_formats=LOCAL_FORMATS, widget=widget, **options)

    def prepare_value(self, value: Any) -> Any:
        return value

    def to_python(self, value: Any) -> dt.datetime | None:
        if value in self.empty_values:
            return None
        for form in LOCAL_FORMATS:
            try:
                return dt.datetime.strptime(str(value).strip(), form)
            except ValueError:
                continue
        raise forms.ValidationError(self.error_messages["invalid"], code="invalid")


class ZonedMixin(forms.Form):
    """Reads the form's times in its zone: the reader's, or UTC where none is named.

    A time that clocks skip there is refused. Of one that comes twice, the form asks
    which is meant: `asks_occurrence` says that the question has to be shown.
    """

    zone = forms.CharField(
        required=False,
        max_length=64,
        label="Time zone",
        # The zone that the page's own times are in.
        initial=timezone.get_current_timezone_name,
        widget=forms.TextInput(
            attrs={"data-zone": "", "autocomplete": "off", "placeholder": "UTC"}
        ),
    )
    occurrence = forms.ChoiceField(
        required=False,
        label="Which of the two",
        choices=[("", "Choose one"), (FIRST, "The first"), (SECOND, "The second")],
        widget=forms.HiddenInput,
    )
    asks_occurrence = False

    def clean_zone(self) -> Any:
        name = self.cleaned_data.get("zone") or "UTC"
        zone = find_zone(name)
        if zone is None:
            raise forms.ValidationError(
                f"“{name}” is no time zone. Write one such as Europe/Berlin, or UTC."
            )
        return zone

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name, field in self.fields.items():
            value = cleaned.get(name)
            if isinstance(field, NaiveDateTimeField) and value and cleaned.get("zone"):
                cleaned[name] = self._moment(name, value, cleaned["zone"])
                self._check_span(name, field.span, cleaned[name])
        return cleaned

    def _check_span(
        self, name: str, span: Span | None, value: dt.datetime | None
    ) -> None:
        """Say with all the other faults that a time cannot be meant."""
        if span is None or value is None:
            return
        try:
            span.require(value, now=timezone.now())
        except MomentRefused as error:
            self.add_error(name, error.message)

    def _moment(
        self, name: str, wall: dt.datetime, zone: dt.tzinfo
    ) -> dt.datetime | None:
        found = moments_of(wall, zone)
        if len(found) == 1:
            return found[0]
        if not found:
            self.add_error(
                name,
                f"Clocks in {zone} skip {wall:%Y-%m-%d %H:%M}: they are set forward "
                "over it. Write the time that the clock showed.",
            )
            return None
        self._ask(found)
        chosen = self.cleaned_data.get("occurrence")
        if chosen:
            return found[chosen == SECOND]
        self.add_error(
            "occurrence",
            f"{wall:%Y-%m-%d %H:%M} comes twice in {zone}, since clocks are set back "
            "over it. Say which of the two is meant.",
        )
        return None

    def _ask(self, found: tuple[dt.datetime, ...]) -> None:
        self.asks_occurrence = True
        field: Any = self.fields["occurrence"]
        field.widget = forms.Select()
        labels = [f"{moment:%H:%M %Z} (UTC{moment:%z})" for moment in found]
        field.choices = [
            ("", "Choose one"),
            (FIRST, f"The first, {labels[0]}"),
            (SECOND, f"The second, {labels[1]}"),
        ]


class PageForm(forms.Form):
    """A form of a page: it knows the object and who fills it in."""

    def __init__(
        self,
        *args: Any,
        obj: Any = None,
        user: Any = None,
        shared: dict[str, Any] | None = None,
        **kwargs: Any,
    ):
        # Several forms stand on one page: their fields' ids must differ.
        kwargs.setdefault("auto_id", f"{type(self).__name__.lower()}_%s")
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        self.obj, self.user = obj, user
        self._shared = {} if shared is None else shared
        self.prepare()

    def once(self, name: str, read: Callable[[], Any]) -> Any:
        """Return what the forms of one page share, read by the first that asks."""
        if name not in self._shared:
            self._shared[name] = read()
        return self._shared[name]

    def told(self, name: str) -> str:
        """Return what was sent or starts out as the value of a field."""
        values = self.data if self.is_bound else self.initial
        return str(values.get(name) or "")

    def prepare(self) -> None:
        """Fill in choices that depend on the object and the person."""


def _quoted(word: str) -> str:
    if not set(word) & set(',"'):
        return word
    return '"' + word.replace('"', '""') + '"'
