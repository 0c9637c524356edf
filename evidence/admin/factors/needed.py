"""Whose role needs a second factor shows one, or adds one, before all else."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from evidence.accounts.factors.held import has_factor, must_have_factor
from evidence.accounts.factors.proving import has_shown_factor
from evidence.admin.first_password import MARK

ADD = (
    "Your role needs a second factor beside the password. Add one here: then "
    "everything else opens."
)
SHOW = "Your role needs a second factor, and this sign-in has not shown one yet."
CONFIRM = "confirm-presence"
PROVIDER = ("sign-in-single", "sign-in-single-return")
"""Where single sign-on shows who is there, before a first factor is added."""
PAGES = (
    "admin:auth_user_factors",
    "admin:auth_user_factors_app",
    "admin:auth_user_factors_passkey",
)
"""Where somebody who has none adds one."""


class SecondFactorMiddleware:
    """Lead a session that lacks a factor to where it is shown or added.

    Asked at each request, so that a role that was just given counts too. Requests with
    an API token have no session: tokens were made by somebody who had shown theirs.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._find_detour(request) or self.get_response(request)

    def _find_detour(self, request: HttpRequest) -> HttpResponse | None:
        # Without the cookie there is no session to ask, and nothing varies by it.
        if (
            not settings.SECOND_FACTOR_ROLES
            or settings.SESSION_COOKIE_NAME not in request.COOKIES
            or has_shown_factor(request.session)
        ):
            return None
        person = request.user
        if not isinstance(person, User) or not must_have_factor(person):
            return None
        return _lead(request, person)


def _lead(request: HttpRequest, person: User) -> HttpResponse | None:
    has_one = has_factor(person)
    open_names = ["admin:logout", "admin:jsi18n", CONFIRM, *PROVIDER]
    if not has_one:
        open_names += PAGES
    if request.session.get(MARK):
        open_names.append("admin:password_change")
    if request.path_info in map(reverse, open_names):
        return None
    said = SHOW if has_one else ADD
    if request.path_info.startswith("/api/"):
        raise PermissionDenied(said)
    messages.warning(request, said)
    page = reverse(CONFIRM if has_one else PAGES[0])
    query = f"?{urlencode({'next': request.get_full_path()})}" if has_one else ""
    return HttpResponseRedirect(f"{page}{query}")
