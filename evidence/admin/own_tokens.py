"""A person's own page of API tokens: made, given a new secret, revoked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from evidence.accounts.token_rotation import LONGEST_OVERLAP_HOURS, rotate_token
from evidence.accounts.tokens import (
    LONGEST_DAYS,
    MAKE_OWN,
    create_token,
    revoke_token,
)
from evidence.admin.base import call_service, person_of, read_key
from evidence.admin.drawing import draw_page
from evidence.admin.form_answers import answer_form
from evidence.admin.methods import takes_forms
from evidence.admin.presence_page import ask_presence
from evidence.admin.tokens import DEFAULT_DAYS, TokenForm
from evidence.models import ApiToken

DEFAULT_OVERLAP_HOURS = 24
SHOWN = 100


class RotationForm(forms.Form):
    """How long the new secret is valid, and the old one beside it."""

    days = forms.IntegerField(
        min_value=1,
        max_value=LONGEST_DAYS,
        initial=DEFAULT_DAYS,
        widget=UnfoldAdminIntegerFieldWidget,
        label="Days until the new one expires",
    )
    overlap_hours = forms.IntegerField(
        min_value=0,
        max_value=LONGEST_OVERLAP_HOURS,
        initial=DEFAULT_OVERLAP_HOURS,
        widget=UnfoldAdminIntegerFieldWidget,
        label="Hours that the old one still works",
        help_text="Time to reach every machine. 0 ends it at once; revoking it ends "
        "it early.",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@takes_forms
def tokens_page(request: HttpRequest) -> HttpResponse:
    """List one's own tokens; a POST revokes the one that it names."""
    person = person_of(request)
    if request.method == "POST":
        token = _find_own(request, request.POST.get("revoke", ""))
        service = partial(
            revoke_token, token_id=token.pk, actor=person, reason="by its owner"
        )
        call_service(request, service, success=f"{token} is revoked.")
        return HttpResponseRedirect(reverse("admin:auth_user_tokens"))
    now = timezone.now()
    tokens = list(
        ApiToken.objects.filter(user=person)
        .select_related("user", "created_by", "replaced_by")
        .order_by("-pk")[:SHOWN]
    )
    return draw_page(
        request,
        "evidence/people/tokens.html",
        title="My tokens",
        tokens=[(token, token.state_at(now)) for token in tokens],
        may_make=person.has_perm(MAKE_OWN),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("secret")
@takes_forms
def own_token_page(request: HttpRequest) -> HttpResponse:
    """Make a token of one's own; the answer to the form is all that shows it."""
    person = person_of(request)
    if not person.has_perm(MAKE_OWN):
        raise PermissionDenied
    if (question := ask_presence(request)) is not None:
        return question
    return answer_form(
        request,
        make=lambda data, files: TokenForm(data, owner=person),
        run=lambda form: _shown(
            request, lambda: create_token(actor=person, **form.cleaned_data)
        ),
        show=lambda form, error: _draw(request, "make", "New token", form=form),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("secret")
@takes_forms
def rotate_own_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Give one's own token a new secret, which is shown this once."""
    person, token = person_of(request), _find_own(request, str(pk))
    if not person.has_perm(MAKE_OWN):
        raise PermissionDenied
    if (question := ask_presence(request)) is not None:
        return question
    return answer_form(
        request,
        make=lambda data, files: RotationForm(data),
        run=lambda form: _shown(
            request,
            lambda: rotate_token(token_id=token.pk, actor=person, **form.cleaned_data),
        ),
        show=lambda form, error: _draw(
            request, "rotate", "A new secret", form=form, token=token
        ),
    )


def _find_own(request: HttpRequest, key: str) -> ApiToken:
    """Return one's own token; 404 for one that is missing or somebody else's."""
    own = ApiToken.objects.filter(user=person_of(request), pk=read_key(key) or 0)
    token = own.first()
    if token is None:
        raise Http404
    return token


@sensitive_variables("secret")
def _shown(
    request: HttpRequest, make: Callable[[], tuple[ApiToken, str]]
) -> HttpResponse:
    """Show a secret, once: a form that is sent again leads to the list."""
    token, secret = make()
    response = _draw(
        request, "shown", "New token", token=token, secret=secret, is_own=True
    )
    response["Content-Location"] = reverse("admin:auth_user_tokens")
    return response


def _draw(
    request: HttpRequest, name: str, title: str, **context: Any
) -> TemplateResponse:
    response = draw_page(
        request,
        f"evidence/tokens/{name}.html",
        title=title,
        opts=ApiToken._meta,
        is_own=context.pop("is_own", True),
        **context,
    )
    response["Cache-Control"] = "no-store"
    return response
