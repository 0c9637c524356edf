"""A person's own page of second factors: what there is, adding and removing."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from unfold.widgets import UnfoldAdminTextInputWidget

from evidence.accounts.factors.authenticator import (
    add_authenticator,
    open_seed,
    remove_authenticator,
    seal_seed,
)
from evidence.accounts.factors.codes import make_seed, make_uri
from evidence.accounts.factors.held import find_factors, must_have_factor
from evidence.accounts.factors.passkeys import remove_passkey
from evidence.accounts.factors.proving import SignInWay, note_factor
from evidence.accounts.factors.recovery import make_recovery_codes
from evidence.accounts.identities import find_identity
from evidence.admin.base import person_of, read_key
from evidence.admin.drawing import draw_page
from evidence.admin.factors.pictures import draw_qr
from evidence.admin.form_answers import add_refusal
from evidence.admin.methods import takes_forms
from evidence.admin.presence_page import ask_presence
from evidence.admin.single_sign_on import link_token
from evidence.errors import FactorError

SEED = "seed_to_add"
"""A session's own note: the sealed seed of an app that has not shown its code yet."""
PAGE = "admin:auth_user_factors"


class AppForm(forms.Form):
    code = forms.CharField(
        max_length=20,
        label="Code that the app shows now",
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}
        ),
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@takes_forms
def factors_page(request: HttpRequest) -> HttpResponse:
    """Show one's factors, and change them.

    `do` is `remove-app`, `remove-passkey`, or `codes`, which shows new ones.
    """
    person = person_of(request)
    if request.method != "POST":
        return _show(request)
    if (asked := ask_presence(request)) is not None:
        return asked
    try:
        if request.POST.get("do") == "codes":
            return _show(request, codes=make_recovery_codes(actor=person))
        if request.POST.get("do") == "remove-app":
            remove_authenticator(actor=person)
            messages.success(request, "The authenticator app is removed.")
        if request.POST.get("do") == "remove-passkey":
            remove_passkey(
                actor=person, passkey_id=read_key(request.POST.get("passkey"))
            )
            messages.success(request, "The passkey is removed.")
    except FactorError as error:
        messages.error(request, error.message)
    return HttpResponseRedirect(reverse(PAGE))


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
@takes_forms
def app_page(request: HttpRequest) -> HttpResponse:
    """Show the seed for an authenticator app, and add the app by its first code."""
    if (asked := ask_presence(request)) is not None:
        return asked
    person = person_of(request)
    seed = _seed_of(request)
    form = AppForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        code = "".join(form.cleaned_data["code"].split())
        try:
            add_authenticator(actor=person, seed=seed, code=code)
        except FactorError as error:
            add_refusal(form, error, {})
        else:
            request.session.pop(SEED, None)
            return added(request, SignInWay.APP)
    uri = make_uri(seed, username=person.get_username(), site=request.get_host())
    return draw_page(
        request,
        "evidence/people/add_app.html",
        title="Add an authenticator app",
        form=form,
        picture=draw_qr(uri),
        uri=uri,
        spelled=_spell(uri),
    )


def added(request: HttpRequest, way: SignInWay) -> HttpResponse:
    """Have the session count as one with a factor; show the first recovery codes."""
    note_factor(request.session, way)
    person = person_of(request)
    if find_factors(person).codes_left:
        messages.success(request, "Added. You are asked for it at your next sign-in.")
        return HttpResponseRedirect(reverse(PAGE))
    return _show(request, codes=make_recovery_codes(actor=person))


def _show(request: HttpRequest, codes: list[str] | None = None) -> HttpResponse:
    person = person_of(request)
    context: dict[str, Any] = {
        "title": "My factors",
        "held": find_factors(person),
        "is_needed": must_have_factor(person),
        "codes": codes,
        "identity": find_identity(person),
        "single_name": settings.OIDC_NAME if settings.OIDC_ISSUER else "",
        "link_token": link_token(request),
        "now": timezone.now(),
    }
    return draw_page(request, "evidence/people/factors.html", **context)


def _seed_of(request: HttpRequest) -> bytes:
    """Return the seed that this session is about to add, a new one the first time."""
    seed = open_seed(str(request.session.get(SEED, "")))
    if seed is None:
        seed = make_seed()
        request.session[SEED] = seal_seed(seed)
    return seed


def _spell(uri: str) -> str:
    """Return the seed of an otpauth: address in groups of four, to be typed."""
    text = uri.split("secret=")[1].split("&")[0]
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))
