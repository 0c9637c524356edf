"""Pages of our own inside the admin's frame."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse


def draw_page(
    request: HttpRequest, template: str, *, status: int = 200, **context: Any
) -> TemplateResponse:
    """Return a page with the admin's head, menu and messages around it."""
    request.current_app = admin.site.name
    shared = admin.site.each_context(request)
    return TemplateResponse(request, template, {**shared, **context}, status=status)
