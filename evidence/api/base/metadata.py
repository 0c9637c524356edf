"""What OPTIONS answers."""

from __future__ import annotations

from typing import Any

from rest_framework.metadata import BaseMetadata
from rest_framework.request import Request


class PlainMetadata(BaseMetadata):
    """Answers OPTIONS with what a resource is; its fields are in the schema.

    DRF's own asks the view for the form of each method, which streams do not have.
    """

    def determine_metadata(self, request: Request, view: Any) -> dict[str, Any]:
        return {
            "name": view.get_view_name(),
            "description": view.get_view_description(),
            "renders": [renderer.media_type for renderer in view.renderer_classes],
            "parses": [parser.media_type for parser in view.parser_classes],
        }
