"""Examples of what is sent and answered, for the OpenAPI document.

Each app keeps its own in `api/examples.json`: `rows` are answers by the name of their
component, `answers` those that have none, by operation, and `requests` what is sent, by
operation and media type. They are real: a test made them on a filled database, and
compares them with what is answered today. What is not kept is sketched from its schema.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from django.apps import apps

from evidence.api.base.sketches import COMPONENT, sketch
from evidence.api.base.streams import csv_lines, json_lines

LINES = "application/x-ndjson"
TABLE = "text/csv"
FILE = Path("api") / "examples.json"
PARTS = ("rows", "answers", "requests")


@cache
def load_examples() -> dict[str, dict[str, Any]]:
    """Return the examples of all apps together, by part and name."""
    found: dict[str, dict[str, Any]] = {part: {} for part in PARTS}
    for config in apps.get_app_configs():
        path = Path(config.path) / FILE
        if path.exists():
            read = json.loads(path.read_text())
            for part in PARTS:
                found[part] |= read.get(part, {})
    return found


def add_examples(operation: dict[str, Any], components: dict[str, Any]) -> None:
    """Put an example beside each body that an operation takes or answers with."""
    examples = load_examples()
    name = operation["operationId"]
    sent = examples["requests"].get(name, {})
    for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
        known = sent.get(media_type)
        body["example"] = known or sketch(body["schema"], components)
    for status, response in operation["responses"].items():
        if status.startswith("2") and response.get("content"):
            kept = examples["answers"].get(f"{name} {status}")
            _add_answers(response["content"], kept, components)


def _add_answers(
    content: dict[str, Any], kept: Any, components: dict[str, Any]
) -> None:
    schema = next(iter(content.values()))["schema"]
    answer = kept or example_of(schema, components)
    rows = answer.get("results", []) if isinstance(answer, dict) else []
    shown = {LINES: _write(json_lines, rows), TABLE: _write(csv_lines, rows)}
    for media_type, body in content.items():
        body["example"] = shown.get(media_type, answer)


def example_of(schema: dict[str, Any], components: dict[str, Any]) -> Any:
    """Return the example of a component, a page of it or an array, or a sketch."""
    rows = load_examples()["rows"]
    if schema.get("type") == "array":
        return [example_of(schema["items"], components)]
    name = schema.get("$ref", "").removeprefix(COMPONENT)
    if name in rows:
        return _complete(rows[name], schema, components)
    results = components.get(name, {}).get("properties", {}).get("results")
    if name.startswith("Paginated") and results:
        page = example_of(results, components)
        return {"next": None, "previous": None, "results": page}
    return sketch(schema, components)


def _complete(row: Any, schema: dict[str, Any], components: dict[str, Any]) -> Any:
    """Return a kept row with just the fields of today: what came since is sketched."""
    today = sketch(schema, components)
    return {key: row.get(key, value) for key, value in today.items()}


def _write(
    lines: Callable[[list[str], Iterator[Any]], Iterator[str]], rows: list[Any]
) -> str:
    return "".join(lines(list(rows[0]) if rows else [], iter([rows])))
