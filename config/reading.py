"""Requests of who only reads, under the database role that cannot write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from evidence.accounts.reading import only_reads
from evidence.database.base import DatabaseWrapper
from evidence.database.reading import begin_reading, end_reading, own, reading
from evidence.database.replica import SAFE_METHODS, may_lag, note_sent

OWN_ACCOUNT = (
    "/admin/login/",
    "/admin/logout/",
    "/admin/confirm/",
    "/admin/password_change/",
    "/admin/auth/user/",
    "/admin/incidents/notification/preferences/",
)
"""The pages of one's own account: they write passwords, sessions and settings. Who only
reads has no right to anybody else's."""


class ReadingMiddleware:
    """Have who only reads do so, from when they are known until the answer is sent.

    A session's person is known here; a token's is once the view has looked at it
    (evidence/api/base/authentication.py). It stands inside of those that write
    sessions and messages, which do so by the application's own role.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            response = self.get_response(request)
            if own().reads_as and response.streaming:
                _read_on(response, own())
        finally:
            end_reading()
            if request.method not in SAFE_METHODS:
                _note_sent(request)
        return response

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> None:
        is_own = request.path_info.startswith(OWN_ACCOUNT)
        if not is_own and only_reads(request.user):
            begin_reading(may_lag=may_lag(request.method, request.user.pk))


def _note_sent(request: HttpRequest) -> None:
    if settings.REPLICA_DATABASE is not None and request.user.is_authenticated:
        note_sent(request.user.pk)


def _read_on(response: Any, over: DatabaseWrapper) -> None:
    """Have what is still to be sent read under the role, too, part by part."""
    parts: Iterator[bytes] = iter(response.streaming_content)
    response.streaming_content = _under_role(parts, over)


def _under_role(parts: Iterator[bytes], over: DatabaseWrapper) -> Iterator[bytes]:
    while True:
        with reading(over):
            part = next(parts, None)
        if part is None:
            return
        yield part
