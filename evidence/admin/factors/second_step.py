"""The second step of a sign-in: the password was right, now the factor.

In between nobody is signed in. The session only notes whose password was given, and
forgets it within minutes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from unfold.widgets import UnfoldAdminTextInputWidget

from evidence.accounts.factors.held import find_factors
from evidence.accounts.factors.proving import SignInWay, prove_code
from evidence.admin.drawing import draw_page
from evidence.admin.factors.challenges import WRONG as WRONG_PASSKEY
from evidence.admin.factors.challenges import (
    ask_for_passkey,
    obstacle_of,
    prove_passkey,
)
from evidence.admin.methods import takes_forms
from evidence.admin.welcome import welcome

NAME = "sign-in-factor"
PENDING = "sign_in_pending"
SECOND = "second"
TIME_FOR_IT = dt.timedelta(minutes=5)
WRONG = (
    "This is no code that works now. Each code of an app is taken once: wait for the "
    "next one. Each recovery code works once too."
)


class CodeForm(forms.Form):
    code = forms.CharField(
        max_length=40,
        label="Code",
        help_text="The six digits that your authenticator app shows, or a recovery "
        "code.",
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "autofocus": True}
        ),
    )


def begin_second_step(
    request: HttpRequest, person: User, ways: Sequence[SignInWay], target: str
) -> HttpResponse:
    """Note who came by which way so far, and lead to the page for the factor."""
    request.session[PENDING] = {
        "person": person.pk,
        "stamp": person.get_session_auth_hash(),
        "at": timezone.now().isoformat(),
        "next": target,
        "ways": [way.value for way in ways],
    }
    return HttpResponseRedirect(reverse(NAME))


@never_cache
@csrf_protect
@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
@takes_forms
def second_step_page(request: HttpRequest) -> HttpResponse:
    """Ask for the factor, and sign in who shows it."""
    found = find_pending(request, now=timezone.now())
    if found is None:
        request.session.pop(PENDING, None)
        messages.warning(request, "That took too long, or was done. Sign in again.")
        return HttpResponseRedirect(reverse("admin:login"))
    person, ways, target = found
    is_passkey = "answer" in request.POST
    if is_passkey and prove_passkey(request, SECOND, person):
        del request.session[PENDING]
        return welcome(request, person, [*ways, SignInWay.PASSKEY], target)
    is_code = request.method == "POST" and not is_passkey
    form = CodeForm(request.POST if is_code else None)
    if form.is_valid():
        way = prove_code(request, person, form.cleaned_data["code"])
        if way is not None:
            del request.session[PENDING]
            return welcome(request, person, [*ways, way], target)
        form.add_error("code", WRONG)
    held = find_factors(person)
    return draw_page(
        request,
        "evidence/people/second_step.html",
        title="Second factor",
        form=form,
        held=held,
        options=ask_for_passkey(request, SECOND, person) if held.passkeys else "",
        obstacle=obstacle_of(request),
        fault=WRONG_PASSKEY if is_passkey else "",
    )


def find_pending(
    request: HttpRequest, *, now: dt.datetime
) -> tuple[User, list[SignInWay], str] | None:
    """Return who came how far minutes ago, by which ways, and where they want to."""
    pending: Any = request.session.get(PENDING)
    if not isinstance(pending, dict):
        return None
    if now - dt.datetime.fromisoformat(pending["at"]) > TIME_FOR_IT:
        return None
    person = User.objects.filter(pk=pending["person"], is_active=True).first()
    if person is None:
        return None
    same = constant_time_compare(pending["stamp"], person.get_session_auth_hash())
    ways = [SignInWay(way) for way in pending["ways"]]
    return (person, ways, str(pending["next"])) if same else None
