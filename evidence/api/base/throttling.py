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
from redis.exceptions import RedisError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from evidence.counting_cache import counting_cache
from evidence.models import ApiToken

WINDOW_SECONDS = 60

logger = logging.getLogger(__name__)


class RateThrottle(BaseThrottle):
    """At most `API_RATES_PER_MINUTE[<rate>]` requests a minute for one token or user.

    A view's `throttle_rate` names its rate; else it is `read` or `write`. Without its
    cache it lets requests through: an alert lost is worse than one too many.
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        is_read = request.method in SAFE_METHODS
        rate = getattr(view, "throttle_rate", None)
        name = "read" if is_read else rate or "write"
        limit = settings.API_RATES_PER_MINUTE[name]
        self.now = time.time()
        window = int(self.now // WINDOW_SECONDS)
        key = f"api-rate:{name}:{_name_client(request)}:{window}"
        try:
            used = counting_cache().count(key, timeout=2 * WINDOW_SECONDS)
            note_rate(request, limit=limit, used=used, reset=self.wait())
            return used <= limit
        except RedisError:
            logger.exception("api_throttle_without_cache")
            return True

    def wait(self) -> float:
        """Return the seconds until the next window starts."""
        return WINDOW_SECONDS - self.now % WINDOW_SECONDS


def note_rate(request: Request, *, limit: int, used: int, reset: float) -> None:
    """Keep what the answer is to say of the rate; the middleware writes it."""
    plain: Any = request._request
    plain.rate_headers = {
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": str(max(limit - used, 0)),
        "RateLimit-Reset": str(math.ceil(reset)),
    }


def _name_client(request: Request) -> str:
    if isinstance(request.auth, ApiToken):
        return f"token-{request.auth.pk}"
    return f"user-{request.user.pk}"
