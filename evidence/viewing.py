"""Who a request is answered for: what they may not see is left out of every query."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from django.contrib.auth.models import AnonymousUser
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponseBase,
    StreamingHttpResponse,
)

from evidence.models.case_bound import Viewer, looked_at_by


class ViewerMiddleware:
    """Have everything in a request looked at by who sent it, streams to their end."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # The API sets the token's person on the request when it has read the token.
        viewer = Viewer(lambda: getattr(request, "user", None) or AnonymousUser())
        with looked_at_by(viewer):
            response = self.get_response(request)
        # A file is open already, and is best sent by the server itself.
        if isinstance(response, StreamingHttpResponse) and not isinstance(
            response, FileResponse
        ):
            chunks = cast(Iterator[bytes], response.streaming_content)
            response.streaming_content = _watched(chunks, viewer)
        return response


def _watched(chunks: Iterator[bytes], viewer: Viewer) -> Iterator[Any]:
    # Entered anew for each piece: between two, other work runs in this context.
    rest = iter(chunks)
    while True:
        with looked_at_by(viewer):
            chunk = next(rest, None)
        if chunk is None:
            return
        yield chunk
