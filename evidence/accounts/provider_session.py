"""How the provider of single sign-on is asked: by few at once, for so long, so much.

Anybody can have Casefile ask it, by opening the page that leads there. One that hangs
would otherwise hold every thread, for accounts of one's own too, and one that never
ends its answer would fill the memory.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from authlib.integrations.django_client import DjangoOAuth2App
from authlib.integrations.requests_client import OAuth2Session
from requests import ConnectionError as Unconnected
from requests import PreparedRequest, Response, TooManyRedirects
from requests import Timeout as TooSlow
from urllib3.exceptions import HTTPError

TIMEOUT_SECONDS = 10
MOST_BYTES = 1_000_000
"""Documents and key sets have some thousand bytes, tokens with many groups less."""
MOST_AT_ONCE, PATIENCE_SECONDS = 3, 1.0
"""How many threads of a process may wait for it, of eight as set; and how long others
wait for a turn. It answers in a fraction of that."""
PART_BYTES = 8_192
_turns = threading.BoundedSemaphore(MOST_AT_ONCE)


class ProviderSession(OAuth2Session):
    """Authlib's, with limits, and without redirects: they could lead to plain text.

    What is beyond them is a RequestException, as of a provider that is away.
    """

    def send(self, request: PreparedRequest, **how: Any) -> Response:
        if not _turns.acquire(timeout=PATIENCE_SECONDS):
            raise TooSlow("Others wait for the provider already.")
        try:
            return self._hear(request, how | {"stream": True, "allow_redirects": False})
        finally:
            _turns.release()

    def _hear(self, request: PreparedRequest, how: dict[str, Any]) -> Response:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        response: Response = super().send(request, **how)
        try:
            if response.is_redirect:
                raise TooManyRedirects("The provider leads elsewhere.")
            response._content = _read(response.raw, deadline)
        except HTTPError as error:
            raise Unconnected(str(error)) from error
        finally:
            response.close()
        return response


class ProviderClient(DjangoOAuth2App):
    client_cls = ProviderSession


def _read(raw: Any, deadline: float) -> bytes:
    """Return a body, looked at as it comes: each byte could be waited for."""
    body = b""
    while part := raw.read1(PART_BYTES, decode_content=True):
        body += part
        if len(body) > MOST_BYTES:
            raise Unconnected("The provider's answer is too long.")
        if time.monotonic() > deadline:
            raise TooSlow("The provider's answer takes too long.")
    return body
