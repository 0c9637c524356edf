"""Hands out the OpenAPI document, which is made once in each process."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response


@cache
def make_document() -> dict[str, Any]:
    """Return the whole document. It tells of no row, and is the same for everybody.

    Making it takes seconds, and writing it as YAML as long again: all who may read it
    could keep a process busy by asking often.
    """
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return document


@cache
def write_document(media_type: str) -> bytes:
    """Return the document as one of its formats writes it."""
    kinds = SchemaView.renderer_classes
    renderer = next(kind for kind in kinds if kind.media_type == media_type)()
    written = renderer.render(make_document(), renderer_context={})
    return written.encode() if isinstance(written, str) else written


class SchemaView(SpectacularAPIView):
    """The document in the format that was asked for, as YAML else."""

    def handle_exception(self, exc: Exception) -> Response:
        """Answer a refusal in JSON, whatever the document was asked for in."""
        response: Response = super().handle_exception(exc)
        self.request.accepted_renderer = JSONRenderer()
        self.request.accepted_media_type = JSONRenderer.media_type
        return response

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        renderer = request.accepted_renderer
        charset = f"; charset={renderer.charset}" if renderer.charset else ""
        name = self._get_filename(request, None)
        return HttpResponse(
            write_document(str(renderer.media_type)),
            content_type=f"{renderer.media_type}{charset}",
            headers={"Content-Disposition": f'inline; filename="{name}"'},
        )
