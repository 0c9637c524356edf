"""Who signs in with a password that another has set chooses their own first."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

MARK = "password_to_change"
CHOOSE = (
    "An administrator set your password, and knows it. Choose one of your own: then "
    "everything else opens."
)


class FirstPasswordMiddleware:
    """Lead such a session to the page for a new password, and nowhere else."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Without the cookie there is no session to ask, and nothing varies by it.
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return self.get_response(request)
        if not request.session.get(MARK) or not request.user.is_authenticated:
            return self.get_response(request)
        page = reverse("admin:password_change")
        if request.path_info in (page, reverse("admin:logout")):
            return self.get_response(request)
        if request.path_info.startswith("/api/"):
            raise PermissionDenied(CHOOSE)
        messages.warning(request, CHOOSE)
        return HttpResponseRedirect(page)
