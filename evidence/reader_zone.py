"""In which zone a person reads times: their own setting, else their browser's, or UTC.

The browser says its zone in a cookie, which the admin's script sets.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from evidence.models import ReaderSettings
from evidence.zones import find_zone

COOKIE = "casefile_zone"
ZONE_LENGTH = 64
API = "/api/"


def zone_of(request: HttpRequest) -> zoneinfo.ZoneInfo | None:
    """Return the reader's zone; None where neither they nor their browser say it."""
    chosen = _chosen_by(request)
    return find_zone(chosen or unquote(request.COOKIES.get(COOKIE, ""))[:ZONE_LENGTH])


def _chosen_by(request: HttpRequest) -> str:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return ""
    row = ReaderSettings.objects.filter(user_id=user.pk).values_list("time_zone")
    return next((name for (name,) in row), "")


class ReaderZoneMiddleware:
    """Show the times of a page in its reader's zone. The API speaks UTC to all."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        zone = None if request.path.startswith(API) else zone_of(request)
        with timezone.override(zone):
            return self.get_response(request)
