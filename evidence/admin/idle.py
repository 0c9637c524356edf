"""Sessions end: unused ones by SESSION_IDLE_MINUTES, and all by SESSION_HOURS."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from evidence.accounts.sessions import is_idle, is_over, note_seen


class IdleSessionMiddleware:
    """Sign out who was away too long, or came too long ago; note who is here."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            self._look(request)
        return self.get_response(request)

    def _look(self, request: HttpRequest) -> None:
        now = timezone.now()
        limit = dt.timedelta(minutes=settings.SESSION_IDLE_MINUTES)
        longest = dt.timedelta(seconds=settings.SESSION_COOKIE_AGE)
        idle = limit and is_idle(request.session, limit, now=now)
        if idle or is_over(request.session, longest, now=now):
            logout(request)
        elif not _is_by_itself(request):
            note_seen(request.session, now=now)


def _is_by_itself(request: HttpRequest) -> bool:
    """Return whether a page's script asks, as open pages do every few seconds.

    Otherwise a page that somebody left open would keep the session for ever.
    """
    by_script = request.headers.get("Sec-Fetch-Dest") == "empty"
    return by_script and request.method in ("GET", "HEAD")
