"""Asks for all that the API documents, on the filled database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.urls import resolve
from rest_framework.test import APIClient

from evidence.api.base.schema_view import make_document
from evidence.models import TokenScope
from incidents.models import Incident
from tests.api.conftest import make_client

NEWEST = 3
# What an operation cannot be asked without.
QUERIES = {"log_consistency_retrieve": {"older": "1"}}
Operation = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What one operation answered, and under which media type."""

    operation: str
    path: str
    status: int
    media_type: str
    body: Any


def read_document() -> dict[str, Any]:
    """Return the OpenAPI document as it is served."""
    return make_document()


def list_operations(document: dict[str, Any]) -> list[tuple[str, str, Operation]]:
    """Return path, method and operation of everything the document describes."""
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def make_reader() -> APIClient:
    """Return somebody who may read everything, evidence and archives too."""
    user = User.objects.get(username="root")
    return make_client(user, *TokenScope.values)


def read_answers(client: APIClient, document: dict[str, Any]) -> Iterator[Answer]:
    """Yield what every GET operation answers; of details, those of the newest rows."""
    for path, method, operation in list_operations(document):
        if method == "get":
            for address in _addresses(path):
                yield _ask(client, address, operation)


def _addresses(path: str) -> list[str]:
    """Return addresses of a path with arguments that exist, newest rows first."""
    argument = re.search(r"\{(\w+)\}", path)
    if argument is None:
        return [path]
    if argument[1] == "reference":
        cases = Incident.objects.values_list("reference", flat=True)
        return [path.replace(argument[0], reference) for reference in cases[:NEWEST]]
    view: Any = resolve(path.replace(argument[0], "1")).func
    parent = resolve(f"{path.split('{', maxsplit=1)[0]}1/").func
    model = getattr(parent, "cls", view.cls).queryset.model
    keys = model._default_manager.order_by("-pk").values_list("pk", flat=True)
    return [path.replace(argument[0], str(key)) for key in keys[:NEWEST]]


def _ask(client: APIClient, address: str, operation: Operation) -> Answer:
    query = QUERIES.get(operation["operationId"], {})
    response = client.get(f"{address}?{urlencode(query)}" if query else address)
    media_type = response["Content-Type"].partition(";")[0]
    is_json = media_type.endswith("json")
    body = response.json() if is_json else _read(response)
    name = operation["operationId"]
    return Answer(name, address, response.status_code, media_type, body)


def _read(response: Any) -> bytes:
    return b"".join(response) if response.streaming else response.content
