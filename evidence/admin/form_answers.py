"""How every page answers a form: shown again as it was typed, or carried out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from evidence.admin.form_fields import LongTextField, NaiveDateTimeField
from evidence.admin.sent_forms import answer_once, take_unsent
from evidence.errors import CasefileError, PermissionRefused
from evidence.wording import end_sentence

NOT_SAVED = (
    "Your sign-in had ended, so this was not saved, or your password was needed first. "
    "Here is what you wrote: send it again if it still holds."
)
MakeForm = Callable[[Any, Any], Any]
"""Makes the form from what was sent and its files, both None where nothing was."""
RunForm = Callable[[Any], HttpResponse]
"""Calls the service with a valid form; raises CasefileError where it is refused."""
ShowForm = Callable[[Any, CasefileError | None], HttpResponse]
"""Draws the page with the form, and with the service's refusal where there is one."""


def answer_form(
    request: HttpRequest,
    *,
    make: MakeForm,
    run: RunForm,
    show: ShowForm,
    fields: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Show a form, carry it out, or show it again filled, its errors at their fields.

    `fields` names the field that a service's refusal belongs to, by the error's code.
    """
    if request.method != "POST":
        kept = take_unsent(request)
        form = make(kept, None)
        if kept is not None:
            form.add_error(None, NOT_SAVED)
        return show(form, None)
    form = make(request.POST, request.FILES)
    if not form.is_valid():
        return show(form, None)
    try:
        return answer_once(request, lambda: run(form))
    except PermissionRefused as error:
        raise PermissionDenied(error.message) from error
    except CasefileError as error:
        add_refusal(form, error, fields or {})
        return show(form, error)


def add_refusal(
    form: forms.Form, error: CasefileError, fields: Mapping[str, str]
) -> None:
    """Put a service's refusal at the field it is about, or above the form."""
    about = error.field or ""
    name = fields.get(about) or fields.get(error.code) or about
    if name not in form.fields:
        name = _field_of(form, error) or ""
    shown = name if name in form.fields else None
    if shown and form.fields[shown].widget.is_hidden:
        shown = None
    path = getattr(error, "path", None)
    words = f"{path}: {error.message}" if path else error.message
    form.add_error(shown, end_sentence(words))


def _field_of(form: forms.Form, error: CasefileError) -> str | None:
    """Return the field that errors of this code are about on any form."""
    if error.field == "reason":
        # A form may ask for the reason in words of its own: its one long text is it.
        long = [
            n for n, field in form.fields.items() if isinstance(field, LongTextField)
        ]
        return long[0] if len(long) == 1 else None
    if error.code == "moment_refused":
        times = [
            name
            for name, field in form.fields.items()
            if isinstance(field, NaiveDateTimeField)
        ]
        return times[0] if len(times) == 1 else None
    return None
