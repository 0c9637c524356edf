"""How often a client may ask: counted windows, shared by all processes.

A window's counter is raised in one step of the cache, so that two workers cannot both
let the last request through, and its cost does not grow with the rate.
"""

from __future__ import annotations

import logging
import math
import time
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from redis.exceptions import RedisError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from evidence.counting_cache import counting_cache
from evidence.models import ApiToken

WINDOW_SECONDS = 60
COUNTED = "counted_request"
"""Where a request keeps that it was counted, and whether it may pass."""

logger = logging.getLogger(__name__)


class RateThrottle(BaseThrottle):
    """At most `API_RATES_PER_MINUTE[<rate>]` requests a minute for one token or user.

    A view's `throttle_rate` names its rate; else it is `read` or `write`.
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        is_read = request.method in SAFE_METHODS
        rate = getattr(view, "throttle_rate", None)
        name = "read" if is_read else rate or "write"
        plain: Any = request._request
        self.now = time.time()
        return is_within_rate(
            plain, name=name, client=_name_client(request), now=self.now
        )

    def wait(self) -> float:
        """Return the seconds until the next window starts."""
        return _seconds_left(self.now)


def is_within_rate(request: HttpRequest, *, name: str, client: str, now: float) -> bool:
    """Count a request; return whether its client may still ask in this window.

    Counted once: who was asked for an answer at once, and had none, has been counted.
    Without its cache it lets requests through: an alert lost is worse than one too
    many.
    """
    counted = getattr(request, COUNTED, None)
    if counted is not None and counted[0] == (name, client):
        return bool(counted[1])
    is_within = _count(request, name=name, client=client, now=now)
    setattr(request, COUNTED, ((name, client), is_within))
    return is_within


def _count(request: HttpRequest, *, name: str, client: str, now: float) -> bool:
    limit = settings.API_RATES_PER_MINUTE[name]
    key = f"api-rate:{name}:{client}:{int(now // WINDOW_SECONDS)}"
    try:
        used = counting_cache().count(key, timeout=2 * WINDOW_SECONDS)
    except RedisError:
        logger.exception("api_throttle_without_cache")
        return True
    note_rate(request, limit=limit, used=used, reset=_seconds_left(now))
    return used <= limit


def _seconds_left(now: float) -> float:
    return WINDOW_SECONDS - now % WINDOW_SECONDS


def note_rate(request: Any, *, limit: int, used: int, reset: float) -> None:
    """Keep what the answer is to say of the rate; the middleware writes it."""
    request.rate_headers = {
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": str(max(limit - used, 0)),
        "RateLimit-Reset": str(math.ceil(reset)),
    }


def _name_client(request: Request) -> str:
    if isinstance(request.auth, ApiToken):
        return name_token(request.auth.pk)
    return f"user-{request.user.pk}"


def name_token(token_id: int) -> str:
    """Return the name under which a token's requests are counted."""
    return f"token-{token_id}"
