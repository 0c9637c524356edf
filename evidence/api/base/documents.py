"""How an operation and its fields are written into the OpenAPI document.

What is answered is described as the rows can be: a column that may be null or empty is
null or empty in answers too, whatever may be sent.
"""

from __future__ import annotations

import re
from typing import Any

from drf_spectacular.openapi import AutoSchema

NOT_EMPTY = {"uri", "email"}
SUMMARY_ENDS = re.compile(r"[.;:](?:\s|$)|\n")


class ApiSchema(AutoSchema):
    """drf-spectacular's view of an operation, with a summary and honest answers."""

    def get_summary(self) -> str:
        """Return a line: of lists and rows by the address, else how the text begins."""
        words = self.path.replace("-", " ").strip("/").split("/")
        action = getattr(self.view, "action", "")
        if action == "list":
            nested = f" of one of the {words[-3]}" if "{" in self.path else ""
            return f"List {words[-1]}{nested}"
        if action == "retrieve":
            return f"Read one of the {words[-2]}"
        return SUMMARY_ENDS.split(self.get_description(), maxsplit=1)[0]

    def _map_serializer_field(
        self, field: Any, direction: str, bypass_extensions: bool = False
    ) -> Any:
        schema = super()._map_serializer_field(field, direction, bypass_extensions)
        is_open = direction == "response" and can_be_empty(field)
        if is_open and schema and "" not in schema.get("enum", [""]):
            return {**schema, "enum": [*schema["enum"], ""]}
        return schema

    def _insert_field_validators(self, field: Any, schema: dict[str, Any]) -> None:
        super()._insert_field_validators(field, schema)
        is_strict = schema.get("format") in NOT_EMPTY
        if is_strict and field.read_only and can_be_empty(field):
            del schema["format"]

    def _get_serializer_field_meta(self, field: Any, direction: str) -> dict[str, Any]:
        meta: dict[str, Any] = super()._get_serializer_field_meta(field, direction)
        if direction == "response":
            meta.pop("default", None)
            if any(getattr(column, "null", False) for column in find_columns(field)):
                meta["nullable"] = True
        return meta


def can_be_empty(field: Any) -> bool:
    """Return whether a serializer's field gives a column of text that may be empty."""
    columns = find_columns(field)
    return bool(columns) and columns[-1].blank and not columns[-1].null


def find_columns(field: Any) -> list[Any]:
    """Return the columns that lead to what a serializer's field gives; or none."""
    model = getattr(getattr(field.parent, "Meta", None), "model", None)
    found: list[Any] = []
    for name in getattr(field, "source_attrs", ()):
        columns = {c.name: c for c in model._meta.get_fields()} if model else {}
        column = columns.get(name)
        if column is None or not getattr(column, "concrete", False):
            break
        found.append(column)
        model = column.related_model
    return found
