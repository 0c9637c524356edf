"""Asking for the password again before what must not be done from an open browser.

Asked before everything that takes a reviewer's right, by any button (approving,
signing, lifting, waiving); before accounts and tokens are made or changed; and before
evidence and whole archives are downloaded. A password holds for PRESENCE_MINUTES.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import UnfoldAdminPasswordWidget

from evidence.accounts.presence import is_present, note_presence, prove_password
from evidence.admin.base import person_of
from evidence.admin.sent_forms import keep_unsent

NAME = "confirm-presence"


class PresenceForm(forms.Form):
    password = forms.CharField(
        strip=False,
        label="Your password",
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
    )


def ask_presence(request: HttpRequest) -> HttpResponse | None:
    """Return a redirect to the page that asks for the password; None: go on.

    What was sent is kept, but for secrets, and is shown again afterwards.
    """
    if is_present(request.session, now=timezone.now()):
        return None
    if request.method == "POST":
        keep_unsent(request)
    query = urlencode({"next": request.get_full_path()})
    return HttpResponseRedirect(f"{reverse(NAME)}?{query}")


@sensitive_post_parameters("password")
def presence_page(request: HttpRequest) -> HttpResponse:
    """Ask for the password, and lead on to where it was needed."""
    form = PresenceForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        given = form.cleaned_data["password"]
        if prove_password(request, person_of(request), given):
            note_presence(request.session, now=timezone.now())
            return HttpResponseRedirect(_find_next(request))
        form.add_error("password", "This is not your password.")
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Is it you?",
        "form": form,
        "button": "Go on",
    }
    return TemplateResponse(request, "evidence/people/form.html", context)


def _find_next(request: HttpRequest) -> str:
    target = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        target, {request.get_host()}, require_https=request.is_secure()
    )
    return target if is_ours else reverse("admin:index")
