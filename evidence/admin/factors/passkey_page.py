"""Adding a passkey to one's own account, and signing in with one alone."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods
from unfold.widgets import UnfoldAdminTextInputWidget

from evidence.accounts.factors.passkeys import add_passkey, ask_to_add
from evidence.accounts.factors.proving import SignInWay
from evidence.accounts.identities import LINKED, is_linked
from evidence.admin.base import find_next, person_of
from evidence.admin.drawing import draw_page
from evidence.admin.factors.challenges import (
    WRONG,
    ask_for_passkey,
    keep_challenge,
    obstacle_of,
    prove_passkey,
    take_challenge,
)
from evidence.admin.factors.own_page import added
from evidence.admin.form_answers import add_refusal
from evidence.admin.methods import takes_forms
from evidence.admin.presence_page import ask_presence
from evidence.admin.welcome import welcome
from evidence.errors import FactorError

NAME = "sign-in-passkey"
ADD, SIGN_IN = "add", "sign-in"
OUT_OF_DATE = "This page was open too long, or was sent before. Try again now."


class PasskeyForm(forms.Form):
    name = forms.CharField(
        max_length=100,
        label="Name",
        help_text="So that you know it again, such as “Office laptop”.",
        widget=UnfoldAdminTextInputWidget,
    )
    answer = forms.CharField(required=False, widget=forms.HiddenInput)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@takes_forms
def passkey_page(request: HttpRequest) -> HttpResponse:
    """Ask the browser for a new passkey, and add what it answers."""
    if (asked := ask_presence(request)) is not None:
        return asked
    form = PasskeyForm(request.POST if request.method == "POST" else None)
    state = take_challenge(request, ADD) if form.is_bound else None
    if form.is_valid() and _add(request, form, state):
        return added(request, SignInWay.PASSKEY)
    options, obstacle = "", obstacle_of(request)
    if not obstacle:
        options = keep_challenge(request, ADD, ask_to_add(person_of(request)))
    return draw_page(
        request,
        "evidence/people/add_passkey.html",
        title="Add a passkey",
        is_linked=is_linked(person_of(request)),
        form=form,
        options=options,
        obstacle=obstacle,
    )


def _add(request: HttpRequest, form: PasskeyForm, state: dict[str, Any] | None) -> bool:
    if state is None:
        form.add_error(None, OUT_OF_DATE)
        return False
    values = form.cleaned_data
    try:
        add_passkey(
            actor=person_of(request),
            name=values["name"],
            state=state,
            answer=values["answer"],
        )
    except FactorError as error:
        add_refusal(form, error, {})
        return False
    return True


@never_cache
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
@takes_forms
def sign_in_with_passkey(request: HttpRequest) -> HttpResponse:
    """Sign in the owner of the passkey that answers, without name and password."""
    fault = ""
    if request.method == "POST":
        person = prove_passkey(request, SIGN_IN)
        if person is not None and is_linked(person):
            fault = LINKED.format(settings.OIDC_NAME)
        # As the form for passwords has it: machines sign in nowhere.
        elif person is not None and person.is_staff:
            return welcome(request, person, [SignInWay.PASSKEY], find_next(request))
        else:
            fault = WRONG
    return draw_page(
        request,
        "evidence/people/passkey_sign_in.html",
        title="Sign in with a passkey",
        options=ask_for_passkey(request, SIGN_IN, None),
        obstacle=obstacle_of(request),
        fault=fault,
    )
